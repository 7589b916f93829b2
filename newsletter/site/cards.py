"""What picture is shown where a page is shared? A card with its title, drawn by Pillow in the bundled font.

The same words give the same bytes, and a card's name is a hash of all that it is made of: one that is
in the site's folder is not drawn again.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from functools import cache, partial
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from newsletter.model.publication import Publication, Theme
from newsletter.render.colour import palette
from newsletter.render.fonts import REGULAR, SEMI_BOLD
from newsletter.site.page import Page, Picture, spelled

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

# What Facebook, LinkedIn, Slack and X show without cutting: 1.91 to 1 (https://developers.facebook.com/docs/sharing/webmasters/images).
WIDTH, HEIGHT = 1200, 630
# Part of every card's name: another look gives other names.
_LOOK = 1
_MARGIN = 88
_MEASURE = WIDTH - 2 * _MARGIN
# From large to small; a title is set in the largest size in which it fits.
_SIZES = (96, 84, 74, 66, 58, 52)
_LEADING = 1.16
_TOP, _BOTTOM = 158, 494
_SMALL = 32
# Shades of one ink from the ground: enough for smooth edges, few enough for a small file.
_SHADES = 16


@dataclass(frozen=True)
class Card:
    """The words of one card.

    Attributes:
        title: of the page.
        mark: what the page is, such as "Issue 12 · 6 January 2026".
        name: the newsletter's.
        host: where it is read.
    """

    title: str
    mark: str
    name: str
    host: str

    @property
    def alternative(self) -> str:
        """What the picture says, for who can't see it."""
        return " · ".join(filter(None, [self.title, self.name if self.name != self.title else "", self.mark]))


