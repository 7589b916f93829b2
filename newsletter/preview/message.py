"""What exactly would leave? Headers, parts and sizes, read from the bytes of a message and from nothing else."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header

# The studio says so before Gmail clips (`GMAIL_CLIPS_AT`). Whether Gmail counts the raw or the decoded part
# is disputed, so both are measured.
GMAIL_WARN = 90 * 1024
# More lines of base64 than this are folded to one that says how many there are.
_BASE64_RUN = re.compile(rb"(?:^[A-Za-z0-9+/]{60,}={0,2}\r\n){9,}", re.MULTILINE)

_BOUNDARY = re.compile(r"""boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))""", re.IGNORECASE)
_CHARSET = re.compile(r"""charset\s*=\s*"?([^\s;"]+)""", re.IGNORECASE)
_FILENAME = re.compile(r"""(?:file)?name\s*=\s*(?:"([^"]+)"|([^\s;"]+))""", re.IGNORECASE)
_UNFOLD = re.compile(r"\r?\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class Header:
    """One header field.

    Attributes:
        name: as written.
        raw: unfolded, as it travels.
        text: what a reader sees once encoded words (RFC 2047) are decoded.
    """

    name: str
    raw: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of the MIME tree.

    Attributes:
        media_type: such as `text/html`.
        encoding: its `Content-Transfer-Encoding`, lower case.
        filename: of an attachment, or empty.
        content_id: without angle brackets, or empty.
        encoded: bytes on the wire, its own headers left out.
        content: decoded bytes.
        charset: of a text part.
    """

    media_type: str
    encoding: str
    filename: str
    content_id: str
    encoded: int
    content: bytes
    charset: str

    @property
    def text(self) -> str:
        """The content as text, with the line ends of this program."""
        try:
            text = self.content.decode(self.charset)
        except (LookupError, UnicodeDecodeError):
            text = self.content.decode("utf-8", "replace")
        return text.replace("\r\n", "\n")


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message taken apart.

    Attributes:
        raw: the message.
        headers: of the whole, in order.
        parts: the leaves of the MIME tree, in order.
        boundaries: of its multiparts, without the leading dashes.
    """

    raw: bytes
    headers: tuple[Header, ...]
    parts: tuple[Part, ...]
    boundaries: tuple[str, ...] = ()

    def first(self, media_type: str) -> Part | None:
        """The first part of this type that is not an attachment."""
        return next((p for p in self.parts if p.media_type == media_type and not p.filename), None)

    def header(self, name: str) -> str:
        """The decoded value of the first header called `name`, or empty."""
        return next((h.text for h in self.headers if h.name.lower() == name.lower()), "")

    @property
    def source(self) -> str:
        """The message as text, long runs of base64 folded to a line that says how much was left out."""
        return folded_source(self.raw)


def read_message(raw: bytes) -> MessageView:
    """Take `raw` apart; an unreadable part is kept as it is rather than refused."""
    headers, body = _split_headers(raw)
    parts: list[Part] = []
    boundaries: list[str] = []
    _collect(headers, body, parts, boundaries)
    return MessageView(raw, tuple(headers), tuple(parts), tuple(boundaries))


def folded_source(raw: bytes) -> str:
    """`raw` as text with long runs of base64 folded."""
    return _BASE64_RUN.sub(_fold, raw).decode("utf-8", "replace").replace("\r\n", "\n")


def _fold(run: re.Match[bytes]) -> bytes:
    lines = run[0].splitlines(keepends=True)
    hidden = lines[2:-1]
    said = f"[… {len(hidden):,} more lines of base64, {sum(map(len, hidden)):,} bytes …]\r\n"
    return b"".join([*lines[:2], said.encode(), lines[-1]])


def _split_headers(raw: bytes) -> tuple[list[Header], bytes]:
    if raw[:2] == b"\r\n":  # a part without headers (RFC 2046 §5.1)
        return [], raw[2:]
    head, _, body = raw.partition(b"\r\n\r\n")
    headers: list[Header] = []
    for line in _UNFOLD.sub("", head.decode("utf-8", "replace")).split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            value = value.strip()
            headers.append(Header(name, value, _decoded(value)))
    return headers, body


def _decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return value


def _collect(headers: list[Header], body: bytes, parts: list[Part], boundaries: list[str]) -> None:
    fields = {h.name.lower(): h.raw for h in headers}
    content_type = fields.get("content-type", "text/plain")
    media_type = content_type.partition(";")[0].strip().lower()
    boundary = _BOUNDARY.search(content_type)
    if media_type.startswith("multipart/") and boundary:
        boundaries.append(boundary[1] or boundary[2])
        mark = b"--" + boundaries[-1].encode()
        # The line break before a boundary belongs to the boundary (RFC 2046 §5.1.1).
        for piece in (b"\r\n" + body).split(b"\r\n" + mark)[1:]:
            if piece.startswith(b"--"):
                break
            _collect(*_split_headers(piece.partition(b"\r\n")[2]), parts, boundaries)
        return
    encoding = fields.get("content-transfer-encoding", "7bit").lower()
    charset = _CHARSET.search(content_type)
    filename = _FILENAME.search(fields.get("content-disposition", ""))
    parts.append(
        Part(
            media_type=media_type,
            encoding=encoding,
            filename=(filename[1] or filename[2]) if filename else "",
            content_id=fields.get("content-id", "").strip("<>"),
            encoded=len(body),
            content=_content(body, encoding),
            charset=charset[1] if charset else "utf-8",
        )
    )


def _content(body: bytes, encoding: str) -> bytes:
    match encoding:
        case "quoted-printable":
            return quopri.decodestring(body)
        case "base64":
            try:
                return base64.b64decode(body)
            except binascii.Error:
                return body
        case _:
            return body
