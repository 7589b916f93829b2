"""What GitHub shows is what the mail shows: the habits where Python-Markdown reads otherwise."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.render.dialect import stretches, take_definitions, to_python_markdown, with_definitions
from newsletter.render.fragment import Place
from newsletter.render.html import MarkdownConverter
from newsletter.render.images import Pictures

PLACE = Place(
    Pictures(Path("issues/1.md"), "attach", "https://e.example", "e.example"),
    "https://e.example",
    "https://e.example/x/",
)
CONVERTER = MarkdownConverter()


def html(text: str) -> str:
    return re.sub(r"\n+", "", CONVERTER.convert(text, PLACE).html)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("Text:\n- a\n- b", "<p>Text:</p><ul><li>a</li><li>b</li></ul>"),
        ("Text:\n1. a", "<p>Text:</p><ol><li>a</li></ol>"),
        ("In\n2024. It was", "<p>In2024. It was</p>"),
        ("- a\n  - b\n    - c\n- d", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>"),
        ("1. a\n   - b", "<ol><li>a<ul><li>b</li></ul></li></ol>"),
        ("- a\n\n  more\n- b", "<ul><li><p>a</p><p>more</p></li><li><p>b</p></li></ul>"),
        (
            "- a\n  ```py\n  def f():\n      pass\n  ```\n- b",
            "<ul><li><p>a</p><pre><code>def f():    pass</code></pre></li><li><p>b</p></li></ul>",
        ),
        ("- a\n1. b", "<ul><li>a</li></ul><ol><li>b</li></ol>"),
        ("> a\n\n> b", "<blockquote><p>a</p></blockquote><blockquote><p>b</p></blockquote>"),
        ("a ~~b~~ c", "<p>a <del>b</del> c</p>"),
        ("a ~~ b ~~", "<p>a ~~ b ~~</p>"),
        ("see https://a.b/c_(d).", '<p>see <a href="https://a.b/c_(d)">https://a.b/c_(d)</a>.</p>'),
        ("(https://a.b/c)", '<p>(<a href="https://a.b/c">https://a.b/c</a>)</p>'),
        ("[https://a.b](https://a.b)", '<p><a href="https://a.b">https://a.b</a></p>'),
        ("`https://a.b`", "<p><code>https://a.b</code></p>"),
        ("a <!-- gone --> b", "<p>a  b</p>"),
        ("`<!-- kept -->`", "<p><code>&lt;!-- kept --&gt;</code></p>"),
        ("a <br> b", "<p>a &lt;br&gt; b</p>"),
        ("> [!TIP]\n> Do.", '<aside class="tip"><p class="label">Tip</p><p>Do.</p></aside>'),
        ("> [!NOPE]\n> Do.", "<blockquote><p>[!NOPE]Do.</p></blockquote>"),
        ("snake_case_name", "<p>snake_case_name</p>"),
        (r"\*plain\*", "<p>*plain*</p>"),
    ],
)
def test_it_reads_as_on_github(markdown: str, expected: str) -> None:
    assert html(markdown) == expected


def test_fenced_code_is_never_touched() -> None:
    code = "```\n- a\n  - b\n<!-- c -->\n> d\n\n> e\nhttps://a.b ~~f~~\n```"
    assert to_python_markdown(code) == code


def test_every_inline_pattern_still_works_though_most_are_skipped() -> None:
    # One text with all of them, against the same text in pieces, each with one.
    pieces = [
        "`c`",
        "*e*",
        "__s__",
        "~~d~~",
        "[l](https://a.b)",
        "<https://c.d>",
        "https://e.f",
        "&copy;",
        r"\*",
        "h  \nb",
    ]
    together = html(" x ".join(pieces))
    for piece in pieces:
        assert html(piece)[3:-4] in together


@given(st.text(alphabet="a -*>1.`~\n\t#[]^:|", max_size=120))
def test_any_text_is_read_without_losing_its_words(text: str) -> None:
    kept = re.sub(r"[^a]", "", to_python_markdown(text))
    assert kept == re.sub(r"[^a]", "", text)


def test_a_footnote_may_be_referred_to_twice_and_by_itself() -> None:
    assert html("A[^n] b[^n].\n\n[^n]: One.") == (
        '<p>A<sup>1</sup> b<sup>1</sup>.</p><div class="notes"><p><sup>1</sup> One.</p></div>'
    )
    assert "<sup>1</sup>" in html("A[^n].\n\n[^n]: See [^n].")


@pytest.mark.parametrize(
    "text",
    [
        "".join("  " * level + "- a\n" for level in range(300)),
        "- " * 2000 + "x",
        "> " * 3000 + "x",
        "[a](" * 2000,
        "`" * 5001,
        "*a **b " * 1000,
        "[a](http://[) ![b](http://[x) <http://[>",
    ],
    ids=["lists", "markers", "quotes", "links", "ticks", "stars", "addresses"],
)
def test_nothing_an_author_can_write_breaks_the_converter(text: str) -> None:
    assert "<" in html(text)


def test_what_is_nested_too_deeply_is_shown_as_written_and_reported() -> None:
    fragment = CONVERTER.convert("- " * 2000 + "<x>", PLACE)
    assert [finding.problem.code for finding in fragment.findings] == ["NL411"]
    assert fragment.html.endswith("&lt;x&gt;</p>")
    assert CONVERTER.convert("*fine*", PLACE).html == "<p><em>fine</em></p>"


@pytest.mark.parametrize("mark", ["[", "![", "[^", "[a]("])
def test_brackets_that_nobody_closes_are_reported_and_not_parsed_for_a_minute(mark: str) -> None:
    began = time.process_time()
    fragment = CONVERTER.convert(f"Before.\n\nHere {mark * 20_000}", PLACE)
    # 10 to 70 seconds where the parser is asked.
    assert time.process_time() - began < 3
    assert [finding.problem.code for finding in fragment.findings] == ["NL411"]
    assert fragment.findings[0].source.strip("![a^](") == ""


@pytest.mark.parametrize(
    "text",
    [
        "[a\n\n" * 100,
        "- [x](u) :(\n\n" * 40,
        "```\n" + "(" * 100 + "\n```\n\nWords.",
        "\\[" * 100,
        f"`{'[' * 100}` words",
    ],
    ids=["paragraphs", "closed", "code", "escaped", "span"],
)
def test_brackets_that_are_closed_escaped_or_code_are_nobodys_fault(text: str) -> None:
    assert CONVERTER.convert(text, PLACE).findings == []


BLOCKS = st.sampled_from(
    [
        "A paragraph of words,\nsome of them *slanted*.",
        "- a\n- b\n\n  more of b\n  - c",
        "1. one\n\n2. two",
        "> quoted\n>\n> more",
        "```py\nA = 1\n\nB = 2\n```",
        "| A | B |\n|---|---|\n| 1 | 2 |",
        "#### Deep",
        "    A = indented\n\n    B = code",
        "Término con acento: [a link](https://a.b).",
        "[A link](https://a.b) opens it.",
        "[x] is no link.",
        "---",
    ]
)


@given(st.lists(BLOCKS, min_size=1, max_size=12))
def test_a_text_reads_the_same_in_stretches(blocks: list[str]) -> None:
    text = "\n\n".join(blocks)
    level, html = 2, []
    for stretch in stretches(text, size=20):
        fragment = CONVERTER.convert(stretch, PLACE, 3, level)
        level = fragment.level
        html.append(fragment.html)
    assert "\n".join(html) == CONVERTER.convert(text, PLACE).html


def test_long_texts_are_cut_and_those_with_footnotes_are_not() -> None:
    text = "\n\n".join(f"Paragraph {number} {'word ' * 60}".strip() for number in range(10))
    assert len(stretches(text)) == 10
    assert "\n\n".join(stretches(text)) == text
    assert stretches(f"{text}[^1]") == (f"{text}[^1]",)


def test_definitions_are_taken_out_and_given_where_they_are_used() -> None:
    text, found = take_definitions(
        "See [p].\n\n[P]: https://e.org 'T'\n[^n]: Note one\n  goes on.\n\nEnd.\n\n```\n[c]: x\n```"
    )
    assert text == "See [p].\n\n\n\n\nEnd.\n\n```\n[c]: x\n```"
    assert found == {"p": "[P]: https://e.org 'T'", "^n": "[^n]: Note one\n    goes on."}
    assert with_definitions("Only [p].", found) == "Only [p].\n\n[P]: https://e.org 'T'"
    assert with_definitions("None.", found) == "None."
