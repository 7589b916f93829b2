"""Paragraphs that are written down without a parser are those that the parser would have made."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.render.fragment import Fragment, Place
from newsletter.render.html import MarkdownConverter
from newsletter.render.images import Pictures
from newsletter.render.paragraphs import as_paragraphs
from newsletter.render.parser import Parser

PLACE = Place(
    Pictures(Path("issues/1.md"), "attach", "https://e.example", "e.example"),
    "https://e.example",
    "https://e.example/x/",
)
PARSER = Parser()
PIECES = r"""
word Ärger 文字 a I. (yes) "no" it's end. why? «a» Note: : ! ... 100% $x C# a@b.example and/or / 2024 1
*a* **b** *a.* **Note:** `c` `a<b>&c` `&amp;` `x|y` `*a*` `-` [x](y) [x](https://e.org/a_b?c=1) [x](#a)
1. 2) - + == --- * ** ` `` [n] [x](ftp://a) ![a](b) *a*b a*b* ***x*** _a_ // https://x.org <b> & \ ~ ~~a~~ # > = | [x][y] [x](a)(b) [[a](b)] [*a*](b) *a b* **a* [a]: #a 0) (*a*) `a``b`
"""
WORDS, SPANS, MARKS = (line.split() for line in PIECES.strip().splitlines())
BLANKS = [" ", " ", " ", "", "\n", "\n\n", "\n\n\n", "  \n", "\t", "\n    ", "\u00a0", "\u3000"]
# Blocks of code, and what only looks like one.
CODE = [
    "```\nx = 1\n```",
    "```python\nif a < b:\n\n    print('&amp;', \"é\")  # [x](y)\n```",
    "```c++\n```",
    "```\n\n\n# A\n- b\n<!-- c -->\n[d]: e\n```",
    "```sh\ntab\there\n```",
    "```\n   \nx\n```",
    "``` js\nx\n```",
    "````\n```\nx\n````",
    "```py\n ```\nx\n```",
    "~~~\n```\nx\n```\n~~~",
    "```\nnever closed",
    "```.py\nx\n```",
    '```{.py title="x"}\nx\n```',
    "```py\nx\n``` ",
    "```mermaid\nflowchart LR\n```",
]
FENCES = [f"\n\n{code}\n\n" for code in CODE] + CODE[:3]
PARTS = st.one_of(*map(st.sampled_from, (WORDS, WORDS, WORDS, SPANS, SPANS, MARKS, BLANKS, FENCES)))


def lead(written: str) -> str:
    return PLACE.link(written)[0]


@given(st.lists(st.tuples(PARTS, st.sampled_from(BLANKS)), min_size=1, max_size=9))
def test_they_are_those_that_python_markdown_makes(parts: list[tuple[str, str]]) -> None:
    text = "".join(part + blank for part, blank in parts).strip("\n ")
    written = as_paragraphs(text, lead) if text else None
    if written is not None:
        assert written == PARSER.parse(text, PLACE, 3, Fragment()).html


def test_blocks_of_code_between_paragraphs_need_no_parser_either() -> None:
    text = 'Run it:\n\n```python\nif a < b:\n\n    print("a & b")\n```\n\nThen *look*.\n\n```\n[x](y)\n```'
    assert as_paragraphs(text, lead) == (
        '<p>Run it:</p>\n<pre><code class="language-python">if a &lt; b:\n\n    print(&quot;a &amp; b&quot;)\n</code></pre>\n'
        "<p>Then <em>look</em>.</p>\n<pre><code>[x](y)\n</code></pre>"
    )


def test_most_of_what_people_write_is_such_a_text() -> None:
    text = (
        'It isn\'t (always) so: "yes", 100 %, and C# — why?\nA *line* more, and/or [two](https://e.org/a_b).\n\n'
        "**Mind:** `a < b` is code.\n\n2024 was *the* year."
    )
    assert as_paragraphs(text, lead) == (
        '<p>It isn\'t (always) so: "yes", 100 %, and C# — why?\n'
        'A <em>line</em> more, and/or <a href="https://e.org/a_b">two</a>.</p>\n'
        "<p><strong>Mind:</strong> <code>a &lt; b</code> is code.</p>\n<p>2024 was <em>the</em> year.</p>"
    )


@pytest.mark.parametrize(
    "text",
    [
        "A list\n- of one",
        "2024. It was",
        "See https://e.org",
        "# A",
        "a_b_",
        "Two  \nlines",
        "```\nx\n```\nright below",
        "Right above\n```\nx\n```",
        "```\na\tb\n```",
    ],
)
def test_what_may_be_more_is_left_to_the_parser(text: str) -> None:
    assert as_paragraphs(text, lead) is None


def test_a_link_that_leads_nowhere_is_words_and_is_noted() -> None:
    fragment = MarkdownConverter().convert("See [the notes](ftp:notes) and [more](https://e.org).", PLACE)
    assert fragment.html == '<p>See <span>the notes</span> and <a href="https://e.org">more</a>.</p>'
    assert [(found.problem.code, found.source) for found in fragment.findings] == [("NL410", "ftp:notes")]
