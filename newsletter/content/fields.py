"""Which fields does a section kind have, how is each one written, and what does it take?

Derived once from the pydantic model, for the parser, the skeleton of a new issue and the settings.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args, get_origin

from newsletter.model.issue import Bullet, Labelled, Prose, Section, Subsection, markers


class Shape(Enum):
    """What kind of value a field holds."""

    TEXT = "text"
    LIST = "list"
    PROSE = "prose"


class FieldPlan(NamedTuple):
    """One field of a section model.

    Attributes:
        name: the model's name for it.
        marker: where it is written.
        shape: one word or line, words between commas, or Markdown.
        required: whether the section isn't valid without it.
        choices: the only values it takes, or none for any.
        examples: what a value looks like.
    """

    name: str
    marker: Bullet | Labelled | Subsection
    shape: Shape
    required: bool
    choices: tuple[str, ...]
    examples: tuple[str, ...]

    @property
    def label(self) -> str:
        """The words the author writes."""
        match self.marker:
            case Bullet(key=key):
                return key
            case Labelled(label=label):
                return label
            case Subsection(heading=heading):
                return heading

    @property
    def repeats(self) -> bool:
        """Whether it may be written several times."""
        return isinstance(self.marker, Bullet) and self.marker.repeats

    def written(self, value: str = "…") -> str:
        """How the field looks in a file."""
        match self.marker:
            case Bullet():
                return f"- **{self.label}:** {value}"
            case Labelled():
                return f"**{self.label}:** {value}"
            case Subsection():
                return f"### {self.label}"

    @property
    def takes(self) -> str:
        """Its choices or examples in words; empty where it takes any text."""
        from newsletter.content.suggest import listed

        return listed(self.choices or self.examples) if self.choices or self.examples else ""


class KindPlan(NamedTuple):
    """All own fields of a section model, and the three ways to look one up by its folded label."""

    fields: tuple[FieldPlan, ...]
    bullets: dict[str, FieldPlan]
    labels: dict[str, FieldPlan]
    subsections: dict[str, FieldPlan]


@lru_cache(maxsize=256)
def plan_of(model: type[Section]) -> KindPlan:
    """What `model` declares."""
    fields = tuple(_field_plan(model, name, marker) for name, marker in markers(model).items())

    def by_label(kind: type[Bullet | Labelled | Subsection]) -> dict[str, FieldPlan]:
        return {fold(f.label): f for f in fields if isinstance(f.marker, kind)}

    return KindPlan(fields, by_label(Bullet), by_label(Labelled), by_label(Subsection))


def fold(label: str) -> str:
    """A label as it is compared: capitals and the width of spaces don't count."""
    return " ".join(label.split()).casefold()


def _field_plan(model: type[Section], name: str, marker: Bullet | Labelled | Subsection) -> FieldPlan:
    field = model.model_fields[name]
    annotation: Any = field.annotation
    if isinstance(marker, Bullet) and marker.repeats:
        annotation = get_args(annotation)[0]
    shape = Shape.TEXT
    if annotation is Prose:
        shape = Shape.PROSE
    elif get_origin(annotation) is tuple:
        shape = Shape.LIST
    choices = (
        tuple(str(choice) for choice in get_args(annotation)) if get_origin(annotation) is Literal else ()
    )
    examples = tuple(str(example) for example in field.examples or ())
    return FieldPlan(name, marker, shape, field.is_required(), choices, examples)
