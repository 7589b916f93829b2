"""What do the single mails say: the confirmation, the reminder, the welcome, the link? Templates in the issues' look.

`email/NAME.txt.j2` holds the subject in its first line (`Subject: …`), an empty line and the text
part; `email/NAME.html.j2` holds the HTML part. Nothing a form brought is among their values.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from newsletter.content.welcome import Welcome
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.publication import Publication, Theme
from newsletter.render.blocks import for_email
from newsletter.render.email import FILTERS, layout_values
from newsletter.render.fragment import Place
from newsletter.render.html import MarkdownConverter
from newsletter.render.images import Pictures
from newsletter.render.inline_css import inlined
from newsletter.render.templates import Templates
from newsletter.render.text import Links

_SUBJECT = "Subject:"


@dataclass(frozen=True, slots=True)
class Letter:
    """A single mail's content: subject, HTML part and text part."""

    subject: str
    html: str
    text: str


class LetterRenderer:
    """Renders single mails of one newsletter; threads that share it take turns.

    Args:
        publication: whose newsletter it is.
        theme: how it looks.
        template_dirs: searched in order for each template.
    """

    def __init__(self, publication: Publication, theme: Theme, template_dirs: Sequence[Path]) -> None:
        self._publication = publication
        self._values = layout_values(publication, theme)
        self._templates = Templates(template_dirs, FILTERS)
        self._markdown = MarkdownConverter()
        self._turn = threading.Lock()

    def render(self, name: str, values: Mapping[str, Any]) -> Letter:
        """The mail of the templates `email/NAME.*`.

        Raises:
            NewsletterError: a template has a mistake; the message names its file and line.
        """
        with self._turn:
            self._templates.refresh()
            values = {**self._values, **values}
            first, _, text = (
                self._templates.render(values, f"email/{name}.txt.j2").lstrip("\n").partition("\n")
            )
            if not first.startswith(_SUBJECT) or not first[len(_SUBJECT) :].strip():
                raise NewsletterError(
                    f"email/{name}.txt.j2 doesn't begin with a subject", hint=f"first line: `{_SUBJECT} …`"
                )
            subject = " ".join(first[len(_SUBJECT) :].split())
            page = self._templates.render(values | {"subject": subject}, f"email/{name}.html.j2")
            css = self._templates.render(self._values, "email/style.css.j2")
            return Letter(subject, inlined(page, css), text.strip("\n") + "\n")

    def welcome(self, welcome: Welcome, values: Mapping[str, Any]) -> Letter:
        """The welcome mail around an author's Markdown.

        Raises:
            UsageError: it holds a link or a picture that can't be mailed.
            NewsletterError: a template has a mistake.
        """
        base_url = self._publication.base_url
        domain = self._publication.from_email.rpartition("@")[2]
        pictures = Pictures(welcome.path, "link", base_url, domain)
        with self._turn:
            fragment = self._markdown.convert(
                welcome.body, Place(pictures, base_url, f"{base_url}/" if base_url else ""), top=2
            )
        for finding in fragment.findings:
            if finding.problem.code != "NL409":  # a picture elsewhere on the web is what a welcome may have
                raise UsageError(f"{welcome.path}: {finding.problem.message}", hint=finding.problem.help)
        for picture in fragment.pictures:
            if picture.file is not None:
                raise UsageError(
                    f"{welcome.path}: the welcome can't bring the picture {picture.file.name} along",
                    hint="name a picture on the web, https://…, or leave it out",
                )
        links = Links()
        text = links.write(fragment.html)
        listed = links.listing()
        return self.render(
            "welcome",
            {
                "title": welcome.title,
                "preheader": welcome.description,
                "body": Markup(for_email(fragment.html)),  # noqa: S704 - our own converter escapes
                "body_text": f"{text}\n\n{listed}" if listed else text,
                **values,
            },
        )
