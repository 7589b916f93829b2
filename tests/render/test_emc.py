"""No issue breaks a rule of the Email Markup Consortium, and each rule can be broken."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.render import emc
from tests.render.rendering import ROOT, SAMPLE, rendered_file

ISSUES = sorted((ROOT / "issues").glob("[0-9]*.md"))


@pytest.fixture(scope="module")
def html() -> str:
    return rendered_file(SAMPLE, answer_in_email=True).html


@pytest.mark.parametrize("rule", emc.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", [*ISSUES, SAMPLE], ids=lambda path: path.stem)
def test_an_issue_breaks_no_rule(path: Path, rule: emc.Rule) -> None:
    for answer_in_email in (False, True):
        assert rule(rendered_file(path, answer_in_email=answer_in_email).html) == []


def _without(pattern: str) -> Callable[[str], str]:
    return lambda html: re.sub(pattern, "", html)


def _with(pattern: str, replacement: str) -> Callable[[str], str]:
    return lambda html: re.sub(pattern, replacement, html, count=1)


_IN_TEXT = "Begin with the tests."
MUTATIONS: list[tuple[emc.Rule, Callable[[str], str]]] = [
    (emc.html_has_lang_and_dir, _with(r'<html lang="en"', "<html")),
    (emc.html_has_lang_and_dir, _with(r'(<html[^>]*) dir="ltr"', r"\1")),
    (emc.body_children_have_lang_and_dir, _with(r'(<div[^>]*role="main"[^>]*) lang="en"', r"\1")),
    (emc.body_children_have_lang_and_dir, _with(r'(<div[^>]*role="main"[^>]*) dir="ltr"', r"\1")),
    (emc.body_children_have_lang_and_dir, _with("</body>", "<p>after</p></body>")),
    (emc.has_title, _without(r"<title>.*?</title>")),
    (emc.has_title, _with(r"<title>.*?</title>", "<title> </title>")),
    (emc.layout_tables_have_a_role, _with(r'(<table class="[^"]*"[^>]*?) role="presentation"', r"\1")),
    (emc.layout_tables_have_a_role, _with(r'<table class="data"', '<table role="presentation" class="data"')),
    (emc.headings_are_in_order, _with(r"<h1(.*?)</h1>", r"<h2\1</h2>")),
    (emc.headings_are_in_order, _with("</h1>", "</h1><h1>again</h1>")),
    (emc.headings_are_in_order, _with("</h1>", "</h1><h3>too deep</h3>")),
    (emc.links_have_words, _with(r">View in browser</a>", "> </a>")),
    (emc.link_words_say_where, _with(r">View in browser</a>", ">Click here</a>")),
    (emc.link_words_say_where, _with(r">View in browser</a>", ">here …</a>")),
    (emc.links_are_not_told_by_colour_alone, _with("text-decoration: underline", "text-decoration: none")),
    (emc.images_have_alt, _with(r' alt="A blue bar"', "")),
    (emc.images_have_alt, _with(r' alt="A blue bar"', ' alt=""')),
    (emc.text_has_contrast, _with(_IN_TEXT, f'<span style="color: #8a8a8a">{_IN_TEXT}</span>')),
    (emc.text_has_contrast, _with(_IN_TEXT, f'<span style="background-color: #333333">{_IN_TEXT}</span>')),
    (emc.uses_only_what_clients_know, _with("max-width: 600px", "display: flex; max-width: 600px")),
    (emc.uses_only_what_clients_know, _with("max-width: 600px", "position: absolute")),
    (emc.uses_only_what_clients_know, _with("max-width: 600px", "max-width: 40rem")),
    (emc.uses_only_what_clients_know, _with("max-width: 600px", "color: var(--x)")),
    (emc.uses_only_what_clients_know, _with("max-width: 600px", "box-shadow: 0 0 1px #000000")),
    (emc.uses_only_what_clients_know, _with("max-width: 600px", "color: rgba(0, 0, 0, 0.5)")),
    (
        emc.uses_only_what_clients_know,
        _with(r"</style>\s*</head>", "@font-face { src: url(x) }</style></head>"),
    ),
    (emc.uses_only_what_clients_know, _with(_IN_TEXT, "<svg></svg>")),
    (emc.uses_only_what_clients_know, _with(r'src="cid:[^"]*"', 'src="data:image/png;base64,AAAA"')),
    (emc.says_it_knows_both_schemes, _without(r'<meta name="color-scheme"[^>]*>')),
    (emc.says_it_knows_both_schemes, _without("prefers-color-scheme")),
    (emc.says_it_knows_both_schemes, _without(r"\[data-ogsc\] ")),
    (emc.serves_outlook, _without("<o:PixelsPerInch>96</o:PixelsPerInch>")),
    (emc.serves_outlook, _without(r"<!--\[if mso\]><table role[^!]*<!\[endif\]-->")),
    (emc.fits_gmail, _with(r"</style>\s*</head>", f"/* {'x' * 16_384} */</style></head>")),
    (emc.fits_gmail, _with(_IN_TEXT, "x" * 90_000)),
]


@pytest.mark.parametrize(("rule", "mutate"), MUTATIONS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_rule_notices_what_breaks_it(rule: emc.Rule, mutate: Callable[[str], str], html: str) -> None:
    broken = mutate(html)
    assert broken != html, "the mutation changed nothing"
    assert rule(html) == []
    assert rule(broken) != []


def test_every_rule_is_shown_to_be_breakable() -> None:
    assert {rule for rule, _ in MUTATIONS} == set(emc.RULES)
