"""A newsletter declares its own sections in its settings, and everything follows from that."""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import Any

import jsonschema
import pytest

from newsletter.checks.run import check_text
from newsletter.content.kinds import kinds_from_table
from newsletter.content.schema import issue_schema
from newsletter.content.skeleton import skeleton
from newsletter.errors import UsageError
from newsletter.model.issue import DEFAULT_KINDS, Prose

TABLE = """
[concept]
heading = "Konzept"
labels = { takeaway = "Merksatz" }

[tool]
heading = "Tool of the week"
required = false
paragraphs = { Verdict = { required = true } }
subsections = ["Install", "Use"]

[tool.fields]
Licence = { required = true, choices = ["MIT", "other"] }
Platforms = { type = "list" }
Caveat = { type = "markdown", repeats = true }
"Read time" = { label = "Lesezeit" }

[links]
"""
TEXT = """---
number: 1
title: t
date: 2026-01-06
description: d
---
## Konzept: Eins
Text.

**Merksatz:** Ein Satz.

## Tool of the week: ruff
- **Licence:** MIT
- **Platforms:** Linux, macOS
- **Lesezeit:** kurz

Fast.

**Verdict:** Take it.

- **Caveat:** One
- **Caveat:** Two

### Install
uv tool install ruff

## Links: Elsewhere
- [a](https://field-notes.dev/)
"""


def kinds(toml: str) -> Any:
    return kinds_from_table(tomllib.loads(toml))


def test_an_issue_of_declared_kinds_is_parsed_by_its_declaration() -> None:
    issue, found = check_text(TEXT, "001-t.md", kinds=kinds(TABLE))
    assert found == []
    assert issue is not None
    concept, tool, links = (section.model_dump() for section in issue.sections)
    assert concept["takeaway"] == Prose("Ein Satz.", 10) or concept["takeaway"]["text"] == "Ein Satz."
    assert (tool["licence"], tool["platforms"], tool["read_time"]) == ("MIT", ("Linux", "macOS"), "kurz")
    section = issue.sections[1]
    assert getattr(section, "verdict") == Prose("Take it.", 19)  # noqa: B009 - declared in the test's table
    assert [prose.text for prose in getattr(section, "caveat")] == ["One", "Two"]  # noqa: B009
    assert getattr(section, "use") == Prose()  # noqa: B009
    assert section.body == Prose("Fast.", 17)
    assert (section.kind, links["kind"]) == ("tool", "links")


def test_what_a_declaration_requires_is_found_missing() -> None:
    broken = (
        TEXT.replace("**Verdict:** Take it.\n", "").replace("Licence:** MIT", "Licence:** GPL")
    ).replace("**Merksatz:** ", "")
    found = check_text(broken, "001-t.md", kinds=kinds(TABLE))[1]
    assert [(d.code, d.line) for d in found] == [("NL206", 7), ("NL206", 12), ("NL207", 13)]
    optional = TEXT[: TEXT.index("## Tool")] + TEXT[TEXT.index("## Links") :]
    assert check_text(optional, "001-t.md", kinds=kinds(TABLE))[1] == []


def test_a_single_kind_is_enough() -> None:
    text = "---\nnumber: 1\ntitle: t\ndate: 2026-01-06\ndescription: d\n---\n## Note: x\nText.\n"
    issue, found = check_text(text, "001-t.md", kinds=kinds("[note]"))
    assert found == []
    assert issue is not None
    assert issue.sections[0].kind == "note"


def test_the_same_table_gives_the_same_models() -> None:
    assert kinds(TABLE) is kinds(TABLE)
    assert kinds_from_table({}) is DEFAULT_KINDS


@pytest.mark.parametrize("table", [TABLE, "[note]", ""])
def test_a_skeleton_of_any_kinds_has_blanks_and_no_faults(table: str) -> None:
    declared = kinds(table)
    text = skeleton(number=3, title='A "title": with all', date=dt.date(2026, 1, 6), kinds=declared)
    issue, found = check_text(text, "003-x.md", kinds=declared)
    assert issue is not None
    assert issue.front.title == 'A "title": with all'
    assert {d.code for d in found} == {"NL310"}
    blanks = [number for number, line in enumerate(text.split("\n"), 1) if "TK" in line]
    assert [d.line for d in found] == blanks


@pytest.mark.parametrize("table", [TABLE, "[note]", ""])
def test_the_schema_is_valid_and_accepts_what_an_issue_holds(table: str) -> None:
    schema = issue_schema(kinds(table))
    jsonschema.Draft202012Validator.check_schema(schema)
    front = {"number": 1, "title": "t", "date": "2026-01-06", "description": "d"}
    validator = jsonschema.Draft202012Validator(schema["properties"]["frontMatter"])
    validator.validate(front)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**front, "optons": "x"})


def test_the_schema_of_the_built_in_sections_accepts_an_issue() -> None:
    schema = issue_schema()
    sections: list[dict[str, Any]] = [
        {"kind": "concept", "title": "t", "takeaway": "One sentence."},
        {"kind": "architecture", "title": "t", "trade_offs": ["a"]},
        {"kind": "project-idea", "title": "t", "difficulty": "easy", "time": "4h", "stack": ["x"]},
        {"kind": "interview-question", "title": "t", "level": "mid", "answer": "Because."},
    ]
    front = {"number": 1, "title": "t", "date": "2026-01-06", "description": "d"}
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate({"frontMatter": front, "sections": sections})
    for broken in (sections[:3], [*sections[:3], {**sections[3], "level": "boss"}], sections[::-1]):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({"frontMatter": front, "sections": broken})


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("concept = 1", "has to be a table"),
        ("[Tool]", "lower-case"),
        ("[tool]\nheadng = 'x'", "unknown key `headng`"),
        ("[tool]\nheading = 'a: b'", "without a colon"),
        ("[tool]\nrequired = 'yes'", "true or false"),
        ("[tool]\nfields = 3", "has to be a table"),
        ("[tool.fields]\nx = 3", "has to be a table"),
        ("[tool.fields.x]\ntype = 'date'", "`type` is `date`"),
        ("[tool.fields.x]\nchoices = []", "choices"),
        ("[tool.fields.x]\nchoices = ['a']\ntype = 'list'", "choices"),
        ("[tool.fields.x]\nrepeats = true\ntype = 'list'", "one item"),
        ("[tool.fields.title]", "can have this name"),
        ("[tool.fields.json]", "can have this name"),
        ("[tool.fields.'2 x']", "can have this name"),
        ("[tool.fields.'a b']\n[tool.fields.'A-B']", "declared twice"),
        ("[tool.fields.x]\nlabel = 'a*b'", "label"),
        ("[tool.paragraphs.x]\nchoices = ['a']", "unknown key `choices`"),
        ("[concept]\nfields = {}", "can't be changed"),
        ("[concept.labels]\ntakeawy = 'x'", "unknown key `takeawy`"),
        ("[concept]\n[tool]\nheading = 'concept'", "same heading"),
    ],
)
def test_a_wrong_table_is_refused_in_a_sentence(toml: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        kinds(toml)
