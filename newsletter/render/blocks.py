"""How does each block of prose survive mail clients? Semantic HTML in, HTML for email out.

The semantic HTML is our own (raw HTML of the author is escaped), so its tags can be told apart by
plain patterns; a tree would cost more than the whole conversion.
"""

from __future__ import annotations

import re
from html import unescape

from markupsafe import escape

from newsletter.render.highlight import highlight, language_name

_CODE = re.compile(r'<pre><code(?: class="language-([^"]*)")?>(.*?)</code></pre>', re.DOTALL)
_ASIDE = re.compile(r'<aside class="([a-z]+)">(.*?)</aside>', re.DOTALL)
# What an author writes right below a table: `**Caption:** What it shows.`
CAPTION = r"(?:\s*<p><strong>Caption:</strong>\s*(.*?)</p>)?"
_TABLE_END = re.compile(f"</table>{CAPTION}", re.DOTALL)
# Word's engine gives margins to a `<div>`, padding to a cell.
_BOX = (
    '<div class="box"><table role="presentation" class="fixed" width="100%" border="0" cellpadding="0" cellspacing="0">'
    '<tr><td class="{}">'
)
_BOX_END = "</td></tr></table></div>"


def for_email(html: str) -> str:
    """`html` with tables instead of boxes, coloured code, and classes for the style sheet."""
    code: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        code.append(_code_block(unescape(match[2]), unescape(match[1] or "")))
        return f"\x00{len(code) - 1}\x00"

    # Code goes first and comes back last: it may hold anything that looks like our tags.
    html = _CODE.sub(set_aside, html)
    if "<table>" in html:
        html = html.replace(
            "<table>",
            '<div class="box scroll"><table class="data" width="100%" border="0" cellpadding="0" cellspacing="0">',
        )
        html = _TABLE_END.sub(_caption, html)
    html = (
        html.replace("<blockquote>", _BOX.format("quote-cell") + '<blockquote class="quoted">')
        .replace("</blockquote>", "</blockquote>" + _BOX_END)
        .replace("<figure>", '<div class="figure">')
        .replace("</figure>", "</div>")
        .replace("<figcaption>", '<p class="caption">')
        .replace("</figcaption>", "</p>")
        .replace("<code>", '<code class="code">')
        .replace("<hr>", _BOX.format("rule-cell") + "&nbsp;" + _BOX_END)
    )
    if "<aside" in html:
        html = _ASIDE.sub(_callout, html)
    return re.sub("\x00([0-9]+)\x00", lambda match: code[int(match[1])], html)


def _caption(match: re.Match[str]) -> str:
    # No client is known to lose a paragraph; some move a `<caption>`.
    return f'</table><p class="caption">{match[1]}</p></div>' if match[1] else "</table></div>"


def _callout(match: re.Match[str]) -> str:
    return _BOX.format(f"callout-cell {match[1]}") + match[2] + _BOX_END


def _code_block(code: str, language: str) -> str:
    """A `<pre>` in a cell that carries the ground.

    `<pre>` keeps spaces and line ends in every client, Outlook for Windows included, which knows no
    `white-space` (caniemail.com: html-pre, css-white-space); no non-breaking spaces, so that code
    pasted from the mail runs. A `<code>` inside would be drawn as a box per line by Outlook.
    """
    label = f'<p class="lang">{escape(language_name(language))}</p>' if language else ""
    lines = highlight(code.strip("\n").expandtabs(4), language)
    # The HTML parser drops one line end right after the tag: nothing to lose, as none is left there.
    return _BOX.format("code-cell") + f'{label}<pre class="pre">{lines}</pre>' + _BOX_END
