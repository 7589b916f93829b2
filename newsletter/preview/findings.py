"""How does a finding reach the page? As plain data with the lines around it, ready to be shown and opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from newsletter.diagnostics import CODES, Diagnostic, Severity
from newsletter.preview.files import shown_name, text_of

_AROUND = 5  # lines of context on each side


def findings_json(
    diagnostics: Iterable[Diagnostic], home: Path, issue: Path, text: str | None = None
) -> list[dict[str, Any]]:
    """Findings for the page, each with the lines around it, in whichever file those stand.

    Args:
        diagnostics: what was found.
        home: the newsletter's folder, from which findings name files.
        issue: the file they were found for.
        text: that file's text, where it was read already.
    """
    name = shown_name(home, issue)
    texts: dict[Path, str] = {} if text is None else {issue: text}

    def one(diagnostic: Diagnostic) -> dict[str, Any]:
        file = issue if diagnostic.path == name else home / diagnostic.path
        if file not in texts:
            texts[file] = text_of(file)
        return _finding_json(diagnostic, texts[file], file)

    return [one(diagnostic) for diagnostic in diagnostics]


def _finding_json(diagnostic: Diagnostic, text: str, absolute: Path) -> dict[str, Any]:
    known = CODES.get(diagnostic.code)
    return {
        "code": diagnostic.code,
        "title": known.title if known else "",
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "path": diagnostic.path,
        "absolute": str(absolute),
        "line": diagnostic.line,
        "column": diagnostic.column,
        "length": max(1, diagnostic.length),
        "help": diagnostic.help,
        "place": place(diagnostic),
        "source": _lines_around(text, diagnostic.line),
    }


def place(diagnostic: Diagnostic) -> str:
    """`path:line:col`, as far as it is known."""
    parts = [diagnostic.path]
    if diagnostic.line:
        parts.append(str(diagnostic.line))
        if diagnostic.column:
            parts.append(str(diagnostic.column))
    return ":".join(parts)


def counts(diagnostics: Iterable[Diagnostic]) -> dict[str, int]:
    """How many findings of each severity."""
    found = Counter(d.severity for d in diagnostics)
    return {severity.value: found[severity] for severity in Severity}


def _lines_around(text: str, line: int) -> list[dict[str, Any]]:
    if line < 1:
        return []
    lines = text.splitlines()
    first = max(1, line - _AROUND)
    return [
        {"number": number, "text": lines[number - 1]}
        for number in range(first, min(len(lines), line + _AROUND) + 1)
    ]
