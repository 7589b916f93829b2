"""No issue breaks a rule on finished mail, those of the Email Markup Consortium among them, and a broken page is noticed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.checks.output.message import check_html
from tests.render import demands
from tests.render.rendering import ROOT, SAMPLE, rendered_file

ISSUES = sorted((ROOT / "issues").glob("[0-9]*.md"))


@pytest.fixture(scope="module")
def html() -> str:
    return rendered_file(SAMPLE, answer_in_email=True).html


# The newsletter itself lives under an example's name here, and the sample links to examples.
EXAMPLES = ("NL732",)


@pytest.mark.parametrize("path", [*ISSUES, SAMPLE], ids=lambda path: path.stem)
def test_an_issue_breaks_no_rule(path: Path) -> None:
    for answer_in_email in (False, True):
        html = rendered_file(path, answer_in_email=answer_in_email).html
        assert check_html(html, off=EXAMPLES) == []
        assert [amiss for demand in demands.DEMANDS for amiss in demand(html)] == []


def _without(pattern: str, instead: str = "") -> Callable[[str], str]:
    return lambda html: re.sub(pattern, instead, html)


def _with(pattern: str, replacement: str) -> Callable[[str], str]:
    return lambda html: re.sub(pattern, replacement, html, count=1)


_IN_TEXT = "Begin with the tests."
MUTATIONS: list[tuple[str | demands.Demand, Callable[[str], str]]] = [
    ("NL700", _with(r'<html lang="en"', "<html")),
    ("NL700", _with(r'(<html[^>]*) dir="ltr"', r"\1")),
    ("NL701", _with(r'(<div[^>]*role="main"[^>]*) lang="en"', r"\1")),
    ("NL701", _with(r'(<div[^>]*role="main"[^>]*) dir="ltr"', r"\1")),
    ("NL701", _with("</body>", "<p>after</p></body>")),
    ("NL702", _without(r"<title>.*?</title>")),
    ("NL702", _with(r"<title>.*?</title>", "<title> </title>")),
    ("NL703", _with(r'(<table class="[^"]*"[^>]*?) role="presentation"', r"\1")),
    ("NL703", _with(r'<table class="data"', '<table role="presentation" class="data"')),
    ("NL704", _with(r"<h1(.*?)</h1>", r"<h2\1</h2>")),
    ("NL704", _with("</h1>", "</h1><h1>again</h1>")),
    ("NL705", _with("</h1>", "</h1><h3>too deep</h3>")),
    ("NL706", _with(r">View in browser</a>", "> </a>")),
    ("NL707", _with(r">View in browser</a>", ">Click here</a>")),
    ("NL707", _with(r">View in browser</a>", ">here …</a>")),
    ("NL708", _without("text-decoration: underline;?", "text-decoration: none; color: #1c2024;")),
    ("NL709", _with(r' alt="A blue bar"', "")),
    (
        "NL709",
        _with(r'width="[0-9]+" alt="A blue bar"|alt="A blue bar"[^>]*width="[0-9]+"', 'alt="" width="536"'),
    ),
    ("NL710", _with(_IN_TEXT, f'<span style="color: #8a8a8a">{_IN_TEXT}</span>')),
    ("NL710", _with(_IN_TEXT, f'<span style="background-color: #333333">{_IN_TEXT}</span>')),
    (demands.uses_only_what_clients_know, _with("max-width: 600px", "display: flex; max-width: 600px")),
    (demands.uses_only_what_clients_know, _with("max-width: 600px", "position: absolute")),
    (demands.uses_only_what_clients_know, _with("max-width: 600px", "max-width: 40rem")),
    (demands.uses_only_what_clients_know, _with("max-width: 600px", "color: var(--x)")),
    (demands.uses_only_what_clients_know, _with("max-width: 600px", "box-shadow: 0 0 1px #000000")),
    (demands.uses_only_what_clients_know, _with("max-width: 600px", "color: rgba(0, 0, 0, 0.5)")),
    (
        demands.uses_only_what_clients_know,
        _with(r"</style>\s*</head>", "@font-face { src: url(x) }</style></head>"),
    ),
    (demands.uses_only_what_clients_know, _with(_IN_TEXT, "<svg></svg>")),
    (demands.uses_only_what_clients_know, _with(r'src="cid:[^"]*"', 'src="data:image/png;base64,AAAA"')),
    (demands.says_it_knows_both_schemes, _without(r'<meta name="color-scheme"[^>]*>')),
    (demands.says_it_knows_both_schemes, _without("prefers-color-scheme")),
    (demands.says_it_knows_both_schemes, _without(r"\[data-ogsc\] ")),
    (demands.serves_outlook, _without("<o:PixelsPerInch>96</o:PixelsPerInch>")),
    (demands.serves_outlook, _without(r"<!--\[if mso\]><table role[^!]*<!\[endif\]-->")),
    ("NL725", _with(r"</style>\s*</head>", f"/* {'x' * 16_384} */</style></head>")),
    ("NL741", _with(_IN_TEXT, "x" * 110_000)),
    ("NL740", _with(_IN_TEXT, "x" * 75_000)),
]


@pytest.mark.parametrize(("broken_rule", "mutate"), MUTATIONS)
def test_what_breaks_a_page_is_noticed(
    broken_rule: str | demands.Demand, mutate: Callable[[str], str], html: str
) -> None:
    broken = mutate(html)
    assert broken != html, "the mutation changed nothing"
    if isinstance(broken_rule, str):
        assert broken_rule in {found.code for found in check_html(broken)}
        assert broken_rule not in {found.code for found in check_html(html)}
    else:
        assert broken_rule(html) == []
        assert broken_rule(broken) != []


def test_every_demand_is_shown_to_be_breakable() -> None:
    assert {rule for rule, _ in MUTATIONS if not isinstance(rule, str)} == set(demands.DEMANDS)
