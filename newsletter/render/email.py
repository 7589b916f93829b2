"""What does an issue look like in the mail? Markdown, then templates, then inlined styles; and the text part.

Everything but what differs between readers is done once per issue; those places are slots, counted
after every stage.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from markupsafe import Markup

from newsletter.diagnostics import Diagnostic
from newsletter.model.issue import Issue, SectionKind
from newsletter.model.publication import Publication, Theme
from newsletter.model.template import InlineImage
from newsletter.render.colour import palette
from newsletter.render.fragment import Place
from newsletter.render.images import COLUMN, Pictures
from newsletter.render.inline_css import inlined
from newsletter.render.kept import Kept
from newsletter.render.look import look
from newsletter.render.pieces import IssueConverter, PieceStore, tokens
from newsletter.render.sections import Content, SectionView, duration, heading_of, section_views
from newsletter.render.slots import SlotTable
from newsletter.render.templates import Templates
from newsletter.render.text import COLUMNS, Links, heading
from newsletter.render.workshop import Workshop

# An inbox shows this much after the subject, and goes on with the body unless it is filled.
_PREHEADER_LENGTH = 200
_FILLER = "&#8199;&#65279;&#847; "
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
# Where our templates print the title: `<title>` and the heading.
_TITLE_PLACES = 2
# Bytes: a few seconds on a telephone's connection, and as much in each copy of the mail where they travel along.
_PICTURE_BUDGET = 1_000_000
# Sections filled earlier that are kept.
_KEPT = 128
_WHOLE_ISSUE = frozenset({"sections", "intro", "intro_text", "intro_links"})
_CONTEXT = (
    "issue",
    "date",
    "title",
    "preheader",
    "web_url",
    "answer_url",
    "unsubscribe_url",
    "preferences_url",
)
# What templates may call with `|`.
FILTERS: Mapping[str, Callable[..., Any]] = {
    "duration": duration,
    "heading": heading,
    "heading_of": heading_of,
    "inline": lambda content: content.inline,
}


@dataclass(frozen=True)
class RenderedIssue:
    """An issue as it will be sent, but for what differs between readers.

    Attributes:
        subject: text; may hold slot tokens of `render.slots`, as may the next three.
        preheader: what an inbox shows after the subject.
        html: the HTML part.
        text: the plain-text part.
        slots: what the tokens stand for.
        images: pictures to attach, each once; empty where they are linked.
        linked: pictures to publish under `assets/`, each once; empty where they are attached.
        web_url: the issue's address in the archive, or empty.
        diagnostics: what was found while rendering; a send refuses on errors.
    """

    subject: str
    preheader: str
    html: str
    text: str
    slots: SlotTable
    images: tuple[InlineImage, ...]
    web_url: str
    diagnostics: tuple[Diagnostic, ...]
    linked: tuple[InlineImage, ...] = ()


class EmailRenderer:
    """Renders issues of one newsletter, and remembers their pieces; threads that share it take turns.

    Args:
        publication: whose newsletter it is.
        theme: how it looks.
        kinds: its section kinds; each may have a template `email/section-NAME.html.j2`.
        template_dirs: searched in order for each template.
        images: pictures travel with the message, or are linked under `{base_url}/assets/`.
        answer_in_email: show the answer of a question instead of a link to it.
        workshop: fits pictures and draws diagrams; without it, the former stay as they are and the latter code.
    """

    def __init__(
        self,
        *,
        publication: Publication,
        theme: Theme,
        kinds: tuple[SectionKind, ...],
        template_dirs: Sequence[Path],
        images: Literal["attach", "link"],
        answer_in_email: bool,
        workshop: Workshop | None = None,
    ) -> None:
        self._publication = publication
        self._kinds = kinds
        self._mode: Literal["attach", "link"] = images
        self._answer_in_email = answer_in_email
        self._workshop = workshop
        self._palette = palette(theme)
        self._templates = Templates(template_dirs, FILTERS)
        self._pieces = PieceStore()
        self._bodies: Kept[Hashable, str] = Kept(_KEPT)
        self._texts: Kept[Hashable, tuple[str, tuple[str, ...], int]] = Kept(_KEPT)
        self._css = ""
        self._turn = threading.Lock()
        self._values = layout_values(publication, theme)

    def render(self, issue: Issue) -> RenderedIssue:
        """The issue as HTML and text, with everything wrong that only rendering can find.

        Raises:
            NewsletterError: a template has a mistake; the message names its file and line.
        """
        with self._turn:
            if self._templates.refresh():
                self._bodies.clear()
                self._texts.clear()
                self._css = ""
            return self._render(issue)

    def _render(self, issue: Issue) -> RenderedIssue:
        base_url = self._publication.base_url
        web_url = f"{base_url}/{issue.slug}/" if base_url else ""
        domain = self._publication.from_email.rpartition("@")[2] or "newsletter.invalid"
        pictures = Pictures(Path(issue.path), self._mode, base_url, domain, self._workshop)
        convert = IssueConverter(issue, Place(pictures, base_url, web_url), self._pieces)
        title = convert.slots.mark(issue.front.title)
        preheader = convert.slots.mark(issue.front.preheader or issue.front.description)
        # Without an archive there is nowhere else the answer could be read.
        answer_here = self._answer_in_email or not web_url
        filler = _FILLER * max(0, _PREHEADER_LENGTH - len(preheader))
        values = self._values | {
            "issue": issue.front,
            "date": _spelled_date(issue, self._publication.language),
            "title": title,
            "preheader": preheader,
            "filler": Markup(filler),  # noqa: S704 - a constant
            "intro": convert.content(issue.intro) if issue.intro else None,
            "sections": section_views(issue.sections, self._kinds, convert, answer_here=answer_here),
            "web_url": web_url,
            "answer_url": "" if answer_here else f"{web_url}#answer",
            "unsubscribe_url": convert.slots.token("unsubscribe_url"),
            "preferences_url": convert.slots.token("preferences_url"),
        }
        html = self._html(values, convert)
        text = self._text(values, convert)
        for key, colour, used, ratio in self._palette.faint:
            convert.note(
                "NL406",
                f"`theme.{key}` {colour} has a contrast of {ratio:.1f} as text, less than 4.5; links use {used}",
                f'set `{key} = "{used}"`, or another colour that reads',
            )
        pictures_of_issue = tuple(convert.images.values())
        weight = sum(len(image.data) for image in pictures_of_issue)
        if weight > _PICTURE_BUDGET:
            heaviest = max(pictures_of_issue, key=lambda image: len(image.data))
            convert.note(
                "NL467",
                f"the pictures of this issue weigh {weight / 1e6:.1f} MB together, more than {_PICTURE_BUDGET / 1e6:.0f}",
                f"{heaviest.filename} has {len(heaviest.data) / 1e6:.1f} MB: save it as a JPEG, or with fewer colours",
            )
        attached = self._mode == "attach"
        return RenderedIssue(
            subject=title,
            preheader=preheader,
            html=html,
            text=text,
            slots=convert.slots,
            images=pictures_of_issue if attached else (),
            web_url=web_url,
            diagnostics=tuple(dict.fromkeys(convert.diagnostics)),
            linked=() if attached else pictures_of_issue,
        )

    def _html(self, values: dict[str, Any], convert: IssueConverter) -> str:
        bodies: list[Markup] = []
        for section in values["sections"]:
            key = (section.key, _context(values))
            body = self._bodies.get(key)
            if body is None:
                body = self._bodies.keep(key, self._filled(section, values, "html"))
            bodies.append(Markup(body))  # noqa: S704 - from a template that escapes
        page = self._templates.render(values | {"section_bodies": bodies}, "email/issue.html.j2")
        title, written = tokens(values["title"]), convert.written
        convert.compare(page, written + title, _most(values, written, page), "the templates of the HTML part")
        self._css = self._css or self._templates.render(self._values, "email/style.css.j2")
        html = inlined(page, self._css)
        convert.compare(html, tokens(page), tokens(page), "the inlining of styles")
        return html

    def _text(self, values: dict[str, Any], convert: IssueConverter) -> str:
        links = Links()
        values = values | {"write": _writer(links), "links": links.listing}
        # In reading order, since links are numbered as they are written.
        values["intro_text"] = values["write"](values["intro"]) if values["intro"] else ""
        values["intro_links"] = links.listing()
        texts: list[str] = []
        for section in values["sections"]:
            before = links.state
            key = (section.key, _context(values), before)
            kept = self._texts.get(key)
            if kept is None:
                text = self._filled(section, values, "txt").strip("\n")
                self._texts.keep(key, (text, tuple(links.addresses[before[0] :]), links.state[1]))
            else:
                text, addresses, listed = kept
                links.go_on(addresses, listed)
            texts.append(text)
        text = self._templates.render(values | {"section_texts": texts}, "email/issue.txt.j2")
        title = tokens(values["title"])
        convert.compare(text, convert.written + title, None, "the templates of the text part")
        return text.strip("\n") + "\n"

    def _filled(self, section: SectionView, values: dict[str, Any], form: Literal["html", "txt"]) -> str:
        # A section sees nothing of the others: so one that didn't change need not be filled again.
        seen = {name: value for name, value in values.items() if name not in _WHOLE_ISSUE}
        return self._templates.render(seen | {"section": section}, *section.template_names(form))


def layout_values(publication: Publication, theme: Theme) -> dict[str, Any]:
    """What the layout of every mail of a newsletter is made of: who publishes, colours, direction, columns."""
    return {**look(publication, theme), "publication": publication, "column": COLUMN, "columns": COLUMNS}


def _context(values: dict[str, Any]) -> tuple[Any, ...]:
    """What a section's template sees that may differ from one rendering to the next."""
    return tuple(values[name] for name in _CONTEXT)


def _most(values: dict[str, Any], written: Counter[str], page: str) -> Counter[str]:
    """How often each slot may stand on the page: as written, the title twice, the layout's own links as it likes."""
    most = written + tokens(values["preheader"])
    for number, count in tokens(values["title"]).items():
        most[number] += count * _TITLE_PLACES
    on_page = tokens(page)
    for own in tokens(values["unsubscribe_url"] + values["preferences_url"]):
        most[own] = on_page[own]
    return most


def _writer(links: Links) -> Callable[..., str]:
    def write(content: Content, indent: str = "", first: str | None = None) -> str:
        """`content` as text whose lines start with `indent`, but the first with `first`."""
        parts = content.stretches or (content.semantic,)
        lines = "\n\n".join(links.write(part, COLUMNS - len(indent)) for part in parts).split("\n")
        lead = indent if first is None else first
        return "\n".join(
            (lead if at == 0 else indent) + line if line else "" for at, line in enumerate(lines)
        )

    return write


def _spelled_date(issue: Issue, language: str) -> str:
    date = issue.front.date
    if language.lower().startswith("en"):
        return f"{date.day} {_MONTHS[date.month - 1]} {date.year}"
    return date.isoformat()
