"""Any bytes in: a guide or findings out, never another exception, never a hang; and a guide is read whole."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from newsletter.checks.across import read_claims
from newsletter.checks.fix import fix_text
from newsletter.checks.run import check_file, check_files, check_guide_text, validate_codes
from newsletter.content.document import Document
from newsletter.content.guide import is_web_address, parse_guide, read_guide
from newsletter.content.guide_files import guide_files, guide_slug, is_guide
from newsletter.content.source import MAX_BYTES
from newsletter.content.tables import find_tables
from newsletter.diagnostics import CODES
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.guide import Choice, Guide, Question, Row, Source
from newsletter.model.issue import Prose
from tests.conftest import ROOT

GUIDES = guide_files(ROOT / "issues")
CASES = ROOT / "tests" / "cases"
GOOD = (CASES / "NL501" / "good.md").read_text("utf-8")
ISSUE = (CASES / "NL101" / "good.md").read_text("utf-8")
FRONT = GOOD[: GOOD.index("---\n", 4) + 4]

# Pieces that mean something, so that random texts reach the interesting places.
PIECES = st.sampled_from(
    [
        "---\n", "type: guide\n", "title: x\n", "description: d\n", "options: [A, B]\n", "options: [A]\n", "options: A\n",
        "updated: 2026-01-06\n", "review_by: 2026-01-06\n", "review_by: 2020-01-06\n", "related: [1, a]\n", "related: [[1]]\n",
        "sources: [{url: x, title: y}]\n", "sources:\n  - url: https://a.b/\n    title: c\n", "sources: {a: b}\n", "sources: [1]\n",
        "sources: &a [*a]\n", "image: x.png\n", "## Comparison\n", "## comparision\n", "## When to choose which\n", "## FAQ\n",
        "## Frequently asked questions\n", "##", "### Choose A\n", "### Choose B\n", "### B\n", "### Choose\n", "### Why?\n", "### Why\n",
        "| | A | B |\n", "|A|B|\n", "|---|---|---|\n", "---|---\n", "| a | 1 | 2 |\n", "| a | `x|y` | \\| |\n", "|", "||", "\\|", "-|-\n",
        "**Caption:** c\n", "> [!NOTE]\n", "> text\n", ">", "```", "~~~\n", "`", "![", "](", ")", "[a](#b)", "[a](b.md#c)", "[a](#",
        "{{ x }}", "{%", "<b>", "TK ", "\n", "\n\n", "\r\n", "\r", "\t", " ", "\ufeff", "\0", "\u2028", "é", "？", "🎉", "text\n", "---",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=60).map("".join))


@settings(max_examples=200)
@given(TEXTS)
def test_any_text_gives_a_guide_or_errors_that_have_a_place(text: str) -> None:
    guide, found = check_guide_text(text, "any.md", today=dt.date(2026, 1, 6))
    if guide is None:
        assert any(d.severity == "error" for d in found)
    lines = text.replace("\r\n", "\n").split("\n")
    for diagnostic in found:
        assert diagnostic.code in CODES
        assert 1 <= diagnostic.line <= len(lines)
        assert 1 <= diagnostic.column <= len(lines[diagnostic.line - 1]) + 2
        assert diagnostic.length >= 1
        if diagnostic.fix is not None:
            assert 0 <= diagnostic.fix.start <= diagnostic.fix.end <= len(text)


@settings(max_examples=200)
@given(body=TEXTS)
def test_any_body_under_a_good_front_matter_is_a_guide_without_gaps_or_errors(body: str) -> None:
    guide, found = check_guide_text(FRONT + body, "any.md")
    if guide is None:
        assert any(d.severity == "error" for d in found)
        return
    assert guide.summary
    assert [choice.option for choice in guide.choosing.choices] == ["Queue", "Cron"]
    assert all(len(row.cells) == 2 and row.label and all(row.cells) for row in guide.comparison.rows)
    assert all(question.answer for question in guide.faq.questions)


@settings(max_examples=150)
@given(st.binary(max_size=400), st.integers(0, len(GOOD)))
def test_any_bytes_in_a_file_anywhere(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, position: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "guides"
    folder.mkdir(exist_ok=True)
    path = folder / "any.md"
    path.write_bytes(data)
    assert read_guide(path).guide is None
    assert check_files([path])
    path.write_bytes(GOOD[:position].encode() + data + GOOD[position:].encode())
    assert read_guide(path).guide is not None or check_files([path])


@settings(max_examples=100)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_mending_a_guide_comes_to_an_end(text: str) -> None:
    fixed, made = fix_text(FRONT + text, lambda current: check_guide_text(current, "x.md")[1])
    again, more = fix_text(fixed, lambda current: check_guide_text(current, "x.md")[1])
    assert (again, more) == (fixed, 0) or made >= 5


@pytest.mark.parametrize(
    "body",
    [
        "|" * 60_000,
        "|-" * 30_000,
        "| a " * 1_000 + "|\n" + "|-" * 1_000 + "|\n" + ("| b " * 1_000 + "|\n") * 100,
        "|a|\n|-|\n" * 10_000,
        "a|b\n-|-\n" + "x\n" * 30_000,
        "\\|" * 60_000 + "\n|---|---|",
        "> [!NOTE]\n" * 10_000,
        "> [!NOTE]\n>" + ">" * 60_000,
        "### Choose Queue\n" * 4_000,
        "### Choose x\n" * 4_000,
        "## Comparison\n" * 4_000,
        "## Frequently asked questions\n" + "### Why?\nSo.\n" * 4_000,
        "## Frequently asked questions\n" + "### " + "?*" * 30_000,
        "**Caption:** x\n\n" * 4_000,
        "[a](#b) " * 4_000,
        "{{" * 60_000,
        "{%" * 60_000,
        "{{ x }} " * 4_000,
    ],
    ids=lambda body: body[:10].strip(),
)
@pytest.mark.timeout(20)
def test_a_body_that_is_made_to_be_slow_is_not(body: str) -> None:
    # In every part, because each is read in its own way.
    for start in (GOOD.index("## Comp"), GOOD.index("| Aspect"), GOOD.index("### Choose Q"), len(GOOD)):
        check_guide_text(GOOD[:start] + "\n\n" + body + "\n\n" + GOOD[start:], "x.md")


def test_a_guide_is_read_whole() -> None:
    text = """---
