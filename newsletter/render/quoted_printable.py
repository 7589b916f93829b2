"""How does text travel in lines of 76 ASCII characters? Quoted-printable in pieces that can be joined blindly.

The splice rule: a piece starts and ends at the start of a physical line. A soft break, `=` and CRLF,
decodes to nothing (RFC 2045 §6.7), so a literal that doesn't end with a line end is closed by one,
and every value brings its own. Pieces are thus encoded apart, once, and joined for each recipient.

A `.` at the start of a physical line is written `=2E`, so SMTP has nothing to dot-stuff (RFC 5321
§4.5.2), and `From ` there as `=46rom `, so no mailbox file grows a `>`.
"""

from __future__ import annotations

import re
from binascii import b2a_qp

SOFT_BREAK = b"=\r\n"
# Room for the `=` of a soft break within RFC 2045's 76.
_WIDTH = 75

_ENCODED = {byte: f"={byte:02X}" for byte in range(256) if byte not in range(0x20, 0x7F) or byte == 0x3D}
_ENCODED.pop(0x09)
_TRAILING_SPACE = re.compile(r"[ \t]\Z")


def encode_literal(text: str, *, closed: bool = False) -> bytes:
    """`text`, whose lines end in a line feed, as quoted-printable with CRLF line ends.

    Args:
        text: any text without lone surrogates.
        closed: end with a soft break unless the text ends with a line end, because a value follows.
    """
    if not text:
        return b""
    lines = text.split("\n")
    encoded = [_wrap(_encode_line(line)) for line in lines[:-1]]
    # What follows the last line end is not at a line's end yet, so its trailing space needs nothing
    # if a soft break follows.
    last = lines[-1]
    if last and closed:
        return b"\r\n".join([*encoded, _wrap(_encode(last)) + SOFT_BREAK])
    return b"\r\n".join([*encoded, _wrap(_encode_line(last))])


def encode_value(text: str) -> bytes:
    """A value with the soft break that ends it, or nothing for an empty value."""
    encoded = b2a_qp(text.encode())
    # Short ones, nearly all, are one line; only a long result can have been wrapped in the C function's way.
    if len(encoded) <= _WIDTH and not encoded.startswith((b".", b"From ")) and b"\n" not in encoded:
        return encoded + SOFT_BREAK
    return encode_literal(text, closed=True)


def _encode(line: str) -> str:
    return line.encode().decode("latin-1").translate(_ENCODED)


def _encode_line(line: str) -> str:
    """A line before a hard break: its trailing space or tab is encoded, or a relay may strip it (rule 3)."""
    encoded = _encode(line)
    return _TRAILING_SPACE.sub(lambda m: f"={ord(m[0]):02X}", encoded)


def _wrap(encoded: str) -> bytes:
    """Physical lines of at most 75 characters and the `=`; no escape is split."""
    lines: list[str] = []
    at, size = 0, len(encoded)
    while True:
        head = ""
        if encoded.startswith(".", at):
            head, at = "=2E", at + 1
        elif encoded.startswith("From ", at):
            head, at = "=46", at + 1
        end = at + _WIDTH - len(head)
        if end >= size:
            lines.append(head + encoded[at:])
            return "=\r\n".join(lines).encode("ascii")
        if encoded[end - 1] == "=":
            end -= 1
        elif encoded[end - 2] == "=":
            end -= 2
        lines.append(head + encoded[at:end])
        at = end
