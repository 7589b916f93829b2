"""How are the doctor's lines shown? Passes summed up, problems explained, DNS records ready to be pasted."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace

from newsletter.checks.setup.line import Area, DnsRecord, Line, Status
from newsletter.cli.output import counted, paint
from newsletter.cli.terminal_text import printable

_TITLES = {
    Area.DNS: "Sending domain",
    Area.PROVIDER: "Provider",
    Area.SERVICE: "Public service",
    Area.MACHINE: "This machine",
}
_MARKS = {Status.WARN: ("!", 33), Status.FAIL: ("✗", 31), Status.UNKNOWN: ("?", 36)}
_WORDS = {Status.OK: "ok", Status.WARN: "warning", Status.FAIL: "fails", Status.UNKNOWN: "unknown"}
_WIDEST = 100
_INDENT = "    "


def as_text(lines: Sequence[Line], *, verbose: bool = False) -> str:
    """The lines for a terminal: problems in full, and an area's passes in one list of words unless `verbose`."""
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
    parts: list[str] = []
    for area in Area:
        found = [line for line in lines if line.area is area]
        if found:
            parts += [_area(area, found, width, verbose=verbose), ""]
    parts.append(_summary(lines))
    return "\n".join(parts)


def _area(area: Area, lines: Sequence[Line], width: int, *, verbose: bool) -> str:
    shown = [paint(_TITLES[area], 1)]
    named: set[DnsRecord] = set()
    for line in _together([line for line in lines if line.status is not Status.OK]):
        shown += _problem(line, width)
        for record in line.publish:
            # One record may mend several things; it is to be published once.
            shown += (
                [paint(f"{_INDENT}  the record above does it", 2)] if record in named else _record(record)
            )
            named.add(record)
    passed = [line for line in lines if line.status is Status.OK]
    extras = [line for line in passed if line.optional and line.answer.startswith("not ")]
    if verbose:
        for line in passed:
            shown += _pass(line, width)
        return "\n".join(shown)
    good = ", ".join(line.label for line in passed if line not in extras)
    if good:
        first, *rest = _wrapped(good, width, _INDENT)
        shown += [f"  {paint('✓', 32)} {first.strip()}", *rest]
    if extras:
        words = f"optional, and not there: {', '.join(line.label for line in extras)} (--verbose)"
        shown += [paint(text, 2) for text in _wrapped(words, width, _INDENT)]
    return "\n".join(shown)


def _together(lines: Sequence[Line]) -> list[Line]:
    """The lines, those that are unknown for the same reason made one: without a network that is nearly all."""
    kept: list[Line] = []
    for line in lines:
        same = next((one for one in kept if _same_reason(one, line)), None)
        if same is None:
            kept.append(line)
        else:
            named = same.asked if same.asked.startswith(f"{same.label},") else same.label
            kept[kept.index(same)] = replace(same, asked=f"{named}, {line.label}")
    return kept


def _same_reason(one: Line, other: Line) -> bool:
    return one.status is other.status is Status.UNKNOWN and other.answer.endswith(one.answer)


def _pass(line: Line, width: int) -> list[str]:
    first, *rest = _wrapped(f"{printable(line.asked)}: {printable(line.answer)}", width, _INDENT)
    advice = _wrapped(f"→ {printable(line.advice)}", width, _INDENT, after="  ") if line.advice else []
    return [f"  {paint('✓', 32)} {first.strip()}", *rest, *(paint(text, 2) for text in advice)]


def _problem(line: Line, width: int) -> list[str]:
    mark, colour = _MARKS[line.status]
    # A name alone says little to who doesn't live in the DNS.
    named = line.area is not Area.DNS or line.asked.lower().startswith(line.label.lower())
    about = line.asked if named else f"{line.label} · {line.asked}"
    asked = _wrapped(printable(about), width, _INDENT)
    shown = [
        f"  {paint(mark, 1, colour)} {paint(asked[0].strip(), 1)}",
        *(paint(text, 1) for text in asked[1:]),
    ]
    shown += _wrapped(f"{_WORDS[line.status]}: {printable(line.answer)}", width, _INDENT)
    if line.advice:
        first, *rest = _wrapped(f"→ {printable(line.advice)}", width, _INDENT, after="  ")
        shown += [first.replace("→", paint("→", 1, 36), 1), *rest]
    return shown


def _record(record: DnsRecord) -> list[str]:
    """Name, type and value each on a line of its own: they go into three fields of a form, and must be copied whole."""
    return [
        f"{_INDENT}  {paint('name ', 2)} {printable(record.name)}",
        f"{_INDENT}  {paint('type ', 2)} {printable(record.type)}",
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
        if found:
            parts += [f"## {_TITLES[area]}", "\n".join(_item(line) for line in found)]
    return "\n\n".join(parts)


def _item(line: Line) -> str:
    text = f"- **{_WORDS[line.status]}** {_plain(line.asked)}: {_plain(line.answer)}"
    if line.advice:
        text += f"  \n  → {_plain(line.advice)}"
    for record in line.publish:
        text += f"\n\n  ```text\n  {printable(record.name)}\n  {printable(record.type)}\n  {printable(record.pasteable)}\n  ```\n"
    return text


def _plain(text: str) -> str:
    """Without what Markdown would take for markup; code spans of ours stay."""
    shown = printable(text).replace("\\", "\\\\")
    for character in "*_<>[]":
        shown = shown.replace(character, f"\\{character}")
    return shown
