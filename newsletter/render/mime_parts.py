"""How do text and pictures stand in a multipart message (RFC 2046, RFC 2387)? Boundaries, part headers, base64."""

from __future__ import annotations

import base64
import re
from hashlib import blake2b

from newsletter.errors import NewsletterError
from newsletter.model.template import InlineImage
from newsletter.render.quoted_printable import encode_literal


def boundary(part: str, send_key: str) -> bytes:
    """What separates the parts of one `multipart/` of one send."""
    # `=_` occurs neither in quoted-printable nor in base64 (RFC 2045 §6.7), so no content can hold it.
    digest = blake2b(send_key.encode("utf-8", "replace"), digest_size=8, person=b"nl:boundary").hexdigest()
    return f"=_{part}_{digest}".encode("ascii")


def part_head(media_type: str) -> bytes:
    """The header of a text part."""
    return (
        f"Content-Type: {media_type}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode("ascii")


def quoted_printable(text: str, followed: bool) -> bytes:  # noqa: FBT001 - `Skeleton.template` calls it
    """A literal of a text part, encoded."""
    return encode_literal(text, closed=followed)


def image_part(image: InlineImage) -> bytes:
    """A picture as a part of `multipart/related`.

    Raises:
        NewsletterError: its content id or its type can't stand in a header.
    """
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~@-]{1,200}", image.content_id):
        raise NewsletterError(f"the picture {image.filename!a} has no usable content id")
    if not re.fullmatch(r"image/[A-Za-z0-9.+-]+", image.media_type):
        raise NewsletterError(f"{image.filename!a} is not a picture: {image.media_type!a}")
    filename = re.sub(r"[^A-Za-z0-9._-]", "-", image.filename)[-120:]
    encoded = base64.b64encode(image.data)
    lines = [encoded[at : at + 76] for at in range(0, len(encoded), 76)]
    return b"\r\n".join(
        [
            f'Content-Type: {image.media_type}; name="{filename}"'.encode("ascii"),
            b"Content-Transfer-Encoding: base64",
            f"Content-ID: <{image.content_id}>".encode("ascii"),
            f'Content-Disposition: inline; filename="{filename}"'.encode("ascii"),
            b"",
            *lines,
        ]
    )
