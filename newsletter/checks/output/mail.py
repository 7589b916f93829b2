"""What are the parts of a message, and how large are they? Read from its bytes and from nothing else."""

from __future__ import annotations

import email
from collections.abc import Mapping
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from functools import cached_property

from newsletter.checks.output.page import Page
from newsletter.model.publication import Publication


@dataclass
class OutgoingMail:
    """One message, taken apart.

    Attributes:
        headers: decoded values by name in lower case, in the order of the message; empty for an HTML part alone.
        html: the HTML part, decoded.
        text: the plain-text part, decoded.
        encoded: bytes of the HTML part as it travels.
        decoded: bytes of the HTML part once decoded.
        publication: who sends; None where nothing is known of them.
    """

    headers: Mapping[str, tuple[str, ...]]
    html: str
    text: str
    encoded: int
    decoded: int
    publication: Publication | None = None

    @cached_property
    def page(self) -> Page:
        """The HTML part as a tree."""
        return Page(self.html)

    def header(self, name: str) -> str:
        """The first value of a header, or empty."""
        return next(iter(self.headers.get(name.lower(), ())), "")


def read_mail(raw: bytes, publication: Publication | None = None) -> OutgoingMail:
    """Take a message apart; what can't be decoded is kept with replacement characters."""
    message = email.message_from_bytes(raw)
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in message.items():
        headers[name.lower()] = (*headers.get(name.lower(), ()), _decoded(str(value)))
    html = text = ""
    encoded = decoded = 0
    for part in message.walk():
        kind = part.get_content_type()
        if part.is_multipart() or kind not in {"text/html", "text/plain"} or part.get_filename():
            continue
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
        if kind == "text/html" and not html:
            html, decoded = _text(part, content), len(content)
            encoded = len(str(part.get_payload()))
        elif kind == "text/plain" and not text:
            text = _text(part, content)
    return OutgoingMail(headers, html, text, encoded, decoded, publication)


def mail_of_html(html: str) -> OutgoingMail:
    """An HTML part without a message around it."""
    size = len(html.encode("utf-8", "replace"))
    return OutgoingMail({}, html, "", size, size)


def _text(part: Message, content: bytes) -> str:
    try:
        text = content.decode(part.get_content_charset() or "utf-8")
    except (LookupError, UnicodeDecodeError):
        text = content.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def _decoded(value: str) -> str:
    unfolded = value.replace("\r\n", "").replace("\n", "")
    if "=?" not in unfolded:
        return unfolded.strip()
    try:
        return str(make_header(decode_header(unfolded))).strip()
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return unfolded.strip()
