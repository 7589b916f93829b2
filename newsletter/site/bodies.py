"""What does one issue or guide say on its page? From the parsed file to an entry and its body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from newsletter.content.document import Document
from newsletter.model.issue import Issue, Prose, SectionKind
from newsletter.render.sections import duration, heading_of, section_views
from newsletter.render.templates import Templates
from newsletter.site.entry import Body, Entry, sealed
from newsletter.site.prose import WebConverter, text_of

if TYPE_CHECKING:
    from newsletter.model.guide import Guide

FILTERS: dict[str, Any] = {
    "duration": duration,
    "heading_of": heading_of,
    "inline": lambda content: content.inline,
}


def issue_entry(
    issue: Issue,
    convert: WebConverter,
    templates: Templates,
    kinds: Sequence[SectionKind],
    document: Document | None,
) -> tuple[Entry, Body]:
    """The entry and the body of an issue.

    Raises:
        NewsletterError: a template has a mistake.
    """
    front = issue.front
    convert.define(issue.intro, *(value for section in issue.sections for value in prose_of(section)))
    views = section_views(issue.sections, kinds, convert, answer_here=True)
    values = {"intro": convert.content(issue.intro) if issue.intro else None, "sections": views}
    html = templates.render(values, "site/issue-body.html.j2")
    body = Body(html, convert.markdown_body(issue.text[document.body_start :] if document else ""))
    answers = any("answer" in view.fields for view in views)
    question = next((s for s in issue.sections if getattr(s, "level", "")), None)
    entry = Entry(
        form="issue",
        path=issue.path,
        display=issue.display or issue.path,
        slug=issue.slug,
        number=front.number,
        title=convert.line_of_text(front.title),
        description=convert.line_of_text(front.description),
        date=front.date.isoformat(),
        updated=front.updated.isoformat() if front.updated else "",
        tags=list(dict.fromkeys(front.tags)),
        author=front.author,
        aliases=[alias.strip("/") for alias in front.aliases],
        canonical=front.canonical_url,
        digest="",
        words=convert.words_read,
        sections=[[view.kind, view.mark, text_of(view.title.semantic)] for view in views],
        level=str(getattr(question, "level", "")),
        question=text_of(next((v.title.semantic for v in views if question and v.kind == question.kind), "")),
        anchors=[*(view.kind for view in views), *(["answer"] if answers else []), *_ids(html)],
        links=convert.links,
        image=convert.picture(front.image) if front.image else "",
        pictures=list(convert.pictures.values()),
    )
    return sealed(entry, body), body


def guide_entry(
    guide: Guide, convert: WebConverter, templates: Templates, document: Document | None
) -> tuple[Entry, Body]:
    """The entry and the body of a guide.

    Raises:
        NewsletterError: a template has a mistake.
    """
    front = guide.front
    questions = guide.faq.questions
    convert.define(
        guide.summary,
        guide.choosing.intro,
        guide.faq.intro,
        guide.comparison.intro,
        guide.comparison.outro,
        *(choice.body for choice in guide.choosing.choices),
        *(question.answer for question in questions),
    )
    table, choosing, faq = guide.comparison, guide.choosing, guide.faq

    def text(prose: Prose, top: int = 3) -> Any:
        return convert.content(prose, top) if prose else None

    answers = [(q.anchor, convert.words(q.question, q.line), convert.content(q.answer, 4)) for q in questions]
    values = {
        "guide": guide,
        "summary": text(guide.summary),
        "table": {
            "intro": text(table.intro),
            "caption": convert.content(table.caption).inline,
            "corner": convert.content(table.corner).inline if table.corner else "",
            "rows": [
                (convert.content(row.label).inline, [convert.content(cell).inline for cell in row.cells])
                for row in table.rows
            ],
            "outro": text(table.outro),
        },
        "choosing": {
            "intro": text(choosing.intro),
            "choices": [(c.anchor, c.option, convert.content(c.body, 4)) for c in choosing.choices],
            "note": text(choosing.note),
        },
        "faq": {"intro": text(faq.intro), "answers": answers},
    }
    html = templates.render(values, "site/guide-body.html.j2")
    body = Body(html, convert.markdown_body(guide.text[document.body_start :] if document else ""))
    entry = Entry(
        form="guide",
        path=guide.path,
        display=guide.display or guide.path,
        slug=guide.slug,
        number=0,
        title=front.title,
        description=front.description,
        date=front.updated.isoformat(),
        updated=front.updated.isoformat(),
        tags=list(dict.fromkeys(front.tags)),
        author=front.author,
        aliases=[alias.strip("/") for alias in front.aliases],
        canonical=front.canonical_url,
        digest="",
        words=convert.words_read,
        anchors=sorted({*guide.anchors, *_ids(html)}),
        options=list(front.options),
        related=list(front.related),
        faq=[[text_of(question.semantic), text_of(answer.semantic)] for _, question, answer in answers],
        links=convert.links,
        image=convert.picture(front.image) if front.image else "",
        pictures=list(convert.pictures.values()),
    )
    return sealed(entry, body), body


def prose_of(section: Any) -> list[Prose]:
    """Every running text of a section, in the order of its fields."""
    values = [value for _, value in section]
    parts = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    return [part for part in parts if isinstance(part, Prose)]


def _ids(html: str) -> list[str]:
    return re.findall(r' id="([^"]+)"', html)
