"""Which file is this picture, how wide is it shown, and how does it travel?

A local picture travels with the message (`cid:`) or is linked under `assets/`; its name holds a hash of
the author's file (of its source, for a diagram), so that a changed picture never hides behind a cached one.
"""

from __future__ import annotations

import hashlib
import re
import stat
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from newsletter.model.template import InlineImage
from newsletter.render import fitting
from newsletter.render.diagrams import source as diagrams
from newsletter.render.diagrams.outcome import Undrawn
from newsletter.render.workshop import SMALLEST_TEXT, Fitted, Workshop

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
        width: CSS pixels in a mail; 0 where it isn't known.
        height: ditto.
        image: the bytes, whether they travel or are linked; None where they aren't here.
        problem: what is wrong with it, if anything.
        file: the local file it was read from, to notice when it changes; None for a diagram.
        made: where the bytes are kept that stand for `file`; None where they are the file's own.
    """

    src: str = ""
    width: int = 0
    height: int = 0
    image: InlineImage | None = None
    problem: Problem | None = None
    file: Path | None = None
    made: Path | None = None


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
        workshop: what fits pictures and draws diagrams; without it, the former are as they are and the latter code.
    """

    issue_path: Path
    mode: Literal["attach", "link"]
    base_url: str
    domain: str
    workshop: Workshop | None = None

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
            status = file.stat()
            if status.st_size > fitting.MOST_BYTES:
                return Picture(problem=_too_large(source, f"{status.st_size / 1e6:,.0f} MB"), file=file)
            # A pipe would be read without end; a folder is none of the formats.
            data = file.read_bytes() if stat.S_ISREG(status.st_mode) else None
        except (OSError, ValueError):
            data = None
        if file is None or data is None:
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
        form, natural, high = found
        if natural * high > fitting.MOST_PIXELS:
            return Picture(problem=_too_large(source, f"{natural:,} by {high:,} pixels"), file=file)
        if not fitting.is_whole(data, form):
            return Picture(
                problem=Problem(
                    "NL405",
                    f"`{source}` is damaged, or cut off before its end",
                    "copy or download it again, or export it anew",
                ),
                file=file,
            )
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", file.stem).strip("-") or "image"
        filename = f"{stem}-{hashlib.sha256(data).hexdigest()[:8]}.{_EXTENSIONS[form]}"
        fitted = self.workshop.fit(data, form, natural) if self.workshop is not None else Fitted(data)
        if fitted.broken:
            return Picture(
                problem=Problem(
                    "NL405",
                    f"`{source}` begins like a picture, but can't be read as one",
                    "save it again, or export it anew",
                ),
                file=file,
            )
        _, natural, high = image_size(fitted.data) or found
        problem = _as_it_is(source, fitted.lacking) if fitted.lacking else None
        width = shown_width(natural)
        height = max(1, round(high * width / natural)) if natural else 0
        picture = self._shown(source, filename, form, fitted.data, (width, height))
        return replace(picture, file=file, made=fitted.file, problem=picture.problem or problem)

    def draw(
        self, language: diagrams.Language, source: str
    ) -> tuple[Picture | None, list[tuple[Problem, int]]]:
        """A diagram as a picture, None where it stays code; and what is wrong with it, each with the line of `source`.

        Lines count from 1; 0 is that of the fence above it.
        """
        assert self.workshop is not None
        drawn = self.workshop.draw(language, source)
        if isinstance(drawn, Undrawn):
            return None, [_undrawn(language, drawn)]
        found: list[tuple[Problem, int]] = []
        if not diagrams.alternative_text(language, source):
            found.append((_without_words(language), 0))
        if drawn.text_on_telephone < SMALLEST_TEXT:
            found.append((_too_wide(language, source, drawn.text_on_telephone), 0))
        if drawn.lacking:
            found.append((_without_font(drawn.lacking), 0))
        look = self.workshop.look
        found += [
            (Problem("NL465", faint.message, "leave its colours out: the theme's are readable"), line)
            for faint in diagrams.faint(language, source, text=look.text, fill=look.box)
            for line in [source.count("\n", 0, faint.start) + 1]
        ]
        width = min(COLUMN, round(drawn.width))
        height = round(drawn.height * width / drawn.width)
        picture = self._shown(drawn.name, drawn.name, "png", drawn.data, (width, height))
        if picture.problem is not None:
            return None, [(picture.problem, 0)]
        return replace(picture, made=drawn.file), found

    def _shown(self, source: str, filename: str, form: str, data: bytes, size: tuple[int, int]) -> Picture:
        """The picture as the HTML refers to it: by content id, or by its address on the site."""
        image = InlineImage(f"{filename}@{self.domain}", filename, _MEDIA_TYPES[form], data)
        if self.mode == "attach":
            return Picture(f"cid:{image.content_id}", *size, image)
        if not self.base_url:
            return Picture(
                problem=Problem(
                    "NL408",
                    f"`{source}` is to be linked, but `base_url` isn't set",
                    'set `base_url`, or `images = "attach"` in [sending]',
                )
            )
        return Picture(f"{self.base_url}/assets/{filename}", *size, image)


def _too_large(source: str, size: str) -> Problem:
    return Problem(
        "NL466",
        f"the picture `{source}` has {size}, which nobody waits for",
        f"make it at most {fitting.WIDEST} pixels wide",
    )


def _as_it_is(source: str, lacking: str) -> Problem:
    return Problem(
        "NL468",
        f"the picture `{source}` is {lacking}, and Pillow isn't there to mend that",
        "pip install 'newsletter-toolkit[site]'",
    )


def _undrawn(language: diagrams.Language, undrawn: Undrawn) -> tuple[Problem, int]:
    match undrawn.reason:
        case "missing":
            way_out = (
                "pip install 'newsletter-toolkit[diagrams]'"
                if language == "mermaid"
                else "install Graphviz, such as with apt install graphviz"
            )
            message = f"the diagram stays code: {undrawn.message} would draw it, and can't be found"
            return Problem("NL460", message, way_out), 0
        case "mistake":
            message = f"this is no diagram: {undrawn.message}"
            return Problem("NL462", message, "mend the source, or call the block `text`"), undrawn.line
        case "ended":
            return Problem(
                "NL463", f"the diagram can't be drawn: {undrawn.message}", "draw less in one diagram"
            ), 0


def _without_words(language: diagrams.Language) -> Problem:
    return Problem(
        "NL461", "the diagram has no alternative text", f"add the line `{diagrams.ALT_LINE[language]}`"
    )


def _without_font(lacking: str) -> Problem:
    shown = lacking if len(lacking) <= 12 else f"{lacking[:12]}…"
    return Problem(
        "NL470",
        f"no font here has the characters {shown} of the diagram: they are boxes",
        "install one, such as with apt install fonts-noto-cjk, or write them otherwise",
    )


def _too_wide(language: diagrams.Language, source: str, text: float) -> Problem:
    sideways = diagrams.sideways(language, source)
    way_out = "put fewer things side by side, or shorten their labels"
    if sideways and language == "mermaid":
        way_out = f"let it run down: `TD` instead of `{sideways}`"
    elif sideways:
        way_out = f"let it run down: `rankdir=TB` instead of `{sideways}`"
    return Problem("NL464", f"on a telephone the diagram's words are {text:.0f} pixels high", way_out)
