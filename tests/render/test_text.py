"""The text part: what each block becomes, where lines break, how links are numbered."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.render.columns import GLUE, table, width, wrap
from newsletter.render.email import RenderedIssue
from newsletter.render.text import COLUMNS, Links, heading
from tests.render.rendering import ROOT, rendered, rendered_file


def intro(result: RenderedIssue) -> str:
    """What stands between the title and the first section."""
    return result.text.partition("======\n")[2].partition("\n\n\n1 · CONCEPT")[0].strip("\n")


def text_of(markdown: str) -> str:
    return intro(rendered(markdown))


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**bold**, *slanted*, `code`, ~~gone~~", "*bold*, _slanted_, `code`, ~gone~"),
        ("Hard  \nbreak", "Hard\nbreak"),
        ("### Sub\n\ntext", "Sub\n~~~\n\ntext"),
        ("- a\n- b\n  - c\n", "- a\n- b\n  - c"),
        ("- a\n\n- b\n", "- a\n\n- b"),
        ("9. nine\n10. ten\n", "9.  nine\n10. ten"),
        ("> one\n>\n> two", "> one\n>\n> two"),
        ("> [!WARNING]\n> Take care.", "| WARNING\n| Take care."),
        ("a\n\n---\n\nb", "a\n\n* * *\n\nb"),
        ("A note[^x].\n\n[^x]: It is here.", "A note[^1].\n\n[^1] It is here."),
        ("[words](https://a.example)", "words [1]\n\n[1] https://a.example"),
        ("[a](https://a.example), [again](https://a.example)", "a [1], again [1]\n\n[1] https://a.example"),
        ("<https://a.example>", "https://a.example"),
        ("https://a.example/x.", "https://a.example/x."),
        ("[Ada](mailto:ada@example.com)", "Ada <ada@example.com>"),
        ("<ada@example.com>", "ada@example.com"),
        ("&copy; &amp; &lt;b&gt;", "© & <b>"),
        ("a b", "a b"),
    ],
)
def test_a_block_becomes(markdown: str, text: str) -> None:
    assert text_of(markdown) == text


def test_code_is_verbatim_and_indented() -> None:
    code = "def f(x):\n    if x:\n\n\n        return  'a  b'   # " + "long " * 30 + "\n\treturn"
    expected = "\n".join(f"    {line}" if line else "" for line in code.expandtabs(4).split("\n"))
    assert text_of(f"```python\n{code}\n```") == expected.rstrip()


def test_tables_are_aligned_by_columns_of_the_screen() -> None:
    text = text_of("| City | Height |\n|---|--:|\n| 東京 | 333 |\n| Paris | 1,083 |\n")
    assert text == "City   Height\n-----  ------\n東京      333\nParis   1,083"


def test_wide_cells_wrap_within_their_column() -> None:
    long = "some words that go on for quite a while and then some more of them"
    lines = text_of(
        f"| Key | Meaning | Note |\n|---|---|---|\n| k | {long} | {long} |\n| l | short | x |\n"
    ).split("\n")
    assert all(width(line) <= COLUMNS for line in lines)
    assert lines[0].startswith("Key  Meaning")
    assert lines[2].startswith("k    some words")
    assert lines[3].startswith("     ")


def test_a_table_that_fits_nowhere_becomes_a_list() -> None:
    header = "|".join(f"heading{n}" for n in range(9))
    text = text_of(f"|{header}|\n{'|---' * 9}|\n{'|cell' * 9}|\n")
    assert text.startswith("heading0: cell\nheading1: cell")


def test_a_picture_is_its_words(tmp_path: Path) -> None:
    assert intro(rendered("![A blue bar](https://example.com/x.png)")) == "[Image: A blue bar]"


def test_links_are_numbered_through_the_mail_and_listed_with_their_section() -> None:
    result = rendered("[a](https://a.example)", concept="[b](https://b.example)")
    before, _, after = result.text.partition("1 · CONCEPT")
    assert "[1] https://a.example" in before
    assert "[2] https://b.example" in after.partition("2 · ARCHITECTURE")[0]


def test_the_number_of_a_link_stays_with_its_words() -> None:
    for padding in range(60, 75):
        text = text_of(f"{'x' * padding} [word](https://a.example)").partition("\n\n[1] ")[0]
        assert not any(line.startswith("[1]") for line in text.split("\n"))


@pytest.mark.parametrize("path", sorted((ROOT / "issues").glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_no_line_of_our_issues_is_too_long(path: Path) -> None:
    for line in rendered_file(path, answer_in_email=True).text.split("\n"):
        assert width(line) <= COLUMNS or line.startswith(("    ", "[")), line
        assert line == line.rstrip()


def test_the_parts_a_reader_needs_are_in_the_text() -> None:
    text = rendered().text
    for words in (
        "Production AI Notes\nIssue 7 · 6 January 2026",
        "A test\n======",
        "TAKEAWAY\nRemember this.",
        "Difficulty:  easy\nTime:        4 hours\nStack:       Python, SQLite",
        "Unsubscribe with one press:\n\ue000",
        "Read in the browser:\nhttps://notes.example.com/test/",
        "1 Example Street",
    ):
        assert words in text


def test_a_heading_is_as_wide_as_its_rule() -> None:
    assert heading("東京") == "東京\n----"
    assert heading("x" * 10, "=") == f"{'x' * 10}\n{'=' * 10}"


@given(st.text(alphabet="ab c\u00a0東京é\u0301👍\n" + GLUE, max_size=400), st.integers(8, 80))
def test_wrapping_keeps_every_word_and_breaks_where_it_may(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert "".join(lines).replace(" ", "") == text.replace("\n", "").replace(" ", "").replace(GLUE, "")
    for line in lines:
        # Longer only where there was nowhere to break.
        assert width(line) <= columns or " " not in line.strip() or GLUE in text


@given(
    st.lists(
        st.lists(st.text(alphabet="ab 東é", max_size=40), min_size=3, max_size=3), min_size=2, max_size=6
    ),
    st.integers(40, 80),
)
def test_no_table_is_wider_than_its_room(rows: list[list[str]], columns: int) -> None:
    lines = table(rows, ["left", "right", "center"], columns)
    longest = max((width(word) for row in rows for cell in row for word in cell.split()), default=0)
    assert all(width(line) <= max(columns, longest) for line in lines)


def test_links_are_listed_once() -> None:
    links = Links()
    assert links.write('<p><a href="https://a.example">a</a></p>') == "a [1]"
    assert links.listing() == "[1] https://a.example"
    assert links.listing() == ""
    assert links.write('<p><a href="https://b.example">b</a></p>') == "b [2]"
    assert links.listing() == "[2] https://b.example"
