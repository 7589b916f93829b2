"""Do code and tables fit the 375 pixels of a phone, measured as the mail's own style sheet sets them?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from newsletter.checks.layout import MOST_CODE_COLUMNS
from newsletter.checks.rule import Rule, Subject
from newsletter.content.document import Findings
from newsletter.diagnostics import Severity

# Page and column, less what `templates/email` puts left and right of the text, on a phone and in a window.
PHONE = 375 - 2 * 20
COLUMN = 600 - 2 * 32
# Code on a phone: 12 pixels high, 0.6 of that wide in every common monospaced font, in a cell with 14 pixels and a line
# on both sides.
PHONE_CODE_COLUMNS = int((PHONE - 2 * 15) / (12 * 0.6))
# Tables: 15 pixels high, about half of that wide; a cell ends with 12 pixels.
LETTER, GAP = 7.5, 12
_SLOT = re.compile(r"\{\{[^{}\n]*\}\}")
# A few long lines wrap and are read all the same; where three of four do, the shape of the code is lost.
_LEAST_LINES = 4


def _check_code(subject: Subject, findings: Findings) -> None:
    document = subject.document
    for start, opened, end in subject.shown_code:
        lines = [line.rstrip() for line in document.text[opened + 1 : end].split("\n")[:-1]]
        lines = [line for line in lines if line and not line.startswith(("```", "~~~"))]
        long = sum(len(line) > PHONE_CODE_COLUMNS for line in lines)
        if len(lines) < _LEAST_LINES or long * 4 < len(lines) * 3 or max(map(len, lines)) > MOST_CODE_COLUMNS:
            continue  # the longest has a finding of its own
        findings.add(
            "NL841",
            f"{long} of {len(lines)} lines of code wrap on a phone",
            start,
            opened,
            help=f"375 pixels show {PHONE_CODE_COLUMNS} characters: shorten names, indent less, or break lines",
        )


def _check_tables(subject: Subject, findings: Findings) -> None:
    if "|" not in subject.body:
        return
    document = subject.document
    for start, end in _tables(subject.body):
        begin = document.body_start + start
        rows = document.text[begin : document.body_start + end].split("\n")
        del rows[1]
        columns, least = _least_width(rows, str.split)
        if least > PHONE:
            # Seldom: only now are links, code and escaped bars told apart.
            columns, least = _least_width(rows, _words)
        if least <= PHONE:
            continue
        findings.add(
            "NL840",
            f"a table of {columns} columns that needs {least} pixels",
            begin,
            document.line_end(begin),
            help=f"a phone has {PHONE}: fewer columns or shorter words, or a list"
            + ("" if least <= COLUMN else f"; even a wide window has {COLUMN} only"),
            severity=Severity.INFO if least <= COLUMN else None,
        )


def _tables(body: str) -> Iterator[tuple[int, int]]:
    """Where tables stand, from the header to the end of their last row: what is around a row of dashes."""
    over = 0
    for dashes in re.finditer(r"\n[ |:]*-[ |:-]*(?=\n|$)", body):
        # Within a table, dashes are a row like any other.
        if "|" not in dashes[0] or dashes.start() < over:
            continue
        start = body.rfind("\n", 0, dashes.start()) + 1
        if "|" not in body[start : dashes.start()]:
            continue
        end = dashes.end()
        while end < len(body):
            following = body.find("\n", end + 1)
            following = len(body) if following < 0 else following
            if "|" not in body[end + 1 : following]:
                break
            end = following
        over = end
        yield start, end


def _least_width(rows: list[str], words: Callable[[str], list[str]]) -> tuple[int, int]:
    """Columns of a table, and the pixels it can't get below: a line breaks between words and nowhere else."""
    longest: list[int] = []
    for row in rows:
        if "{{" in row:
            row = _SLOT.sub("a name", row)  # noqa: PLW2901 - the bar in it parts no cells, and nobody sees it
        cells = row.replace("\\|", "/").strip(" \t|").split("|")
        longest += [0] * (len(cells) - len(longest))
        for column, cell in enumerate(cells):
            longest[column] = max(longest[column], max(map(len, words(cell)), default=0))
    return len(longest), int(sum(longest) * LETTER + len(longest) * GAP)


def _words(cell: str) -> list[str]:
    """What a line of a cell can't be broken in; hyphens and slashes let it, and addresses aren't shown."""
    if "](" in cell:
        cell = re.sub(r"\]\([^()\s]*\)", "", cell)
    return re.split(r"[\s/-]+", re.sub(r"[`*\[\]]", "", cell))


RULES = (
    Rule(("NL841",), _check_code, of_mail=True),
    Rule(("NL840",), _check_tables, of_mail=True),
)
