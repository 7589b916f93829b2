"""Any bytes in: an issue or findings out, never another exception, never a hang; and lines stay true."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.checks.run import check_file, check_text
from newsletter.content.front_matter import slug_of_file, slugify
from newsletter.content.issue import parse_issue, read_issue
from newsletter.content.source import MAX_BYTES
from newsletter.content.yaml_block import resolve_plain
from newsletter.diagnostics import CODES
from newsletter.errors import NewsletterError
from newsletter.model.issue import Architecture, Concept, InterviewQuestion, ProjectIdea, Prose

ISSUES = sorted((Path(__file__).parent.parent.parent / "issues").glob("[0-9]*.md"))
GOOD = (Path(__file__).parent.parent / "cases" / "NL101" / "good.md").read_text("utf-8")

# Pieces that mean something, so that random texts reach the interesting places.
PIECES = st.sampled_from(
    [
        "---\n", "...\n", "number: 1\n", "title: x\n", "date: 2026-01-06\n", "description: d\n", "tags: [a, B]\n",
        "tags: &a [*a]\n", "? x\n", "<<: {}\n", "[[[[", "{{{{", "\n", "\r\n", "\r", "\t", " ", "\ufeff", "\0", "\x1b[2J",
        "## Concept: x\n", "## Concept\n", "## Architecture: y\n", "## Project idea: z\n", "## Interview question: q\n",
        "##", "# ", "### Answer\n", "### Answr\n", "- **Level:** mid\n", "- **Level:**\n", "- ", "  ", "**Takeaway:** t\n",
        "**Takeaway:**", "- **Time:** 4h\n", "- **Stack:** a, b\n", "- **Difficulty:** TK\n", "- **Trade-off:** c\n",
        "```", "~~~\n", "`", "``", "![", "](", ")", "[a](b)", "<a ", "<!--", "{{ subscriber.name }}", "{{", "}}", "{% x %}",
        "http://", "TK ", "TODO", "é", "\u2028", "\u202e", "🎉", "\ud7ff", ": ", "'", '"', "\\", "|", "*", "&x ", "!!python/x ",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=60).map("".join))


@settings(max_examples=400)
@given(TEXTS)
def test_any_text_gives_an_issue_or_errors_that_have_a_place(text: str) -> None:
    issue, found = check_text(text, "001-any.md")
    if issue is None:
        assert any(d.severity == "error" for d in found)
    else:
        assert not any(d.severity == "error" and d.code < "NL213" for d in found)
    # PyYAML, str.splitlines and editors count lines differently; ours are line feeds.
    lines = text.replace("\r\n", "\n").split("\n")
    for diagnostic in found:
        assert diagnostic.code in CODES
        assert diagnostic.path == "001-any.md"
        assert 1 <= diagnostic.line <= len(lines)
        assert 1 <= diagnostic.column <= len(lines[diagnostic.line - 1]) + 2
        assert diagnostic.length >= 1
        if diagnostic.fix is not None:
            assert 0 <= diagnostic.fix.start <= diagnostic.fix.end <= len(text)


@settings(max_examples=200)
@given(body=TEXTS)
def test_any_body_under_a_good_front_matter(body: str) -> None:
    front = GOOD[: GOOD.index("---\n", 4) + 4]
    issue, found = check_text(front + body, "001-any.md")
    assert issue is not None or any(d.severity == "error" for d in found)


@settings(max_examples=150)
@given(st.binary(max_size=400))
def test_any_bytes_in_a_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.md"
    path.write_bytes(data)
    issue, found = check_file(path)
    assert issue is not None or found


@pytest.mark.parametrize(
    "front",
    [
        "[" * 30_000 + "]" * 30_000,
        "- " * 30_000,
        "? " * 30_000,
        "{a: " * 15_000,
        "a: &a [*a]",
        "a: &a [x]\nb: &b [" + "*a, " * 50 + "]\nc: &c [" + "*b, " * 50 + "]\nd: [" + "*c, " * 50 + "]",
        "x" * 70_000 + ": 1",
        "number: " + "9" * 5_000,
        "number: 0x" + "f" * 5_000,
        "title: !!python/object:os.system x",
        "title: \ud7ff\U0010ffff",
    ],
    ids=lambda front: front[:12],
)
def test_front_matter_that_means_harm_is_refused_quickly(front: str) -> None:
    result = parse_issue(f"---\n{front}\n---\n", "001-x.md")
    assert result.issue is None
    assert {d.code for d in result.diagnostics} & {"NL102", "NL103", "NL104", "NL106"}


@pytest.mark.parametrize(
    "body",
    [
        "`" + "".join("`" * n + " a " for n in range(1, 1_300)),
        "[" * 200_000,
        "[a](" * 100_000,
        "[a]({{ b }}" + "{{b}}" * 50_000,
        "![x]" * 100_000 + "(",
        "<a " * 200_000,
        "{{" * 200_000,
        "{%" * 200_000,
        "- **a" * 100_000,
        "**Takeaway:**\n" * 30_000,
        "- **Level:** mid\n" * 20_000,
        "### Answer\n" * 30_000,
        "## Concept: x\n" * 15_000,
        "#" * 300_000,
        "```\n" * 100_000,
        " \n" * 200_000,
        "* " * 200_000,
        "TK " * 200_000,
        "[a]: b\n" * 50_000,
        "\r" * 300_000,
    ],
    ids=lambda body: body[:10].strip(),
)
@pytest.mark.timeout(20)
def test_a_body_that_is_made_to_be_slow_is_not(body: str) -> None:
    front = GOOD[: GOOD.index("---\n", 4) + 4]
    check_text(front + "## Interview question: q\n" + body, "001-x.md")


def test_a_file_past_the_limit_is_refused_without_being_parsed(tmp_path: Path) -> None:
    path = tmp_path / "huge.md"
    path.write_bytes(GOOD.encode() + b"x" * MAX_BYTES)
    issue, found = check_file(path)
    assert issue is None
    assert [(d.code, d.line) for d in found] == [("NL109", 0)]
    assert [d.code for d in parse_issue("x" * (MAX_BYTES + 1), "x.md").diagnostics] == ["NL109"]


def test_a_file_that_cannot_be_read_says_so_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(NewsletterError, match="doesn't exist"):
        read_issue(tmp_path / "none.md")
    with pytest.raises(NewsletterError, match="is a folder"):
        read_issue(tmp_path)
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(NewsletterError, match="not an ordinary file"):
        read_issue(tmp_path / "pipe.md")
    with pytest.raises(NewsletterError):
        read_issue(Path("a\0b.md"))
    with pytest.raises(NewsletterError):
        read_issue(tmp_path / ("x" * 5_000))


def test_line_endings_and_a_byte_order_mark_change_no_position() -> None:
    broken = GOOD.replace("Hello.", "Hello {{ subscriber.nme }}.").replace(
        "- **Level:** mid", "- **Level:** x"
    )
    places = [(d.code, d.line, d.column) for d in check_text(broken, "1.md")[1]]
    crlf = broken.replace("\n", "\r\n")
    assert [(d.code, d.line, d.column) for d in check_text(crlf, "1.md")[1]] == places
    marked = check_text("\ufeff" + broken, "1.md")[1]
    assert [(d.code, d.line, d.column) for d in marked if d.code != "NL108"] == places


@pytest.mark.parametrize("path", ISSUES, ids=lambda path: path.stem[:3])
@pytest.mark.parametrize("crlf", [False, True])
def test_every_prose_stands_at_the_line_it_names(path: Path, crlf: bool) -> None:
    text = path.read_text("utf-8")
    lines = text.split("\n")
    issue = parse_issue(text.replace("\n", "\r\n") if crlf else text, path.name).issue
    assert issue is not None
    proses = [issue.intro]
    for section in issue.sections:
        for value in dict(section).values():
            proses += [value] if isinstance(value, Prose) else []
            proses += [v for v in value if isinstance(v, Prose)] if isinstance(value, tuple) else []
    assert len(proses) > 10
    for prose in filter(None, proses):
        for offset, line in enumerate(prose.text.split("\n")):
            assert line.strip() in lines[prose.line - 1 + offset]


def test_an_issue_is_read_whole() -> None:
    text = """---
