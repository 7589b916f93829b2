"""Paragraphs that are written down without a parser are those that the parser would have made."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.render.html import Fragment, MarkdownConverter, Place
from newsletter.render.images import Pictures
from newsletter.render.paragraphs import as_paragraphs

PLACE = Place(
    Pictures(Path("issues/1.md"), "attach", "https://e.example", "e.example"),
    "https://e.example",
    "https://e.example/x/",
)
CONVERTER = MarkdownConverter()
PIECES = r"""
word Ärger 文字 a I. (yes) "no" it's end. why? «a» Note: : ! ... 100% $x C# a@b.example and/or / 2024 1
*a* **b** *a.* **Note:** `c` `a<b>&c` `&amp;` `x|y` `*a*` `-` [x](y) [x](https://e.org/a_b?c=1) [x](#a)
1. 2) - + == --- * ** ` `` [n] [x](ftp://a) ![a](b) *a*b a*b* ***x*** _a_ // https://x.org <b> & \ ~ ~~a~~ # > = | [x][y] [x](a)(b) [[a](b)] [*a*](b) *a b* **a* [a]: #a 0) (*a*) `a``b`
"""
WORDS, SPANS, MARKS = (line.split() for line in PIECES.strip().splitlines())
BLANKS = [" ", " ", " ", "", "\n", "\n\n", "\n\n\n", "  \n", "\t", "\n    ", "\u00a0", "\u3000"]
PARTS = st.one_of(*map(st.sampled_from, (WORDS, WORDS, WORDS, SPANS, SPANS, MARKS, BLANKS)))


def lead(written: str) -> str:
    return PLACE.link(written)[0]


@given(st.lists(st.tuples(PARTS, st.sampled_from(BLANKS)), min_size=1, max_size=9))
def test_they_are_those_that_python_markdown_makes(parts: list[tuple[str, str]]) -> None:
    text = "".join(part + blank for part, blank in parts).strip("\n ")
    written = as_paragraphs(text, lead) if text else None
    if written is not None:
        CONVERTER._shape.begin(PLACE, 3, Fragment())
        assert written == CONVERTER._parsed(text)


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
    "text", ["A list\n- of one", "2024. It was", "See https://e.org", "# A", "a_b_", "Two  \nlines"]
)
def test_what_may_be_more_is_left_to_the_parser(text: str) -> None:
    assert as_paragraphs(text, lead) is None


def test_a_link_that_leads_nowhere_is_words_and_is_noted() -> None:
    fragment = CONVERTER.convert("See [the notes](ftp:notes) and [more](https://e.org).", PLACE)
    assert fragment.html == '<p>See <span>the notes</span> and <a href="https://e.org">more</a>.</p>'
    assert [(found.problem.code, found.source) for found in fragment.findings] == [("NL410", "ftp:notes")]
