"""Rules on finished mail: what they see, what they leave alone, and that no input breaks them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.checks.clients import client_support, unsupporting
from newsletter.checks.output.colours import Colour, colour_in, inverted
from newsletter.checks.output.css import Declaration, declarations, specificity, style_rules
from newsletter.checks.output.message import check_html, check_message
from newsletter.checks.output.origin import Origin
from newsletter.checks.output.page import Page
from newsletter.checks.output.rendered import Rendering, check_rendered
from tests.conftest import ROOT
from tests.render.rendering import PUBLICATION, TEMPLATES, issue, read, rendered_file, renderer

PAGE = """<!DOCTYPE html><html lang="en" dir="ltr"><head><title>T</title>{head}</head><body>
<div lang="en" dir="ltr"><h1>Title</h1>{body}</div></body></html>"""


def codes(body: str = "", head: str = "") -> set[str]:
    return {found.code for found in check_html(PAGE.replace("{head}", head).replace("{body}", body))}


def test_a_plain_page_is_clean() -> None:
    assert codes("<p>Words.</p>") == set()


@pytest.mark.parametrize(
    ("body", "head"),
    [
        # Another way stands before it, around it, or only one thing is placed.
        ('<div style="display: block; display: flex"><p>a</p><p>b</p></div>', ""),
        ('<div style="display: flex"><p>a</p></div>', ""),
        ('<div class="x"><p>a</p><p>b</p></div>', "<style>@media (min-width: 1px) { .x { display: flex } }</style>"),
        ('<div class="x"><p>a</p><p>b</p></div>', "<style>@supports (display: grid) { .x { display: grid } }</style>"),
        ('<!--[if mso]><table><tr><td style="position: absolute"><![endif]--><p>a</p>', ""),
        ('<p style="position: relative">a</p>', ""),
        ('<p style="border-radius: 4px; box-shadow: 0 0 1px #000000; -webkit-flex: 1; mso-hide: none">a</p>', ""),
        ('<video src="https://a.dev/v.mp4"><a href="https://a.dev/v"><img src="https://a.dev/v.png" alt="V"></a></video>', ""),
        ('<picture><source srcset="https://a.dev/v.webp"><img src="https://a.dev/v.png" alt="V"></picture>', ""),
        # Hidden on purpose.
        ('<div style="display: none">Preview \u200b\u034f<a href="https://a.dev/"></a></div>', ""),
        ('<div style="font-size: 0"><p style="font-size: 16px">Words in a layout that closes gaps.</p></div>', ""),
        ('<img src="https://a.dev/o.gif" width="1" height="1">', ""),
        ('<img src="https://a.dev/line.png" width="40" alt="">', ""),
        # A link that can be told without its colour, or by enough of it.
        ('<p>Some words around <a style="text-decoration: none; font-weight: bold; color: #0b5fff" href="https://a.dev/">it</a></p>', ""),
        ('<p><a style="text-decoration: none; color: #000000" href="https://a.dev/">Alone</a></p>', ""),
        ('<p>Words in a row <a style="text-decoration: none; color: #000000; background-color: #ffcc00" href="https://a.dev/">it</a></p>', ""),
        ('<p>Words in a row <a style="text-decoration: none" href="https://a.dev/"><u>it</u></a></p>', ""),
        # Contrast that can't be told, or is enough for its size.
        ('<div style="background: url(https://a.dev/g.png) #ffffff"><p style="color: #eeeeee">On a picture</p></div>', ""),
        ('<p style="color: #949494; font-size: 24px">Large</p>', ""),
        ('<p style="color: #949494; font-size: 19px; font-weight: 700">Bold</p>', ""),
        ('<p style="color: rgb(0 0 0 / 80%)">Nearly black</p>', ""),
        ('<table bgcolor="#000000" role="none"><tr><td><font color="white">Old ways</font></td></tr></table>', ""),
        # Text about templates, joiners, flags.
        ("<p>Write <code>{{ name }}</code> or <code>*|FNAME|*</code>, 100%% sure.</p>", ""),
        ("<p>👩\u200d💻 می\u200cخواهم 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f co\u00adoperate</p>", ""),
        ('<p id="a">a</p><p><a href="#a">To the top</a></p>', ""),
        ('<table><tr><th scope="col">A</th></tr><tr><td>1</td></tr></table>', ""),
        ("", "<style>@media (prefers-color-scheme: dark) { h1 { color: #ffffff; background-color: #000000 } }</style>"),
    ],
)  # fmt: skip
def test_a_graceful_use_is_no_finding(body: str, head: str) -> None:
    assert codes(body, head) == set()


@pytest.mark.parametrize(
    ("body", "head", "code"),
    [
        ('<div class="x"><p>a</p><p>b</p></div>', "<style>.x { display: flex }</style>", "NL720"),
        ('<p style="position: absolute; top: 0">a</p>', "", "NL720"),
        ('<p style="color: var(--text)">a</p>', "", "NL720"),
        ('<svg viewBox="0 0 1 1"><path d="M0 0"></path></svg>', "", "NL721"),
        ('<video src="https://a.dev/v.mp4"></video>', "", "NL721"),
        ('<p onclick="go()">a</p>', "", "NL722"),
        ('<a href="javascript:go()">Go on</a>', "", "NL722"),
        ("", '<link rel="stylesheet" href="https://fonts.googleapis.com/css?family=Inter">', "NL723"),
        ("", "<style>@import url(https://a.dev/x.css);</style>", "NL723"),
        ('<p style="background-image: url(data:image/png;base64,AA==)">a</p>', "", "NL724"),
        ('<p><a href="http://192.168.0.4/">Our router</a></p>', "", "NL732"),
        ('<p><a href="https://www.example.org/">Somebody</a></p>', "", "NL732"),
        ('<p style="mso-hide: all; color: #dddddd">Seen by all but one</p>', "", "NL710"),
        ("<p>a\x85b</p>", "", "NL733"),
        ("<p>zero\ufeffwidth</p>", "", "NL733"),
        ('<p><a href="#none">Down</a></p>', "", "NL734"),
        ("<p>Dear *|FNAME|*,</p>", "", "NL730"),
        ('<p><a href="https://a.dev/?id={{ id }}">Go there</a></p>', "", "NL730"),
        ('<p style="font: 9px Arial">a</p>', "", "NL714"),
        ('<p class="x">a</p>', "<style>.x { color: #aaaaaa } p { color: #000000 }</style>", "NL710"),
        ('<p style="color: #000000" class="x">a</p>', "<style>.x { color: #aaaaaa !important }</style>", "NL710"),
        ('<div style="background: linear-gradient(red, blue)"><p style="background: #ffffff; color: #ccc">a</p></div>', "", "NL710"),
        ('<p class="x" style="color: #333333">a</p>', "<style>[data-ogsb] .x { background-color: #222222 }</style>", "NL711"),
        ('<p class="x" style="color: #333333">a</p>', "<style>@media (prefers-color-scheme: dark) { .x { background: #222222 !important } }</style>", "NL711"),
    ],
)  # fmt: skip
def test_what_fails_readers_is_found(body: str, head: str, code: str) -> None:
    assert code in codes(body, head)


def test_no_page_breaks_a_rule_however_deep_or_torn() -> None:
    for html in (
        "",
        "<",
        "<html>",
        "<table>" * 1_200,
        "<div><p><i>" * 700,
        "<style>a{b{c",
        "\x00",
        "<a href='http://[::1'>a</a>",
    ):
        check_html(html)
        client_support(html)


_PIECES = st.sampled_from(
    ("<p", " style='", "color:", "#ff", "rgb(", "calc(1", "}", "{", "<style>", "</style>", "@media ", ";", "'", '"', ">", "<a href=", "</", "<table>", "é", "\u200b", "&#", "!important", "url(", "/*")
)  # fmt: skip


@given(st.lists(_PIECES | st.text(max_size=5), max_size=40))
@settings(max_examples=150)
def test_any_text_is_read_without_an_error(pieces: list[str]) -> None:
    text = "".join(pieces)
    check_html(text)
    check_message(text.encode("utf-8", "surrogatepass"))


def test_style_sheets_are_read_as_clients_read_them() -> None:
    css = """/* a { b: c } */ .a, td > p:not(.b, .c) { color: red !important; background: url("x;y}z") }
    @media screen and (max-width: 5px) { @supports (a: b) { .d { e: f } } } @font-face { src: url(x) } .open { g: h"""
    found = [(rule.selector, rule.conditions) for rule in style_rules(css)]
    assert found == [
        (".a", ()),
        ("td > p:not(.b, .c)", ()),
        (".d", ("@media screen and (max-width: 5px)", "@supports (a: b)")),
        ("@font-face", ()),
        (".open", ()),
    ]
    assert style_rules(css)[0].declarations == (
        Declaration("color", "red", important=True),
        Declaration("background", 'url("x;y}z")'),
    )
    assert declarations("a:b;;c;: d; e: url(data:x;y)") == (
        Declaration("a", "b"),
        Declaration("e", "url(data:x;y)"),
    )
    assert specificity("#a .b[c]:hover p::before") == (1, 3, 2)


def test_colours_are_read_in_every_notation() -> None:
    assert colour_in("#AbC") == Colour("#aabbcc")
    assert colour_in("rgba(255, 0, 0, .5)") == Colour("#ff0000", 0.5)
    assert colour_in("rgb(100% 0% 0%)") == Colour("#ff0000")
    assert colour_in("hsl(120, 100%, 25%)") == Colour("#008000")
    assert colour_in("1px solid navy") == Colour("#000080")
    assert colour_in("url(red.png) no-repeat") is None
    assert Colour("#000000", 0.5).over("#ffffff") == "#808080"
    assert (inverted("#ffffff"), inverted("#000000")) == ("#000000", "#ffffff")


def test_support_is_a_share_per_family_and_names_whom_a_feature_costs() -> None:
    plain = client_support(PAGE.replace("{head}", "").replace("{body}", "<p>a</p>"))
    flexed = client_support(PAGE.replace("{head}", "").replace("{body}", '<p style="display: flex">a</p>'))
    classic = {family.name: family for family in flexed.families}["Outlook classic (Windows)"]
    assert "css-display-flex" in classic.unsupported
    assert classic.share < {family.name: family for family in plain.families}[classic.name].share
    (flex,) = [feature for feature in flexed.features if feature.slug == "css-display-flex"]
    assert "Outlook classic (Windows)" in flex.unsupported
    assert flex.page == "https://www.caniemail.com/features/css-display-flex/"
    assert all(0 <= family.share <= 1 for family in flexed.families)
    assert unsupporting("no-such-feature") == ()


def test_an_element_is_traced_to_the_line_that_made_it(tmp_path: Path) -> None:
    path = tmp_path / "issues" / "001-a.md"
    path.parent.mkdir()
    good = (ROOT / "tests" / "cases" / "NL101" / "good.md").read_text("utf-8")
    path.write_text(
        good.replace(
            "\n## Architecture",
            "\nSee [the *fine* plan](https://a.dev/plan?x=1) **and** more.\n\n## Architecture",
        )
    )
    parsed = read(path)
    page = Page(rendered_file(path).html)
    origin = Origin(issue=parsed)
    lines = path.read_text().splitlines()
    link = next(one for one in page.all("a") if one.attributes["href"] == "https://a.dev/plan?x=1")
    assert "https://a.dev/plan" in lines[origin.of(link).line - 1]
    for heading in page.all("h2"):
        assert heading.words in lines[origin.of(heading).line - 1]
    paragraph = next(one for one in page.all("p") if one.words.startswith("See the fine plan"))
    assert lines[origin.of(paragraph).line - 1].startswith("See ")
    assert issue().text == ""  # without a text there is a file at least
    assert Origin(issue=issue()).of(link) == ("issues/007-test.md", 0, 0, 1)


def test_words_that_stand_in_two_sections_are_traced_to_their_own(tmp_path: Path) -> None:
    path = tmp_path / "issues" / "001-a.md"
    path.parent.mkdir()
    good = (ROOT / "tests" / "cases" / "NL101" / "good.md").read_text("utf-8")
    twice = "\nMeasure before you change.\n\n## "
    path.write_text(
        good.replace("\n## Architecture", f"{twice}Architecture").replace(
            "\n## Interview", f"{twice}Interview"
        )
    )
    lines = path.read_text().splitlines()
    written = [number for number, line in enumerate(lines, 1) if line == "Measure before you change."]
    origin = Origin(issue=read(path))
    found = [
        one for one in Page(rendered_file(path).html).all("p") if one.words == "Measure before you change."
    ]
    assert [origin.of(one).line for one in found] == written
    assert len(written) == 2


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("Open [the demo](http://localhost:3000/x).", "NL732"),
        ("Ask [the router](http://192.168.0.4/).", "NL732"),
        ("Read [the docs](http://docs.ranked.dev/).", "NL731"),
        ("See [here](https://docs.ranked.dev/).", "NL707"),
        ("Dear %%first_name%%, hello.", "NL730"),
    ],
)
def test_a_fault_of_the_issue_is_found_at_its_line(tmp_path: Path, written: str, code: str) -> None:
    path = tmp_path / "issues" / "001-a.md"
    path.parent.mkdir()
    good = (ROOT / "tests" / "cases" / "NL101" / "good.md").read_text("utf-8")
    path.write_text(good.replace("\n## Project", f"\n{written}\n\n## Project"))
    rendering = Rendering(
        PUBLICATION,
        renderer,
        templates=(TEMPLATES,),
        settings=ROOT / "pyproject.toml",
        named=lambda file: file.name,
    )
    found = [one for one in check_rendered(read(path), rendering) if one.code == code]
    assert [(one.path, one.line) for one in found] == [
        (str(path), path.read_text().splitlines().index(written) + 1)
    ]


def test_a_fault_that_shows_everywhere_is_not_said_everywhere() -> None:
    rows = "".join(f"<h2>Part {number}</h2><h4>Too deep {number}</h4>" for number in range(30))
    found = check_html(PAGE.replace("{head}", "").replace("{body}", rows))
    assert [one.code for one in found] == [
        "NL705"
    ]  # without an origin all of them are about the whole message
    origin = Origin(issue=issue()._replace(text=rows.replace("<", "\n<").replace(">", "> ")))
    found = check_html(PAGE.replace("{head}", "").replace("{body}", rows), origin)
    assert len(found) == 8
    assert found[-1].message.endswith("(and more like it)")
    assert len({one.line for one in found}) == 8