type: guide
title: "A: or B"
description: Short.
options: [A, "B | C"]
updated: 2026-01-06
review_by: 2026-07-06
related: [7, one-title]
sources:
  - {url: "https://example.com/a", title: "One: two"}
tags: [rag]
---
The answer,
straight.

## comparison
Before.

| Aspect |  A | B \\| C |
|:--|:-:|--:|
|Cost | 1 `a|b` | [x](https://example.com/) |
| Speed | **fast** | slow

**Caption:** What it
shows.

After.

## When to choose which
First a prompt.

### Choose A
- Now.

> A quotation.

> [!NOTE]
> They combine.
>
> Often.

#### More
Yes.

### choose b | c
Later.

## Frequently asked questions
These, mostly.

### Is `A` cheaper?
No.

#### Never?
Rarely.

### Is A cheaper? Really?
No.
"""
    result = parse_guide(text, "issues/guides/a-or-b.md")
    assert result.diagnostics == ()
    guide = result.guide
    assert guide is not None
    assert guide.slug == "a-or-b"
    assert guide.front.options == ("A", "B | C")
    assert guide.front.related == ("7", "one-title")
    assert guide.front.sources == (Source(url="https://example.com/a", title="One: two"),)
    assert (guide.front.updated, guide.front.review_by) == (dt.date(2026, 1, 6), dt.date(2026, 7, 6))
    assert guide.summary == Prose("The answer,\nstraight.", 13)
    comparison = guide.comparison
    assert (comparison.intro, comparison.outro) == (Prose("Before.", 17), Prose("After.", 27))
    assert comparison.caption == Prose("What it\nshows.", 24)
    assert comparison.corner == Prose("Aspect", 19)
    assert comparison.rows == (
        Row(label=Prose("Cost", 21), cells=(Prose("1 `a|b`", 21), Prose("[x](https://example.com/)", 21))),
        Row(label=Prose("Speed", 22), cells=(Prose("**fast**", 22), Prose("slow", 22))),
    )
    choosing = guide.choosing
    assert (choosing.intro, choosing.line) == (Prose("First a prompt.", 30), 29)
    assert choosing.note == Prose("They combine.\n\nOften.", 38)
    first, second = choosing.choices
    assert first.body.text.split() == ["-", "Now.", ">", "A", "quotation.", "####", "More", "Yes."]
    assert first.body.line == 33
    assert second == Choice(option="B | C", body=Prose("Later.", 46), anchor="choose-b-c", line=45)
    assert guide.faq.intro == Prose("These, mostly.", 49)
    assert guide.faq.questions == (
        Question(question="Is `A` cheaper?", answer=Prose("No.\n\n#### Never?\nRarely.", 52), anchor="is-a-cheaper", line=51),
        Question(question="Is A cheaper? Really?", answer=Prose("No.", 58), anchor="is-a-cheaper-really", line=57),
    )  # fmt: skip
    crlf = parse_guide(text.replace("\n", "\r\n"), "issues/guides/a-or-b.md").guide
    assert crlf is not None
    assert crlf._replace(text="") == guide._replace(text="")


def test_a_caption_is_made_of_the_options_where_none_is_written() -> None:
    guide = parse_guide(GOOD, "x.md").guide
    assert guide is not None
    assert guide.comparison.caption.text == "Queue and Cron compared"


def test_every_anchor_of_a_guide_is_its_own() -> None:
    questions = "".join(
        f"### {words}\nYes.\n\n" for words in ("C?", "C++?", "C#?", "C 2?", "Summary?", "Sources?", "何?", "谁?", "Choose Cron?")
    )  # fmt: skip
    guide = parse_guide(GOOD + "\n" + questions, "x.md").guide
    assert guide is not None
    own = [question.anchor for question in guide.faq.questions]
    assert own == [
        "is-cron-simpler", "c", "c-2", "c-3", "c-2-2", "summary-2", "sources-2", "question", "question-2", "choose-cron-2",
    ]  # fmt: skip
    assert len(guide.anchors) == 3 + 3 + 2 + len(own)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem[:8])
@pytest.mark.parametrize("crlf", [False, True])
def test_every_prose_stands_at_the_line_it_names(path: Path, crlf: bool) -> None:
    text = path.read_text("utf-8")
    lines = text.split("\n")
    guide = parse_guide(text.replace("\n", "\r\n") if crlf else text, path.name).guide
    assert guide is not None
    proses = list(all_prose(guide))
    assert len(proses) > 30
    for prose in proses:
        for offset, line in enumerate(prose.text.split("\n")):
            assert line.strip() in lines[prose.line - 1 + offset]


def all_prose(value: object) -> list[Prose]:
    if isinstance(value, Prose):
        return [value] if value else []
    if isinstance(value, BaseModel):
        return [prose for _, field in value for prose in all_prose(field)]
    return [prose for item in value for prose in all_prose(item)] if isinstance(value, tuple) else []


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", [["a", "b"], ["1", "2"]]),
        ("a | b\n-|-\n1 | 2\nno bar\n\ntext | text\n", [["a", "b"], ["1", "2"], ["no bar"]]),
        ("||\n|-|\n||\n", [[""], [""]]),
        ("| | b |\n|---|---|\n| \\|x | `a|b` |", [["", "b"], ["|x", "`a|b`"]]),
        ("| a |\n|---|\n| 1 |\n# Heading | x\n", [["a"], ["1"]]),
        ("| a |\n| --x |\n", []),
        ("text\n---\n", []),
        ("|---|\n", []),
        ("```\n| a |\n|---|\n```\n", []),
    ],
)
def test_tables_are_read_as_on_github(table: str, rows: list[list[str]]) -> None:
    document = Document(table, "x.md")
    found = find_tables(document, 0, len(table))
    read = [[cell.prose.text for cell in row.cells] for t in found for row in (t.header, *t.rows)]
    assert read == rows
    for t in found:
        for row in (t.header, *t.rows):
            for cell in row.cells:
                assert table[cell.start : cell.end].replace("\\|", "|") == cell.prose.text


def test_a_guide_is_known_by_its_folder_or_by_what_it_says(tmp_path: Path) -> None:
    assert is_guide(Path("issues/guides/x.md"), "anything")
    assert is_guide(Path("x.md"), GOOD)
    assert is_guide(Path("x.md"), GOOD.replace("type: guide", "type: 'guide'").replace("\n", "\r\n"))
    assert is_guide(Path("x.md"), "\ufeff" + GOOD)
    assert not is_guide(Path("issues/001-x.md"), ISSUE)
    assert not is_guide(Path("x.md"), ISSUE + "\ntype: guide\n")
    assert not is_guide(Path("x.md"), GOOD.replace("type: guide", "type: guided"))
    for name in ("b.md", "A.md", "README.md", ".b.md", "c.txt"):
        (tmp_path / "guides").mkdir(exist_ok=True)
        (tmp_path / "guides" / name).write_text(GOOD)
    assert [path.name for path in guide_files(tmp_path)] == ["A.md", "b.md"]
    assert guide_files(tmp_path / "none") == []


def test_a_guide_is_not_taken_for_an_issue(tmp_path: Path) -> None:
    path = tmp_path / "001-x.md"
    path.write_text(GOOD)
    with pytest.raises(UsageError, match="is a guide: a page of the site"):
        check_file(path)


def test_a_guides_slug_is_its_whole_file_name() -> None:
    assert guide_slug("issues/guides/4-bit-vs-8-bit.md") == "4-bit-vs-8-bit"
    assert guide_slug("Größe (neu).md") == "grosse-neu"
    assert guide_slug("日本.md") == "guide"


def test_guides_and_issues_share_one_set_of_addresses(tmp_path: Path) -> None:
    guides = tmp_path / "guides"
    guides.mkdir()
    issue, first, second = tmp_path / "001-one.md", guides / "one.md", guides / "2-two.md"
    issue.write_text(ISSUE.replace("description", "aliases: [2-two]\ndescription"))
    first.write_text(GOOD.replace("sources:", "related: [2-two, 1]\nsources:"))
    second.write_text(GOOD.replace("sources:", "slug: three\naliases: [/old/, one]\nsources:"))
    assert read_claims(second).slugs == ("three", "old", "one", "guides/three")
    assert read_claims(first) == (str(first), None, ("one", "guides/one"))
    found = check_files([issue, first, second])
    assert [(d.code, d.path, d.line) for d in found] == [
        ("NL902", str(second), 9),
        ("NL902", str(first), 1),
    ]
    # Beside a guide alone, the others are read as far as their claims.
    assert {d.code for d in check_files([first], beside=[issue, second])} == {"NL902"}
    assert {d.code for d in check_files([first])} == {"NL515"}


def test_a_link_into_another_page_is_followed_to_its_anchor(tmp_path: Path) -> None:
    guides = tmp_path / "guides"
    guides.mkdir()
    (tmp_path / "001-one.md").write_text(ISSUE)
    (guides / "other.md").write_text(GOOD)
    (guides / "broken.md").write_text("---\n")
    links = {
        "../001-one.md#concept": True,
        "../001-one.md#answer": True,
        "../001-one.md#rank-fusion": False,
        "other.md#choose-cron": True,
        "other.md#is-cron-simpler": True,
        "other.md#choose-magic": False,
        "#sources": True,
        "#choose%2Dcron": True,
        "#choose": False,
        "#": None,
        "broken.md#x": True,
        "https://field-notes.dev/#x": True,
    }
    for link, good in links.items():
        path = guides / "this.md"
        path.write_text(GOOD.replace("Until a job", f"See [it]({link}). Until a job"))
        codes = [d.code for d in check_files([path])]
        assert codes == ([] if good else ["NL308"] if good is None else ["NL518"]), link


def test_what_is_about_mails_is_no_matter_in_a_guide() -> None:
    text = GOOD.replace("Until a job", f"![A](https://a.b/c.svg)\n\n```py\n{'x' * 90}\n```\n\nUntil a job")
    assert check_guide_text(text, "x.md")[1] == []
    text = GOOD.replace("Until a job", "[a](javascript:b) [c]({{ d }}) Until a job")
    assert [d.code for d in check_guide_text(text, "x.md")[1]] == ["NL313", "NL517"]


def test_a_draft_with_blanks_is_a_guide_and_a_ready_one_is_not_clean() -> None:
    text = GOOD.replace("Until a job", "TK until a job")
    assert [(d.code, str(d.severity)) for d in check_guide_text(text, "x.md")[1]] == [("NL310", "error")]
    guide, found = check_guide_text(text.replace("sources:", "status: draft\nsources:"), "x.md")
    assert guide is not None
    assert [(d.code, str(d.severity)) for d in found] == [("NL310", "warning")]


def test_without_a_date_nobody_asks_for_a_review_and_codes_can_be_turned_off() -> None:
    text = GOOD.replace("2099-01-06", "2026-02-01")
    assert check_guide_text(text, "x.md")[1] == []
    for day, codes in ((1, []), (2, ["NL513"])):
        found = check_guide_text(text, "x.md", today=dt.date(2026, 2, day))[1]
        assert [d.code for d in found] == codes
    assert check_guide_text(text, "x.md", off=["NL513"], today=dt.date(2026, 3, 1))[1] == []
    validate_codes(["NL513", "NL515", "NL518"], ["NL513"])
    with pytest.raises(UsageError, match="can't be turned off") as caught:
        validate_codes(["NL505"], [])
    assert "published" in caught.value.hint


def test_a_file_with_wrong_bytes_or_too_many_is_reported_on(tmp_path: Path) -> None:
    path = tmp_path / "guides" / "a.md"
    path.parent.mkdir()
    path.write_bytes(GOOD.replace("## Comparison", "## Comparisn").encode() + b"\xe9\n")
    assert {d.code for d in check_files([path])} == {"NL100", "NL502"}
    path.write_bytes(GOOD.encode() + b"x" * MAX_BYTES)
    assert [d.code for d in check_files([path])] == ["NL109"]
    assert [d.code for d in parse_guide("x" * (MAX_BYTES + 1), "x.md").diagnostics] == ["NL109"]
    with pytest.raises(NewsletterError, match="doesn't exist"):
        read_guide(tmp_path / "none.md")


def test_a_file_that_is_no_guide_is_one_finding() -> None:
    for text in ("", "# Read me\n\nText.\n", "root:x:0:0\n"):
        found = [d.code for d in check_guide_text(text, "guides/x.md")[1] if d.code != "NL213"]
        assert found == ["NL101"], text


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://example.com/", True),
        ("http://localhost:8000/a?b#c", True),
        ("https://", False),
        ("example.com", False),
        ("mailto:a@example.com", False),
        ("javascript:alert(1)", False),
        ("https://a b/", False),
        ("https://[::1", False),
        ("https://example.com/<x>", False),
    ],
)
def test_a_source_is_a_web_address(url: str, good: bool) -> None:
    assert is_web_address(url) is good


def test_a_guide_is_a_frozen_value() -> None:
    guide = parse_guide(GOOD, "x.md").guide
    assert isinstance(guide, Guide)
    with pytest.raises(AttributeError):
        guide.summary = Prose()  # type: ignore[misc]  # that is the point
    with pytest.raises(ValueError, match="frozen"):
        guide.comparison.line = 3  # type: ignore[misc]  # ditto
