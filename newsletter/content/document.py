"""What stands where in an issue's file? One scan finds lines, headings, code and forbidden characters.

Every offset counts characters of the file's text as it was read, so that a finding, a caret and a fix all
speak of the same place, whatever the line endings are.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import NamedTuple

from newsletter.content.slots import code_ranges
from newsletter.diagnostics import Diagnostic, Fix, Severity
from newsletter.model.issue import Prose

# What stands for code in `Document.masked`: no letter, no space, no mark of Markdown's.
SPAN_FILL = "\ufffc"
BLOCK_FILL = "\ufffb"

# C0 but for tab and line feed, a carriage return that no line feed follows, DEL, C1, the line separators
# that YAML counts as line breaks and nothing else does, and a byte order mark in the middle of a text.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff]|\r(?!\n)")
# The bytes of UTF-8 but for C0 and DEL, and the other forbidden characters, for a quick look ahead.
_ALLOWED_BYTES = bytes({*range(256)} - {*range(0x20), 0x7F} | {9, 10, 13})
_FORBIDDEN_WIDE = (*map(chr, range(0x80, 0xA0)), "\u2028", "\u2029", "\ufeff")
_AS_SPACE = frozenset("\x0b\x0c\x85\u2028\u2029")
_HEADING = re.compile(r"^(#{1,6})(?!#)[ \t]*(.*?)[ \t]*#*[ \t]*$", re.MULTILINE)
_FENCE_START = re.compile(r" {0,3}(`{3,}|~{3,})")
_OPENING = re.compile(r"---[ \t]*(?:\n|$)")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\n|$)", re.MULTILINE)
# Where a block whose end is missing is over: at a line that is no key and continues none.
_BODY_BEGINS = re.compile(r"^(?![A-Za-z_][\w-]*[ \t]*:|[ \t]+\S|- |[\]}])", re.MULTILINE)
_MOST_CONTROL_FINDINGS = 20


class Heading(NamedTuple):
    """A `#` heading outside code.

    Attributes:
        level: 1 to 6.
        start: offset of its first `#`.
        text_start: offset of its text.
        text_end: offset past its text.
        end: offset past its line break.
    """

    level: int
    start: int
    text_start: int
    text_end: int
    end: int


class Document:
    """The text of an issue with everything that depends on position alone.

    Attributes:
        path: the file as the user named it.
        raw: the text as it was read.
        text: `raw` with line endings and forbidden characters blanked out, of the same length.
        masked: `text` with code replaced by fill characters, of the same length.
        front: (start, end) of the YAML between the dashes, or None.
        front_closed: whether the block has its second line of dashes.
        body_start: offset where the Markdown begins.
        headings: outside code, in order.
        code_blocks: (start, end) of the fenced blocks, fences included.
        open_fence: offset of a fence that is never closed, or None.
    """

    def __init__(self, raw: str, path: str) -> None:
        self.path = path
        self.raw = raw
        text = raw.replace("\r\n", " \n") if "\r" in raw else raw
        self._has_bom = raw.startswith("\ufeff")
        self._controls = [
            m
            for m in (_CONTROL.finditer(raw) if _may_have_controls(raw) else ())
            if not (m.start() == 0 and self._has_bom)
        ]
        if self._controls or self._has_bom:
            text = _CONTROL.sub(" ", text)
        self.text = text
        self._line_starts = list(accumulate(map((1).__add__, map(len, text.split("\n"))), initial=0))[:-1]
        self.front, self.front_closed, self.body_start = self._find_front_matter()
        self._scan_code()
        self.headings = tuple(self._find_headings())

    def _find_front_matter(self) -> tuple[tuple[int, int] | None, bool, int]:
        text = self.text
        begin = 1 if self._has_bom else 0
        opening = _OPENING.match(text, begin)
        if opening is None:
            return None, False, begin
        closing = _CLOSING.search(text, opening.end())
        if closing is not None:
            return (opening.end(), closing.start()), True, closing.end()
        body = _BODY_BEGINS.search(text, opening.end())
        end = body.start() if body else len(text)
        return (opening.end(), end), False, end

    def _find_headings(self) -> Iterator[Heading]:
        masked, end = self.masked, len(self.text)
        at = self.body_start if masked.startswith("#", self.body_start) else self._next_hash(self.body_start)
        while at >= 0:
            match = _HEADING.match(masked, at)
            if match is not None:
                yield Heading(len(match[1]), at, match.start(2), match.end(2), min(match.end() + 1, end))
            at = self._next_hash(at)

    def _next_hash(self, offset: int) -> int:
        return self.masked.find("\n#", offset) + 1 or -1

    def _scan_code(self) -> None:
        text, start = self.text, self.body_start
        pieces, position = [text[:start]], start
        blocks: list[tuple[int, int]] = []
        self.open_fence: int | None = None
        for relative_from, relative_to in code_ranges(text[start:]):
            begin, end = relative_from + start, relative_to + start
            chunk = text[begin:end]
            at_line_start = begin == start or text[begin - 1] == "\n"
            fence = _FENCE_START.match(chunk) if at_line_start else None
            # Three backticks at a line's start may still be a code span that ends on the same line.
            is_block = fence is not None and (chunk.endswith("\n") or end == len(text)) and _is_block(chunk)
            if fence is not None and is_block:
                blocks.append((begin, end))
                if not _closes(chunk, fence[1]):
                    self.open_fence = begin
            fill = BLOCK_FILL if is_block else SPAN_FILL
            pieces += [text[position:begin], "\n".join(fill * len(line) for line in chunk.split("\n"))]
            position = end
        self.masked = "".join([*pieces, text[position:]])
        self.code_blocks = tuple(blocks)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`, both from 1."""
        line = bisect_right(self._line_starts, offset)
        column = offset - self._line_starts[line - 1] + 1
        return line, column - 1 if line == 1 and self._has_bom and column > 1 else column

    def line_end(self, offset: int) -> int:
        """Offset of the line break (or of the end of the file) at or after `offset`."""
        found = self.text.find("\n", offset)
        return len(self.text) if found < 0 else found

    def slice(self, start: int, end: int) -> str:
        """The text from `start` to `end` with line feeds only and without forbidden characters."""
        chunk = self.raw[start:end]
        if "\r" in chunk:
            chunk = chunk.replace("\r\n", "\n")
        return _CONTROL.sub(" ", chunk) if self._controls else chunk

    def prose(self, start: int, end: int) -> Prose:
        """The Markdown from `start`, the beginning of a line, to `end`, without blank lines around it."""
        text = self.slice(start, end)
        return prose_of_lines(text.split("\n"), self.place(start)[0])

    def character_findings(self) -> list[Diagnostic]:
        """Findings about characters that have no place in a text."""
        findings = Findings(self)
        if self._has_bom:
            findings.add(
                "NL108",
                "the file begins with a byte order mark",
                0,
                help="`newsletter check --fix` removes it",
                fix=Fix(0, 1, ""),
            )
        for match in self._controls[:_MOST_CONTROL_FINDINGS]:
            character = match[0]
            replacement = "\n" if character == "\r" else " " if character in _AS_SPACE else ""
            findings.add(
                "NL107",
                f"control character U+{ord(character):04X}",
                match.start(),
                help="`newsletter check --fix` removes it",
                fix=Fix(match.start(), match.end(), replacement),
            )
        return findings.found


