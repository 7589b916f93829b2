"""Where does a text address its reader? Finds `{{ subscriber.name | default("there") }}` outside code.

Code is left alone on purpose: an author who writes about templates writes braces in code spans
and fences, and means them literally.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

# Fields every recipient has; `subscriber.metadata.KEY` is open-ended.
FIELDS = (
    "subscriber.name",
    "subscriber.email",
    "subscriber.tags",
    "unsubscribe_url",
    "preferences_url",
)
METADATA_PREFIX = "subscriber.metadata."

_EXPRESSION = re.compile(r"\{\{(?P<inner>[^{}\n]*)\}\}")
# In a table the bar has a backslash before it, or it would end the cell wherever else the file is read.
_INNER = re.compile(
    r"""^\s*(?P<field>[A-Za-z_][\w.-]*)\s*
        (?:\\?\|\s*default\(\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')\s*\)\s*)?$""",
    re.VERBOSE,
)
_FENCE = re.compile(r" {0,3}(?P<mark>`{3,}|~{3,})(?P<info>[^\r\n]*)(?:\r?\n|\r|\Z)")
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")


class SlotExpression(NamedTuple):
    """One `{{ … }}` in a text.

    Attributes:
        start: offset of the first brace.
        end: offset past the last.
        field: what it names, empty where the expression can't be read.
        default: its `default("…")`, or empty.
        known: whether the field exists.
    """

    start: int
    end: int
    field: str
    default: str
    known: bool


def code_ranges(text: str) -> list[tuple[int, int]]:
    """Where `text` is code: fenced blocks and code spans, as (start, end) offsets in order."""
    ranges: list[tuple[int, int]] = []
    open_at, open_mark = -1, ""
    prose_from = 0
    for match in _fences(text):
        if open_at < 0:
            # A backtick fence can't have a backtick in its info string (CommonMark 4.5).
            if match["mark"][0] != "`" or "`" not in match["info"]:
                ranges += _code_spans(text, prose_from, match.start())
                open_at, open_mark = match.start(), match["mark"]
        elif match["mark"].startswith(open_mark) and not match["info"].strip():
            ranges.append((open_at, match.end()))
            open_at, prose_from = -1, match.end()
    if open_at >= 0:
        ranges.append((open_at, len(text)))
    else:
        ranges += _code_spans(text, prose_from, len(text))
    return ranges


def stands_in(ranges: Sequence[tuple[int, int]], offset: int) -> bool:
    """Whether one of `ranges`, (start, end) offsets in order, has the offset in it: of `code_ranges`, for one."""
    before = bisect_right(ranges, offset, key=itemgetter(0))
    return before > 0 and offset < ranges[before - 1][1]


def _fences(text: str) -> Iterator[re.Match[str]]:
    """The lines that may open or close a block of code; looking for their marks first is what makes this fast."""
    ends = (text.replace("\r", "\n") if "\r" in text else text).rfind
    ticks, tildes, last = text.find("```"), text.find("~~~"), len(text)
    while ticks >= 0 or tildes >= 0:
        at = min(ticks if ticks >= 0 else last, tildes if tildes >= 0 else last)
        match = _FENCE.match(text, ends("\n", 0, at) + 1)
        if match is not None and match.start("mark") == at:
            yield match
        past = match.end() if match is not None else at + 3
        if 0 <= ticks < past:
            ticks = text.find("```", past)
        if 0 <= tildes < past:
            tildes = text.find("~~~", past)


def _code_spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Code spans between two offsets: from a run of backticks to the next one of the same length in its paragraph."""
    runs: list[tuple[int, int]] = []
    at = text.find("`", start, end)
    while at >= 0:
        past = at + 1
        while past < end and text[past] == "`":
            past += 1
        runs.append((at, past))
        at = text.find("`", past, end)
    by_length: dict[int, list[int]] = {}
    for run_start, run_end in runs:
        by_length.setdefault(run_end - run_start, []).append(run_start)
    spans: list[tuple[int, int]] = []
    position = start
    for run_start, run_end in runs:
        # A backtick after a backslash opens nothing.
        if run_start < position or (run_start > start and text[run_start - 1] == "\\"):
            continue
        length = run_end - run_start
        same = by_length[length]
        after = bisect_right(same, run_start)
        # A span ends within its paragraph: a stray backtick doesn't swallow the rest of the text.
        if after < len(same) and (
            text.find("\n", run_end, same[after]) < 0 or not _BLANK_LINE.search(text, run_end, same[after])
        ):
            position = same[after] + length
            spans.append((run_start, position))
    return spans


def parse_expression(inner: str) -> tuple[str, str] | None:
    """The field and the default of what stands between the braces; None where it can't be read."""
    match = _INNER.match(inner)
    if match is None:
        return None
    return match["field"], match["double"] or match["single"] or ""


def is_known(field: str) -> bool:
    """Whether recipients have a field of this name."""
    return field in FIELDS or (field.startswith(METADATA_PREFIX) and len(field) > len(METADATA_PREFIX))


def find_slots(text: str) -> list[SlotExpression]:
    """Every `{{ … }}` of `text` that is not inside code, in order."""
    if "{{" not in text:
        return []
    code = code_ranges(text)
    found: list[SlotExpression] = []
    for match in _EXPRESSION.finditer(text):
        if stands_in(code, match.start()):
            continue
        parsed = parse_expression(match["inner"])
        field, default = parsed or ("", "")
        found.append(SlotExpression(match.start(), match.end(), field, default, is_known(field)))
    return found


def to_nobody(text: str) -> str:
    """`text` as it reads where there is no reader, in a list of issues or a search's result: slots say their default."""
    for slot in reversed(find_slots(text)):
        text = text[: slot.start] + slot.default + text[slot.end :]
    return text