class Cards:
    """The cards of one site.

    Args:
        publication: whose it is.
        theme: whose colours they have.
    """

    def __init__(self, publication: Publication, theme: Theme) -> None:
        self._publication = publication
        self._host = urlsplit(publication.base_url).netloc
        scheme = palette(theme).light
        self._colours = (scheme.ground, scheme.text, scheme.muted, scheme.accent, scheme.hairline)

    def give(self, pages: Iterable[Page]) -> dict[str, Callable[[], bytes]]:
        """Give each page that can be shared and has no picture of its own a card; by file, what draws it."""
        made: dict[str, Callable[[], bytes]] = {}
        publication = self._publication
        common = Card(publication.tagline or publication.name, "", publication.name, self._host)
        for page in pages:
            if page.hidden or (page.entry is not None and page.entry.image):
                continue
            card = common
            if page.entry is not None:
                issue = page.entry.form == "issue"
                day = spelled(page.entry.date, publication.language)
                mark = f"Issue {page.entry.number} · {day}" if issue else "Guide"
                card = Card(page.entry.title, mark, publication.name, self._host)
            file = self.file(card)
            made[file] = partial(self.draw, card)
            page.card = Picture(f"{publication.base_url}/{file}", card.alternative, (WIDTH, HEIGHT))
        return made

    def file(self, card: Card) -> str:
        """Where the card is, from the site's folder."""
        parts = [str(_LOOK), _fonts_digest(), *self._colours, *astuple(card)]
        return f"assets/card-{hashlib.blake2b(chr(0).join(parts).encode(), digest_size=8).hexdigest()}.png"

    def draw(self, card: Card) -> bytes:
        """The card as PNG."""
        from PIL import Image, ImageChops, ImageDraw

        inks = [Image.new("L", (WIDTH, HEIGHT)) for _ in self._colours[1:]]
        text, muted, accent, hairline = (ImageDraw.Draw(ink) for ink in inks)
        name, mark, host = (_settable(words) or "" for words in (card.name, card.mark, card.host))
        headline = next(filter(None, map(_settable, (card.title, card.name, card.mark, card.host))), "")
        small, strong = _font(REGULAR, _SMALL), _font(SEMI_BOLD, _SMALL)
        accent.rectangle((0, 0, WIDTH, 15), fill=255)
        if name != headline:
            text.text((_MARGIN, 112), _cut(name, strong, _MEASURE), fill=255, font=strong, anchor="ls")
        font, lines = _set(headline)
        step = font.size * _LEADING
        # Capitals are about 0.73 of the size: their middle is where the block is seen.
        first = (_TOP + _BOTTOM - step * (len(lines) - 1) + 0.73 * font.size) / 2
        for at, line in enumerate(lines):
            text.text((_MARGIN, round(first + at * step)), line, fill=255, font=font, anchor="ls")
        hairline.rectangle((_MARGIN, 528, WIDTH - _MARGIN - 1, 529), fill=255)
        left = _MEASURE
        if mark and mark != headline:
            mark = _cut(mark, strong, _MEASURE)
            accent.text((_MARGIN, 580), mark, fill=255, font=strong, anchor="ls")
            left -= round(strong.getlength(mark)) + 40
        if host and small.getlength(host) <= left:
            at_end = WIDTH - _MARGIN if mark else _MARGIN
            muted.text((at_end, 580), host, fill=255, font=small, anchor="rs" if mark else "ls")
        image = Image.new("L", (WIDTH, HEIGHT))
        for at, ink in enumerate(inks):
            lightest = 1 + at * _SHADES
            image = ImageChops.lighter(
                image, ink.point([0, *(lightest + level * _SHADES // 256 for level in range(1, 256))])
            )
        done = Image.frombytes("P", image.size, image.tobytes())
        done.putpalette(self._palette())
        file = BytesIO()
        # The next level takes eight times as long for a tenth less.
        done.save(file, "PNG", compress_level=6)
        return file.getvalue()

    def _palette(self) -> bytes:
        ground, *inks = (bytes.fromhex(colour[1:]) for colour in self._colours)
        shades = [
            bytes(a + (b - a) * level // _SHADES for a, b in zip(ground, ink, strict=True))
            for ink in inks
            for level in range(1, _SHADES + 1)
        ]
        return ground + b"".join(shades)


# Setting words ----------------------------------------------------------------------------------


@cache
def _fonts_digest() -> str:
    return hashlib.blake2b(REGULAR.read_bytes() + SEMI_BOLD.read_bytes(), digest_size=8).hexdigest()


@cache
def _font(file: object, size: int) -> FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _has(character: str) -> bool:
    """Whether the font has the character: what it lacks is drawn as the same empty box."""
    font = _font(SEMI_BOLD, 24)
    box = font.getmask("\U0010fffe")
    drawn = font.getmask(character)
    return (drawn.size, bytes(drawn)) != (box.size, bytes(box))


def _settable(words: str) -> str | None:
    """`words` without the pictures that the font lacks; None where it lacks letters, or nothing is left."""
    kept: list[str] = []
    for character in unicodedata.normalize("NFC", " ".join(words.split())):
        category = unicodedata.category(character)
        # Joiners and variation selectors belong to emoji.
        if category[0] == "C" or "\ufe00" <= character <= "\ufe0f":
            continue
        if character == " " or _has(character):
            kept.append(character)
        elif category[0] != "S":
            return None
    return " ".join("".join(kept).split()) or None


def _set(words: str) -> tuple[FreeTypeFont, list[str]]:
    """The font and the lines, in the largest size in which all words fit."""
    for size in _SIZES:
        font = _font(SEMI_BOLD, size)
        measured = _measured(words, font)
        lines = _wrapped(measured, _MEASURE)
        if lines is not None and len(lines) <= _most(size):
            return font, _balanced(measured, lines)
    font = _font(SEMI_BOLD, _SIZES[-1])
    return font, _broken(words, font)


def _most(size: int) -> int:
    """How many lines of a size there is room for."""
    return int((_BOTTOM - _TOP) // (size * _LEADING))


class _Measured(NamedTuple):
    """Words, and how wide each of them and a space is."""

    words: list[tuple[str, float]]
    space: float


def _measured(words: str, font: FreeTypeFont) -> _Measured:
    return _Measured([(word, font.getlength(word)) for word in words.split(" ")], font.getlength(" "))


def _wrapped(measured: _Measured, width: float) -> list[str] | None:
    """As many words on each line as fit; None where one word alone doesn't."""
    lines: list[str] = []
    taken = 0.0
    for word, long in measured.words:
        if long > width:
            return None
        if lines and taken + measured.space + long <= width:
            lines[-1] += f" {word}"
            taken += measured.space + long
        else:
            lines.append(word)
            taken = long
    return lines


def _balanced(measured: _Measured, lines: list[str]) -> list[str]:
    """No more lines than `lines`, as even as can be: set in the narrowest width that allows it."""
    low, high = 0, _MEASURE
    while high - low > 1:
        middle = (low + high) // 2
        found = _wrapped(measured, middle)
        if found is not None and len(found) <= len(lines):
            lines, high = found, middle
        else:
            low = middle
    return lines


def _broken(words: str, font: FreeTypeFont) -> list[str]:
    """What there is room for of words that fit in no size: long ones are broken, the rest is left out."""
    pieces: list[str] = []
    for word in words.split(" "):
        rest = word
        while font.getlength(rest) > _MEASURE:
            end = next(at for at in range(len(rest) - 1, 0, -1) if font.getlength(rest[:at]) <= _MEASURE)
            pieces.append(rest[:end])
            rest = rest[end:]
        pieces.append(rest)
    lines = _wrapped(_measured(" ".join(pieces), font), _MEASURE) or [""]
    most = _most(_SIZES[-1])
    if len(lines) > most:
        lines = [*lines[: most - 1], _cut(f"{lines[most - 1]} {lines[most]}", font, _MEASURE)]
    return lines


def _cut(words: str, font: FreeTypeFont, width: float) -> str:
    """`words`, or their beginning and an ellipsis where they are wider than `width`."""
    if font.getlength(words) <= width:
        return words
    end = next((at for at in range(len(words), 0, -1) if font.getlength(words[:at] + "…") <= width), 0)
    return words[:end].rstrip() + "…"
