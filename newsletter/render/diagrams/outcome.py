"""What comes of drawing a diagram: a picture, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Drawn:
    """A diagram as a picture.

    Attributes:
        width: CSS pixels, as its text is meant to be read.
        height: ditto.
        lacking: characters in it that no font here has, so that they are boxes.
    """

    png: bytes
    width: float
    height: float
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Undrawn:
    """Why there is no picture.

    Attributes:
        reason: nothing here can draw it; it is no diagram; or it was ended.
        message: what is wrong, in words.
        line: of the source, from 1; 0 where it isn't known.
    """

    reason: Literal["missing", "mistake", "ended"]
    message: str
    line: int = 0
