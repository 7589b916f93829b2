"""How does one kind of reader see the HTML part? Copies of it, with the one thing changed that the reader's client changes.

The message itself is never touched: a variant is made of the decoded part, for the frame alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from newsletter.preview.recolour import recoloured
from newsletter.preview.word import as_word


class Scheme(StrEnum):
    """Whose colours the frame shows."""

    LIGHT = "light"
    DARK = "dark"  # the client honours `prefers-color-scheme` (Apple Mail, Thunderbird)
    INVERTED = "inverted"  # the client ignores it and inverts everything by force (the Gmail app on iOS)
    RECOLOURED = "recoloured"  # the client darkens light grounds and lightens dark words (the Outlook apps, Outlook.com)


class Client(StrEnum):
    """What the frame's client makes of style sheets."""

    FULL = "full"  # all of it (Apple Mail, Thunderbird, mostly Gmail)
    PLAIN = "plain"  # inline styles alone (Gmail for addresses of other providers)
    WORD = "word"  # what Word's engine knows (classic Outlook for Windows)


@dataclass(frozen=True, slots=True)
class Variant:
    """What the frame shows.

    Attributes:
        scheme: whose colours.
        images: False where the client blocks images until asked.
        client: what it makes of style sheets.
    """

    scheme: Scheme = Scheme.LIGHT
    images: bool = True
    client: Client = Client.FULL


@dataclass(frozen=True, slots=True)
class FrameHtml:
    """An email as the studio's frame takes it.

    Attributes:
        before: everything up to the body's content.
        body: the body's content; empty where the page has no body tag.
        after: the rest.
    """

    before: str
    body: str
    after: str

    @property
    def whole(self) -> str:
        """The page."""
        return self.before + self.body + self.after

    @property
    def shell(self) -> str:
        """What stands around the body's content: while it stays the same, a swap of the body will do."""
        return self.before + self.after


_STYLE = re.compile(r"(<style\b[^>]*>)(.*?)(</style\s*>)", re.IGNORECASE | re.DOTALL)
_PREFERS = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
_BOTH_SCHEMES = re.compile(r"(color-scheme\s*:\s*)(?:light\s+dark|dark\s+light)(?:\s+only)?", re.IGNORECASE)
_SCHEME_META = re.compile(
    r"""(<meta\b[^>]*name=["'](?:supported-)?color-schemes?["'][^>]*content=["'])(light\s+dark|dark\s+light)""",
    re.IGNORECASE,
)
_REFERS = re.compile(r"""(?:\b(?:src|background)\s*=\s*["']|url\(\s*["']?)$""", re.IGNORECASE)
_IMG = re.compile(r"<img\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.IGNORECASE)
_SOURCE = re.compile(r"""\s(?:src|srcset)\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]+)""", re.IGNORECASE)
_BODY = re.compile(r"<body\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.IGNORECASE)

_INVERSION = (
    "<style>html{filter:invert(1) hue-rotate(180deg);background:#fff}"
    "img{filter:invert(1) hue-rotate(180deg)}</style>"
)
# What a client shows in place of a blocked image: its box, if the author gave it one, and its alternative text.
_BLOCKED = (
    "<style>img{display:inline-block;box-sizing:border-box;background:#8883;"
    "outline:1px dashed #8888;outline-offset:-1px;font:13px/1.5 sans-serif;padding:8px;max-width:100%}</style>"
)
# Always true and never true, in a place where a media feature is expected.
_TRUE, _FALSE = "(min-width:0)", "(max-width:0)"


def with_addresses(html: str, addresses: Mapping[str, str]) -> str:
    """`html` with each picture's address that `addresses` knows (`cid:…`, say) replaced where it is referred to."""
    for old, new in addresses.items():
        at = html.find(old)
        while at >= 0:
            # The same words in the text are the author's.
            if _REFERS.search(html, max(0, at - 24), at):
                html = html[:at] + new + html[at + len(old) :]
                at += len(new) - len(old)
            at = html.find(old, at + len(old))
    return html


def as_seen(html: str, variant: Variant) -> str:
    """`html` as the reader of `variant` sees it; the light one with images is the part as it is, its scheme fixed.

    An iframe can't be told a colour scheme in every browser, so the media feature itself is
    replaced by one that is always or never true.
    """
    dark = variant.scheme is Scheme.DARK
    if variant.client is Client.PLAIN:
        html = _STYLE.sub("", html)
    elif variant.client is Client.WORD:
        html = as_word(html)
    html = _STYLE.sub(lambda m: m[1] + fixed_scheme(m[2], dark=dark) + m[3], html)
    html = _SCHEME_META.sub(rf"\g<1>{'dark' if dark else 'light'}", html)
    extra = ""
    if variant.scheme is Scheme.INVERTED:
        extra += _INVERSION
    elif variant.scheme is Scheme.RECOLOURED:
        html = recoloured(html)
    if not variant.images:
        html = _IMG.sub(lambda m: _SOURCE.sub("", m[0]), html)
        extra += _BLOCKED
    return _with_style(html, extra) if extra else html


def split_body(html: str) -> FrameHtml:
    """`html` as shell and body."""
    start = _BODY.search(html)
    end = html.lower().rfind("</body")
    if start is None or end < start.end():
        return FrameHtml(html, "", "")
    return FrameHtml(html[: start.end()], html[start.end() : end], html[end:])


def fixed_scheme(css: str, *, dark: bool) -> str:
    """A style sheet that shows one scheme, whatever the system's is."""
    css = _PREFERS.sub(lambda m: _TRUE if (m[1].lower() == "dark") is dark else _FALSE, css)
    return _BOTH_SCHEMES.sub(rf"\g<1>{'dark' if dark else 'light'}", css)


def _with_style(html: str, style: str) -> str:
    at = html.lower().find("</head")
    return html[:at] + style + html[at:] if at >= 0 else style + html
