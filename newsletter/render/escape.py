"""How does one person's value enter the text around it without breaking it? One escaping per context.

In every context a value is cleaned first, because it was typed by a stranger:

- line breaks of any kind (CR, LF, CRLF, VT, FF, FS, GS, RS, NEL, U+2028, U+2029) and TAB become one
  space: a value is never more than one line, so it can't start a header, a paragraph or a table row;
- other C0 and C1 controls, NUL and DEL are dropped: HTML and RFC 5322 forbid them, and one stray
  C1 character makes Gmail clip the message;
- bidirectional embeddings, overrides and isolates (U+202A–202E, U+2066–2069) are dropped: left
  open, they turn around the text that follows. Plain marks (U+200E, U+200F) are kept, so that
  Arabic and Hebrew names read as they should;
- a lone surrogate, which has no UTF-8, becomes U+FFFD.

A value of which only white space remains counts as missing: the slot's default stands in.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

from newsletter.model.template import Context, Slot
from newsletter.render.idn import ascii_url

BIDI_CONTROLS = "\u202a-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{BIDI_CONTROLS}\ud800-\udfff]")
_DROPPED = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_CLEANED: dict[int, str | None] = {
    **dict.fromkeys(_DROPPED),
    **dict.fromkeys(map(ord, "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"), " "),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}

_UNSAFE_LITERAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_CLEANED_LITERAL: dict[int, str | None] = {
    **dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)]),
    **dict.fromkeys(map(ord, "\r\v\f\x85"), "\n"),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
    ord("\t"): "\t",
    ord("\n"): "\n",
}

_OWN_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s]", re.IGNORECASE)


def clean(value: str) -> str:
    """`value` on one line, without controls, direction overrides and lone surrogates; see the module."""
    if _UNSAFE.search(value) is None:
        return value
    return value.replace("\r\n", "\n").translate(_CLEANED)


def clean_literal(text: str) -> str:
    """The author's own text as it can leave: line feeds, no controls but TAB, no lone surrogates.

    Direction marks stay: an author who writes them means them.
    """
    if _UNSAFE_LITERAL.search(text) is None:
        return text
    return text.replace("\r\n", "\n").translate(_CLEANED_LITERAL)


def html_text(value: str) -> str:
    """For text between tags: `& < > " '` become references, so no tag and no reference can arise."""
    return html.escape(clean(value), quote=True)


def html_attribute(value: str) -> str:
    """For a quoted attribute of either quote: `& < > " '` become references, so the quote can't be closed."""
    return html.escape(clean(value), quote=True)


def url_component(value: str) -> str:
    """For one piece of a query or a fragment: all but RFC 3986's unreserved characters is percent-encoded.

    So a value can't add a parameter, leave the query or change the host, and nothing is left for HTML to escape.
    """
    return quote(clean(value), safe="")


def own_url(value: str) -> str:
    """For a whole address of our own making, in an attribute.

    A host outside ASCII goes out as A-labels, other characters RFC 3986 doesn't allow (spaces, quotes,
    `<`, `>`, non-ASCII) are percent-encoded and `&` becomes a reference. What isn't http, https or mailto becomes `#`: a `javascript:` address
    never gets into a link, whoever filled the field.
    """
    text = clean(value).strip()
    if _OWN_ADDRESS.match(text) is None:
        return "#"
    return html.escape(ascii_url(text), quote=True)


def plain_text(value: str) -> str:
    """For the plain-text part: cleaned, nothing escaped."""
    return clean(value)


def header_text(value: str) -> str:
    """For the subject: cleaned, so that no line break can start another header; encoding comes after joining."""
    return clean(value)


ESCAPES: Mapping[Context, Callable[[str], str]] = {
    Context.HTML: html_text,
    Context.ATTRIBUTE: html_attribute,
    Context.URL: own_url,
    Context.URL_COMPONENT: url_component,
    Context.TEXT: plain_text,
    Context.HEADER: header_text,
}


def fill(slot: Slot, value: str | None) -> str:
    """What stands in `slot` for a person whose field is `value`, escaped for the slot's context."""
    if not value or not clean(value).strip():
        value = slot.default
    return ESCAPES[slot.context](value)
