"""A message as it goes over the wire: its commands, and its text with line ends checked and dots stuffed."""

from __future__ import annotations

import re

from newsletter.model.message import Message
from newsletter.providers.smtp.connect import Link

# What could end the command or start another one. Addresses are validated long before; this is the last gate.
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>\u2028\u2029]")


class Unsendable(Exception):  # noqa: N818 - a value the session turns into an outcome
    """The address can't be reached through this server."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unfit(Exception):  # noqa: N818 - a value the session turns into a result
    """The text can't go through this server; that of the others is like it, so a person must act."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def commands(link: Link, message: Message) -> list[bytes]:
    """MAIL, RCPT and DATA for `message`, with the parameters the server asks for.

    Raises:
        Unsendable: an address can't be expressed.
        Unfit: the text can't be expressed, or is too large.
    """
    sender, recipient, mime = message.sender, message.recipient, message.mime
    parameters = ""
    if not (sender.isascii() and recipient.isascii() and _has_ascii_headers(mime)):
        if not link.utf8:
            if not recipient.isascii():
                raise Unsendable("the address isn't ASCII and the server doesn't offer SMTPUTF8 (RFC 6531)")
            raise Unfit(
                "an address of the sender isn't ASCII and the server doesn't offer SMTPUTF8 (RFC 6531)",
                "put another address into `from` or `reply_to`, or use a server that offers it",
            )
        parameters = " SMTPUTF8"
    for address in (sender, recipient):
        # An empty sender is the null reverse-path; a recipient has to be there.
        if _UNSAFE.search(address):
            raise Unsendable("the address holds a space, a bracket or a control character")
    if not recipient:
        raise Unsendable("there is no recipient's address")
    if not only_crlf(mime):
        raise Unfit(
            f"the message to {recipient} holds a bare line feed or carriage return",
            "such a message can carry another one inside; report this, it should never get here",
        )
    if not mime.isascii():
        if not link.eight_bit:
            raise Unfit(
                "the message holds 8-bit text and the server doesn't offer 8BITMIME (RFC 6152)",
                "use a server that does",
            )
        parameters += " BODY=8BITMIME"
    if link.size_offered:
        if link.size and len(mime) > link.size:
            raise Unfit(
                f"the message has {len(mime):,} bytes and the server takes at most {link.size:,}",
                'let the images be linked: images = "link" under [sending]',
            )
        parameters += f" SIZE={len(mime)}"
    return [
        f"MAIL FROM:<{sender}>{parameters}\r\n".encode(),
        f"RCPT TO:<{recipient}>\r\n".encode(),
        b"DATA\r\n",
    ]


def _has_ascii_headers(mime: bytes) -> bool:
    """Whether no header holds 8-bit text, which a server takes only with SMTPUTF8 (RFC 6532, section 3.2)."""
    return mime.isascii() or mime.partition(b"\r\n\r\n")[0].isascii()


def only_crlf(mime: bytes) -> bool:
    """Whether every CR and every LF is part of a CRLF: bare ones can smuggle a message in another (CVE-2023-51764)."""
    # Two passes through memchr, a quarter of the cost of counting.
    return mime.replace(b"\r", b"").replace(b"\n", b"\r\n") == mime


def wire_form(mime: bytes) -> bytes:
    """`mime`, whose line ends are CRLF, dot-stuffed and with the final dot (RFC 5321, section 4.5.2)."""
    if b"\r\n." in mime:
        mime = mime.replace(b"\r\n.", b"\r\n..")
    if mime.startswith(b"."):
        mime = b"." + mime
    return mime + (b".\r\n" if mime.endswith(b"\r\n") or not mime else b"\r\n.\r\n")