def _may_have_controls(text: str) -> bool:
    """Whether a search for forbidden characters can find any: ten times faster than the search."""
    if text.encode("utf-8", "replace").translate(None, _ALLOWED_BYTES):
        return True
    if "\r" in text and text.count("\r") != text.count("\r\n"):
        return True
    return not text.isascii() and any(character in text for character in _FORBIDDEN_WIDE)


def _is_block(chunk: str) -> bool:
    first, _, rest = chunk.partition("\n")
    return bool(rest) or "`" not in first.strip().lstrip("`")


def _closes(chunk: str, mark: str) -> bool:
    lines = chunk.rstrip("\n").split("\n")
    last = lines[-1].strip()
    return len(lines) > 1 and last.startswith(mark) and not last.strip(mark[0])


def prose_of_lines(lines: Iterable[str], first_line: int) -> Prose:
    """Lines as prose: blank ones at both ends dropped, the number of the first one kept."""
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    skipped = 0
    while skipped < len(kept) and not kept[skipped].strip():
        skipped += 1
    if skipped == len(kept):
        return Prose("", first_line)
    return Prose("\n".join(kept[skipped:]), first_line + skipped)


class Findings:
    """Collects findings about one document and works out their places."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.place = document.place
        self.found: list[Diagnostic] = []

    def add(
        self,
        code: str,
        message: str,
        start: int,
        end: int | None = None,
        *,
        help: str = "",  # noqa: A002 - the field's name in every format
        fix: Fix | None = None,
        severity: Severity | None = None,
    ) -> None:
        """Report `code` for the text from `start` to `end`; the carets stay on the first line."""
        from newsletter.diagnostics import CODES

        line, column = self._document.place(start)
        stop = min(start + 1 if end is None else end, self._document.line_end(start))
        self.found.append(
            Diagnostic(
                code=code,
                severity=severity or CODES[code].severity,
                message=message,
                path=self._document.path,
                line=line,
                column=column,
                length=max(1, stop - start),
                help=help,
                fix=fix,
            )
        )


def report_open_fence(document: Document, findings: Findings) -> None:
    """Report a code block that swallows the rest of the file."""
    if document.open_fence is not None:
        findings.add(
            "NL215",
            "this code block never ends",
            document.open_fence,
            document.line_end(document.open_fence),
            help="close it with the same characters on a line of their own",
        )
