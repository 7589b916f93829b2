"""Where in a text are the tables, and what stands in each of their cells?

Tables as GitHub has them (https://github.github.com/gfm/#tables-extension-), except that a bar in a code span
is part of the code.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from newsletter.content.document import BLOCK_FILL, Document
from newsletter.model.issue import Prose

_BAR = re.compile(r"(?<!\\)\|")
_DASHES = re.compile(r":?-+:?")
# Another block begins, and the table is over (GFM, 4.10).
_BREAKS = ("#", ">", BLOCK_FILL)


class Cell(NamedTuple):
    """A cell; `start` and `end` are its text's offsets, the same where it is empty."""

    prose: Prose
    start: int
    end: int


class TableRow(NamedTuple):
    """A line of a table; `start` and `end` are its offsets without spaces around it."""

    cells: tuple[Cell, ...]
    start: int
    end: int


class Table(NamedTuple):
    """A table.

    Attributes:
        header: its first row.
        columns: how many the line of dashes has.
        rows: the others.
        start: offset of its first line.
        end: offset of the line after it.
    """

    header: TableRow
    columns: int
    rows: tuple[TableRow, ...]
    start: int
    end: int


def find_tables(document: Document, start: int, end: int) -> list[Table]:
    """The tables between two offsets; `start` is the beginning of a line."""
    masked = document.masked
    if masked.find("|", start, end) < 0:
        return []
    lines = masked[start:end].split("\n")
    offsets = [start]
    for line in lines[:-1]:
        offsets.append(offsets[-1] + len(line) + 1)
    found: list[Table] = []
    index = 1
    while index < len(lines):
        columns = _columns(lines[index])
        if not columns or "|" not in lines[index - 1] or lines[index - 1].startswith(_BREAKS):
            index += 1
            continue
        last = index
        while last + 1 < len(lines) and lines[last + 1].strip() and not lines[last + 1].startswith(_BREAKS):
            last += 1
        rows = [_row(document, offsets[i], lines[i]) for i in (index - 1, *range(index + 1, last + 1))]
        table_end = min(offsets[last] + len(lines[last]) + 1, end)
        found.append(Table(rows[0], columns, tuple(rows[1:]), offsets[index - 1], table_end))
        index = last + 2
    return found


def _columns(line: str) -> int:
    """How many columns the line of dashes below a header declares; 0 where the line is none."""
    if "-" not in line or "|" not in line or line.strip(" \t|:-"):
        return 0
    cells = line.strip().removeprefix("|").removesuffix("|").split("|")
    return len(cells) if all(_DASHES.fullmatch(cell.strip()) for cell in cells) else 0


def _row(document: Document, offset: int, line: str) -> TableRow:
    left, right = len(line) - len(line.lstrip()), len(line.rstrip())
    bars = [match.start() for match in _BAR.finditer(line, left, right)]
    start = left
    if bars and bars[0] == left:
        start = bars.pop(0) + 1
    end = right
    if bars and bars[-1] == right - 1:
        end = bars.pop()
    edges = [start, *(bar + 1 for bar in bars)]
    cells = tuple(
        _cell(document, offset, line, a, b) for a, b in zip(edges, [*bars, max(end, start)], strict=True)
    )
    return TableRow(cells, offset + left, offset + right)


def _cell(document: Document, offset: int, line: str, start: int, end: int) -> Cell:
    written = line[start:end]
    begin = start + len(written) - len(written.lstrip())
    stop = start + len(written.rstrip())
    if begin >= stop:
        begin = stop = start
    text = document.slice(offset + begin, offset + stop).replace("\\|", "|")
    return Cell(Prose(text, document.place(offset)[0]), offset + begin, offset + stop)
