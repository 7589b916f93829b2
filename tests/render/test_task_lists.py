"""Task lists: a box in the mail and on the site, brackets in plain text, and nothing where no item begins with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.render.fragment import Place
from newsletter.render.html import MarkdownConverter
from newsletter.render.images import Pictures
from newsletter.render.task_lists import as_written
from newsletter.render.text import Links
from tests.render.rendering import rendered

PLACE = Place(
    Pictures(Path("issues/007-test.md"), "link", "", ""),
    "https://notes.example.com",
    "https://notes.example.com/test/",
)
OPEN = '<span aria-label="not done" role="img">☐</span>'
DONE = '<span aria-label="done" role="img">☑\ufe0e</span>'


def converted(markdown: str) -> str:
    fragment = MarkdownConverter().convert(markdown, PLACE)
    assert fragment.findings == []
    return fragment.html.replace("\n", "")


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        (
            "- [ ] a **b**\n- [x] c\n- d",
            f'<ul><li class="task">{OPEN} a <strong>b</strong></li><li class="task">{DONE} c</li><li>d</li></ul>',
        ),
        ("* [X] a", f'<ul><li class="task">{DONE} a</li></ul>'),
        ("1. [ ] a\n2. [x] b", f"<ol><li>{OPEN} a</li><li>{DONE} b</li></ol>"),
        (
            "- a\n  - [ ] b",
            f'<ul><li>a<ul><li class="task">{OPEN} b</li></ul></li></ul>',
        ),
        (
            "- [ ] a\n\n- b",
            f'<ul><li class="task"><p>{OPEN} a</p></li><li><p>b</p></li></ul>',
        ),
        ("> - [x] a", f'<blockquote><ul><li class="task">{DONE} a</li></ul></blockquote>'),
        (
            "- [ ] [docs]\n\n[docs]: https://a.example",
            f'<ul><li class="task">{OPEN} <a href="https://a.example">docs</a></li></ul>',
        ),
        ("- [x] متن", f'<ul><li class="task">{DONE} متن</li></ul>'),
    ],
)
def test_an_item_that_begins_with_brackets_has_a_box(markdown: str, html: str) -> None:
    assert converted(markdown) == html


@pytest.mark.parametrize(
    "markdown",
    [
        "[ ] no item",
        "- a [ ] b",
        "- [ ]",
        "- [x]a",
        "- [y] a",
        "- [  ] a",
        "- [x](https://a.example)",
        "- `[ ] a`",
        "- \\[ ] a",
        "```\n- [ ] a\n```",
        "- a\n\n  ```\n  - [x] b\n  ```",
        "    - [ ] a",
    ],
)
def test_what_is_no_task_has_none(markdown: str) -> None:
    html = converted(markdown)
    assert "role=" not in html
    assert "task" not in html


def test_in_a_mail_the_box_stands_for_the_bullet_and_in_its_text_are_the_brackets() -> None:
    result = rendered("- [ ] Measure `a`\n- [x] Ship [it](https://a.example)\n  1. [ ] twice")
    assert result.diagnostics == ()
    assert f"{OPEN} Measure" in result.html
    assert f"{DONE} Ship" in result.html
    assert result.html.count("list-style-type: none") == 2
    assert "- [ ] Measure `a`\n- [x] Ship it [1]\n  1. [ ] twice" in result.text


@pytest.mark.parametrize("words", ["A ☐ and a ☑\ufe0e.", "- ☐ a"])
def test_a_box_of_the_authors_own_stays_one(words: str) -> None:
    html = converted(words)
    assert as_written(html) == html
    assert Links().write(html) == words
