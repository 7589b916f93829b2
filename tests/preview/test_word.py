"""The Word rendering takes out what Microsoft's list doesn't have, and puts in what is written for Word alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from selectolax.lexbor import LexborHTMLParser

from newsletter import checks
from newsletter.preview.recolour import recoloured
from newsletter.preview.word import as_word, condition_holds


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("mso", True),
        ("!mso", False),
        ("gte mso 9", True),
        ("lt mso 15", False),
        ("mso 16", True),
        ("mso 14", False),
        ("(gte mso 9)|(IE)", True),
        ("(mso)&(lte mso 16)", True),
        ("IE", False),
        ("!IE", True),
        ("gte vml 1", True),
        ("true", True),
        ("(mso", False),
        ("mso)", False),
        ("supportLists", False),
        ("", False),
        ("mso |", False),
    ],
)
def test_conditions_hold_as_in_outlook_2016(condition: str, holds: bool) -> None:
    assert condition_holds(condition) is holds


def styles(element: str) -> str:
    tag = element[1:].partition(" ")[0]
    node = LexborHTMLParser(as_word(f"<body>{element}</body>")).css_first(f"{tag}[data-x], {tag}")
    assert node is not None
    return node.attributes.get("style") or ""


@pytest.mark.parametrize(
    ("element", "left"),
    [
        ('<div style="max-width:600px;color:#111;padding:8px;margin:0 auto">', "color:#111"),
        ('<p style="margin:0 0 18px;border-radius:6px">', "margin:0 0 18px"),
        ('<span style="margin:4px;font-size:13px;display:flex">', "font-size:13px"),
        ('<h2 style="padding:4px;grid-area:a;width:50%">', "padding:4px;width:50%"),
        ('<a style="padding:10px 22px;background-color:#07c">', "background-color:#07c"),
        ('<div style="background:linear-gradient(#fff,#000);color:var(--ink)">', ""),
        (
            "<div style=\"color:rgba(0,0,0,.5);font-size:1rem;font-family:'A;B',serif\">",
            "font-family:'A;B',serif",
        ),
        ('<div style="mso-hide:all;color:red">', "display:none"),
        ('<div style="display:none">', "display:none"),
        ('<img style="max-width:100%;width:100%;border:0" width="20">', "border:0"),
    ],
)
def test_each_element_keeps_the_properties_of_its_class(element: str, left: str) -> None:
    assert styles(element) == left


def test_comments_for_word_are_shown_and_those_for_others_are_not() -> None:
    seen = as_word(
        "<body><!--[if mso]><table id=ghost><tr><td><![endif]-->"
        "<!--[if !mso]><!--><b>others</b><!--<![endif]--><![if !mso]><b>others</b><![endif]>"
        "<i>all</i><!--[if mso]></td></tr></table><![endif]--><!-- plain --></body>"
    )
    assert 'id="ghost"' in seen
    assert "<i>all</i></td>" in seen
    assert "others" not in seen


def test_style_blocks_keep_plain_rules_alone() -> None:
    seen = as_word(
        "<style>@media (max-width:1px){p{color:red}} p, a:hover, .a > .b { color: #123; flex: 1 }"
        "@font-face{font-family:x} [data-ogsc] p{color:#fff} .box td{padding:4px}</style>"
    )
    assert "p{color:#123}" in seen
    assert ".box td{padding:4px}" in seen
    for gone in ("@media", "@font-face", "hover", "data-ogsc", "flex"):
        assert gone not in seen


def test_what_word_does_not_draw_is_gone() -> None:
    seen = as_word(
        '<body background="x.png"><svg></svg><video></video><picture><source><img alt="kept"></picture></body>'
    )
    assert 'alt="kept"' in seen
    for gone in ("svg", "video", "source", "background"):
        assert gone not in seen


def test_the_outlook_apps_darken_light_grounds_and_lighten_dark_words() -> None:
    seen = LexborHTMLParser(
        recoloured(
            '<body><table bgcolor="#ffffff"><tr><td style="color:#111;background-color:#fff">a</td></tr></table>'
            '<p style="color:#eeeeee;background-color:rgb(0, 0, 0)">b</p></body>'
        )
    )
    cell, words = seen.css_first("td"), seen.css_first("p")
    assert seen.body is not None
    assert "data-ogsc" in seen.body.attributes
    assert cell is not None
    assert cell.attributes["style"] == "color:#e0e0e0;background-color:#212121"
    assert words is not None
    assert words.attributes["style"] == "color:#eeeeee;background-color:rgb(0, 0, 0)"


def test_every_property_kept_is_one_that_outlook_is_known_to_draw() -> None:
    facts = json.loads((Path(checks.__file__).parent / "clients.json").read_text())
    outlook = facts["clients"].index("outlook/windows")
    unknown = {slug for slug, letters in facts["features"].items() if letters[outlook] == "n"}
    kept = {
        name
        for name in (slug.removeprefix("css-") for slug in unknown if slug.startswith("css-"))
        for element in ("table", "div", "span")
        if f"{name}:" in as_word(f'<body><{element} style="{name}:1px"></{element}></body>')
    }
    assert len(unknown) > 100
    assert kept == set()
