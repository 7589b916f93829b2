"""What does an author's Markdown say in plain text, for a search or a model rather than a mail program?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

from newsletter.model.issue import Prose, Section
from newsletter.render.fragment import Fragment, Place
from newsletter.render.html import MarkdownConverter
from newsletter.render.sections import Content
from newsletter.render.task_lists import as_written
from newsletter.render.text import Links
from newsletter.site.bodies import prose_of
from newsletter.site.prose import WebConverter, site_pictures

# Wider than any paragraph: a line ends where the author ended one.
_UNWRAPPED = 1_000_000
# What is emphasised or leads somewhere is words all the same; inside `pre` it colours code.
_INLINE = re.compile(r"</?(?:a|em|strong|del|code|span)\b[^>]*>")
_HEADING = re.compile(r"<(/?)h[1-6]\b[^>]*>")
_ASIDE = re.compile(r"<(/?)aside\b[^>]*>")


class PlainConverter(WebConverter):
    """Converts the Markdown of one file, and stops at the semantic HTML: colours and pictures are a page's concern."""

    def _for_web(self, html: str) -> str:
        return html

    def _note(self, fragment: Fragment, prose: Prose) -> None:
        pass

    def define_all(self, intro: Prose, sections: Sequence[Section]) -> None:
        """Take the link and footnote definitions of a whole issue."""
        self.define(intro, *(value for section in sections for value in prose_of(section)))

    def prose_text(self, prose: Prose) -> str:
        """What a piece says."""
        return self.content_text(self.content(prose))

    def content_text(self, content: Content) -> str:
        """What is converted already, as text: code indented by four, lists with dashes, no addresses of links."""
        if "<" not in content.semantic:
            return " ".join(unescape(content.semantic).split())
        html = _INLINE.sub("", as_written(content.semantic))
        html = _ASIDE.sub(r"<\1div>", _HEADING.sub(r"<\1p>", html))
        return Links().write(html, _UNWRAPPED)


def plain_converter(
    path: str, text: str, base_url: str, address: str, markdown: MarkdownConverter
) -> PlainConverter:
    """The converter of one file.

    Args:
        path: the file.
        text: what is in it.
        base_url: where the site is; may be empty.
        address: of the file's page, from the site's root.
        markdown: converts; one serves many files.
    """
    root = urlsplit(base_url).path.rstrip("/")
    place = Place(site_pictures(Path(path)), base_url, base_url + address)
    reader_links = {"unsubscribe_url": f"{base_url}/u", "preferences_url": f"{base_url}/p"}
    return PlainConverter(text, path, place, markdown, root, reader_links)
