"""Can this colour be read on that ground, and if not, which is the nearest that can?

Contrast is WCAG 2.2's ratio of relative luminances, from 1 to 21.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

from newsletter.model.publication import Theme

# WCAG 2.2, success criterion 1.4.3, for text below 24 px.
READABLE = 4.5


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _hex(red: float, green: float, blue: float) -> str:
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in (red, green, blue))


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0 for black to 1 for white."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two `#rrggbb` colours, whichever is the lighter."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def readable(colour: str, *grounds: str, minimum: float = READABLE) -> str:
    """`colour` itself where it reads on all `grounds`, else its nearest darker or lighter shade that does.

    Hue stays; saturation too, until black or white is reached, which always reads on one ground.
    """

    def reads(candidate: str) -> bool:
        return all(contrast(candidate, ground) >= minimum for ground in grounds)

    if reads(colour):
        return colour
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    for step in range(1, 101):
        for shade in (lightness - step / 100, lightness + step / 100):
            if 0 <= shade <= 1 and reads(candidate := _hex(*colorsys.hls_to_rgb(hue, shade, saturation))):
                return candidate
    return max(("#000000", "#ffffff"), key=lambda end: min(contrast(end, ground) for ground in grounds))


@dataclass(frozen=True, slots=True)
class Scheme:
    """The colours of one scheme, light or dark.

    Attributes:
        ground: behind everything.
        text: running text.
        muted: labels, dates, the footer.
        hairline: rules and borders; never carries meaning alone.
        inset: behind code spans and table headers.
        accent: links and marks, readable as text on `ground` and `inset`.
        fill: behind the one button.
        on_fill: the button's text.
    """

    ground: str
    text: str
    muted: str
    hairline: str
    inset: str
    accent: str
    fill: str
    on_fill: str


@dataclass(frozen=True, slots=True)
class Palette:
    """Both schemes of a theme.

    Attributes:
        light: on a light ground; what stands inline, and what a client inverts that dims by force.
        dark: for clients that honour `prefers-color-scheme`.
        faint: which settings of the theme were too faint for text: (key, colour, what is used instead, contrast).
    """

    light: Scheme
    dark: Scheme
    faint: tuple[tuple[str, str, str, float], ...]


# Near black and near white: forced inversion turns each into the other, and neither glares.
_LIGHT_GROUND, _LIGHT_INSET = "#ffffff", "#f3f5f7"
_DARK_GROUND, _DARK_INSET = "#14171b", "#242a31"


def _on(fill: str) -> str:
    """Black or white, whichever reads on `fill`: a shade between them would not outlive a client that inverts by force."""
    return "#ffffff" if contrast("#ffffff", fill) >= READABLE else "#000000"


def palette(theme: Theme) -> Palette:
    """The colours of `theme`; an accent that can't be read as text is shifted to the nearest shade that can."""
    faint: list[tuple[str, str, str, float]] = []
    accent = readable(theme.accent, _LIGHT_GROUND, _LIGHT_INSET)
    if contrast(theme.accent, _LIGHT_GROUND) < READABLE:
        faint.append(("accent", theme.accent, accent, contrast(theme.accent, _LIGHT_GROUND)))
    wanted_dark = theme.accent_dark or theme.accent
    # Links on a dark page want more than the minimum: a derived one is lightened to it.
    accent_dark = readable(
        wanted_dark, _DARK_GROUND, _DARK_INSET, minimum=READABLE if theme.accent_dark else 6.5
    )
    if theme.accent_dark and contrast(theme.accent_dark, _DARK_GROUND) < READABLE:
        faint.append(
            ("accent_dark", theme.accent_dark, accent_dark, contrast(theme.accent_dark, _DARK_GROUND))
        )
    light = Scheme(
        ground=_LIGHT_GROUND,
        text="#1c2024",
        muted="#5b6470",
        hairline="#dde2e7",
        inset=_LIGHT_INSET,
        accent=accent,
        fill=theme.accent,
        on_fill=_on(theme.accent),
    )
    # The same button in both schemes, unless it would sink into the dark ground.
    fill_dark = theme.accent if contrast(theme.accent, _DARK_GROUND) >= 2.5 else accent_dark
    dark = Scheme(
        ground=_DARK_GROUND,
        text="#e4e7eb",
        muted="#9ba5b0",
        hairline="#333b44",
        inset=_DARK_INSET,
        accent=accent_dark,
        fill=fill_dark,
        on_fill=_on(fill_dark),
    )
    return Palette(light, dark, tuple(faint))
