"""Do headings, code and line ends keep to what readers, screen readers and version control need?"""

from __future__ import annotations

import re

from newsletter.checks.rule import Rule, Subject
from newsletter.content.document import Findings
from newsletter.diagnostics import Fix

# What the 600-pixel column of a mail shows of 13-pixel code without scrolling.
MOST_CODE_COLUMNS = 64
_LONG_LINE = re.compile(rf"^.{{{MOST_CODE_COLUMNS + 1},}}", re.MULTILINE)


def _check_headings(subject: Subject, findings: Findings) -> None:
    document = subject.document
    previous = 2
    for heading in document.headings:
        if heading.level == 1:
            findings.add(
                "NL213",
                "a second title in the text",
                heading.start,
                heading.text_end,
                help="use `## ` for a section, `### ` within one, and code for what is a comment in code",
            )
        elif heading.level > previous + 1:
            findings.add(
                "NL214",
                f"heading level {heading.level} after level {previous}",
                heading.start,
                heading.text_end,
                help=f"use `{'#' * (previous + 1)} `",
            )
        previous = max(heading.level, 2)
        line_end = document.line_end(heading.start)
        # A carriage return before the line feed is the file's line ending, not a trailing space.
        written = document.raw[heading.start : line_end].removesuffix("\r")
        kept = written.rstrip(" \t")
        if len(kept) < len(written):
            start, end = heading.start + len(kept), heading.start + len(written)
            findings.add(
                "NL216",
                "spaces at the end of a heading",
                start,
                end,
                help="`newsletter check --fix` removes them",
                fix=Fix(start, end, ""),
            )


def _check_code(subject: Subject, findings: Findings) -> None:
    document = subject.document
    for _, opened, end in subject.shown_code:
        for match in _LONG_LINE.finditer(document.text, opened, end):
            columns = len(match[0].rstrip())
            if columns > MOST_CODE_COLUMNS:
                findings.add(
                    "NL311",
                    f"a line of code with {columns} characters",
                    match.start() + MOST_CODE_COLUMNS,
                    match.end(),
                    help=f"mails show about {MOST_CODE_COLUMNS} without scrolling",
                )


def _check_end(subject: Subject, findings: Findings) -> None:
    raw = subject.document.raw
    if raw and not raw.endswith("\n"):
        end = len(raw)
        line_break = "\r\n" if "\r\n" in raw else "\n"
        findings.add(
            "NL217",
            "no line break at the end of the file",
            end - 1,
            end,
            help="`newsletter check --fix` adds it",
            fix=Fix(end, end, line_break),
        )


RULES = (
    Rule(("NL213", "NL214", "NL216"), _check_headings),
    Rule(("NL311",), _check_code, of_mail=True),
    Rule(("NL217",), _check_end),
)
