"""Is a text nothing but paragraphs, of words with a link, emphasis or code here and there? Then its HTML needs no parser.

Most of what people write is, and Python-Markdown takes twenty times as long to say the same. What is not certainly
such a text is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

# Controls, the other ends of a line, and the private area, in which slots are marked.
_ODD = r"\x00-\x1f\x7f-\x9f\u2028\u2029\ue000-\uf8ff"
# What means nothing to Markdown wherever it stands in a line. A slash doesn't either, but two may begin an address.
_WORDS = rf"[^\\`*_\[\]<>&~|{{}}/{_ODD}]"
_STRESSED = rf"[^\W_](?:{_WORDS}*(?:[^\W_]|[.:?!]))?"
_SPAN = (
    rf"(?<!\S)\*(?P<em>{_STRESSED})\*(?!\*)"
    rf"|(?<!\S)\*\*(?P<strong>{_STRESSED})\*\*(?!\*)"
    rf"|(?<!!)\[(?P<label>{_WORDS}+)\]\((?P<address>[\w./?=#%:+,;@-]+)\)"
    rf"|`(?P<code>(?!\s)[^`\\{_ODD}]+(?<!\s))`(?!`)"
)
# Not what begins a list, a heading, a quote or a definition.
_FIRST = r"[^\W\d_]|[\"'(“‘„«*`\[]|\d+(?![\d.)])"
# Atomic groups: before Python 3.11.7, possessive quantifiers match too much (https://github.com/python/cpython/issues/106052).
_LINE = rf"(?={_FIRST})(?>(?:{_WORDS}+|/(?!/)|{_SPAN})+)(?<!\s)"
_TEXT = re.compile(rf"(?>(?:(?:\A|\n+){_LINE})+)")
_SPANS = re.compile(_SPAN)
_BREAK = re.compile(r"\n{2,}")


def as_paragraphs(text: str, link: Callable[[str], str]) -> str | None:
    """`text` as HTML, or None where it may be more than paragraphs; `link` says where an address leads, empty for nowhere."""
    if not _TEXT.fullmatch(text):
        return None

    def html(span: re.Match[str]) -> str:
        kind = span.lastgroup
        if kind == "address":
            href = link(span["address"])
            return (
                f'<a href="{escape(href)}">{span["label"]}</a>' if href else f"<span>{span['label']}</span>"
            )
        inner = escape(span["code"], quote=False) if kind == "code" else span[kind or 0]
        return f"<{kind}>{inner}</{kind}>"

    return "<p>" + _BREAK.sub("</p>\n<p>", _SPANS.sub(html, text)) + "</p>"
