"""How does text travel in lines of 76 ASCII characters? Quoted-printable in pieces that can be joined blindly.

The splice rule: a piece starts and ends at the start of a physical line. A soft break, `=` and CRLF,
decodes to nothing (RFC 2045 §6.7), so a literal that doesn't end with a line end is closed by one,
and every value brings its own. Pieces are thus encoded apart, once, and joined for each recipient.

A `.` at the start of a physical line is written `=2E`, so SMTP has nothing to dot-stuff (RFC 5321
§4.5.2), and `From ` there as `=46rom `, so no mailbox file grows a `>`.
"""

from __future__ import annotations

from binascii import b2a_qp

SOFT_BREAK = b"=\r\n"
# Room for the `=` of a soft break within RFC 2045's 76.
_WIDTH = 75
_ESCAPE = ord("=")


def encode_literal(text: str, *, closed: bool = False) -> bytes:
    """`text`, whose lines end in a line feed, as quoted-printable with CRLF line ends.

    Args:
        text: any text without lone surrogates.
        closed: end with a soft break unless the text ends with a line end, because a value follows.
    """
    if not text:
        return b""
    # The C encoder also wraps, with bare line feeds: its soft breaks are taken out and ours put in.
    lines = b2a_qp(text.encode()).replace(b"=\n", b"").split(b"\n")
    encoded = b"\r\n".join([_wrap(line) for line in lines])
    return encoded + SOFT_BREAK if closed and lines[-1] else encoded


def encode_value(text: str) -> bytes:
    """A value with the soft break that ends it, or nothing for an empty value."""
    return encode_literal(text, closed=True)


def _wrap(line: bytes) -> bytes:
    """Physical lines of at most 75 characters and the `=`; no escape is split."""
    size = len(line)
    if size <= _WIDTH and not line.startswith((b".", b"From ")):
        return line
    lines: list[bytes] = []
    at = 0
    while True:
        head = b""
        if line.startswith(b".", at):
            head, at = b"=2E", at + 1
        elif line.startswith(b"From ", at):
            head, at = b"=46", at + 1
        end = at + _WIDTH - len(head)
        if end >= size:
            lines.append(head + line[at:])
            return SOFT_BREAK.join(lines)
        if line[end - 1] == _ESCAPE:
            end -= 1
        elif line[end - 2] == _ESCAPE:
            end -= 2
        lines.append(head + line[at:end])
        at = end
