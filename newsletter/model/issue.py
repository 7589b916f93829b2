"""An issue as it was written: front matter, an introduction and sections of declared kinds.

A section kind is declared once, as a pydantic model. Each field says by its marker where the
author writes it (`Bullet`, `Labelled`, `Subsection`), and the parser, the checks, the JSON
Schema, the skeleton of `newsletter new` and the templates all read that one declaration.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field


@dataclass(frozen=True, slots=True)
class Prose:
    """A run of Markdown that keeps its place in the file.

    Attributes:
        text: the Markdown source, dedented, without leading or trailing blank lines.
        line: the file's line number of its first line, from 1; 0 where it has no place.
    """

    text: str = ""
    line: int = 0

    def __bool__(self) -> bool:
        return bool(self.text.strip())


@dataclass(frozen=True, slots=True)
class Bullet:
    """Marks a field written as an item `- **Key:** value` of the section's field list."""

    key: str
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Labelled:
    """Marks a field written as a paragraph that opens with `**Label:**`."""

    label: str


@dataclass(frozen=True, slots=True)
class Subsection:
    """Marks a field written under an H3 heading of this name."""

    heading: str


class Section(BaseModel):
    """What every section has; a kind adds its own fields.

    Attributes:
        kind: the kind's name, which chooses the model.
        title: the words after the colon of the heading.
        body: everything that is not one of the kind's own fields, in the author's order.
        line: line number of the heading.
    """

    # The validator of the whole set of kinds holds each kind's: building them alone as well costs every start.
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)
    # How the kind calls itself in a heading and in a mark, unless the settings translate it.
    heading: ClassVar[str] = ""

    kind: str
    title: str = Field(min_length=1)
    body: Prose = Prose()
    line: int = 0


class Concept(Section):
    """One idea explained, with the one sentence to remember."""

    heading: ClassVar[str] = "Concept"
    kind: Literal["concept"] = "concept"
    takeaway: Annotated[Prose, Labelled("Takeaway")]


class Architecture(Section):
    """One way of building it, with what it costs."""

    heading: ClassVar[str] = "Architecture"
    kind: Literal["architecture"] = "architecture"
    trade_offs: Annotated[tuple[Prose, ...], Bullet("Trade-off", repeats=True)] = ()


class ProjectIdea(Section):
    """Something to build in an evening or a weekend."""

    heading: ClassVar[str] = "Project idea"
    kind: Literal["project-idea"] = "project-idea"
    difficulty: Annotated[Literal["easy", "medium", "hard"], Bullet("Difficulty")]
    time: Annotated[str, Field(pattern=r"^[1-9]\d*(m|h|d)$", examples=["30m", "4h", "2d"]), Bullet("Time")]
    stack: Annotated[tuple[str, ...], Field(min_length=1, max_length=8), Bullet("Stack")]
    outcome: Annotated[Prose, Bullet("Outcome")] = Prose()


class InterviewQuestion(Section):
    """A question one is asked, and a good answer to it."""

    heading: ClassVar[str] = "Interview question"
    kind: Literal["interview-question"] = "interview-question"
    level: Annotated[Literal["junior", "mid", "senior", "staff"], Bullet("Level")]
    answer: Annotated[Prose, Subsection("Answer")]
    follow_ups: Annotated[Prose, Subsection("Follow-ups")] = Prose()


class SectionKind(NamedTuple):
    """A kind as one newsletter uses it.

    Attributes:
        name: `concept`, `architecture`, …; also the fixed anchor in every output.
        heading: the words before the colon of its H2, which the settings may translate.
        model: its pydantic model.
        required: whether an issue without it is an error.
    """

    name: str
    heading: str
    model: type[Section]
    required: bool = True


DEFAULT_KINDS: tuple[SectionKind, ...] = tuple(
    SectionKind(model.model_fields["kind"].default, model.heading, model)
    for model in (Concept, Architecture, ProjectIdea, InterviewQuestion)
)


class FrontMatter(BaseModel):
    """The YAML block at the top of an issue. Dates are calendar dates without a zone."""

    # Most commands read no issue, or only later.
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True)

    number: int = Field(ge=0, description="The issue's number; unique in the newsletter.")
    title: str = Field(min_length=1, description="The subject of the email and the title of the page.")
    date: dt.date
    description: str = Field(
        min_length=1, max_length=160, description="The preheader and the meta description."
    )
    slug: str = Field(
        default="",
        pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$",
        description="Part of the address; from the file name unless given; frozen once sent.",
    )
    tags: tuple[str, ...] = Field(default=(), description="Topics, lower case.")
    status: Literal["draft", "ready"] = Field(default="draft", description="Only a ready issue is sent.")
    preheader: str = Field(default="", max_length=160, description="Replaces the description in the inbox.")
    updated: dt.date | None = None
    author: str = ""
    canonical_url: str = ""
    image: str = Field(default="", description="The picture shown where the issue is shared.")
    aliases: tuple[str, ...] = Field(default=(), description="Old addresses that lead here.")


class Issue(NamedTuple):
    """One issue, parsed and valid.

    Attributes:
        path: the file as the user named it; relative images resolve against its folder.
        front: the front matter, its slug filled in.
        intro: what stands before the first section.
        sections: in the order of the kinds.
        display: what findings call the file; `path` where it is empty.
        text: the whole file, in which findings have their places; may be empty.
    """

    path: str
    front: FrontMatter
    intro: Prose
    sections: tuple[Section, ...]
    display: str = ""
    text: str = ""

    @property
    def slug(self) -> str:
        """The issue's part of an address."""
        return self.front.slug


@cache
def markers(model: type[Section]) -> Mapping[str, Bullet | Labelled | Subsection]:
    """Where each own field of a section model is written, by field name, in declaration order."""
    found: dict[str, Bullet | Labelled | Subsection] = {}
    for name, field in model.model_fields.items():
        marks: list[Any] = [m for m in field.metadata if isinstance(m, (Bullet, Labelled, Subsection))]
        if marks:
            found[name] = marks[0]
    return found
