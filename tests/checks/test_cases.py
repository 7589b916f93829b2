"""Every code has a case: files that show it, files that don't, and what is printed. No Python is needed to add one.

A case is `bad.md` and `good.md`, or the folders `bad` and `good` where more than one file makes the
difference. NL4xx are found in what an issue becomes: its case is a newsletter, with a `newsletter.toml`,
`templates/` and pictures of its own where it takes them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from newsletter.app import Workspace
from newsletter.checks.run import check_files, fix_file
from newsletter.cli.diagnostic_formats import formatted
from newsletter.config import Secrets, load_settings
from newsletter.content.issue import read_issue
from newsletter.content.source import by_place
from newsletter.diagnostics import CODES, Diagnostic
from newsletter.diagnostics.origins import ORIGINS
from newsletter.preview.reader import outgoing_of
from newsletter.render.compile import compile_rendered
from newsletter.render.diagrams.drawers import drawer
from newsletter.render.email import EmailRenderer
from tests.conftest import missing

CASES = Path(__file__).parent.parent / "cases"
# Cases of 1 MB and more have no place in the repository; tests/content/test_issue.py and test_pictures.py make them.
GENERATED = {"NL109", "NL825", "NL826"}
# Only the web shows these: test_online.py has a server for them.
GENERATED |= {code for code in CODES if "NL850" <= code < "NL860"}
# What is missing on this machine, and more than a megabyte of pictures: tests/render and tests/send make these.
GENERATED |= {"NL460", "NL467", "NL468", "NL469", "NL470"}
# Building the site finds these; tests/site has their cases.
GENERATED |= {code for code in CODES if "NL600" <= code < "NL700"}
# The rules on the finished message find these; tests/checks/output has their cases in the same folders.
OUTPUT = {code for code in CODES if "NL700" <= code < "NL800"}
GENERATED |= OUTPUT
# Rendering and compiling find these, in an issue that parses.
RENDERED = {code for code in CODES if "NL400" <= code < "NL500"}
# What draws diagrams finds these.
DRAWN = {"NL461", "NL462", "NL463", "NL464", "NL465"}
# Nobody wrote them into the issue: they come from the settings, or from a template of the author's own.
OF_THE_WHOLE = {"NL406", "NL451", "NL452", "NL454"}


def findings(case: Path, name: str) -> tuple[list[Diagnostic], int]:
    """What is found in `bad.md`, or in all files of the folder `bad`, and how many files that were."""
    paths = paths_of(case, name)
    if case.name in RENDERED:
        return rendering_findings(paths[0].parent, paths), len(paths)
    return check_files(paths), len(paths)


def paths_of(case: Path, name: str) -> list[Path]:
    return sorted(Path(name).glob("*.md")) if (case / name).is_dir() else [Path(f"{name}.md")]


def rendering_findings(home: Path, paths: list[Path]) -> list[Diagnostic]:
    """What rendering and compiling say of valid issues, under the settings and templates in `home`."""
    workspace = Workspace(home, load_settings(home), Secrets(home, {}))
    attach = outgoing_of(workspace).attach
    renderer = workspace.renderer("attach" if attach else "link")
    found = [d for path in paths for d in issue_findings(path, renderer, attach=attach)]
    return sorted(dict.fromkeys(found), key=by_place)


def issue_findings(path: Path, renderer: EmailRenderer, *, attach: bool) -> list[Diagnostic]:
    parsed = read_issue(path)
    assert parsed.issue is not None, parsed.diagnostics
    rendered = renderer.render(parsed.issue)
    compiled = compile_rendered(rendered, parsed.issue, attach=attach)
    return [*rendered.diagnostics, *compiled.diagnostics]


@pytest.fixture(params=sorted(CODES.keys() - GENERATED))
def case(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = CASES / str(request.param)
    assert folder.is_dir(), f"{request.param} has no case"
    if request.param in DRAWN and not drawer("mermaid"):
        missing("merman")
    # Paths in the output are as a user in that folder would name them; drawing leaves something in it.
    copy = tmp_path_factory.mktemp("case") / folder.name
    shutil.copytree(folder, copy)
    monkeypatch.chdir(copy)
    return folder


def test_every_code_has_a_bad_and_a_good_case_and_no_case_is_left_over() -> None:
    for code in CODES.keys() - GENERATED:
        folder = CASES / code
        for name in ("bad", "good"):
            assert (folder / f"{name}.md").is_file() != any((folder / name).glob("*.md")), f"{code}: {name}"
        assert (folder / "bad.out").is_file(), code
    assert {path.name for path in CASES.glob("NL*")} == (set(CODES) - GENERATED) | OUTPUT


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
    # What rendering is happy with is no good case yet: an issue that can be sent passes the checks as well.
    assert check_files(paths_of(case, "good")) == []


def test_every_finding_of_a_bad_case_has_a_place_and_a_way_out(case: Path) -> None:
    for diagnostic in findings(case, "bad")[0]:
        if diagnostic.code not in OF_THE_WHOLE:
            assert diagnostic.line > 0, diagnostic
            assert diagnostic.column > 0, diagnostic
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


def test_every_code_can_be_explained() -> None:
    for code, entry in CODES.items():
        assert entry.code == code
        assert len(entry.explanation) > 80, code
        assert entry.title
        assert json.dumps(entry.explanation)


def test_every_code_says_where_it_comes_from() -> None:
    assert set(ORIGINS) == set(CODES)
    assert all(origin and not origin.endswith(".") for origin in ORIGINS.values())
