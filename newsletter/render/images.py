"""Which file is this picture, how wide is it shown, and how does it travel?

A local picture travels with the message (`cid:`) or is linked under `assets/`; its name holds a
hash of its content, so that a changed picture never hides behind a cached one.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from newsletter.model.template import InlineImage

COLUMN = 536  # CSS pixels of the text column: 600 less 32 on each side

_MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif"}
_EXTENSIONS = {"png": "png", "jpeg": "jpg", "gif": "gif"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a picture or a link can't be used as it is written: a code, what is wrong, the way out."""

    code: str
    message: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as the HTML refers to it.

    Attributes:
        src: what `src` says; empty where there is nothing to show.
        width: CSS pixels; 0 where it isn't known.
        image: the bytes, where they travel with the message.
        problem: what is wrong with it, if anything.
        file: the local file it was read from, to notice when it changes.
    """

    src: str = ""
    width: int = 0
    image: InlineImage | None = None
    problem: Problem | None = None
    file: Path | None = None


def image_size(data: bytes) -> tuple[str, int, int] | None:
    """Format (`png`, `jpeg`, `gif`), width and height in pixels from a file's first bytes; None for anything else."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return "png", width, height
    if data[:6] in {b"GIF87a", b"GIF89a"} and len(data) >= 10:
        width, height = struct.unpack("<HH", data[6:10])
        return "gif", width, height
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    return None


def _jpeg_size(data: bytes) -> tuple[str, int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes (ITU-T T.81, B.1.1.2)
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:  # a start-of-frame segment
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return "jpeg", width, height
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # stands alone
            at += 2
        else:
            at += 2 + int(struct.unpack(">H", data[at + 2 : at + 4])[0])
    return None


def shown_width(natural: int) -> int:
    """CSS pixels a picture of `natural` pixels is shown at: half, for sharp screens, where it is wider than the column."""
    return natural if natural <= COLUMN else min(COLUMN, natural // 2)


def newsletter_root(issue_path: Path) -> Path:
    """The folder an issue's pictures may come from: the one that holds its `issues/`, else the issue's own."""
    folder = issue_path.parent.resolve()
    for parent in (folder, *folder.parents):
        if parent.name == "issues":
            return parent.parent
    return folder


@dataclass(frozen=True, slots=True)
class Pictures:
    """Where the pictures of one issue are, and how they travel.

    Attributes:
        issue_path: the issue's file.
        mode: travel with the message, or be linked.
        base_url: where `assets/` is; wanted for linking.
        domain: right side of the content ids (RFC 2392 wants them to be unique in the world).
    """

    issue_path: Path
    mode: Literal["attach", "link"]
    base_url: str
    domain: str

    def find(self, source: str) -> Picture:
        """The picture an author means by `source`: a path from the issue's folder, or a web address."""
        if re.match("(?:https?:)?//", source, re.IGNORECASE):
            return Picture(
                src=source,
                problem=Problem(
                    "NL409",
                    f"the picture `{source}` is elsewhere on the web, and its width isn't known",
                    "keep a copy next to the issue",
                ),
            )
        name = unquote(source)
        file: Path | None = None
        try:
            file = (self.issue_path.parent / name).resolve()
            if not file.is_relative_to(newsletter_root(self.issue_path)):
                return Picture(
                    problem=Problem(
                        "NL404",
                        f"the picture `{source}` is outside the newsletter's folder",
                        "copy it next to the issue",
                    )
                )
            data = file.read_bytes()
        except (OSError, ValueError):
            return Picture(
                problem=Problem(
                    "NL403",
                    f"there is no picture `{source}` that can be read",
                    "paths start from the issue's own folder",
                ),
                file=file,
            )
        return self._read(source, file, data)

    def _read(self, source: str, file: Path, data: bytes) -> Picture:
        found = image_size(data)
        if found is None:
            return Picture(
                problem=Problem(
                    "NL405",
                    f"`{source}` is not a PNG, JPEG or GIF, which is what mail programs show",
                    "convert it to PNG",
                ),
                file=file,
            )
        form, natural, _ = found
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-") or "image"
        filename = f"{stem}-{hashlib.sha256(data).hexdigest()[:8]}.{_EXTENSIONS[form]}"
        width = shown_width(natural)
        if self.mode == "attach":
            image = InlineImage(f"{filename}@{self.domain}", filename, _MEDIA_TYPES[form], data)
            return Picture(f"cid:{image.content_id}", width, image, file=file)
        if not self.base_url:
            return Picture(
                problem=Problem(
                    "NL408",
                    f"`{source}` is to be linked, but `base_url` isn't set",
                    'set `base_url`, or `images = "attach"` in [sending]',
                ),
                file=file,
            )
        return Picture(f"{self.base_url}/assets/{filename}", width, file=file)
