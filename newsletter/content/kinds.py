"""Which section kinds does this newsletter have? The four of our own, or those its `[sections]` table declares.

    [sections.concept]                      # a built-in kind, in another language
    heading = "Konzept"
    labels = { takeaway = "Merksatz" }

    [sections.tool]                         # a kind of one's own
    heading = "Tool of the week"
    required = false
    paragraphs = { Verdict = { required = true } }
    subsections = ["Install", "Use"]

    [sections.tool.fields]
    Licence = { required = true, choices = ["MIT", "Apache-2.0", "other"] }
    Platforms = { type = "list" }
    Caveat = { type = "markdown", repeats = true }

The order of the tables is the order of the sections in every issue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from newsletter.errors import UsageError
from newsletter.model.issue import (
    DEFAULT_KINDS,
    Bullet,
    Labelled,
    Prose,
    Section,
    SectionKind,
    Subsection,
    markers,
)

_BUILT_IN = {kind.name: kind for kind in DEFAULT_KINDS}
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_KIND_KEYS = ("heading", "required", "fields", "paragraphs", "subsections")
_BUILT_IN_KEYS = ("heading", "required", "labels")
_FIELD_KEYS = ("label", "required", "choices", "repeats", "type")
_TYPES = ("text", "list", "markdown")


def kinds_from_table(table: Mapping[str, Any]) -> tuple[SectionKind, ...]:
    """The kinds a `[sections]` table declares, in its order.

    Raises:
        UsageError: a kind or a field that can't be, or an unknown key.
    """
    if not table:
        return DEFAULT_KINDS
    # The same table gives the same models, so that what is derived from a model is derived once.
    import json

    return _kinds(json.dumps(table, default=str))


@lru_cache(maxsize=8)
def _kinds(serialised: str) -> tuple[SectionKind, ...]:
    import json

    kinds = tuple(_kind(name, spec) for name, spec in json.loads(serialised).items())
    seen: dict[str, str] = {}
    for kind in kinds:
        other = seen.setdefault(kind.heading.casefold(), kind.name)
        if other != kind.name:
            raise UsageError(
                f"[sections.{kind.name}] and [sections.{other}] have the same heading `{kind.heading}`",
                hint="the heading names the kind: make them different",
            )
    return kinds


def _kind(name: str, spec: Any) -> SectionKind:
    where = f"[sections.{name}]"
    if not isinstance(spec, dict):
        raise UsageError(
            f"`sections.{name}` has to be a table", hint=f'write [sections.{name}] and heading = "…" below it'
        )
    built_in = _BUILT_IN.get(name)
    if built_in is None and not _NAME.fullmatch(name):
        raise UsageError(
            f"{where}: a kind's name is its anchor: lower-case letters, digits and hyphens",
            hint=_maybe(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")),
        )
    _refuse_unknown(where, spec, _BUILT_IN_KEYS if built_in else _KIND_KEYS, name)
    heading = spec.get("heading", built_in.heading if built_in else name.replace("-", " ").capitalize())
    if not isinstance(heading, str) or not heading.strip() or re.search(r"[:：\n#]", heading):
        raise UsageError(f"{where}: `heading` has to be a few words without a colon")
    required = _flag(where, spec, "required", default=True)
    if built_in:
        labels = _table(where, spec, "labels")
        return SectionKind(
            name,
            heading.strip(),
            _relabelled(where, built_in.model, labels) if labels else built_in.model,
            required,
        )
    return SectionKind(name, heading.strip(), _custom(where, name, heading.strip(), spec), required)


def _relabelled(where: str, model: type[Section], labels: dict[str, Any]) -> type[Section]:
    """`model` with its fields written under other words."""
    from pydantic import create_model

    own = markers(model)
    _refuse_unknown(f"{where} labels", labels, tuple(own))
    fields: dict[str, Any] = {}
    for name, label in labels.items():
        _check_label(where, label)
        field = model.model_fields[name]
        marker: Bullet | Labelled | Subsection
        match own[name]:
            case Bullet(repeats=repeats):
                marker = Bullet(label, repeats)
            case Labelled():
                marker = Labelled(label)
            case Subsection():
                marker = Subsection(label)
        rest = [m for m in field.metadata if not isinstance(m, (Bullet, Labelled, Subsection))]
        annotation: Any = field.annotation
        for extra in [*rest, marker]:
            annotation = Annotated[annotation, extra]
        fields[name] = (annotation, ... if field.is_required() else field.default)
    made: type[Section] = create_model(model.__name__, __base__=model, __module__=__name__, **fields)
    return made


def _custom(where: str, name: str, heading: str, spec: dict[str, Any]) -> type[Section]:
    """A model of the fields, paragraphs and subsections a table declares."""
    from typing import ClassVar

    from pydantic import create_model

    fields: dict[str, Any] = {"kind": (Literal[name], name), "heading": (ClassVar[str], heading)}
    declared = [
        *((key, value, "item") for key, value in _table(where, spec, "fields").items()),
        *((key, value, "paragraph") for key, value in _short(where, spec, "paragraphs").items()),
        *((key, value, "heading") for key, value in _short(where, spec, "subsections").items()),
    ]
    for key, value, written in declared:
        attribute = re.sub(r"\W+", "_", key.casefold()).strip("_")
        here = f"{where} `{key}`"
        if (
            not attribute.isidentifier()
            or hasattr(Section, attribute)
            or attribute in {*Section.model_fields}
        ):
            raise UsageError(f"{here}: no field can have this name", hint="choose another one")
        if attribute in fields:
            raise UsageError(f"{here} is declared twice", hint="each name once, whatever its capitals")
        if not isinstance(value, dict):
            raise UsageError(f"{here} has to be a table", hint="for example { required = true }")
        fields[attribute] = _field(here, key, value, written)
    model_name = "".join(word.capitalize() for word in name.split("-"))
    made: type[Section] = create_model(model_name, __base__=Section, __module__=__name__, **fields)
    return made


def _field(where: str, key: str, spec: dict[str, Any], written: str) -> tuple[Any, Any]:
    """Annotation and default of one declared field."""
    from pydantic import Field

    _refuse_unknown(where, spec, _FIELD_KEYS if written == "item" else ("label", "required"))
    label = spec.get("label", key)
    _check_label(where, label)
    required = _flag(where, spec, "required", default=False)
    if written == "paragraph":
        return Annotated[Prose, Labelled(label)], ... if required else Prose()
    if written == "heading":
        return Annotated[Prose, Subsection(label)], ... if required else Prose()
    repeats = _flag(where, spec, "repeats", default=False)
    type_ = spec.get("type", "text")
    if type_ not in _TYPES:
        raise UsageError(f"{where}: `type` is `{type_}`", hint="it is text, list or markdown")
    choices = spec.get("choices")
    annotation: Any = {"text": str, "list": tuple[str, ...], "markdown": Prose}[type_]
    empty: Any = {"text": "", "list": (), "markdown": Prose()}[type_]
    if choices is not None:
        if type_ != "text" or not choices or not all(isinstance(c, str) and c.strip() for c in choices):
            raise UsageError(f"{where}: `choices` is a list of words for a field of type text")
        annotation = Literal[tuple(choices)]
        empty = ""
    if repeats and type_ == "list":
        raise UsageError(
            f"{where}: a list is written in one item", hint='leave out repeats, or use type = "text"'
        )
    if repeats:
        constraint = Field(min_length=1 if required else 0)
        return Annotated[
            tuple[annotation, ...], constraint, Bullet(label, repeats=True)
        ], ... if required else ()
    return Annotated[annotation, Bullet(label)], ... if required else empty


def _check_label(where: str, label: Any) -> None:
    if not isinstance(label, str) or not label.strip() or re.search(r"[:*\n#]", label):
        raise UsageError(f"{where}: a label has to be a few words without a colon or an asterisk")


def _flag(where: str, spec: dict[str, Any], key: str, *, default: bool) -> bool:
    value = spec.get(key, default)
    if not isinstance(value, bool):
        raise UsageError(f"{where}: `{key}` is true or false")
    return value


def _table(where: str, spec: dict[str, Any], key: str) -> dict[str, Any]:
    value = spec.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"{where}: `{key}` has to be a table")
    return value


def _short(where: str, spec: dict[str, Any], key: str) -> dict[str, Any]:
    """A table of labels, or its short form: a list of those that aren't required."""
    value = spec.get(key, {})
    if isinstance(value, list) and all(isinstance(label, str) for label in value):
        return {label: {} for label in value}
    return _table(where, spec, key)


def _refuse_unknown(where: str, spec: dict[str, Any], known: tuple[str, ...], kind: str = "") -> None:
    from newsletter.content.suggest import listed, nearest

    for key in spec:
        if key in known:
            continue
        near = nearest(key, known)
        if not near and kind in _BUILT_IN and key in _KIND_KEYS:
            raise UsageError(
                f"{where}: `{key}` can't be changed for a built-in kind",
                hint=f"declare a kind under another name than `{kind}`",
            )
        raise UsageError(
            f"{where}: unknown key `{key}`", hint=_maybe(near) or f"the keys are {listed(known, 'and')}"
        )


def _maybe(near: str) -> str:
    return f"did you mean `{near}`?" if near else ""
