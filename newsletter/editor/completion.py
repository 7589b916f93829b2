"""What may be written at a place of an issue or a guide? Keys, values, headings and field labels that aren't there yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from newsletter.content.fields import FieldPlan, fold, plan_of
from newsletter.content.front_matter import ISSUE_FORM, Form
from newsletter.model.guide import CHOOSING, PARTS
from newsletter.model.issue import Bullet, Labelled, SectionKind, Subsection

_KEY = re.compile(r"[A-Za-z_]*")
_VALUE = re.compile(r"([A-Za-z_]+):[ \t]*(\S*)")
_HEADING = re.compile(r"##[ \t]+(.*)")
_SUBHEADING = re.compile(r"###[ \t]+(.*)")
_BULLET_VALUE = re.compile(r"[-*][ \t]+\*\*([^*:]+):\*\*[ \t]*(.*)")
_BULLET = re.compile(r"[-*][ \t]+(\*{0,2}[^*:]*)")
_LABEL = re.compile(r"\*{1,2}([^*:]*)")


class Completion(NamedTuple):
    """One thing that may be written.

    Attributes:
        text: what stands there then.
        start: column, from 0, of the first character it replaces; it replaces up to the cursor.
        label: what the list shows.
        detail: a few words beside it.
        explanation: what it means, in Markdown; may be empty.
    """

    text: str
    start: int
    label: str
    detail: str = ""
    explanation: str = ""


def completions(
    text: str, line: int, column: int, kinds: Sequence[SectionKind], *, guide: bool
) -> list[Completion]:
    """What may be written at a line and a column, both from 0 and in characters."""
    lines = text.split("\n")
    before = lines[line][:column] if line < len(lines) else ""
    if _in_front_matter(lines, line):
        return list(_front_matter(lines, before, guide=guide))
    if _in_code(lines[:line]):
        return []
    if guide:
        return list(_guide(lines, line, before))
    return list(_issue(lines, line, before, kinds))


def front_matter_key(text: str, line: int) -> str:
    """The key of the front matter that stands on a line; empty where none does."""
    lines = text.split("\n")
    if line >= len(lines) or not _in_front_matter(lines, line):
        return ""
    match = re.match(r"([A-Za-z_]+)[ \t]*:", lines[line])
    return match[1] if match else ""


def describe_key(key: str, *, guide: bool) -> str:
    """What a key of the front matter is for, in Markdown; empty where there is no such key."""
    form = _form(guide=guide)
    field = form.model.model_fields.get(key)
    if field is None:
        return ""
    parts = [f"`{key}`{' (required)' if field.is_required() else ''}", field.description or ""]
    if choices := _choices(form, key):
        parts.append("One of " + ", ".join(f"`{choice}`" for choice in choices) + ".")
    if key in form.examples:
        parts.append(f"```yaml\n{form.examples[key]}\n```")
    return "\n\n".join(filter(None, parts))


# Front matter -----------------------------------------------------------------------------------


def _in_front_matter(lines: Sequence[str], line: int) -> bool:
    if not lines or lines[0].strip("\ufeff \r") != "---" or line == 0:
        return False
    return all(one.rstrip() != "---" for one in lines[1 : line + 1])


def _form(*, guide: bool) -> Form[Any]:
    if not guide:
        return ISSUE_FORM
    from newsletter.content.guide import FORM

    return FORM


def _front_matter(lines: Sequence[str], before: str, *, guide: bool) -> Iterator[Completion]:
    form = _form(guide=guide)
    if _KEY.fullmatch(before):
        written = {match[1] for one in lines[1:] if (match := re.match(r"([A-Za-z_]+)[ \t]*:", one))}
        required = {name for name, field in form.model.model_fields.items() if field.is_required()}
        for key in sorted(form.model.model_fields, key=lambda name: name not in required):
            if key not in written:
                example = form.examples.get(key, f"{key}: ")
                detail = "required" if key in required else ""
                yield Completion(f"{key}: ", 0, key, detail or example, describe_key(key, guide=guide))
        return
    match = _VALUE.fullmatch(before)
    if match is None:
        return
    for choice in _choices(form, match[1]):
        yield Completion(choice, match.start(2), choice, match[1])


def _choices(form: Form[Any], key: str) -> tuple[str, ...]:
    from typing import Literal, get_args, get_origin

    field = form.model.model_fields.get(key)
    if field is None or get_origin(field.annotation) is not Literal:
        return ()
    return tuple(map(str, get_args(field.annotation)))


# Sections ---------------------------------------------------------------------------------------


def _in_code(lines: Sequence[str]) -> bool:
    """Whether a fence is open after these lines."""
    fence = ""
    for line in lines:
        match = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if match is None:
            continue
        if not fence:
            fence = match[1]
        elif match[1].startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
    return bool(fence)


def _headings(lines: Sequence[str], mark: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines):
        if line.startswith(f"{mark} "):
            yield number, line[len(mark) :].strip()


def _issue(
    lines: Sequence[str], line: int, before: str, kinds: Sequence[SectionKind]
) -> Iterator[Completion]:
    others = [words for number, words in _headings(lines, "##") if number != line]
    if match := _HEADING.fullmatch(before):
        taken = {fold(words.partition(":")[0]) for words in others}
        for kind in kinds:
            if fold(kind.heading) not in taken:
                detail = "required" if kind.required else ""
                yield Completion(
                    f"{kind.heading}: ", match.start(1), kind.heading, detail, kind.model.__doc__ or ""
                )
        return
    above = [words for number, words in _headings(lines, "##") if number < line]
    by_heading = {fold(kind.heading): kind for kind in kinds}
    within = by_heading.get(fold(above[-1].partition(":")[0])) if above else None
    if within is not None:
        yield from _fields(lines, line, before, within)


def _fields(lines: Sequence[str], line: int, before: str, kind: SectionKind) -> Iterator[Completion]:
    plan = plan_of(kind.model)
    written = "\n".join(_own_lines(lines, line))
    if match := _BULLET_VALUE.fullmatch(before):
        field = plan.bullets.get(fold(match[1]))
        for value in (field.choices or field.examples) if field else ():
            yield Completion(value, match.start(2), value, match[1])
    elif match := _SUBHEADING.fullmatch(before):
        yield from _labels(plan.fields, Subsection, written, match.start(1))
    elif match := _BULLET.fullmatch(before):
        yield from _labels(plan.fields, Bullet, written, match.start(1))
    elif match := _LABEL.fullmatch(before):
        yield from _labels(plan.fields, Labelled, written, 0)


def _own_lines(lines: Sequence[str], line: int) -> list[str]:
    """The other lines of the section that a line belongs to."""
    starts = [number for number, _ in _headings(lines, "##")]
    first = max((number for number in starts if number <= line), default=0)
    last = min((number for number in starts if number > line), default=len(lines))
    return [text for number, text in enumerate(lines[first:last], first) if number != line]


def _labels(
    fields: Sequence[FieldPlan], marker: type[Bullet | Labelled | Subsection], written: str, start: int
) -> Iterator[Completion]:
    for field in fields:
        if not isinstance(field.marker, marker):
            continue
        if not field.repeats and fold(field.written("").rstrip()) in fold(written):
            continue
        whole = field.written("")
        text = whole if marker is Labelled else whole.removeprefix("### ").removeprefix("- ")
        detail = "required" if field.required else ""
        yield Completion(text, start, field.label, detail, f"Takes {field.takes}." if field.takes else "")


def _guide(lines: Sequence[str], line: int, before: str) -> Iterator[Completion]:
    if match := _HEADING.fullmatch(before):
        taken = {fold(words) for number, words in _headings(lines, "##") if number != line}
        for part in PARTS:
            if fold(part.heading) not in taken:
                yield Completion(part.heading, match.start(1), part.heading, "required")
        return
    above = [words for number, words in _headings(lines, "##") if number < line]
    match = _SUBHEADING.fullmatch(before)
    if match is None or not above or fold(above[-1]) != fold(CHOOSING.heading):
        return
    taken = {fold(words) for number, words in _headings(lines, "###") if number != line}
    for option in _options("\n".join(lines)):
        heading = f"Choose {option}"
        if fold(heading) not in taken:
            yield Completion(heading, match.start(1), heading, "required")


def _options(text: str) -> tuple[str, ...]:
    from newsletter.content.document import Document
    from newsletter.content.front_matter import read_block
    from newsletter.content.guide import FORM

    front = read_block(Document(text, ""), FORM).front
    return front.options if front is not None else ()
