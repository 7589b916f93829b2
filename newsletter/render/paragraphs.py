"""Is a text nothing but paragraphs, of words with a link, emphasis or code here and there, and blocks of code? Then its HTML needs no parser.

Most of what people write is, and Python-Markdown takes twenty times as long to say the same. What is not certainly
such a text is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

# Controls; and, asked for once, the other ends of a line and the private area, in which slots are marked: a set with
# such letters takes a millisecond to compile, and there would be eight.
_ODD = r"\x00-\x1f\x7f-\x9f"
_ODDER = re.compile("[\u2028\u2029\ue000-\uf8ff]")
# What means nothing to Markdown wherever it stands in a line. A slash doesn't either, but two may begin an address.
_WORDS = rf"[^\\`*_\[\]<>&~|{{}}/{_ODD}]"
_STRESSED = rf"[^\W_](?:{_WORDS}*(?:[^\W_]|[.:?!]))?"
# Each begins with its mark, and looks behind that afterwards: a search then passes over letters that begin none.
_SPAN = (
    rf"\*(?<!\S\*)(?P<em>{_STRESSED})\*(?!\*)"
    rf"|\*\*(?<!\S\*\*)(?P<strong>{_STRESSED})\*\*(?!\*)"
    rf"|\[(?<!!\[)(?P<label>{_WORDS}+)\]\((?P<address>[\w./?=#%:+,;@-]+)\)"
    rf"|`(?P<code>(?!\s)[^`\\{_ODD}]+(?<!\s))`(?!`)"
)
# Not what begins a list, a heading, a quote or a definition.
_FIRST = r"[^\W\d_]|[\"'(“‘„«*`\[]|\d+(?![\d.)])"
# Atomic groups: before Python 3.11.7, possessive quantifiers match too much (https://github.com/python/cpython/issues/106052).
_LINE = rf"(?={_FIRST})(?>(?:{_WORDS}+|/(?!/)|{_SPAN})+)(?<!\s)"
_TEXT = re.compile(rf"(?>(?:(?:\A|\n+){_LINE})+)")
_SPANS = re.compile(_SPAN)
_BREAK = re.compile(r"\n\n+")
# Of a paragraph's own: a block of code that nothing stands right above or below, and its lines. Tabs, and lines of
# nothing but spaces, are not kept by the parser.
_FENCED = re.compile(
    rf"(?:\A|(?<=\n\n))```(?P<language>(?!\.)[\w#.+-]*)\n"
    rf"(?P<lines>(?:(?! *(?:`{{3}}|~{{3}}))(?! +\n)[^{_ODD}]*\n)*)```(?=\n\n|\Z)"
)


def as_paragraphs(text: str, link: Callable[[str], str]) -> str | None:
    """`text` as HTML, or None where it may be more than paragraphs; `link` says where an address leads, empty for nowhere."""
    # Paragraphs and blocks of code in turn, and the language before each of the latter.
    first, *rest = _FENCED.split(text) if "```" in text else (text,)
    prose = [first.strip("\n"), *(after.strip("\n") for after in rest[2::3])] if rest else [text]
    # All is looked at before anything is made: a link that is asked for twice would be noted twice.
    if (not text.isascii() and _ODDER.search(text)) or not all(
        _TEXT.fullmatch(words) for words in prose if words or not rest
    ):
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

    def paragraphs(words: str) -> str:
        return "<p>" + _BREAK.sub("</p>\n<p>", _SPANS.sub(html, words)) + "</p>" if words else ""

    parts = [paragraphs(prose[0])]
    for language, lines, words in zip(rest[::3], rest[1::3], prose[1:], strict=True):
        named = f' class="language-{language}"' if language else ""
        code = escape(lines, quote=False).replace('"', "&quot;")
        parts += [f"<pre><code{named}>{code}</code></pre>", paragraphs(words)]
    return "\n".join(filter(None, parts))
