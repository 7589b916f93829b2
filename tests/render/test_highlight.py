"""Code can be read: every colour on the one ground, in both schemes, and not a character changed."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.token import STANDARD_TYPES

from newsletter.model.publication import Theme
from newsletter.render import highlight
from newsletter.render.blocks import for_email
from newsletter.render.colour import contrast, palette

SAMPLES = {
    "python": '@cache\nclass A(Exception):\n    """Doc."""\n    def f(self, x: int = 0x1F) -> None:\n        return f"{x!r}\\n" is None  # why\n',
    "sql": "CREATE TABLE t (a INT); -- why\nSELECT bm25(t, 3.0) FROM t WHERE a MATCH '\"x\" OR y';",
    "yaml": "- id: a\n  on: [push, 'x']\n  n: 1.5 # why\n",
    "bash": "export A=$(cat \"$B\") && curl -s 'x' | jq '.y' # why\n",
    "diff": "--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n",
    "json": '{"a": [1, true, null, "x"]}',
    "html": '<p class="x">&amp;</p><!-- c -->',
    "console": "$ newsletter demo\noutput\n",
    "typescript": "const x: number = `a${b}`; // why\nexport default async function* f() {}",
    "rust": '#[derive(Debug)]\nfn main() { let x: &\'static str = "a"; println!("{}", x); }',
}


@pytest.mark.parametrize("language", SAMPLES)
def test_every_colour_of_the_output_reads_on_the_ground(language: str) -> None:
    html = highlight.highlight(SAMPLES[language], language)
    colours = set(re.findall(r"color:(#[0-9a-f]{6})", html))
    assert len(colours) >= 2, "it is coloured at all"
    for colour in colours | {highlight.TEXT, highlight.LABEL}:
        assert contrast(colour, highlight.GROUND) >= 4.5, colour


def test_every_token_of_pygments_has_a_colour_that_reads() -> None:
    for token in STANDARD_TYPES:
        assert contrast(highlight._colour(token), highlight.GROUND) >= 4.5, token


def test_the_ground_is_dark_in_both_schemes() -> None:
    # Where a client flips light surfaces only, a dark one stays, and so do the light letters on it.
    assert contrast(highlight.GROUND, "#ffffff") > 12
    assert palette(Theme()).dark.ground != highlight.GROUND


@pytest.mark.parametrize("language", [*SAMPLES, "no-such-language", ""])
def test_the_code_itself_is_unchanged(language: str) -> None:
    code = SAMPLES.get(language, "a < b && c > d\n\n\n  e")
    assert unescape(re.sub(r"<[^>]*>", "", highlight.highlight(code, language))) == code


@given(st.text(max_size=200), st.sampled_from(["python", "sql", "yaml", "bash", "html", "json", "x"]))
def test_any_code_comes_out_as_it_went_in(code: str, language: str) -> None:
    # Pygments reads every line end as \n, as does the HTML parser; control characters don't reach a mail.
    normal = code.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    assert unescape(re.sub(r"<[^>]*>", "", highlight.highlight(normal, language))) == normal


def test_code_keeps_its_spaces_without_white_space_rules() -> None:
    html = for_email('<pre><code class="language-python">if x:\n    y()\n</code></pre>')
    assert "\n    y()" in re.sub(r"<[^>]*>", "", html)
    assert "\xa0" not in html
    assert "&nbsp;" not in html
    assert '<p class="lang">Python</p>' in html


@pytest.mark.parametrize(
    ("fence", "name"), [("py", "Python"), ("sql", "SQL"), ("yml", "YAML"), ("mylang", "mylang")]
)
def test_the_language_is_named(fence: str, name: str) -> None:
    assert highlight.language_name(fence) == name
