"""What does a piece of an issue's Markdown say, as plain semantic HTML?

The result knows nothing of mail clients: the email, the text part and a web page each make their
own of it. Raw HTML is shown, not obeyed. One `MarkdownConverter` serves one thread at a time.
"""

from __future__ import annotations

import re
from functools import cached_property, partial
from html import unescape
from typing import TYPE_CHECKING

from markupsafe import escape

from newsletter.render.diagrams.source import alternative_text, is_diagram
from newsletter.render.fragment import Finding, Fragment, Place
from newsletter.render.images import Pictures
from newsletter.render.paragraphs import as_paragraphs

if TYPE_CHECKING:
    from newsletter.render.parser import Parser

_DIAGRAM_MARKS = ('"language-mermaid"', '"language-dot"')
_DIAGRAM = re.compile(r'<pre><code class="language-(mermaid|dot)">(.*?)</code></pre>', re.DOTALL)
# What a text has none of that is no Markdown.
_MARKDOWN = re.compile(r"[\\`*_\[\]<>&!~\n]|://|^\s*(?:[-+#>|]|\d+[.)])")


class MarkdownConverter:
    """Converts many texts; what is no more than paragraphs needs no parser."""

    @cached_property
    def _parser(self) -> Parser:
        from newsletter.render.parser import Parser

        return Parser()

    def convert(self, text: str, place: Place, top: int = 3, level: int | None = None) -> Fragment:
        """`text` as semantic HTML whose headings start at level `top` and skip none.

        `level` is that of the heading before it, where it goes on after another text.
        """
        fragment = Fragment(level=top - 1 if level is None else level)
        html = as_paragraphs(text, partial(fragment.lead, place))
        if html is None:
            fragment = self._parser.parse(text, place, top, fragment)
        else:
            fragment.html = html
        if place.pictures.workshop is not None and any(mark in fragment.html for mark in _DIAGRAM_MARKS):
            fragment.html = _with_diagrams(fragment.html, place.pictures, fragment)
        return fragment


def _with_diagrams(html: str, pictures: Pictures, fragment: Fragment) -> str:
    """`html` with the pictures of diagrams in the place of their source, where there are any."""

    def drawn(block: re.Match[str]) -> str:
        language, source = block[1], unescape(block[2])
        if not is_diagram(language):
            return block[0]
        picture, problems = pictures.draw(language, source)
        fragment.findings += [Finding(problem, source, line) for problem, line in problems]
        if picture is None:
            return block[0]
        fragment.pictures.append(picture)
        words = escape(alternative_text(language, source) or "Diagram")
        return f'<figure><img alt="{words}" src="{picture.src}" width="{picture.width}"></figure>'

    return _DIAGRAM.sub(drawn, html)


def inline(html: str) -> str:
    """`html` without its paragraph, where it is a single one."""
    if html.startswith("<p>") and html.endswith("</p>") and html.count("<p>") == 1:
        return html[3:-4]
    return html


def plain(text: str) -> str | None:
    """`text` as HTML where it has no Markdown at all, so that nothing need be parsed; else None."""
    return None if _MARKDOWN.search(text) else str(escape(text))
