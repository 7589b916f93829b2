"""The widths that the rules on tables and code reckon with are those of the mail's own style sheet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from newsletter.checks import narrow

MAIL = Path(__file__).parent.parent.parent / "templates" / "email"
WINDOW = (MAIL / "style.css.j2").read_text("utf-8")
PHONE = (MAIL / "head.html.j2").read_text("utf-8").partition("@media (max-width: 599px)")[2]


def pixels(sheet: str, rule: str, declaration: str) -> int:
    """The first number in a declaration of the rule whose selectors are these."""
    found = re.search(
        rf"^ *{re.escape(rule)} \{{[^\n]*?{declaration}: (?:[^;]*? )??(\d+)px", sheet, re.MULTILINE
    )
    assert found is not None, (rule, declaration)
    return int(found[1])


def sides(sheet: str, rule: str) -> int:
    """What `padding: TOP SIDE …` leaves left and right."""
    found = re.search(rf"^ *{re.escape(rule)} \{{[^\n]*?padding: \d+(?:px)? (\d+)px", sheet, re.MULTILINE)
    assert found is not None, rule
    return int(found[1])


def test_code_wraps_where_the_style_sheet_makes_it_wrap() -> None:
    size = pixels(PHONE, ".pre", "font-size")
    border = pixels(WINDOW, ".code-cell", "border")
    inner = narrow.PHONE - 2 * (sides(PHONE, ".code-cell") + border)
    assert int(inner / (size * 0.6)) == narrow.PHONE_CODE_COLUMNS


def test_a_cell_is_as_wide_as_the_style_sheet_makes_it() -> None:
    assert pixels(PHONE, ".data th, .data td", r"padding-\{\{ end \}\}") == narrow.GAP
    assert pixels(WINDOW, ".data td", "font-size") / 2 == narrow.LETTER


@pytest.mark.parametrize(
    ("sheet", "width", "expected"), [(PHONE, 375, narrow.PHONE), (WINDOW, None, narrow.COLUMN)]
)
def test_a_window_and_a_phone_leave_the_text_what_the_rules_say(
    sheet: str, width: int | None, expected: int
) -> None:
    around = sides(sheet, ".page")
    assert (width or pixels(WINDOW, ".column", "max-width")) - 2 * around == expected