number: 7
title: "A title: with a colon"
date: 2026-01-06
description: Short.
tags: [rag, "12:30", no]
author: no
---
Intro.

## concept:  Fusing  ranks
First.

- **Not a field:** stays
- **Neither:** does this

**Takeaway:** One sentence
over two lines.

Last.

## Architecture: Lanes
### My own heading
Text.

- **Trade-off:** One.

  With a paragraph.
- **Trade-off:** Two
  lines.

After.

## Project idea: Search
* **Time**: 2d
* **Stack:** Python,SQLite , `fts5`
* **difficulty:** hard

## Interview question: Why?
- **Level:** staff

Asked.

### Answer
Because.

#### In depth
More.

### Follow-ups
1. And then?
"""
    result = parse_issue(text, "issues/007-a-title.md")
    assert result.diagnostics == ()
    issue = result.issue
    assert issue is not None
    assert issue.slug == "a-title"
    assert issue.front.tags == ("rag", "12:30", "no")
    assert issue.front.author == "no"
    assert issue.front.date == dt.date(2026, 1, 6)
    assert issue.intro == Prose("Intro.", 9)
    concept, architecture, project, question = issue.sections
    assert isinstance(concept, Concept)
    assert concept.title == "Fusing  ranks"
    assert concept.takeaway == Prose("One sentence\nover two lines.", 17)
    assert concept.body == Prose(
        "First.\n\n- **Not a field:** stays\n- **Neither:** does this\n\n\n\n\nLast.", 12
    )
    assert isinstance(architecture, Architecture)
    assert architecture.trade_offs == (Prose("One.\n\nWith a paragraph.", 26), Prose("Two\nlines.", 29))
    assert architecture.body.text.startswith("### My own heading\nText.")
    assert architecture.body.text.endswith("After.")
    assert isinstance(project, ProjectIdea)
    assert (project.time, project.stack, project.difficulty) == ("2d", ("Python", "SQLite", "`fts5`"), "hard")
    assert isinstance(question, InterviewQuestion)
    assert question.answer == Prose("Because.\n\n#### In depth\nMore.", 45)
    assert question.follow_ups == Prose("1. And then?", 51)
    assert question.body == Prose("Asked.", 42)


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("12:30", "12:30"), ("1.10", 1.1), ("0o17", 15), ("017", 17),
        ("0x1F", 31), ("1_000", "1_000"), ("~", None), ("", None), ("null", None), ("True", True), ("tRUE", "tRUE"),
        ("1e3", 1000.0), (".5", 0.5), ("-.inf", float("-inf")), ("2026-01-06", "2026-01-06"), ("=", "="), ("<<", "<<"),
        ("+12", 12), ("1.", 1.0), ("0b1", "0b1"), ("n", "n"), ("1.2.3", "1.2.3"),
    ],
)  # fmt: skip
def test_plain_scalars_mean_what_yaml_1_2_says(plain: str, value: object) -> None:
    assert resolve_plain(plain) == value
    assert type(resolve_plain(plain)) is type(value)


def test_slugs_are_ascii_words_from_the_file_name() -> None:
    assert slug_of_file("issues/007-evals.md", 7) == "evals"
    assert slug_of_file("issues/007.md", 7) == "issue-7"
    assert slug_of_file("2026 Übersicht (neu).md", 1) == "ubersicht-neu"
    assert slugify("Straße & Ελλάδα №5") == "strasse-no5"


def test_a_draft_with_blanks_can_be_previewed_and_a_ready_issue_cannot_keep_them() -> None:
    draft = GOOD.replace("**Level:** mid", "**Level:** TK junior or mid").replace(
        "---\nHello", "status: draft\n---\nHello"
    )
    issue, found = check_text(draft, "001-x.md")
    assert issue is not None
    assert [(d.code, d.severity) for d in found] == [("NL310", "warning")]
    issue, found = check_text(draft.replace("status: draft", "status: ready"), "001-x.md")
    assert issue is None
    assert ("NL310", "error") in [(d.code, d.severity) for d in found]


def test_a_file_that_is_no_issue_is_one_finding() -> None:
    for text in ("", "# Read me\n\nText.\n", "root:x:0:0\n"):
        found = [d.code for d in check_text(text, "README.md")[1] if d.code != "NL213"]
        assert found == ["NL101"], text
