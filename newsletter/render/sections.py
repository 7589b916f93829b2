"""What does a template see of a section? Its number, its mark, its title, its body and its declared fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from markupsafe import Markup

from newsletter.model.issue import Bullet, Labelled, Prose, Section, SectionKind, Subsection, markers
from newsletter.render.html import inline

# The subsection whose place is behind a link in email, in whichever kind declares it, and what follows it.
_ANSWER = "answer"
_BEHIND_THE_LINK = frozenset({_ANSWER, "follow_ups"})


@dataclass(frozen=True, slots=True)
class Content:
    """A converted piece: in an HTML template it prints as email HTML.

    Attributes:
        semantic: HTML that knows nothing of mail clients.
        html: the same for email.
        stretches: `semantic` in parts; the text part is written from them.
    """

    semantic: str
    html: Markup
    stretches: tuple[str, ...] = ()

    def __html__(self) -> Markup:
        return self.html

    def __str__(self) -> str:
        return str(self.html)

    @property
    def inline(self) -> Markup:
        """The HTML without its paragraph, where it is a single one."""
        return Markup(inline(str(self.html)))  # noqa: S704 - the same HTML


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field of a section.

    Attributes:
        name: as the model has it.
        label: the author's word for it, as the kind declares it: `Takeaway`, `Difficulty`.
        form: `bullet`, `labelled` or `subsection`.
        items: its value; one unless the field repeats or lists words.
        prose: whether the items are running text rather than words.
        repeats: whether it may have several values.
    """

    name: str
    label: str
    form: Literal["bullet", "labelled", "subsection"]
    items: tuple[Content, ...]
    prose: bool
    repeats: bool = False

    def __html__(self) -> Markup:
        return Markup(", ").join(item.inline for item in self.items)

    def __str__(self) -> str:
        return str(self.__html__())

    @property
    def content(self) -> Content:
        """All of the value in one piece: words with commas between them."""
        if len(self.items) == 1:
            return self.items[0]
        return Content(", ".join(inline(item.semantic) for item in self.items), self.__html__())

    @property
    def is_fact(self) -> bool:
        """Whether it is one line of a facts strip: a bullet that doesn't repeat running text.

        One trade-off stands where several would: below the text that it judges.
        """
        return self.form == "bullet" and not (self.prose and self.repeats)


@dataclass(frozen=True, slots=True)
class SectionView:
    """A section as templates see it.

    Attributes:
        number: its place in the issue, from 1.
        kind: its kind's name, also its anchor.
        mark: what the kind calls itself, such as `Concept`.
        title: the heading's own words.
        body: running text, or None.
        fields: declared fields that have a value, by name, in declaration order; without the answer where
            that is behind a link.
        answer_hidden: whether an answer is behind a link.
    """

    number: int
    kind: str
    mark: str
    title: Content
    body: Content | None
    fields: Mapping[str, Field]
    answer_hidden: bool

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for two sections that look alike."""
        fields = tuple(
            (field.name, field.label, tuple(item.semantic for item in field.items))
            for field in self.fields.values()
        )
        body = self.body.semantic if self.body else ""
        return self.number, self.kind, self.mark, self.title.semantic, body, fields, self.answer_hidden

    @property
    def facts(self) -> list[Field]:
        """The fields of a facts strip."""
        return [field for field in self.fields.values() if field.is_fact]

    @property
    def others(self) -> list[Field]:
        """The fields that are no facts."""
        return [field for field in self.fields.values() if not field.is_fact]

    def template_names(self, form: Literal["html", "txt"]) -> tuple[str, str]:
        """The kind's own template and the one for any kind."""
        return f"email/section-{self.kind}.{form}.j2", f"email/section-default.{form}.j2"


class Converter(Protocol):
    """What turns an author's words into `Content`."""

    def content(self, prose: Prose, top: int = 3) -> Content:
        """Running text; its headings start at level `top`."""
        ...

    def words(self, text: str, line: int = 0) -> Content:
        """A few words on one line."""
        ...


def section_views(
    sections: Sequence[Section], kinds: Sequence[SectionKind], convert: Converter, *, answer_here: bool
) -> list[SectionView]:
    """The sections as templates see them."""
    marks = {kind.name: kind.heading for kind in kinds}
    views: list[SectionView] = []
    for number, section in enumerate(sections, 1):
        declared = markers(type(section))
        hidden = not answer_here and isinstance(declared.get(_ANSWER), Subsection)
        shown = {
            name: marker for name, marker in declared.items() if not (hidden and name in _BEHIND_THE_LINK)
        }
        views.append(
            SectionView(
                number=number,
                kind=section.kind,
                mark=marks.get(section.kind) or type(section).heading or section.kind,
                title=convert.words(section.title, section.line),
                body=convert.content(section.body) if section.body else None,
                fields={field.name: field for field in _fields(section, shown, convert)},
                answer_hidden=hidden,
            )
        )
    return views


def _fields(
    section: Section, declared: Mapping[str, Bullet | Labelled | Subsection], convert: Converter
) -> Iterator[Field]:
    for name, marker in declared.items():
        value: Any = getattr(section, name)
        values = [part for part in (value if isinstance(value, tuple) else (value,)) if part]
        # A subsection has a heading of its own above its text.
        top = 4 if isinstance(marker, Subsection) else 3
        items = tuple(
            convert.content(part, top) if isinstance(part, Prose) else convert.words(str(part), section.line)
            for part in values
        )
        if not items:
            continue
        prose = isinstance(values[0], Prose)
        match marker:
            case Bullet(key, repeats):
                yield Field(name, key, "bullet", items, prose, repeats)
            case Labelled(label):
                yield Field(name, label, "labelled", items, prose)
            case Subsection(heading):
                yield Field(name, heading, "subsection", items, prose)


def duration(written: object) -> str:
    """`4h` as `4 hours`; anything else as it is."""
    match = re.fullmatch(r"([1-9][0-9]*)([mhd])", str(written))
    if match is None:
        return str(written)
    unit = {"m": "minute", "h": "hour", "d": "day"}[match[2]]
    return f"{match[1]} {unit}" if match[1] == "1" else f"{match[1]} {unit}s"


def heading_of(field: Field, language: str) -> str:
    """What stands above the items of a repeated bullet: `Trade-offs` for several of `Trade-off`, in English."""
    several = len(field.items) > 1 and language.lower().startswith("en")
    return f"{field.label}s" if several else field.label
