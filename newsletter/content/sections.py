"""Which sections does an issue have, and what stands in their fields?

Headings, field lists, labelled paragraphs and subsections are found by position; what each of them means is
read from the kind's model, so that a kind declared in the settings is parsed like the built-in ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Union

from pydantic import Field, TypeAdapter, ValidationError

from newsletter.content.document import Document, Findings, Heading, prose_of_lines, report_open_fence
from newsletter.content.fields import FieldPlan, Shape, fold, plan_of
from newsletter.content.section_fields import Found, read_fields
from newsletter.content.suggest import did_you_mean, listed, nearest
from newsletter.diagnostics import Diagnostic, Fix
from newsletter.model.issue import Prose, Section, SectionKind, Subsection


@dataclass(slots=True)
class _Draft:
    """A section before it is validated."""

    kind: SectionKind
    heading: Heading
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


def parse_sections(
    document: Document, kinds: tuple[SectionKind, ...], *, is_draft: bool = False
) -> tuple[Prose, tuple[Section, ...] | None, list[Diagnostic]]:
    """The introduction, the sections in the order of the kinds (None where they aren't valid), and the findings.

    A draft may have a `TK` where a field takes fixed values only: it gets a stand-in, so that it can be
    previewed, and the checks report the blank.
    """
    findings = Findings(document)
    report_open_fence(document, findings)
    openings = [h for h in document.headings if h.level == 2]
    first = openings[0].start if openings else len(document.text)
    intro = document.prose(document.body_start, first)
    drafts: list[_Draft] = []
    near_misses: set[str] = set()
    for position, heading in enumerate(openings):
        end = openings[position + 1].start if position + 1 < len(openings) else len(document.text)
        draft = _draft(document, heading, kinds, findings, near_misses)
        if draft is not None:
            _fill(document, draft, end, findings, is_draft=is_draft)
            drafts.append(draft)
    _check_set(document, drafts, kinds, near_misses, findings)
    sections = _validate(document, drafts, kinds, findings)
    if document.open_fence is not None or (document.front is None and not drafts and not near_misses):
        # What the block swallowed isn't missing, and a file with nothing of an issue is none.
        findings.found = [d for d in findings.found if d.code not in {"NL201", "NL206"}]
    if sections is None or any(d.severity == "error" for d in findings.found):
        return intro, None, findings.found
    return intro, sections, findings.found


def _draft(
    document: Document,
    heading: Heading,
    kinds: tuple[SectionKind, ...],
    findings: Findings,
    near_misses: set[str],
) -> _Draft | None:
    words = document.text[heading.text_start : heading.text_end]
    name, colon, title = words.replace("：", ":", 1).partition(":")
    by_heading = {fold(kind.heading): kind for kind in kinds}
    kind = by_heading.get(fold(name))
    if kind is not None:
        if not title.strip():
            findings.add(
                "NL205",
                f"the section `{kind.heading}` has no title",
                heading.start,
                heading.text_end,
                help=f"write `## {kind.heading}: its title`",
            )
        return _Draft(kind, heading, title.strip())
    known = [kind.heading for kind in kinds]
    near = nearest(name.strip(), known)
    near_misses.update(kind.name for kind in kinds if kind.heading == near)
    name_end = heading.text_start + len(name.rstrip())
    findings.add(
        "NL202",
        f"no kind of section is called `{name.strip()}`"
        if name.strip()
        else "the heading names no kind of section",
        heading.text_start if name.strip() else heading.start,
        name_end if name.strip() else heading.text_end,
        help=f"did you mean `{near}`?"
        if near
        else f"the kinds are {listed(known, 'and')}; within one, use `###`",
        fix=Fix(heading.text_start, name_end, near) if near and colon else None,
    )
    return None


def _fill(document: Document, draft: _Draft, end: int, findings: Findings, *, is_draft: bool) -> None:
    """Read the section's fields; what no field owns is its body."""
    found = read_fields(document, draft.heading.end, end, plan_of(draft.kind.model), findings)
    for item in found.fields:
        _store(draft, item, is_draft=is_draft)
    body = prose_of_lines(found.body, document.place(draft.heading.end)[0])
    draft.values["body"] = body
    if not body and not found.fields and not found.owns_lines:
        findings.add(
            "NL212",
            f"the section `{draft.kind.heading}` is empty",
            draft.heading.start,
            draft.heading.text_end,
            help="write it, or remove the heading",
        )


def _store(draft: _Draft, item: Found, *, is_draft: bool) -> None:
    plan = item.plan
    value: Any
    match plan.shape:
        case Shape.PROSE:
            value = item.prose
        case Shape.LIST:
            value = tuple(word.strip() for word in item.prose.text.split(",") if word.strip())
        case Shape.TEXT:
            value = " ".join(item.prose.text.split())
            if is_draft and _is_blank_to_fill(value) and (plan.choices or plan.examples):
                value = (plan.choices or plan.examples)[0]
    if not value:
        draft.places.setdefault(f"{plan.name}?", []).append((item.start, item.end))
        return
    draft.places.setdefault(plan.name, []).append((item.start, item.end))
    if plan.repeats:
        draft.values[plan.name] = (*draft.values.get(plan.name, ()), value)
    else:
        draft.values[plan.name] = value


def _is_blank_to_fill(value: str) -> bool:
    """Whether a value is still a `TK`, as `newsletter new` writes them."""
    return value == "TK" or value.startswith("TK ")


def _check_set(
    document: Document,
    drafts: list[_Draft],
    kinds: tuple[SectionKind, ...],
    near_misses: set[str],
    findings: Findings,
) -> None:
    """Each kind once, in order, and none that is required left out."""
    order = {kind.name: position for position, kind in enumerate(kinds)}
    seen: dict[str, _Draft] = {}
    highest: _Draft | None = None
    for draft in drafts:
        name, heading = draft.kind.name, draft.heading
        if name in seen:
            line, _ = document.place(seen[name].heading.start)
            findings.add(
                "NL203",
                f"the section `{draft.kind.heading}` stands twice",
                heading.start,
                heading.text_end,
                help=f"the first one is on line {line}: merge them, or use `###`",
            )
            continue
        seen[name] = draft
        if highest is not None and order[name] < order[highest.kind.name]:
            findings.add(
                "NL204",
                f"the section `{draft.kind.heading}` has to come before `{highest.kind.heading}`",
                heading.start,
                heading.text_end,
                help=f"the order is {listed((kind.heading for kind in kinds), 'and')}",
            )
        else:
            highest = draft
    for kind in kinds:
        if kind.required and kind.name not in seen and kind.name not in near_misses:
            later = [d.heading for d in seen.values() if order[d.kind.name] > order[kind.name]]
            start = min((h.start for h in later), default=_last_line(document))
            findings.add(
                "NL201",
                f"the section `{kind.heading}` is missing",
                start,
                document.line_end(start),
                help=f"write `## {kind.heading}: its title`"
                + (" above this one" if later else " at the end"),
            )


def _last_line(document: Document) -> int:
    """Offset of the last line that has text on it."""
    return document.text.rfind("\n", 0, len(document.text.rstrip())) + 1


def _validate(
    document: Document, drafts: list[_Draft], kinds: tuple[SectionKind, ...], findings: Findings
) -> tuple[Section, ...] | None:
    order = {kind.name: position for position, kind in enumerate(kinds)}
    unique = {draft.kind.name: draft for draft in reversed(drafts)}
    ordered = sorted(unique.values(), key=lambda draft: order[draft.kind.name])
    data = [
        {
            "kind": draft.kind.name,
            # Its absence has its own code and must not hide what else is wrong.
            "title": draft.title or draft.kind.heading,
            "line": document.place(draft.heading.start)[0],
            **draft.values,
        }
        for draft in ordered
    ]
    try:
        return _adapter(tuple(kind.model for kind in kinds)).validate_python(data)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            _report(ordered[int(problem["loc"][0])], problem, findings)
        return None


@lru_cache(maxsize=8)
def _adapter(models: tuple[type[Section], ...]) -> TypeAdapter[tuple[Section, ...]]:
    """Validates all sections at once: a union of the kinds, told apart by `kind`."""
    if len(models) == 1:
        return TypeAdapter(tuple[models[0], ...])  # type: ignore[valid-type]
    union = Union[models]  # type: ignore[valid-type]  # noqa: UP007 - made of a tuple at run time
    return TypeAdapter(tuple[Annotated[union, Field(discriminator="kind")], ...])


def _report(draft: _Draft, problem: Any, findings: Findings) -> None:
    """One complaint of pydantic's about a section as a finding at its place."""
    # With one kind there is no tag between the index and the field.
    path = [part for part in problem["loc"][1:] if part != draft.kind.name]
    name = str(path[0]) if path else ""
    plan = next((p for p in plan_of(draft.kind.model).fields if p.name == name), None)
    heading = draft.heading
    if plan is None:
        findings.add("NL207", f"{name}: {problem['msg']}", heading.start, heading.text_end)
    elif problem["type"] == "missing":
        _report_missing(draft, plan, findings)
    else:
        places = draft.places.get(name) or [(heading.start, heading.text_end)]
        which = path[1] if plan.repeats and len(path) > 1 and isinstance(path[1], int) else 0
        _report_value(plan, problem, places[min(which, len(places) - 1)], findings)


def _report_missing(draft: _Draft, plan: FieldPlan, findings: Findings) -> None:
    takes = f": {plan.takes}" if plan.takes else ""
    empty = draft.places.get(f"{plan.name}?")
    start, end = empty[0] if empty else (draft.heading.start, draft.heading.text_end)
    help_ = "write it below this heading" if empty and isinstance(plan.marker, Subsection) else ""
    findings.add(
        "NL206",
        f"`{plan.label}` of the section `{draft.kind.heading}` is {'empty' if empty else 'missing'}",
        start,
        end,
        help=help_ or f"write `{plan.written()}`{takes}",
    )


def _report_value(plan: FieldPlan, problem: Any, place: tuple[int, int], findings: Findings) -> None:
    value = problem["input"]
    written = str(value)[:60]
    message = f"`{written}` is not a value of `{plan.label}`"
    help_ = f"it takes {plan.takes}" if plan.takes else ""
    fix = None
    if plan.choices:
        near = nearest(str(value), plan.choices)
        help_ = did_you_mean(str(value), plan.choices) or help_
        if near and near.casefold() == str(value).casefold():
            fix = Fix(*place, near)
    elif problem["type"] in {"too_long", "too_short"}:
        limit = problem["ctx"]
        count = (
            f"{limit.get('min_length', 0)} or more"
            if "min_length" in limit
            else f"at most {limit['max_length']}"
        )
        message = f"`{plan.label}` has {limit['actual_length']} entries, and takes {count}"
        help_ = "commas separate the entries"
    elif not plan.takes:
        help_ = problem["msg"]
    findings.add("NL207", message, *place, help=help_, fix=fix)
