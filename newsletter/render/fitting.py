"""What of a picture's file do readers need? Not who took it where, no more pixels than they see, and nothing that a dark page swallows."""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from typing import Final

# Twice a mail's 600 pixels.
WIDEST: Final = 1200
# A file, and a picture, that no camera's or screen's: decoding takes four bytes a pixel.
MOST_BYTES: Final = 32 << 20
MOST_PIXELS: Final = 40_000_000
# Raised when the same file is fitted otherwise than before.
VERSION: Final = 2

# PNG (ISO/IEC 15948, 11.3): comments, times and Exif; none of it changes what is shown.
_PNG_REMARKS = frozenset((b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf"))
# JPEG (ITU-T T.81, B.2.4): what tells how colours are meant stays: JFIF, an ICC profile, Adobe's transform.
_JPEG_KEPT = ((0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe"))
# Within a scan, 0xFF is followed by 0 or a restart's number (B.1.1.5); before a marker, it may stand repeated.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_JPEG_END = 0xD9
_ORIENTATION = 0x0112
_GIF_EXTENSION = 0x21
_GIF_PICTURE = 0x2C


@dataclass(frozen=True, slots=True)
class Wants:
    """What should be done to a picture, as its first bytes tell.

    Attributes:
        narrower: it is wider than `WIDEST`.
        turned: it stands upright only for who reads Exif.
        recoloured: its colours are a press's (CMYK), which many mail programs show inverted or not at all.
        grounded: it may be see-through.
    """

    narrower: bool = False
    turned: int = 1
    recoloured: bool = False
    grounded: bool = False

    @property
    def needed(self) -> bool:
        """Whether readers would notice if nobody did it."""
        return self.narrower or self.turned > 1 or self.recoloured

    @property
    def words(self) -> str:
        """What is wrong with the picture as it is."""
        said = {
            f"wider than {WIDEST} pixels": self.narrower,
            "turned by its Exif only": self.turned > 1,
            "in a press's colours (CMYK)": self.recoloured,
        }
        return " and ".join(words for words, true in said.items() if true)


def wants(data: bytes, form: str, width: int) -> Wants:
    """What a `png` or `jpeg` of so many pixels' width wants; an animation is left alone, since a frame is not it."""
    if form == "png":
        kinds = {kind for kind, _ in _chunks(data)}
        if b"acTL" in kinds:
            return Wants()
        return Wants(width > WIDEST, grounded=data[25:26] in {b"\4", b"\6"} or b"tRNS" in kinds)
    if form == "jpeg":
        turned, components = 1, 3
        for marker, body in _segments(data)[0]:
            if marker == 0xE1 and body.startswith(b"Exif\0\0"):
                turned = _orientation(body[6:])
            elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC} and len(body) > 5:
                components = body[5]
        return Wants((width > WIDEST), turned, components == 4)
    return Wants()


def without_remarks(data: bytes, form: str) -> bytes:
    """The same picture, bit for bit, without Exif, comments and times: no place, no name, no camera.

    Nor what stands behind its end: phones keep further pictures and films there, and some editors what was cropped.
    """
    if form == "png":
        chunks = _chunks(data)
        if not chunks or chunks[-1][0] != b"IEND":
            return data
        return data[:8] + b"".join(whole for kind, whole in chunks if kind not in _PNG_REMARKS)
    if form == "jpeg":
        segments, scans = _segments(data)
        kept = [
            struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body
            for marker, body in segments
            if not (marker == 0xFE or 0xE0 <= marker <= 0xEF)
            or any(marker == one and body.startswith(name) for one, name in _JPEG_KEPT)
        ]
        return b"".join([data[:2], *kept, data[scans : _end_of_jpeg(data, scans)]])
    return data


def is_whole(data: bytes, form: str) -> bool:
    """Whether a `png`, `jpeg` or `gif` goes on to its end: a download or a copy that was broken off leaves less.

    Only its frame is read, and the check sums a PNG has, not its pixels: mail programs show the upper part of what
    is cut off, or nothing.
    """
    if form == "png":
        chunks = _chunks(data)
        return bool(chunks) and chunks[-1][0] == b"IEND" and all(map(_is_sound, chunks))
    if form == "jpeg":
        end = _end_of_jpeg(data, _segments(data)[1])
        return data[end - 2 : end] == bytes((0xFF, _JPEG_END))
    return _is_whole_gif(data)


def can_fit() -> bool:
    """Whether Pillow is there."""
    return find_spec("PIL") is not None


def fitted(data: bytes, form: str, ground: str) -> bytes:
    """A `png` or `jpeg` upright, at most `WIDEST` wide, in screen colours, and on `ground` where it is see-through.

    The bytes as they are where nothing of that has to be done.

    Raises:
        ValueError: it can't be decoded.
    """
    from PIL import Image, ImageColor, ImageOps

    try:
        # What Pillow has to say of a damaged file is no line for the author's terminal.
        with warnings.catch_warnings(action="ignore"), Image.open(BytesIO(data)) as opened:
            opened.load()
            profile = opened.info.get("icc_profile")
            picture: Image.Image = ImageOps.exif_transpose(opened)
            changed = opened.getexif().get(_ORIENTATION, 1) != 1
            if picture.mode in {"CMYK", "YCCK"}:
                picture, profile, changed = picture.convert("RGB"), None, True
            if picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info:
                picture = picture.convert("RGBA")
                if picture.getchannel("A").histogram()[255] < picture.width * picture.height:
                    behind = Image.new("RGBA", picture.size, ImageColor.getrgb(ground))
                    picture, changed = Image.alpha_composite(behind, picture), True
                picture = picture.convert("RGB")
            if picture.width > WIDEST:
                height = max(1, round(picture.height * WIDEST / picture.width))
                picture = picture.convert("RGB") if picture.mode == "P" else picture
                picture, changed = picture.resize((WIDEST, height), Image.Resampling.LANCZOS), True
            if not changed:
                return data
            into = BytesIO()
            if form == "jpeg":
                picture.save(
                    into, "JPEG", quality=85, optimize=True, progressive=True, icc_profile=profile, exif=b""
                )
            else:
                picture.save(into, "PNG", optimize=True, icc_profile=profile)
            return into.getvalue()
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        msg = "it can't be decoded"
        raise ValueError(msg) from error


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG as (type, whole bytes), up to its last one, or as far as the file goes."""
    found: list[tuple[bytes, bytes]] = []
    at = 8
    while at + 12 <= len(data):
        length = int(struct.unpack(">I", data[at : at + 4])[0])
        end = at + 12 + length
        if end > len(data):
            break
        found.append((data[at + 4 : at + 8], data[at:end]))
        if found[-1][0] == b"IEND":
            break
        at = end
    return found


def _is_sound(chunk: tuple[bytes, bytes]) -> bool:
    """Whether a chunk's check sum is right; of those without which there is no picture (ISO/IEC 15948, 5.4: a capital first)."""
    kind, whole = chunk
    return not kind[:1].isupper() or zlib.crc32(whole[4:-4]) == int.from_bytes(whole[-4:], "big")


def _segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """The segments of a JPEG before its first scan as (marker, body), as far as they can be read, and where they end."""
    found: list[tuple[int, bytes]] = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int(struct.unpack(">H", data[at + 2 : at + 4])[0])
        if marker == 0xFF:  # fill bytes (ITU-T T.81, B.1.1.2)
            at += 1
            continue
        if marker in {0xDA, _JPEG_END} or length < 2 or at + 2 + length > len(data):
            break
        found.append((marker, data[at + 4 : at + 2 + length]))
        at += 2 + length
    return found, at


def _end_of_jpeg(data: bytes, at: int) -> int:
    """Behind the marker that ends a JPEG, looked for from its first scan on; the file's end where there is none."""
    while marker := _JPEG_MARKER.search(data, at):
        at = marker.end()
        if data[at - 1] == _JPEG_END:
            return at
        # Tables between two scans may hold any bytes.
        at += int.from_bytes(data[at : at + 2], "big")
    return len(data)


def _is_whole_gif(data: bytes) -> bool:
    """Whether the last block of a GIF ends, and one of them is a picture; its trailer is missed by nobody (GIF89a, 15 to 27)."""
    pictures = 0
    try:
        at = 13 + _colours(data[10])
        while at < len(data):
            kind = data[at]
            if kind == _GIF_PICTURE:
                pictures += 1
                at += 11 + _colours(data[at + 9])
            elif kind == _GIF_EXTENSION:
                at += 2
            else:  # the trailer, or what no program reads on from
                break
            while size := data[at]:
                at += 1 + size
            at += 1
    except IndexError:
        return False
    return pictures > 0


def _colours(flags: int) -> int:
    """Bytes of the colour table that a GIF's flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _orientation(tiff: bytes) -> int:
    """Exif's orientation, 1 to 8; 1, which is upright, where it isn't said (TIFF 6.0, page 36)."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return 1
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for at in range(start + 2, start + 2 + 12 * min(count, 256), 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", tiff, at)
            if tag == _ORIENTATION:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
