"""How does a finding reach the page? As plain data with the lines around it, ready to be shown and opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from newsletter.diagnostics import CODES, Diagnostic, Severity

_AROUND = 5  # lines of context on each side


def finding_json(diagnostic: Diagnostic, text: str, absolute: Path) -> dict[str, Any]:
    """One finding for the page; `text` is the file's source, `absolute` what an editor opens."""
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
