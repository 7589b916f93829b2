"""What does a mail hold, whatever its bytes? Headers and parts, in linear time and without an exception.

The standard library's parser is for well-formed mail: nested boundaries cost it a look per line and level,
and some charsets and headers make it raise. What arrives at a bounce address is written by anybody.
"""

from __future__ import annotations

import html
import re
from binascii import Error as EncodingError
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# A report stands before the message it returns: what comes after so many bytes is that message's body.
EXAMINED_BYTES: Final = 1 << 20
_DEEPEST: Final = 6
_MOST_PARTS: Final = 64
_MOST_HEADERS: Final = 400
_LONGEST_HEADER: Final = 8_000
LONGEST_TEXT: Final = 48_000

_FIELD = re.compile(r"([!-9;-~]{1,80})[ \t]*:(.*)", re.DOTALL).fullmatch
_PARAMETER = re.compile(r""";\s*([\w*-]{1,40})\s*=\s*("[^"]{0,300}"|[^\s;"]{1,300})""")
_MEDIA_TYPE = re.compile(r"\s*([\w.+-]{1,60}/[\w.+-]{1,60})")
_ENCODED_WORD = re.compile(
    r"=\?([\w:.+-]{1,40})(?:\*[\w-]{0,20})?\?([bBqQ])\?([^?\s]{0,400})\?=(?:\s+(?==\?))?"
)
_MESSAGES: Final = (
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/global-headers",
    "text/rfc822",
)
_BLOCK_TAG = re.compile(r"<(?:br|/?p|/?div|/?tr|/?li|/?h[1-6]|/?table|hr)\b[^<>]{0,500}>", re.IGNORECASE)
_UNSHOWN = re.compile(r"<(style|script|head)\b[^<>]{0,500}>.{0,20000}?</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[!/a-zA-Z][^<>]{0,2000}>")


@dataclass(frozen=True, slots=True)
class Part:
    """A mail or a part of one.

    Attributes:
        headers: names in lower case and unfolded values, in order.
        media_type: in lower case; `text/plain` where none is named.
        parameters: those of the content type, names in lower case.
        body: with its transfer encoding undone and LF line ends; of a multipart, all of it as it stands.
        parts: what is inside a multipart or a returned message.
    """

    headers: tuple[tuple[str, str], ...]
    media_type: str
    parameters: dict[str, str]
    body: bytes
    parts: tuple[Part, ...] = ()

    def get(self, name: str) -> str:
        """The first header called `name`, its encoded words read; empty where there is none."""
        for key, value in self.headers:
            if key == name:
                return decode_words(value)
        return ""

    def all(self, *names: str) -> list[str]:
        """The values of all headers with one of `names`, as they stand."""
        return [value for key, value in self.headers if key in names]

    def walk(self) -> Iterator[Part]:
        """This part and all inside it, outermost first."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def own(self) -> Iterator[Part]:
        """This part and all inside it but returned messages' insides."""
        yield self
        if self.media_type not in _MESSAGES:
            for part in self.parts:
                yield from part.own()

    @property
    def is_returned(self) -> bool:
        """Whether this is a message inside the mail, or the headers of one."""
        return self.media_type in _MESSAGES

    def text(self) -> str:
        """The words of a text part, HTML without its tags."""
        said = decode(self.body[: 4 * LONGEST_TEXT], self.parameters.get("charset", ""))
        if self.media_type == "text/html":
            said = _UNSHOWN.sub(" ", said)
            said = html.unescape(_TAG.sub(" ", _BLOCK_TAG.sub("\n", said)))
        return said[:LONGEST_TEXT]


