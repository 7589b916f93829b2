"""The bank of interview questions as a file: JSON for programs, CSV for spreadsheets, a text file that Anki imports."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from markupsafe import Markup, escape
from selectolax.lexbor import LexborHTMLParser

from newsletter.audience.formula import formula_safe
from newsletter.model.issue import Issue, Prose, Section
from newsletter.model.publication import Publication
from newsletter.render.html import MarkdownConverter
from newsletter.render.sections import Content
from newsletter.site.plain import PlainConverter, plain_converter

Form = Literal["json", "csv", "anki"]
COLUMNS: Final = (
    "id",
    "question",
    "context",
    "answer",
    "follow_ups",
    "level",
    "tags",
    "issue",
    "title",
    "date",
    "url",
)
# How the address of a picture of ours begins until it is known where the site is.
_PICTURE: Final = 'src="site:/'
_ANKI_HEADERS: Final = (
    "#separator:tab\n#html:true\n#notetype:Basic\n#guid column:1\n#deck column:2\n#tags column:5\n"
    "#columns:guid\tdeck\tFront\tBack\ttags\n"
)
# What Anki reads as a sound, a formula or a card of its own, wherever it stands in a field.
_ANKI_MARK = re.compile(r"\[(?=(?:sound:|anki:|/?latex\]|/?\$))")


@dataclass(frozen=True)
class Question:
    """One interview question of a published issue.

    Attributes:
        id: `<slug>#<kind>`; stays the same while the issue keeps its slug.
        question: as plain text.
        context: what is told before it is answered, as plain text; may be empty.
        answer: as plain text.
        follow_ups: as plain text.
        level: junior, mid, senior or staff; empty where its kind has none.
        tags: of the issue.
        issue: its number.
        title: of the issue.
        date: of the issue, `YYYY-MM-DD`.
        url: where it can be read.
        question_html: as HTML that needs no page around it.
        context_html: the same of the context; may be empty.
        answer_html: the same of the answer.
        follow_ups_html: the same of the follow-ups; may be empty.
    """

    id: str
    question: str
    context: str
    answer: str
    follow_ups: list[str]
    level: str
    tags: list[str]
    issue: int
    title: str
    date: str
    url: str
    question_html: str
    context_html: str
    answer_html: str
    follow_ups_html: str


def answered_sections(issue: Issue) -> list[tuple[Section, Prose]]:
    """The sections of an issue that ask and answer, of whichever kind, each with its answer."""
    found = []
    for section in issue.sections:
        answer = getattr(section, "answer", None)
        if isinstance(answer, Prose) and answer:
            found.append((section, answer))
    return found


def questions_of(issues: Sequence[Issue], base_url: str) -> list[Question]:
    """The questions of these issues, in their order; `base_url` is where the site is."""
    markdown = MarkdownConverter()
    questions: list[Question] = []
    for issue in issues:
        convert = plain_converter(issue.path, issue.text, base_url, f"/{issue.slug}/", markdown)
        convert.define_all(issue.intro, issue.sections)
        questions += [
            _question(issue, section, answer, base_url, convert)
            for section, answer in answered_sections(issue)
        ]
    return questions


def _question(
    issue: Issue, section: Section, answer: Prose, base_url: str, convert: PlainConverter
) -> Question:
    empty = Content("", Markup())

    def content(prose: object) -> Content:
        return convert.content(prose, 4) if isinstance(prose, Prose) and prose else empty

    title = convert.words(section.title, section.line)
    context, answered = content(section.body), content(answer)
    more = content(getattr(section, "follow_ups", None))

    def html(piece: Content) -> str:
        return piece.semantic.replace(_PICTURE, f'src="{base_url}/')

    return Question(
        id=f"{issue.slug}#{section.kind}",
        question=convert.content_text(title),
        context=convert.content_text(context),
        answer=convert.content_text(answered),
        follow_ups=[convert.content_text(Content(item, Markup())) for item in _items(more.semantic)],
        level=str(getattr(section, "level", "")),
        tags=list(dict.fromkeys(issue.front.tags)),
        issue=issue.front.number,
        title=convert.line_of_text(issue.front.title),
        date=issue.front.date.isoformat(),
        url=f"{base_url}/{issue.slug}/#{section.kind}",
        question_html=html(title),
        context_html=html(context),
        answer_html=html(answered),
        follow_ups_html=html(more),
    )


def _items(html: str) -> list[str]:
    """The items of the lists in `html`, as HTML; its paragraphs where there is no list."""
    body = LexborHTMLParser(html).body
    if body is None:
        return []
    blocks = [node for node in body.iter() if node.tag in {"ul", "ol"}]
    nodes = [item for block in blocks for item in block.iter() if item.tag == "li"] or list(body.iter())
    return [node.inner_html or "" for node in nodes if node.text(deep=True).strip()]


# As files ------------------------------------------------------------------------------------------


def _as_json(questions: Sequence[Question], publication: Publication, licence: str, licence_url: str) -> str:
    document = {
        "newsletter": publication.name,
        "url": publication.base_url,
        "licence": licence,
        "licence_url": licence_url,
        "questions": [asdict(question) for question in questions],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _as_csv(questions: Sequence[Question]) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(COLUMNS)
    for question in questions:
        row = asdict(question) | {
            "follow_ups": "\n".join(question.follow_ups),
            "tags": ";".join(question.tags),
        }
        writer.writerow([formula_safe(str(row[column])) for column in COLUMNS])
    return sink.getvalue()


def _as_anki(questions: Sequence[Question], publication: Publication) -> str:
    """Anki's own text format with its file headers (docs.ankiweb.net, Importing, Text Files).

    A card keeps its GUID, so that importing a later bank mends the words of a card and leaves its schedule.
    """
    sink = io.StringIO()
    sink.write(_ANKI_HEADERS)
    writer = csv.writer(sink, delimiter="\t", lineterminator="\n")
    # `::` would make a deck within a deck.
    deck = " ".join(re.sub(r":{2,}", ":", publication.name).split())
    for question in questions:
        front = f"<b>{question.question_html}</b>{question.context_html}"
        more = f"<p><b>Follow-ups</b></p>{question.follow_ups_html}" if question.follow_ups_html else ""
        source = (
            f'<p><small><a href="{escape(question.url)}">Issue {question.issue}: {escape(question.title)}</a>, '
            f"{question.date}</small></p>"
        )
        tags = [*question.tags, *([f"level::{question.level}"] if question.level else [])]
        fields = [
            _ANKI_MARK.sub("&#91;", field) for field in (front, f"{question.answer_html}{more}{source}")
        ]
        # A space ends a tag.
        writer.writerow([question.url, deck, *fields, " ".join(re.sub(r"\s+", "-", tag) for tag in tags)])
    return sink.getvalue()


def bank(
    questions: Sequence[Question],
    form: Form,
    publication: Publication,
    *,
    licence: str = "",
    licence_url: str = "",
) -> str:
    """The questions as the text of a file; `licence` and where it can be read are told where the form has a place for them."""
    match form:
        case "json":
            return _as_json(questions, publication, licence, licence_url)
        case "csv":
            return _as_csv(questions)
        case "anki":
            return _as_anki(questions, publication)
