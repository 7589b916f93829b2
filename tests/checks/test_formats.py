"""What is printed: carets under the right characters, nothing a terminal would obey, and valid JSON, SARIF and commands."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.checks.run import check_files
from newsletter.cli.diagnostic_formats import as_sarif, excerpt, formatted, summary
from newsletter.cli.terminal_text import cells, printable
from newsletter.diagnostics import Diagnostic, Severity

# The parts of the SARIF 2.1.0 schema that a log of ours uses, as strict as the original.
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "format": "uri"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "properties": {
                                                "shortDescription": {"$ref": "#/$defs/message"},
                                                "fullDescription": {"$ref": "#/$defs/message"},
                                                "defaultConfiguration": {
                                                    "properties": {"level": {"$ref": "#/$defs/level"}}
                                                },
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"$ref": "#/$defs/level"},
                                "message": {"$ref": "#/$defs/message"},
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "required": ["uri"],
                                                        "properties": {"uri": {"pattern": r"^[^\s<>\"{}|\\^`]*$"}},
                                                    },
                                                    "region": {
                                                        "additionalProperties": False,
                                                        "properties": {
                                                            "startLine": {"type": "integer", "minimum": 1},
                                                            "startColumn": {"type": "integer", "minimum": 1},
                                                            "endColumn": {"type": "integer", "minimum": 1},
                                                        },
                                                    },
                                                },
                                            }
                                        }
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
    "$defs": {
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "level": {"enum": ["none", "note", "warning", "error"]},
    },
}  # fmt: skip

ODD = Diagnostic(
    "NL304",
    Severity.ERROR,
    "raw HTML, 100%\nof it: \x1b[31m\u202e",
    "a folder/it's, 50%: ü.md",
    3,
    2,
    4,
    help="no,\r\nreally",
)


def real_findings() -> list[Diagnostic]:
    cases = Path(__file__).parent.parent / "cases"
    return check_files(sorted(cases.glob("*/bad.md")))


def columns_of(text: str) -> int:
    """The oracle: columns of a text without emoji sequences."""
    return sum(
        0 if unicodedata.category(c) in {"Mn", "Me"} else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def test_json_has_exactly_the_keys_of_the_contract() -> None:
    found = real_findings()
    read = json.loads(formatted(found, "json", 1))
    assert len(read) == len(found) > 40
    for entry in read:
        assert list(entry) == ["code", "severity", "message", "path", "line", "column", "help"]
    assert json.loads(formatted([], "json", 0)) == []


def test_sarif_is_valid_and_points_at_its_rules() -> None:
    jsonschema.Draft202012Validator.check_schema(SARIF)
    for found in ([], real_findings(), [ODD], [Diagnostic("NL109", Severity.ERROR, "m", "p.md")]):
        log = as_sarif(found)
        jsonschema.Draft202012Validator(SARIF).validate(log)
        run = log["runs"][0]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert len(run["results"]) == len(found)
        for result in run["results"]:
            assert rules[result["ruleIndex"]] == result["ruleId"]
    assert json.loads(formatted([ODD], "sarif", 1)) == as_sarif([ODD])


def test_github_commands_are_one_line_each_and_escaped() -> None:
    printed = formatted([ODD], "github", 1)
    assert printed.count("\n") == 1
    assert "\x1b" not in printed
    assert printed.startswith(
        "::error file=a folder/it's%2C 50%25%3A ü.md,line=3,col=2,endColumn=6,title=NL304::"
    )
    assert "100%25" in printed
    lines = formatted(real_findings(), "github", 1).splitlines()
    assert all(re.match(r"::(error|warning|notice) file=[^,:]+(,\w+=[^,:]+)*::.+", line) for line in lines)


def test_nothing_of_an_author_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    path = tmp_path / "001-a\x1b[2J.md"
    path.write_text("---\nnumber: 1\ntitle: \x1b]0;owned\x07\x9b2J\nx\u202ey\x00: 1\n---\n## \x1b[31mred\n")
    found = check_files([path])
    for format_ in ("text", "concise", "github"):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", formatted(found, format_, 1)), (
            format_
        )


@pytest.mark.parametrize(
    ("line", "column", "length", "shown", "carets"),
    [
        ("optons: x", 1, 6, "optons: x", "^^^^^^"),
        ("\toptons: x", 2, 6, "    optons: x", "    ^^^^^^"),
        ("日本: x y", 5, 1, "日本: x y", "      ^"),
        ("日本語", 2, 2, "日本語", "  ^^^^"),
        ("e\u0301te\u0301 x", 7, 1, "e\u0301te\u0301 x", "    ^"),
        ("👩‍👩‍👧 x", 7, 1, "👩‍👩‍👧 x", "   ^"),
        ("👍🏽 x", 4, 1, "👍🏽 x", "   ^"),
        ("❤️ x", 4, 1, "❤️ x", "   ^"),
        ("🇩🇪 x", 4, 1, "🇩🇪 x", "   ^"),
        ("a\x1bb x", 5, 1, "a␛b x", "    ^"),
        ("a\u202eb", 3, 1, "a<U+202E>b", "         ^"),
        ("end", 4, 1, "end", "   ^"),
        ("whole line", 0, 1, "whole line", ""),
    ],
)
def test_carets_stand_under_what_they_mean(
    line: str, column: int, length: int, shown: str, carets: str
) -> None:
    assert excerpt(line, column, length) == (shown, carets)


def test_a_long_paragraph_is_shown_around_its_place() -> None:
    line = "word " * 200 + "HERE" + " word" * 200
    shown, carets = excerpt(line, line.index("HERE") + 1, 4)
    assert shown[carets.index("^") : carets.rindex("^") + 1] == "HERE"
    assert len(shown) < 110
    assert shown.startswith("…")
    assert shown.endswith("…")


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp"]), max_size=60
    )
)
def test_columns_agree_with_unicode_data(text: str) -> None:
    if any(0x1F1E6 <= ord(c) <= 0x1F1FF or 0x1F3FB <= ord(c) <= 0x1F3FF or c == "\ufe0f" for c in text):
        return
    shown, columns = cells(text)
    assert shown == text
    assert columns[-1] == columns_of(text)


@given(st.text(max_size=60))
def test_what_is_printed_is_printable(text: str) -> None:
    joined = {"\u200d", "\ufe0f"}
    assert all(
        c.isprintable() or c in joined or c == " " or unicodedata.category(c) == "Zs" for c in printable(text)
    )


def test_the_summary_counts() -> None:
    def of(severity: Severity, path: str) -> Diagnostic:
        return Diagnostic("NL304", severity, "m", path)

    assert summary([], 3) == "checked 3 issues: no findings"
    assert summary([], 1) == "checked 1 issue: no findings"
    assert summary([], 3, 2) == "checked 1 issue and 2 guides: no findings"
    assert summary([], 1, 1) == "checked 1 guide: no findings"
    found = [of(Severity.ERROR, "a"), of(Severity.ERROR, "a"), of(Severity.WARNING, "a")]
    assert summary(found, 5) == "2 errors, 1 warning in 1 file"
    assert summary([of(Severity.INFO, "a"), of(Severity.INFO, "b")], 5) == "2 info in 2 files"