def read_mail(data: bytes) -> Part:
    """The mail in `data`; never raises."""
    data = data[:EXAMINED_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    if data.startswith((b"From ", b">From ")):  # the line between the mails of an mbox
        data = data.partition(b"\n")[2]
    return _read(data, _DEEPEST, [_MOST_PARTS])


def _read(data: bytes, deeper: int, left: list[int], default_type: str = "text/plain") -> Part:
    left[0] -= 1
    headers, body = _split(data)
    named = {name: value for name, value in reversed(headers)}  # the first of each  # noqa: C416 - reversed on purpose
    content_type = named.get("content-type", "")
    found = _MEDIA_TYPE.match(content_type)
    media_type = found[1].lower() if found else default_type
    parameters = {key.lower(): value.strip('"') for key, value in _PARAMETER.findall(content_type)}
    if media_type.startswith("multipart/"):
        parts = _parts(body, parameters.get("boundary", ""), deeper, left, media_type)
        return Part(headers, media_type, parameters, body, parts)
    body = _undone(body, named.get("content-transfer-encoding", ""))
    if media_type in _MESSAGES and deeper > 0:
        return Part(headers, media_type, parameters, body, (_read(body.lstrip(b"\n"), deeper - 1, left),))
    return Part(headers, media_type, parameters, body)


def _parts(body: bytes, boundary: str, deeper: int, left: list[int], media_type: str) -> tuple[Part, ...]:
    if not boundary or deeper <= 0:
        return ()
    delimiter = re.compile(
        rb"\n--" + re.escape(boundary.encode("utf-8", "replace")) + rb"(--)?[ \t]*(?=\n|\Z)"
    )
    default = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
    parts: list[Part] = []
    begin = -1
    text = b"\n" + body
    for found in delimiter.finditer(text):
        if begin >= 0 and left[0] > 0:
            parts.append(_read(text[begin : found.start()].removeprefix(b"\n"), deeper - 1, left, default))
        begin = -1 if found[1] else found.end()
        if found[1] or left[0] <= 0:
            break
    if begin >= 0 and left[0] > 0:  # cut short: the closing delimiter is missing
        parts.append(_read(text[begin:].removeprefix(b"\n"), deeper - 1, left, default))
    return tuple(parts)


def _split(data: bytes) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """The headers and the body; a text without headers is all body."""
    headers: list[tuple[str, str]] = []
    lines: list[str] = []
    at, end = 0, len(data)
    while at < end and len(headers) < _MOST_HEADERS:
        line_end = data.find(b"\n", at)
        line_end = end if line_end < 0 else line_end
        line = data[at : min(line_end, at + _LONGEST_HEADER)]
        if not line.strip():
            at = line_end + 1
            break
        if line[:1] in b" \t" and lines:
            lines.append(line.decode("utf-8", "replace").strip())
        elif _FIELD(line.decode("latin-1")):
            _add(headers, lines)
            lines = [line.decode("utf-8", "replace")]
        else:
            break  # not a header: the body begins without an empty line
        at = line_end + 1
    _add(headers, lines)
    return tuple(headers), data[at:]


def _add(headers: list[tuple[str, str]], lines: list[str]) -> None:
    if lines:
        name, _, value = " ".join(lines).partition(":")
        headers.append((name.strip().lower(), value.strip()[:_LONGEST_HEADER]))


def _undone(body: bytes, encoding: str) -> bytes:
    try:
        match encoding.strip().strip('"').lower():
            case "base64":
                body = a2b_base64(body)
            case "quoted-printable":
                body = a2b_qp(body)
            case _:
                return body
    except EncodingError:
        return body
    return body.replace(b"\r\n", b"\n")


def decode(data: bytes, charset: str) -> str:
    """`data` in `charset`, or in what it looks like; what can't be read is replaced."""
    try:
        # A codec of Python's own, such as `hex`, isn't a charset and gives no text.
        said = data.decode(charset.strip("'\" ") or "utf-8")
    except (LookupError, ValueError, UnicodeError, AssertionError):
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode("latin-1")
    return said


def decode_words(text: str) -> str:
    """`text` with its encoded words (RFC 2047) read; those that can't be stay.

    Words next to each other are joined before their charset is read: many senders cut a character in two.
    """
    if "=?" not in text:
        return text
    said: list[str] = []
    run, charset, at = b"", "", 0
    for found in _ENCODED_WORD.finditer(text):
        data = _word_bytes(found)
        between = text[at : found.start()]
        if data is None:
            continue
        if run and (between or found[1].lower() != charset):
            said.append(decode(run, charset))
            run = b""
        said.append(between)
        run, charset, at = run + data, found[1].lower(), found.end()
    if run:
        said.append(decode(run, charset))
    return "".join(said) + text[at:]


def _word_bytes(found: re.Match[str]) -> bytes | None:
    content = found[3].encode("ascii", "replace")
    try:
        if found[2] in "bB":
            return a2b_base64(content + b"=" * (-len(content) % 4))
        return a2b_qp(content, header=True)
    except EncodingError:
        return None
