"""How do an author's pictures and diagrams become what mails and pages show? Made once, and kept in a folder by their content."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from newsletter.model.publication import Theme
from newsletter.render import fitting
from newsletter.render.colour import palette
from newsletter.render.diagrams.look import described, look_of
from newsletter.render.diagrams.outcome import Drawn, Undrawn
from newsletter.render.diagrams.source import Language
from newsletter.render.picture_folder import PictureFolder

# CSS pixels: the text column of a mail on a telephone 375 wide, and below how many its words can't be read.
TELEPHONE: Final = 335
SMALLEST_TEXT: Final = 11
DIAGRAM_TEXT: Final = 16


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture as it leaves.

    Attributes:
        data: its bytes.
        file: where they are kept; None where they are the author's own, or could not be kept.
        lacking: what should have been done to it, in words, where there is no Pillow to do it.
        broken: it can't be decoded.
    """

    data: bytes
    file: Path | None = None
    lacking: str = ""
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Diagram:
    """A diagram as it leaves.

    Attributes:
        name: of the file, by its content.
        data: the PNG.
        file: where it is kept; None where it could not be.
        width: CSS pixels it wants; it is shown narrower where there is less room.
        height: ditto.
        lacking: characters in it that no font here has, so that they are boxes.
    """

    name: str
    data: bytes
    file: Path | None
    width: float
    height: float
    lacking: str = ""

    @property
    def text_on_telephone(self) -> float:
        """How many CSS pixels high its letters are where a mail is 375 wide."""
        return DIAGRAM_TEXT * min(1.0, TELEPHONE / self.width)


class Workshop:
    """Makes and keeps the pictures of one newsletter; threads and processes may share a folder.

    Args:
        folder: nothing in it can't be made again; see `PictureFolder`.
        theme: whose colours diagrams have.
        widest: CSS pixels there are for a diagram.
    """

    def __init__(self, folder: Path, theme: Theme, widest: int) -> None:
        self.look = look_of(theme)
        self._folder, self._widest = PictureFolder(folder), widest
        self._ground = palette(theme).light.ground
        self._described = described(self.look)

    @property
    def signature(self) -> str:
        """All that decides what comes out, what is installed included."""
        from newsletter.render.diagrams.drawers import drawer

        drawers = (drawer("mermaid"), drawer("dot"), fitting.can_fit(), fitting.VERSION, self._ground)
        return f"{self._described}{drawers}{self._widest}"

    def fit(self, data: bytes, form: str, width: int) -> Fitted:
        """The picture without its remarks, upright, narrow enough, on a ground."""
        wants = fitting.wants(data, form, width)
        if not (wants.needed or wants.grounded):
            return self._kept_if_other(fitting.without_remarks(data, form), data, form)
        if not fitting.can_fit():
            if wants.turned > 1:
                return Fitted(data, lacking=wants.words)
            plain = self._kept_if_other(fitting.without_remarks(data, form), data, form)
            return Fitted(plain.data, plain.file, wants.words)
        name = self._name(data, f"fitted {fitting.VERSION} {self._ground}", form)
        made = self._folder.read(name)
        if made is not None:
            return Fitted(made, self._folder.path(name))
        try:
            made = fitting.without_remarks(fitting.fitted(data, form, self._ground), form)
        except ValueError:
            return Fitted(data, broken=True)
        return Fitted(made, self._folder.keep(name, made))

    def draw(self, language: Language, source: str) -> Diagram | Undrawn:
        """The diagram, drawn now or earlier, here or by another process; or why there is none."""
        digest = hashlib.sha256(
            f"{language}\0{self._described}\0{self._widest}\0{source}".encode()
        ).hexdigest()
        kept = f"diagram-{digest[:32]}"
        name = f"diagram-{digest[:8]}.png"
        measures, png = self._folder.read(f"{kept}.json"), self._folder.read(f"{kept}.png")
        if measures is not None and png is not None:
            with contextlib.suppress(ValueError, TypeError):
                width, height = map(float, json.loads(measures))
                return Diagram(name, png, self._folder.path(f"{kept}.png"), width, height)
        from newsletter.render.diagrams.drawing import draw

        drawn = draw(language, source, self.look, self._widest)
        match drawn:
            case Undrawn():
                return drawn
            case Drawn(png=png, width=width, height=height, lacking=lacking):
                file = self._folder.keep(f"{kept}.png", png)
                if not lacking:  # once the font is there, it is drawn anew
                    self._folder.keep(f"{kept}.json", json.dumps([width, height]).encode())
                return Diagram(name, png, file, width, height, lacking)

    def still_used(self, files: Iterable[Path]) -> None:
        """Say of files that were made here that pages show them which nobody made anew: what isn't used goes in time."""
        for path in files:
            self._folder.still_used((path, path.with_suffix(".json")))

    def _kept_if_other(self, made: bytes, data: bytes, form: str) -> Fitted:
        """What was made of `data`, in a file of its own where it isn't the same."""
        if made == data:
            return Fitted(data)
        return Fitted(made, self._folder.keep(self._name(data, "plain", form), made))

    @staticmethod
    def _name(data: bytes, made: str, form: str) -> str:
        return f"{hashlib.sha256(data + made.encode()).hexdigest()[:32]}.{form}"
