"""Where do the lines of a card's title end? In the largest size in which all of it fits, as even as can be."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from newsletter.site.typefaces import Font, Settable

# From large to small; a title is set in the largest size in which it fits.
SIZES: Final = (96, 84, 74, 66, 58, 52)
LEADING: Final = 1.16
# Of Chinese and Japanese, which part lines anywhere else (W3C, Requirements for Japanese Text Layout, 3.1.7 and 3.1.8).
_NEVER_FIRST: Final = frozenset(
    "、。，．・：；？！」』）】〕》〉’”％ー々ゝゞァィゥェォッャュョヮぁぃぅぇぉっゃゅょゎ…‥"
)
_NEVER_LAST: Final = frozenset("「『（【〔《〈‘“")


class Piece(NamedTuple):
    """Letters that stay together.

    Attributes:
        text: the letters.
        spaced: whether a space stands before them, unless they begin a line.
        width: in pixels.
    """

    text: str
    spaced: bool
    width: float


class Box(NamedTuple):
    """What lines have to fit into, in pixels."""

    width: int
    height: int

    def lines(self, size: int) -> int:
        """How many lines of a size there is room for."""
        return int(self.height // (size * LEADING))


def set_lines(title: Settable, box: Box) -> tuple[Font, list[str]]:
    """The font and the lines, in the largest size in which all words fit; what fits in none is cut."""
    for size in SIZES:
        font = title.at(size)
        pieces = _pieces(title.words, font)
        space = font.width(" ")
        lines = _wrapped(pieces, space, box.width)
        if lines is not None and len(lines) <= box.lines(size):
            return font, _balanced(pieces, space, lines, box.width)
    font = title.at(SIZES[-1])
    return font, _broken(title.words, font, box)


def cut(words: str, font: Font, width: float) -> str:
    """`words`, or their beginning and an ellipsis where they are wider than `width`."""
    if font.width(words) <= width:
        return words
    end = next((at for at in range(len(words), 0, -1) if font.width(words[:at] + "…") <= width), 0)
    return words[:end].rstrip() + "…"


def _pieces(words: str, font: Font) -> list[Piece]:
    """Words; those of Chinese and Japanese letter by letter, as far as lines may part them."""
    pieces: list[Piece] = []
    for word in words.split(" "):
        parts: list[str] = []
        for character in word:
            if parts and _stays(parts[-1][-1], character):
                parts[-1] += character
            else:
                parts.append(character)
        pieces += [Piece(part, at == 0, font.width(part)) for at, part in enumerate(parts)]
    return pieces


def _stays(before: str, character: str) -> bool:
    """Whether a line can't end between two letters of a word."""
    parted = _is_ideographic(before) or _is_ideographic(character)
    return not parted or character in _NEVER_FIRST or before in _NEVER_LAST


def _is_ideographic(character: str) -> bool:
    # Korean has spaces, and lines part there.
    return unicodedata.east_asian_width(character) in "WF" and not "\uac00" <= character <= "\ud7a3"


def _wrapped(pieces: list[Piece], space: float, width: float) -> list[str] | None:
    """As many words on each line as fit; None where one word alone doesn't."""
    lines: list[str] = []
    taken = 0.0
    for text, spaced, long in pieces:
        gap = space if spaced else 0.0
        if long > width:
            return None
        if lines and taken + gap + long <= width:
            lines[-1] += f" {text}" if spaced else text
            taken += gap + long
        else:
            lines.append(text)
            taken = long
    return lines


def _balanced(pieces: list[Piece], space: float, lines: list[str], widest: int) -> list[str]:
    """No more lines than `lines`, as even as can be: set in the narrowest width that allows it."""
    low, high = 0, widest
    while high - low > 1:
        middle = (low + high) // 2
        found = _wrapped(pieces, space, middle)
        if found is not None and len(found) <= len(lines):
            lines, high = found, middle
        else:
            low = middle
    return lines


def _broken(words: str, font: Font, box: Box) -> list[str]:
    """What there is room for of words that fit in no size: long ones are broken, the rest is left out."""
    parts: list[str] = []
    for word in words.split(" "):
        rest = word
        while font.width(rest) > box.width:
            fits = (at for at in range(len(rest) - 1, 0, -1) if font.width(rest[:at]) <= box.width)
            end = next(fits, 1)
            parts.append(rest[:end])
            rest = rest[end:]
        parts.append(rest)
    pieces = _pieces(" ".join(parts), font)
    lines = _wrapped(pieces, font.width(" "), box.width) or [""]
    most = box.lines(SIZES[-1])
    if len(lines) > most:
        lines = [*lines[: most - 1], cut(f"{lines[most - 1]} {lines[most]}", font, box.width)]
    return lines
