"""What does the comparison of a guide say: the table, its caption, and the text around it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from newsletter.content.document import Document, Findings, prose_of_lines
from newsletter.content.fields import fold, plan_of
from newsletter.content.guide_headings import Stretch
from newsletter.content.section_fields import read_fields
from newsletter.content.suggest import listed, nearest
from newsletter.content.tables import Table, TableRow, find_tables
from newsletter.diagnostics import Fix
from newsletter.model.guide import Comparison, Row
from newsletter.model.issue import Labelled, Prose, Section


class _ComparisonFields(Section):
    """What the comparison has beside its table."""

    caption: Annotated[Prose, Labelled("Caption")] = Prose()


def read_comparison(
    document: Document, part: Stretch, options: Sequence[str], findings: Findings
) -> Comparison | None:
    """The comparison, or None where its table isn't one of the options."""
    heading, end = part
    fields = read_fields(document, heading.end, end, plan_of(_ComparisonFields), findings)
    first_line, heading_line = document.place(heading.end)[0], document.place(heading.start)[0]
    tables = find_tables(document, heading.end, end)
    if len(tables) != 1:
        place = (heading.start, heading.text_end)
        if tables:
            place = (tables[1].header.start, tables[1].header.end)
        findings.add(
            "NL504",
            "a second table in the comparison" if tables else "the comparison has no table",
            *place,
            help="a guide has one: add its rows to the first"
            if tables
            else f"begin it with `| | {' | '.join(options) or 'A | B'} |` and a line of dashes",
        )
        if not tables:
            return None
    table = tables[0]
    errors = len(findings.found)
    _check_header(table, options, findings)
    width = len(options) + 1 if options else len(table.header.cells)
    _check_rows(table, width, findings)
    if len(findings.found) > errors or not options:
        return None
    first, last = document.place(table.start)[0], document.place(max(table.start, table.end - 1))[0]
    lines = fields.body
    captions = [found.prose for found in fields.fields]
    cells = [[cell.prose for cell in row.cells] for row in table.rows]
    return Comparison(
        caption=captions[0] if captions else Prose(f"{listed(options, 'and')} compared", first),
        corner=table.header.cells[0].prose,
        rows=tuple(Row(label=label, cells=tuple(rest)) for label, *rest in cells),
        intro=prose_of_lines(lines[: first - first_line], first_line),
        outro=prose_of_lines(lines[last + 1 - first_line :], last + 1),
        line=heading_line,
    )


def _check_header(table: Table, options: Sequence[str], findings: Findings) -> None:
    header, written = table.header, [cell.prose.text for cell in table.header.cells]
    if table.columns != len(header.cells):
        findings.add(
            "NL505",
            f"the header has {len(header.cells)} cells, and the line of dashes below it {table.columns}",
            header.start,
            header.end,
            help="give both as many cells as there are options, and one more on the left",
        )
        return
    if not options or [fold(cell) for cell in written[1:]] == [fold(option) for option in options]:
        return
    wanted = f"write `| {written[0]} | {' | '.join(options)} |`".replace("|  |", "| |", 1)
    if len(written) != len(options) + 1:
        findings.add(
            "NL505",
            f"the header has {len(written)} cells, and {len(options)} options take {len(options) + 1}",
            header.start,
            header.end,
            help=wanted,
        )
        return
    for cell, option in zip(header.cells[1:], options, strict=True):
        words = cell.prose.text
        if fold(words) == fold(option):
            continue
        # Swapped columns look like two wrong names; which of the two is meant only the author knows.
        is_other = fold(words) in {fold(other) for other in options}
        near = nearest(words, [option]) if words and not is_other else ""
        findings.add(
            "NL505",
            f"the column `{words}` stands where the option `{option}` belongs"
            if words
            else f"the column of the option `{option}` has no header",
            cell.start,
            max(cell.end, cell.start + 1),
            help=f"did you mean `{option}`?" if near else wanted,
            fix=Fix(cell.start, cell.end, option) if near else None,
        )


def _check_rows(table: Table, width: int, findings: Findings) -> None:
    if not table.rows:
        findings.add(
            "NL504",
            "the table of the comparison has no rows",
            table.header.start,
            table.header.end,
            help="write a row for each aspect below the line of dashes",
        )
    seen: dict[str, int] = {}
    for row in table.rows:
        if len(row.cells) != width:
            findings.add(
                "NL506",
                f"the row has {len(row.cells)} {'cell' if len(row.cells) == 1 else 'cells'}, and the table {width} columns",
                row.start,
                row.end,
                help="write the label and one cell for each option; text below a table needs an empty line above it"
                if len(row.cells) < width
                else "write a bar within a cell as `\\|`",
            )
            continue
        _check_row(row, seen, findings)


def _check_row(row: TableRow, seen: dict[str, int], findings: Findings) -> None:
    for position, cell in enumerate(row.cells):
        if not cell.prose:
            findings.add(
                "NL506",
                "the row has no label" if position == 0 else "an empty cell",
                cell.start,
                cell.start + 1,
                help="say what the row compares"
                if position == 0
                else "fill it; where nothing applies, say so",
            )
    label = row.cells[0]
    first = seen.setdefault(fold(label.prose.text), label.prose.line)
    if label.prose and first != label.prose.line:
        findings.add(
            "NL509",
            f"the row `{label.prose.text}` stands twice",
            label.start,
            label.end,
            help=f"the first one is on line {first}: merge them",
        )
