"""Every code has a case: files that show it, files that don't, and what is printed. No Python is needed to add one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from newsletter.checks.run import check_files, fix_file
from newsletter.cli.diagnostic_formats import formatted
from newsletter.diagnostics import CODES, Diagnostic

CASES = Path(__file__).parent.parent / "cases"
# A case of 1 MB has no place in the repository; tests/content/test_issue.py makes it.
GENERATED = {"NL109"}
OWN = sorted(code for code in CODES if code < "NL400" or code >= "NL900")


def findings(case: Path, name: str) -> tuple[list[Diagnostic], int]:
    """What is found in `bad.md`, or in all files of the folder `bad`."""
    folder = Path(name)
    paths = sorted(folder.glob("*.md")) if (case / folder).is_dir() else [Path(f"{name}.md")]
    return check_files(paths), len(paths)


@pytest.fixture(params=[code for code in OWN if code not in GENERATED])
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = CASES / str(request.param)
    assert folder.is_dir(), f"{request.param} has no case"
    # Paths in the output are as a user in that folder would name them.
    monkeypatch.chdir(folder)
    return folder


def test_the_bad_case_shows_the_code_and_prints_what_is_on_file(
    case: Path, request: pytest.FixtureRequest
) -> None:
    found, files = findings(case, "bad")
    assert case.name in {d.code for d in found}
    printed = formatted(found, "text", files)
    expected = case / "bad.out"
    if request.config.getoption("--update-cases"):
        expected.write_text(printed, "utf-8")
    assert printed == expected.read_text("utf-8")


def test_the_good_case_has_no_findings(case: Path) -> None:
    found, _ = findings(case, "good")
    assert found == []


def test_every_finding_of_a_bad_case_has_a_place_and_a_way_out(case: Path) -> None:
    for diagnostic in findings(case, "bad")[0]:
        assert diagnostic.line > 0
        assert diagnostic.column > 0
        assert diagnostic.length > 0
        assert diagnostic.help, diagnostic
        assert not diagnostic.message.endswith("."), diagnostic


def test_fixing_a_bad_case_leaves_nothing_to_fix(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in case.rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(case)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    before = findings(tmp_path, "bad")[0]
    for path in sorted(tmp_path.rglob("*.md")):
        fix_file(path.relative_to(tmp_path))
    after = findings(tmp_path, "bad")[0]
    assert [d for d in after if d.fix] == []
    assert {(d.code, d.message) for d in after} <= {(d.code, d.message) for d in before} | set(
        uncovered(after)
    )


def uncovered(found: list[Diagnostic]) -> list[tuple[str, str]]:
    """Findings that only a correction could bring to light: a value or a place under a name that was wrong."""
    return [(d.code, d.message) for d in found if d.code in {"NL104", "NL105", "NL204", "NL205", "NL207"}]


def test_no_case_is_left_over() -> None:
    assert {path.name for path in CASES.iterdir()} <= set(CODES)


def test_every_code_can_be_explained() -> None:
    for code, entry in CODES.items():
        assert entry.code == code
        assert len(entry.explanation) > 80, code
        assert entry.title
        assert json.dumps(entry.explanation)
