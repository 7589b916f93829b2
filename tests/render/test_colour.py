"""Contrast as WCAG defines it, and the nearest shade that has enough of it."""

from __future__ import annotations

import colorsys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model.publication import Theme
from newsletter.render.colour import contrast, palette, readable

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
        ("#abcdef", "#abcdef", 1.0),
    ],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(one, other) == contrast(other, one)


def test_a_colour_that_reads_is_left_alone() -> None:
    assert readable("#1f5fbf", "#ffffff") == "#1f5fbf"


@given(COLOURS)
def test_a_shade_that_reads_is_found_for_every_accent_on_both_grounds(accent: str) -> None:
    colours = palette(Theme(accent=accent))
    for scheme in (colours.light, colours.dark):
        for colour in (scheme.text, scheme.muted, scheme.accent):
            assert contrast(colour, scheme.ground) >= 4.5
        for colour in (scheme.text, scheme.accent):
            assert contrast(colour, scheme.inset) >= 4.5
        assert contrast(scheme.on_fill, scheme.fill) >= 4.5


@given(COLOURS)
def test_a_shade_keeps_its_hue(accent: str) -> None:
    def hue(colour: str) -> tuple[float, float]:
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        found, _, saturation = colorsys.rgb_to_hls(*channels)
        return found, saturation

    shade = readable(accent, "#ffffff")
    if hue(accent)[1] > 0.3 and hue(shade)[1] > 0.3:
        apart = abs(hue(accent)[0] - hue(shade)[0])
        assert min(apart, 1 - apart) < 0.05


def test_only_a_faint_accent_is_reported() -> None:
    assert palette(Theme()).faint == ()
    ((key, colour, used, ratio),) = palette(Theme(accent="#ffd000")).faint
    assert (key, colour) == ("accent", "#ffd000")
    assert ratio < 4.5 <= contrast(used, "#ffffff")
