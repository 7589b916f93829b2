"""How are the doctor's lines shown? Passes summed up, problems explained, DNS records ready to be pasted."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence

from newsletter.checks.setup.line import Area, DnsRecord, Line, Status, worst
from newsletter.cli.output import counted, paint
from newsletter.cli.terminal_text import printable

_TITLES = {
    Area.DNS: "Sending domain",
    Area.PROVIDER: "Provider",
    Area.SERVICE: "Public service",
    Area.MACHINE: "This machine",
}
_MARKS = {Status.OK: ("✓", 32), Status.WARN: ("!", 33), Status.FAIL: ("✗", 31), Status.UNKNOWN: ("?", 36)}
_WORDS = {Status.OK: "ok", Status.WARN: "warning", Status.FAIL: "fails", Status.UNKNOWN: "unknown"}
_WIDEST = 100
_INDENT = "    "


def as_text(lines: Sequence[Line]) -> str:
    """The lines for a terminal: an area's passes in one paragraph, everything else in full."""
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
    parts: list[str] = []
    for area in Area:
        found = [line for line in lines if line.area is area]
        if found:
            parts += [_area(area, found, width), ""]
    parts.append(_summary(lines))
    return "\n".join(parts)


def _area(area: Area, lines: Sequence[Line], width: int) -> str:
    mark, colour = _MARKS[worst(line.status for line in lines)]
    shown = [f"{paint(mark, 1, colour)} {paint(_TITLES[area], 1)}"]
    for line in sorted(lines, key=lambda line: line.status is Status.OK):
        if line.status is not Status.OK:
            shown += _problem(line, width)
    passed = [line for line in lines if line.status is Status.OK]
    for line in passed:
        shown += _pass(line, width)
    return "\n".join(shown)


def _pass(line: Line, width: int) -> list[str]:
    if line.optional and line.answer.startswith("not "):
        return [
            paint(text, 2) for text in _wrapped(f"· {printable(line.advice or line.answer)}", width, "  ")
        ]
    said = f"{printable(line.asked)}: {printable(line.answer)}"
    shown = textwrap.wrap(said, max(20, width - 4), break_long_words=False, break_on_hyphens=False)
    first, rest = shown[0], shown[1:]
    return [f"  {paint('✓', 32)} {first}", *(f"{_INDENT}{text}" for text in rest)]


def _problem(line: Line, width: int) -> list[str]:
    mark, colour = _MARKS[line.status]
    asked = _wrapped(printable(line.asked), width, _INDENT)
    shown = [f"  {paint(mark, 1, colour)} {asked[0].strip()}", *asked[1:]]
    shown += _wrapped(f"{_WORDS[line.status]}: {printable(line.answer)}", width, _INDENT)
    if line.advice:
        advice = _wrapped(f"→ {printable(line.advice)}", width, _INDENT, after="  ")
        shown += [paint(text, 1) for text in advice]
    for record in line.publish:
        shown += _record(record)
    return shown


def _record(record: DnsRecord) -> list[str]:
    """Name, type and value each on a line of its own: they go into three fields of a form, and must be copied whole."""
    return [
        f"{_INDENT}  {paint('name ', 2)} {record.name}",
        f"{_INDENT}  {paint('type ', 2)} {record.type}",
        f"{_INDENT}  {paint('value', 2)} {printable(record.pasteable)}",
    ]


def _wrapped(text: str, width: int, indent: str, after: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        max(30, width),
        initial_indent=indent,
        subsequent_indent=indent + after,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _summary(lines: Iterable[Line]) -> str:
    counts = dict.fromkeys(Status, 0)
    for line in lines:
        counts[line.status] += 1
    words = []
    if counts[Status.FAIL]:
        words.append(
            paint(
                counted(counts[Status.FAIL], "check") + (" fails" if counts[Status.FAIL] == 1 else " fail"),
                1,
                31,
            )
        )
    if counts[Status.WARN]:
        words.append(paint(counted(counts[Status.WARN], "warning"), 33))
    if counts[Status.UNKNOWN]:
        words.append(paint(f"{counts[Status.UNKNOWN]} unknown", 36))
    words.append(paint(f"{counts[Status.OK]} ok", 32))
    return " · ".join(words)


def as_markdown(lines: Sequence[Line]) -> str:
    """The lines as a document to hand to whoever looks after the DNS."""
    parts = ["# newsletter doctor"]
    for area in Area:
        found = [line for line in lines if line.area is area]
        if not found:
            continue
        parts.append(f"## {_TITLES[area]}")
        for line in found:
            text = f"- **{_WORDS[line.status]}** {_plain(line.asked)}: {_plain(line.answer)}"
            if line.advice:
                text += f"  \n  → {_plain(line.advice)}"
            parts.append(text)
            parts += [
                f"  ```text\n  {record.name}\n  {record.type}\n  {printable(record.pasteable)}\n  ```"
                for record in line.publish
            ]
    return "\n\n".join(parts)


def _plain(text: str) -> str:
    """Without what Markdown would take for markup; code spans of ours stay."""
    shown = printable(text).replace("\\", "\\\\")
    for character in "*_<>[]":
        shown = shown.replace(character, f"\\{character}")
    return shown
