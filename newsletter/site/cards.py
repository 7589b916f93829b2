"""What picture is shown where a page is shared? A card with its title, drawn by Pillow in the bundled font.

The same words give the same bytes, and a card's name is a hash of all that it is made of: one that is
in the site's folder is not drawn again. Letters that the bundled font lacks are set in a font of the machine that
has them; a title that no font here has gives way to the newsletter's name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from functools import cache, partial
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from newsletter.model.publication import Publication, Theme
from newsletter.render.colour import palette
from newsletter.render.fonts import REGULAR, SEMI_BOLD
from newsletter.site.card_lines import LEADING, Box, cut, set_lines
from newsletter.site.page import Page, Picture, spelled
from newsletter.site.typefaces import (
    OUR_REGULAR,
    OUR_SEMI_BOLD,
    Face,
    Font,
    Settable,
    foreign_digest,
    settable,
)

# What Facebook, LinkedIn, Slack and X show without cutting: 1.91 to 1 (https://developers.facebook.com/docs/sharing/webmasters/images).
WIDTH, HEIGHT = 1200, 630
# Part of every card's name: another look gives other names.
_LOOK = 1
_MARGIN = 88
_MEASURE = WIDTH - 2 * _MARGIN
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
        self._language = publication.language
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
        foreign = [foreign_digest(words, OUR_SEMI_BOLD, self._language) for words in (card.title, card.name)]
        parts = [str(_LOOK), _fonts_digest(), *self._colours, *astuple(card), *filter(None, foreign)]
        return f"assets/card-{hashlib.blake2b(chr(0).join(parts).encode(), digest_size=8).hexdigest()}.png"

    def draw(self, card: Card) -> bytes:
        """The card as PNG."""
        from PIL import Image, ImageDraw

        inks = [Image.new("L", (WIDTH, HEIGHT)) for _ in self._colours[1:]]
        text, muted, accent, hairline = (ImageDraw.Draw(ink) for ink in inks)
        name, mark, title = (self._settable(words) for words in (card.name, card.mark, card.title))
        headline = title or name or self._settable(card.host) or mark
        accent.rectangle((0, 0, WIDTH, 15), fill=255)
        hairline.rectangle((_MARGIN, 528, WIDTH - _MARGIN - 1, 529), fill=255)
        if headline is None:
            return self._packed(inks)
        leftwards = headline.runs_left
        if name and name != headline:
            _write(text, name, 112, leftwards=leftwards)
        font, lines = set_lines(headline, Box(_MEASURE, _BOTTOM - _TOP))
        step = font.size * LEADING
        # Capitals are about 0.73 of the size: their middle is where the block is seen.
        first = (_TOP + _BOTTOM - step * (len(lines) - 1) + 0.73 * font.size) / 2
        for at, line in enumerate(lines):
            _line(text, line, font, round(first + at * step), leftwards=leftwards)
        left = float(_MEASURE)
        if mark and mark != headline:
            left -= _write(accent, mark, 580, leftwards=leftwards) + 40
        host = self._settable(card.host, OUR_REGULAR)
        if host and host.words != headline.words and host.at(_SMALL).width(host.words) <= left:
            # Across from the mark, where there is one.
            _write(muted, host, 580, leftwards=leftwards == (left == _MEASURE))
        return self._packed(inks)

    def _settable(self, words: str, ours: Face = OUR_SEMI_BOLD) -> Settable | None:
        return settable(words, ours, self._language)

    def _packed(self, inks: list[Any]) -> bytes:
        """The inks on their ground, as PNG."""
        from PIL import Image, ImageChops

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


def _write(ink: Any, words: Settable, baseline: int, *, leftwards: bool) -> float:
    """Write words on one line from where lines begin, cut where there is no more room; how wide they are."""
    font = words.at(_SMALL)
    line = cut(words.words, font, _MEASURE)
    _line(ink, line, font, baseline, leftwards=leftwards)
    return font.width(line)


def _line(ink: Any, line: str, font: Font, baseline: int, *, leftwards: bool) -> None:
    font.write(ink, line, (WIDTH - _MARGIN if leftwards else _MARGIN, baseline), leftwards=leftwards)


@cache
def _fonts_digest() -> str:
    return hashlib.blake2b(REGULAR.read_bytes() + SEMI_BOLD.read_bytes(), digest_size=8).hexdigest()
