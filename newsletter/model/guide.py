"""A guide as it was written: two to four options compared, when to choose which, and the questions people ask."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from newsletter.model.issue import Prose

SUMMARY_ANCHOR = "summary"
SOURCES_ANCHOR = "sources"
RELATED_ANCHOR = "related"


class Part(NamedTuple):
    """One of the three H2 sections of a guide.

    Attributes:
        anchor: its fixed anchor, the one GitHub makes of the heading as well.
        heading: its words.
    """

    anchor: str
    heading: str


COMPARISON = Part("comparison", "Comparison")
CHOOSING = Part("when-to-choose-which", "When to choose which")
FAQ = Part("frequently-asked-questions", "Frequently asked questions")
PARTS = (COMPARISON, CHOOSING, FAQ)


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Reference = Annotated[
    str,
    BeforeValidator(_number_as_text),
    Field(min_length=1),
    WithJsonSchema({"type": ["string", "integer"]}),
]


class Source(BaseModel):
    """Something a guide rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True)

    url: str = Field(min_length=1, description="Its address on the web.")
    title: str = Field(min_length=1, description="What it is called.")


class GuideFrontMatter(BaseModel):
    """The YAML block at the top of a guide. Dates are calendar dates without a zone."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, defer_build=True)

    type: Literal["guide"] = Field(description="Tells a guide from an issue.")
    title: str = Field(min_length=1, description="The title of the page.")
    description: str = Field(min_length=1, max_length=160, description="The meta description.")
    options: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=2, max_length=4, description="What is compared, in the order of the table's columns."
    )
    updated: dt.date = Field(description="When its content was last looked over.")
    review_by: dt.date = Field(description="When somebody has to look it over again.")
    slug: str = Field(
        default="",
        pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$",
        description="Part of the address; the file name unless given.",
    )
    tags: tuple[str, ...] = Field(default=(), description="Topics, lower case.")
    status: Literal["draft", "ready"] = Field(default="ready", description="A draft is not published.")
    related: tuple[_Reference, ...] = Field(
        default=(), description="Issues by number or slug, and guides by slug."
    )
    sources: tuple[Source, ...] = ()
    author: str = ""
    canonical_url: str = ""
    image: str = Field(default="", description="The picture shown where the guide is shared.")
    aliases: tuple[str, ...] = Field(default=(), description="Old addresses that lead here.")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)


class Row(_Model):
    """One aspect, and what each option is like in it.

    Attributes:
        label: the row's header.
        cells: one for each option, in their order.
    """

    label: Prose
    cells: tuple[Prose, ...]


class Comparison(_Model):
    """The table; its columns are the guide's options.

    Attributes:
        caption: what the table shows; from the options where the author wrote none.
        corner: the words above the row headers; may be empty.
        rows: at least one.
        intro: what stands before the table.
        outro: what stands after it.
        line: line number of the heading.
    """

    caption: Prose
    corner: Prose = Prose()
    rows: tuple[Row, ...] = Field(min_length=1)
    intro: Prose = Prose()
    outro: Prose = Prose()
    line: int = 0


class Choice(_Model):
    """The card of one option: when to choose it.

    Attributes:
        option: as in the front matter.
        body: the reasons.
        anchor: its own address on the page.
        line: line number of its heading.
    """

    option: str
    body: Prose
    anchor: str
    line: int = 0


class Choosing(_Model):
    """When to choose which.

    Attributes:
        choices: one card for each option, in the order of the options.
        intro: what stands before the first card.
        note: the text of its `> [!NOTE]`; may be empty.
        line: line number of the heading.
    """

    choices: tuple[Choice, ...]
    intro: Prose = Prose()
    note: Prose = Prose()
    line: int = 0


class Question(_Model):
    """A question people ask, and its answer.

    Attributes:
        question: the heading's Markdown, with its question mark.
        answer: what stands below it.
        anchor: its own address on the page.
        line: line number of its heading.
    """

    question: str
    answer: Prose
    anchor: str
    line: int = 0


class Questions(_Model):
    """The questions people ask.

    Attributes:
        questions: at least one.
        intro: what stands before the first one.
        line: line number of the heading.
    """

    questions: tuple[Question, ...] = Field(min_length=1)
    intro: Prose = Prose()
    line: int = 0


class Guide(NamedTuple):
    """One guide, parsed and valid.

    Attributes:
        path: the file; relative links and images resolve against its folder.
        front: the front matter, its slug filled in.
        summary: the straight answer, which stands before the first heading.
        comparison: the table.
        choosing: the cards.
        faq: the questions.
        display: what findings call the file; `path` where it is empty.
        text: the whole file, in which findings have their places; may be empty.
    """

    path: str
    front: GuideFrontMatter
    summary: Prose
    comparison: Comparison
    choosing: Choosing
    faq: Questions
    display: str = ""
    text: str = ""

    @property
    def slug(self) -> str:
        """The guide's part of an address, `/guides/<slug>/`."""
        return self.front.slug

    @property
    def anchors(self) -> frozenset[str]:
        """Every part of the page that a link can lead to."""
        return frozenset(
            (
                SUMMARY_ANCHOR,
                SOURCES_ANCHOR,
                RELATED_ANCHOR,
                *(part.anchor for part in PARTS),
                *(choice.anchor for choice in self.choosing.choices),
                *(question.anchor for question in self.faq.questions),
            )
        )
