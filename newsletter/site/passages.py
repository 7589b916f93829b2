"""Which passages does the archive have, each with an address to cite? One per section, answer, choice and question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from newsletter.content.slots import to_nobody
from newsletter.model.guide import CHOOSING, COMPARISON, FAQ, SUMMARY_ANCHOR, Guide
from newsletter.model.issue import Issue, Prose, SectionKind
from newsletter.render.html import MarkdownConverter
from newsletter.render.sections import Field, SectionView, duration, section_views
from newsletter.site.passage import Passage
from newsletter.site.plain import PlainConverter, plain_converter
from newsletter.site.published import Published

INTRO = "intro"


def passages_of(published: Published, base_url: str, kinds: Sequence[SectionKind]) -> tuple[Passage, ...]:
    """Every passage that readers may see: those of issues, oldest first, then of guides by slug, so that what is new comes late.

    Args:
        published: what was read of the archive.
        base_url: where the site is, without a slash at its end.
        kinds: the sections an issue has.
    """
    split = Passages(base_url, kinds)
    issues = (passage for issue in published.issues for passage in split.issue(issue))
    guides = (passage for guide in published.guides for passage in split.guide(guide))
    return (*issues, *guides)


class Passages:
    """Splits what was parsed; one serves one thread at a time."""

    def __init__(self, base_url: str, kinds: Sequence[SectionKind]) -> None:
        self._base_url, self._kinds = base_url, kinds
        self._markdown = MarkdownConverter()

    def page(self, page: Issue | Guide) -> tuple[Passage, ...]:
        """The passages of either."""
        return self.issue(page) if isinstance(page, Issue) else self.guide(page)

    def issue(self, issue: Issue) -> tuple[Passage, ...]:
        """The passages of an issue, in the order of the page."""
        front = issue.front
        title = to_nobody(front.title)
        page = _Page(self._base_url, "", issue.slug, title, front.date.isoformat(), front.tags)
        convert = plain_converter(issue.path, issue.text, self._base_url, f"/{issue.slug}/", self._markdown)
        return page.passages(_issue_parts(issue, self._kinds, convert))

    def guide(self, guide: Guide) -> tuple[Passage, ...]:
        """The passages of a guide, in the order of the page."""
        front = guide.front
        page = _Page(
            self._base_url, "guides/", guide.slug, front.title, front.updated.isoformat(), front.tags
        )
        address = f"/guides/{guide.slug}/"
        convert = plain_converter(guide.path, guide.text, self._base_url, address, self._markdown)
        return page.passages(_guide_parts(guide, convert))


class _Part(NamedTuple):
    """A part of a page before it has an address; its text may be empty."""

    anchor: str
    kind: str
    heading: str
    text: str


class _Page(NamedTuple):
    base_url: str
    folder: Literal["", "guides/"]
    slug: str
    title: str
    date: str
    tags: tuple[str, ...]

    def passages(self, parts: Iterable[_Part]) -> tuple[Passage, ...]:
        """The parts that say something; those that share an anchor are one."""
        merged: dict[str, _Part] = {}
        for part in parts:
            if not part.text.strip():
                continue
            before = merged.get(part.anchor)
            merged[part.anchor] = (
                before._replace(text=f"{before.text}\n\n{part.text}") if before is not None else part
            )
        address = f"{self.folder}{self.slug}"
        tags = tuple(dict.fromkeys(self.tags))
        return tuple(
            Passage(
                id=f"{address}#{part.anchor}",
                url=f"{self.base_url}/{address}/#{part.anchor}",
                title=self.title,
                heading=part.heading,
                kind=part.kind,
                date=self.date,
                tags=tags,
                text=part.text.strip(),
            )
            for part in merged.values()
        )


# Issues -----------------------------------------------------------------------------------------


def _issue_parts(issue: Issue, kinds: Sequence[SectionKind], convert: PlainConverter) -> Iterator[_Part]:
    convert.define_all(issue.intro, issue.sections)
    if issue.intro:
        yield _Part(INTRO, INTRO, "", convert.prose_text(issue.intro))
    for view in section_views(issue.sections, kinds, convert, answer_here=True):
        title = convert.content_text(view.title)
        yield _Part(view.kind, view.kind, title, _section_text(view, convert))
        for field in view.others:
            if field.form == "subsection":
                anchor = field.name.replace("_", "-")
                yield _Part(anchor, anchor, title, convert.content_text(field.content))


def _section_text(view: SectionView, convert: PlainConverter) -> str:
    """Facts, body, and fields that have no anchor of their own."""
    facts = [f"{field.label}: {_fact(field, convert)}" for field in view.facts]
    parts = ["\n".join(facts), convert.content_text(view.body) if view.body else ""]
    for field in view.others:
        if field.form == "bullet":
            items = "\n".join(f"- {convert.content_text(item)}" for item in field.items)
            parts.append(f"{field.label}:\n{items}")
        elif field.form == "labelled":
            parts.append(f"{field.label}: {convert.content_text(field.content)}")
    return "\n\n".join(filter(None, parts))


def _fact(field: Field, convert: PlainConverter) -> str:
    words = ", ".join(convert.content_text(item) for item in field.items)
    return duration(words) if field.name == "time" else words


# Guides -----------------------------------------------------------------------------------------


def _guide_parts(guide: Guide, convert: PlainConverter) -> Iterator[_Part]:
    choosing, faq = guide.choosing, guide.faq
    convert.define(
        guide.summary,
        guide.comparison.intro,
        guide.comparison.outro,
        choosing.intro,
        faq.intro,
        *(choice.body for choice in choosing.choices),
        *(question.answer for question in faq.questions),
    )
    yield _Part(SUMMARY_ANCHOR, "summary", "Summary", _text(convert, guide.summary))
    yield _Part(COMPARISON.anchor, "comparison", COMPARISON.heading, _table_text(guide, convert))
    about = [_text(convert, choosing.intro), _text(convert, choosing.note)]
    yield _Part(CHOOSING.anchor, "choosing", CHOOSING.heading, "\n\n".join(filter(None, about)))
    for choice in choosing.choices:
        yield _Part(choice.anchor, "choice", f"Choose {choice.option}", _text(convert, choice.body))
    yield _Part(FAQ.anchor, "question", FAQ.heading, _text(convert, faq.intro))
    for question in faq.questions:
        heading = convert.content_text(convert.words(question.question, question.line))
        yield _Part(question.anchor, "question", heading, _text(convert, question.answer))


def _text(convert: PlainConverter, prose: Prose) -> str:
    return convert.prose_text(prose) if prose else ""


def _table_text(guide: Guide, convert: PlainConverter) -> str:
    """The table row by row: a cell that stands alone still says which option it is about."""
    table = guide.comparison
    rows = [
        "\n".join(
            [
                _text(convert, row.label),
                *(
                    f"- {option}: {_text(convert, cell)}"
                    for option, cell in zip(guide.front.options, row.cells, strict=False)
                ),
            ]
        )
        for row in table.rows
    ]
    parts = [_text(convert, table.intro), _text(convert, table.caption), *rows, _text(convert, table.outro)]
    return "\n\n".join(filter(None, parts))
