"""How findings look: text with an excerpt and carets, one line each, JSON, SARIF 2.1.0, GitHub's workflow commands.

`json` and `sarif` are contracts with other programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from newsletter.cli.output import counted, json_text, paint
from newsletter.cli.terminal_text import cells, printable
from newsletter.content.source import MAX_BYTES
from newsletter.diagnostics import Diagnostic, Severity

FORMATS = ("text", "concise", "json", "sarif", "github")
_COLOURS = {Severity.ERROR: 31, Severity.WARNING: 33, Severity.INFO: 36}
_SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_GITHUB_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# A paragraph is one line in Markdown: what is shown of it keeps to a terminal's width.
_EXCERPT_WIDTH = 96
_CONTEXT_BEFORE = 32


def formatted(found: Sequence[Diagnostic], format_: str, files: int, guides: int = 0) -> str:
    """`found` in one of `FORMATS`, with a line break at the end unless it is empty.

    `files` were checked, and `guides` of them are guides.
    """
    match format_:
        case "json":
            return _document(list(map(as_json, found)))
        case "sarif":
            return _document(as_sarif(found))
        case "github":
            return "".join(f"{_github(d)}\n" for d in found)
        case "concise":
            return "".join(f"{_concise(d)}\n" for d in found) + f"{summary(found, files, guides)}\n"
        case _:
            excerpts = Excerpts()
            return (
                "".join(f"{as_text(d, excerpts)}\n\n" for d in found) + f"{summary(found, files, guides)}\n"
            )


def _document(value: Any) -> str:
    return json_text(value) + "\n"


class Excerpts:
    """The lines findings speak of; each file is read once."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def line(self, path: str, number: int) -> str:
        """Line `number` of a file, or nothing where it can't be had."""
        if path not in self._lines:
            try:
                with Path(path).open("rb") as file:
                    data = file.read(MAX_BYTES)
            except OSError:
                data = b""
            self._lines[path] = data.decode("utf-8", errors="replace").removeprefix("\ufeff").split("\n")
        lines = self._lines[path]
        return lines[number - 1].removesuffix("\r") if 0 < number <= len(lines) else ""


def as_text(diagnostic: Diagnostic, excerpts: Excerpts) -> str:
    """A finding with the line it is about, carets under the place, and the way out."""
    colour = _COLOURS[diagnostic.severity]
    head = paint(f"{diagnostic.severity}[{diagnostic.code}]", 1, colour)
    lines = [f"{head}: {paint(printable(diagnostic.message), 1)}"]
    number = str(diagnostic.line)
    margin = " " * len(number) if diagnostic.line else " "
    lines.append(f"{margin} {paint('-->', 2)} {_where(diagnostic)}")
    source = excerpts.line(diagnostic.path, diagnostic.line) if diagnostic.line else ""
    if source.strip():
        shown, carets = excerpt(source, diagnostic.column, diagnostic.length)
        bar = paint("|", 2)
        lines.append(f"{margin} {bar}")
        lines.append(f"{paint(number, 2)} {bar} {shown}".rstrip())
        if carets:
            lines.append(f"{margin} {bar} {paint(carets, 1, colour)}")
    if diagnostic.help:
        lines.append(f"{margin} {paint('=', 2)} {paint('help', 1)}: {printable(diagnostic.help)}")
    return "\n".join(lines)


def excerpt(line: str, column: int, length: int) -> tuple[str, str]:
    """The part of a line around a place, as it is printed, and the carets that go under it."""
    if not column:
        shown, _ = cells(line[:_EXCERPT_WIDTH])
        return (f"{shown}…" if len(line) > _EXCERPT_WIDTH else shown), ""
    start = min(column - 1, len(line))
    stop = min(max(start + length, start + 1), max(len(line), start + 1))
    first = 0
    if len(line) > _EXCERPT_WIDTH and start > _EXCERPT_WIDTH - _CONTEXT_BEFORE:
        first = start - _CONTEXT_BEFORE
    last = min(len(line), first + _EXCERPT_WIDTH)
    shown, columns = cells(line[first:last])
    before = "…" if first else ""
    after = "…" if last < len(line) else ""
    begin = columns[start - first] + len(before)
    end = columns[min(stop, last) - first] + len(before)
    return f"{before}{shown}{after}", " " * begin + "^" * max(1, end - begin)


