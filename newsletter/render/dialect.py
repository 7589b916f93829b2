"""What do authors write that Python-Markdown reads otherwise than GitHub does?

An issue is read on GitHub as well. Before parsing, the habits where the two differ are put into
the form both read alike: a list right under a paragraph, lists nested by two or three spaces,
fences inside lists, comments, and definitions that hold for the whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise

from newsletter.content.slots import code_ranges, stands_in

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_ITEM = re.compile(r"^( *)([-*+]|\d{1,9}[.)]) +(?=\S)")
_FENCE = re.compile(r"^ *(`{3,}|~{3,})")
# No reader follows more levels, and Python-Markdown recurses for each.
_DEEPEST = 12
# What ends a list item without a blank line before it (CommonMark 5.2).
_INTERRUPTS = re.compile(r"^ *(?:#{1,6} |>|`{3}|~{3}|(?:[-*_] *){3,}$)")

_LINK_DEFINITION = re.compile(r"^ {0,3}\[(?!\^)([^\[\]\n]+)\]:[ \t]*\S+.*$", re.MULTILINE)
_NOTE_DEFINITION = re.compile(
    r"^ {0,3}\[\^([^\]\n]+)\]:.*(?:\n(?:(?: {2,}|\t).*|[ \t]*(?=\n(?: {2,}|\t))))*", re.MULTILINE
)
# A paragraph of its own that parts two quotes, and is taken out again afterwards.
SEPARATOR = "\ue002"
# Stands before the language of a diagram in a list, as the first line of its code.
LANGUAGE = "\ue004"
_DRAWN = re.compile(r"(?:`{3,}|~{3,}) *(mermaid|dot) *$")
_LABEL = re.compile(r"\[(\^?[^\[\]\n]+)\]")


def _label(written: str) -> str:
    return " ".join(written.lower().split())


def take_definitions(text: str) -> tuple[str, dict[str, str]]:
    """`text` without its link and footnote definitions, and those by label (`^1` for a footnote).

    Definitions hold for the whole issue, as on GitHub, though each part is converted on its own.
    """
    if "]:" not in text:
        return text, {}
    found: dict[str, str] = {}

    for pattern, mark in ((_NOTE_DEFINITION, "^"), (_LINK_DEFINITION, "")):
        code = code_ranges(text)
        pieces: list[str] = []
        position = 0
        for match in pattern.finditer(text):
            if stands_in(code, match.start()):
                continue
            # Python-Markdown wants four spaces before a footnote's further paragraphs.
            definition = re.sub(r"(?m)^(?: {2,}|\t)", "    ", match[0].strip())
            found.setdefault(mark + _label(match[1]), definition)
            pieces.append(text[position : match.start()])
            position = match.end()
        text = "".join([*pieces, text[position:]])
    return text.strip("\n"), found


def with_definitions(text: str, definitions: Mapping[str, str]) -> str:
    """`text` followed by those of `definitions` that it refers to, and those that they refer to."""
    if not definitions or "[" not in text:
        return text
    wanted: dict[str, str] = {}
    queue = [text]
    while queue:
        for match in _LABEL.finditer(queue.pop()):
            label = _label(match[1])
            if label in definitions and label not in wanted:
                wanted[label] = definitions[label]
                queue.append(definitions[label].partition("]:")[2])
    return "\n\n".join([text, *wanted.values()])


@lru_cache(maxsize=512)
def stretches(text: str, size: int = 250) -> tuple[str, ...]:
    """`text` cut into stretches of at least `size` characters that read the same on their own.

    A cut is made only before a paragraph that starts with a letter or a link in the first column,
    after a blank line and outside code: no list, quote or table goes on across it. Footnotes are
    numbered through a text, so one that has any stays whole.
    """
    if len(text) < 2 * size or "[^" in text:
        return (text,)
    code = code_ranges(text)
    cuts = [0]
    for match in re.finditer(r"\n\n(?=[^\W\d_]|\[)", text):
        at = match.end()
        if at - cuts[-1] >= size and not any(start < at < end for start, end in code):
            cuts.append(at)
    return tuple(text[start:end].rstrip("\n") for start, end in pairwise([*cuts, len(text)]))


def to_python_markdown(text: str) -> str:
    """`text` in the form that Python-Markdown reads as GitHub reads the original."""
    text = without_comments(text)
    return "\n".join(_lists(text.expandtabs(4).split("\n")))


def without_comments(text: str) -> str:
    """`text` without its comments, which are the author's own; in code they stay."""
    if "<!--" not in text:
        return text
    pieces: list[str] = []
    position = 0
    for start, end in [*code_ranges(text), (len(text), len(text))]:
        pieces += [_COMMENT.sub("", text[position:start]), text[start:end]]
        position = end
    return "".join(pieces)


def _in_list(fence: str, indent: int) -> Iterator[str]:
    """What stands for an opening fence in a list, where code is indented and has no language but a diagram's."""
    yield ""
    drawn = _DRAWN.match(fence)
    if drawn:
        yield " " * indent + LANGUAGE + drawn[1]


def _lists(lines: list[str]) -> Iterator[str]:
    """Lines with list nesting at four spaces a level, and a blank line before each list."""
    contents: list[int] = []  # the column where the content of each open item starts
    kinds: list[bool] = []  # whether each open item is numbered
    fence = ""
    blank_before, loose, quoted = True, False, False
    for line in lines:
        text = line.lstrip(" ")
        indent = len(line) - len(text)
        opening = _FENCE.match(line)
        if fence:
            closes = opening is not None and opening[1].startswith(fence) and not text.strip("`~ ")
            if not contents:
                yield line
            elif not closes:
                # Python-Markdown knows fences in the first column only: in a list it is indented code.
                yield " " * (4 * len(contents) + 4) + line[min(indent, contents[-1]) :]
            if closes:
                fence, loose = "", bool(contents)
            continue
        if not text:
            blank_before = True
            yield ""
            continue
        item = _ITEM.match(line)
        in_list = bool(contents)
        if item or blank_before or _INTERRUPTS.match(line):
            while contents and (indent < contents[-1] or len(contents) >= _DEEPEST):
                contents.pop()
                # CommonMark 5.3: another kind of marker starts another list.
                loose = kinds.pop() != (item is not None and item[2][0].isdigit()) or loose
        if quoted and blank_before and text.startswith(">"):
            # CommonMark 5.1: a blank line ends a quote; Python-Markdown would go on with it.
            yield from (SEPARATOR, "")
        quoted = text.startswith(">")
        if item and (contents or indent < 4):
            # CommonMark 5.2: a numbered list interrupts a paragraph only where it starts with 1.
            if not in_list and not blank_before and item[2] not in {"-", "*", "+", "1.", "1)"}:
                yield line
                continue
            if not blank_before and (loose or not in_list):
                yield ""
            loose = False
            marker = item[2].replace(")", ".")
            yield " " * (4 * len(contents)) + marker + " " + line[item.end() :]
            contents.append(item.end())
            kinds.append(item[2][0].isdigit())
        elif opening:
            fence = opening[1]
            yield from _in_list(text, 4 * len(contents) + 4) if contents else (line,)
        elif contents:
            loose = loose or blank_before
            yield " " * (4 * len(contents) + max(0, indent - contents[-1])) + text
        else:
            yield line
        blank_before = False
