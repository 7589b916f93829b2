"""Which passages does the archive have, each with an address to cite? One per section, answer, choice and question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from newsletter.content.issue import ParseResult, read_issue
from newsletter.model.issue import Prose, SectionKind
from newsletter.site.passage import ArchiveFiles, PageForm, Passage

if TYPE_CHECKING:
    from newsletter.content.guide import GuideResult
    from newsletter.diagnostics import Diagnostic
    from newsletter.model.guide import Guide
    from newsletter.model.issue import Issue
    from newsletter.render.sections import Field, SectionView
    from newsletter.site.plain import PlainConverter

INTRO = "intro"


class PageRead(NamedTuple):
    """What one file holds.

    Attributes:
        slug: its part of an address; empty where that can't be read.
        published: whether readers see it.
        order: what pages are sorted by.
        passages: in the order of the page; none where it isn't published or has an error.
        findings: the errors that stand in the way.
        parsed: the file as it was read, to be compared with others.
    """

    slug: str
    published: bool
    order: tuple[bool, str, int, str]
    passages: tuple[Passage, ...]
    findings: tuple[Diagnostic, ...]
    parsed: ParseResult | GuideResult


class PassagesRead(NamedTuple):
    """What the whole archive holds.

    Attributes:
        passages: issues oldest first, then guides by slug, so that what is new comes late.
        findings: errors of published files, and addresses that are taken twice.
    """

    passages: tuple[Passage, ...]
    findings: tuple[Diagnostic, ...]


def read_passages(files: ArchiveFiles) -> PassagesRead:
    """Every passage that readers may see; a file with an error has none, and says why.

    Raises:
        NewsletterError: a file can't be read.
    """
    from newsletter.checks.across import check_across

    forms: tuple[tuple[PageForm, Sequence[tuple[Path, Path]]], ...] = (
        ("issue", files.issues),
        ("guide", files.guides),
    )
    reader = PassageReader(files)
    pages = [reader.read(path, str(display), form) for form, found in forms for path, display in found]
    shown = sorted((page for page in pages if page.published), key=lambda page: page.order)
    findings = [finding for page in shown for finding in page.findings]
    findings += [d for d in check_across([page.parsed for page in shown]) if d.code in {"NL901", "NL902"}]
    return PassagesRead(tuple(p for page in shown for p in page.passages), tuple(findings))


class PassageReader:
    """Reads one file after the other; one serves one thread at a time."""

    def __init__(self, files: ArchiveFiles) -> None:
        from newsletter.render.html import MarkdownConverter

        self._files = files
        self._markdown = MarkdownConverter()

    def read(self, path: Path, display: str, form: PageForm) -> PageRead:
        """What a file holds.

        Raises:
            NewsletterError: it can't be read.
        """
        return self._guide(path, display) if form == "guide" else self._issue(path, display)

    def _issue(self, path: Path, display: str) -> PageRead:
        result = read_issue(path, self._files.kinds, display)
        front = result.front
        slugs = (front.slug, *(alias.strip("/") for alias in front.aliases)) if front else ()
        errors = tuple(d for d in result.diagnostics if d.severity == "error")
        # Nobody can tell whether a file without a slug was sent: what is wrong with it is said.
        published = front is None or self._files.publishes(slugs)
        order = (False, front.date.isoformat() if front else "", front.number if front else 0, path.name)
        if result.issue is None or not published:
            return PageRead(slugs[0] if slugs else "", published, order, (), errors, result)
        issue = result.issue
        page = _Page(self._files.base_url, "", issue.slug, front.title, order[1], front.tags)  # type: ignore[union-attr]  # an issue has it
        convert = self._converter(path, issue.text, f"/{issue.slug}/")
        passages = page.passages(_issue_parts(issue, self._files.kinds, convert))
        return PageRead(issue.slug, published, order, passages, errors, result)

    def _guide(self, path: Path, display: str) -> PageRead:
        from newsletter.content.guide import read_guide

        result = read_guide(path, display)
        front = result.front
        errors = tuple(d for d in result.diagnostics if d.severity == "error")
        published = front is None or front.status != "draft" or self._files.drafts
        slug = front.slug if front else ""
        order = (True, slug, 0, path.name)
        if result.guide is None or not published:
            return PageRead(slug, published, order, (), errors, result)
        guide = result.guide
        page = _Page(
            self._files.base_url,
            "guides/",
            guide.slug,
            guide.front.title,
            guide.front.updated.isoformat(),
            guide.front.tags,
        )
        convert = self._converter(path, guide.text, f"/guides/{guide.slug}/")
        return PageRead(slug, published, order, page.passages(_guide_parts(guide, convert)), errors, result)

    def _converter(self, path: Path, text: str, address: str) -> PlainConverter:
        from newsletter.site.plain import plain_converter

        return plain_converter(path, text, self._files.base_url, address, self._markdown)


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
    from newsletter.render.sections import section_views

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
    from newsletter.render.sections import duration

    words = ", ".join(convert.content_text(item) for item in field.items)
    return duration(words) if field.name == "time" else words


# Guides -----------------------------------------------------------------------------------------


def _guide_parts(guide: Guide, convert: PlainConverter) -> Iterator[_Part]:
    from newsletter.model.guide import CHOOSING, COMPARISON, FAQ, SUMMARY_ANCHOR

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
