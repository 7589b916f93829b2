"""What did the request bring? Bodies read up to a limit, and the two encodings of forms, without trusting either."""

from __future__ import annotations

import asyncio
import re
from typing import Final
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.exceptions import HTTPException
from starlette.requests import Request

# Our longest form, a name and five hundred characters of a reason, is far below this.
FORM_BYTES: Final = 16 * 1024
# Who sends a form takes no longer; who trickles it byte by byte holds a connection at no cost of theirs.
_SECONDS: Final = 20.0
_MOST_FIELDS: Final = 64

Fields = ImmutableMultiDict[str, str]

_BOUNDARY = re.compile(rb'boundary=(?:"([^"\r\n]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_NAME = re.compile(
    rb'^content-disposition:\s*form-data;[^\r\n]*?\bname="([^"\r\n]*)"([^\r\n]*)',
    re.IGNORECASE | re.MULTILINE,
)


async def read_body(request: Request, limit: int, seconds: float = _SECONDS) -> bytes:
    """The whole body, given up as soon as it is longer than `limit` bytes.

    Raises:
        HTTPException: 413 where it is too long, 408 where it takes too long, 400 where its length is nonsense.
    """
    announced = request.headers.get("content-length", "0")
    if not (announced.isascii() and announced.isdigit()):
        raise HTTPException(400)
    if int(announced[:19]) > limit:
        raise HTTPException(413)
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise HTTPException(413)
                parts.append(chunk)
    except TimeoutError:
        raise HTTPException(408) from None
    return b"".join(parts)


async def read_form(request: Request, limit: int = FORM_BYTES) -> Fields:
    """The fields of a form, urlencoded or multipart/form-data (RFC 7578); files are left out.

    Raises:
        HTTPException: see `read_body`; 400 where it isn't a form in UTF-8.
    """
    return parse_form(await read_body(request, limit), request.headers.get("content-type", ""))


def parse_form(body: bytes, content_type: str) -> Fields:
    """The fields in `body`. What isn't called multipart is read as urlencoded: some one-click senders name no type.

    Raises:
        HTTPException: 400: not UTF-8, too many fields, or a multipart body cut short.
    """
    try:
        if content_type.lower().startswith("multipart/"):
            return Fields(_multipart(body, content_type.encode("latin-1", "replace")))
        text = body.decode("utf-8")
        return Fields(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"))
    except ValueError:
        raise HTTPException(400) from None


def _multipart(body: bytes, content_type: bytes) -> list[tuple[str, str]]:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ValueError
    parts = (b"\r\n" + body).split(b"\r\n--" + (found[1] or found[2]))
    if len(parts) < 2 or len(parts) > _MOST_FIELDS + 2 or not parts[-1].startswith(b"--"):
        raise ValueError
    fields = []
    for part in parts[1:-1]:
        head, gap, value = part.partition(b"\r\n\r\n")
        named = _NAME.search(head)
        if not gap or named is None:
            raise ValueError
        if b"filename" not in named[2].lower():
            fields.append((named[1].decode("utf-8"), value.decode("utf-8")))
    return fields