def _where(diagnostic: Diagnostic) -> str:
    path = printable(diagnostic.path)
    if not diagnostic.line:
        return path
    return (
        f"{path}:{diagnostic.line}:{diagnostic.column}" if diagnostic.column else f"{path}:{diagnostic.line}"
    )


def _concise(diagnostic: Diagnostic) -> str:
    colour = _COLOURS[diagnostic.severity]
    return f"{_where(diagnostic)}: {paint(diagnostic.code, 1, colour)} {printable(diagnostic.message)}"


def summary(found: Sequence[Diagnostic], files: int, guides: int = 0) -> str:
    """`checked 3 issues: no findings`, or how many of each severity there are in how many files."""
    if not found:
        kinds = [counted(files - guides, "issue")] if files > guides or not guides else []
        kinds += [counted(guides, "guide")] if guides else []
        return f"checked {' and '.join(kinds)}: {paint('no findings', 32)}"
    counts = [
        counted(number, name) if name != "info" else f"{number} info"
        for name in ("error", "warning", "info")
        if (number := sum(d.severity == name for d in found))
    ]
    return f"{', '.join(counts)} in {counted(len({d.path for d in found}), 'file')}"


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A finding as scripts read it; the keys are a contract."""
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "path": diagnostic.path,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "help": diagnostic.help,
    }


def as_sarif(found: Iterable[Diagnostic]) -> dict[str, Any]:
    """Findings as a SARIF 2.1.0 log (https://docs.oasis-open.org/sarif/sarif/v2.1.0/)."""
    from urllib.parse import quote

    from newsletter import __version__

    found = list(found)
    rules = sorted({d.code for d in found})
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "newsletter",
                        "version": __version__,
                        "rules": [_sarif_rule(code) for code in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(d, rules.index(d.code), quote) for d in found],
            }
        ],
    }


def _sarif_rule(code: str) -> dict[str, Any]:
    from newsletter.diagnostics import CODES

    entry = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.explanation},
        "defaultConfiguration": {"level": _SARIF_LEVELS[entry.severity]},
    }


def _sarif_result(diagnostic: Diagnostic, rule: int, quote: Callable[[str], str]) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": quote(diagnostic.path)}}
    if diagnostic.line:
        region = {"startLine": diagnostic.line}
        if diagnostic.column:
            region |= {"startColumn": diagnostic.column, "endColumn": diagnostic.column + diagnostic.length}
        location["region"] = region
    text = f"{diagnostic.message}: {diagnostic.help}" if diagnostic.help else diagnostic.message
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": _SARIF_LEVELS[diagnostic.severity],
        "message": {"text": text},
        "locations": [{"physicalLocation": location}],
    }


def _github(diagnostic: Diagnostic) -> str:
    """A workflow command; GitHub shows it beside the line in a pull request."""
    properties = {"file": printable(diagnostic.path)}
    if diagnostic.line:
        properties["line"] = str(diagnostic.line)
    if diagnostic.column:
        properties["col"] = str(diagnostic.column)
        properties["endColumn"] = str(diagnostic.column + diagnostic.length)
    properties["title"] = diagnostic.code
    listed = ",".join(f"{key}={_github_property(value)}" for key, value in properties.items())
    text = f"{diagnostic.message} ({diagnostic.help})" if diagnostic.help else diagnostic.message
    return f"::{_GITHUB_LEVELS[diagnostic.severity]} {listed}::{_github_data(printable(text))}"


def _github_data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(value: str) -> str:
    return _github_data(value).replace(":", "%3A").replace(",", "%2C")
