"""Every code of the finished message has a case: a newsletter whose template or settings show it, and one where it is mended.

A case is the folders `bad` and `good`: a newsletter with an `issue.md`, or a `mail.eml` for what only another program
could do to a message; `bad.out` is what is printed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.app import Workspace
from newsletter.checks.output.message import RULES, check_message
from newsletter.checks.output.origin import Origin
from newsletter.checks.output.rendered import check_rendered
from newsletter.cli.check_output import rendering_for
from newsletter.cli.diagnostic_formats import formatted
from newsletter.config import Secrets, load_settings
from newsletter.content.issue import read_issue
from newsletter.diagnostics import CODES, Diagnostic
from newsletter.diagnostics.codes_output import OUTPUT
from tests.conftest import ROOT

CASES = ROOT / "tests" / "cases"
# The whole issue is too large, or another program changed the message on its way.
OF_THE_WHOLE = {"NL740", "NL741", "NL754", "NL755", "NL756"}


def findings(folder: Path) -> list[Diagnostic]:
    mail = folder / "mail.eml"
    if mail.is_file():
        return check_message(mail.read_bytes().replace(b"\n", b"\r\n"), origin=Origin(path=str(mail)))
    rendering = rendering_for(Workspace(folder, load_settings(folder), Secrets(folder, {})))
    issue = read_issue(folder / "issue.md").issue
    assert issue is not None
    return check_rendered(issue, rendering)


@pytest.fixture(params=sorted(OUTPUT))
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = CASES / str(request.param)
    assert folder.is_dir(), f"{request.param} has no case"
    monkeypatch.chdir(folder)
    return folder


def test_the_bad_case_shows_the_code_alone_at_its_place_and_the_good_one_nothing(
    case: Path, request: pytest.FixtureRequest
) -> None:
    found = findings(Path("bad"))
    assert {diagnostic.code for diagnostic in found} == {case.name}
    printed = formatted(found, "text", 1)
    expected = case / "bad.out"
    if request.config.getoption("--update-cases"):
        expected.write_text(printed, "utf-8")
    assert printed == expected.read_text("utf-8")
    for diagnostic in found:
        assert diagnostic.line > 0 or case.name in OF_THE_WHOLE, diagnostic
        assert diagnostic.help
        assert not diagnostic.message.endswith(".")
    assert findings(Path("good")) == []


def test_every_code_belongs_to_one_rule_and_can_be_explained() -> None:
    reported = [code for rule in RULES for code in rule.codes]
    assert sorted(reported) == sorted(set(OUTPUT) - {"NL760"})
    for code, entry in OUTPUT.items():
        assert CODES[code] is entry
        assert len(entry.explanation) > 80


def test_a_rule_whose_codes_are_off_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = (CASES / "NL755" / "bad" / "mail.eml").read_bytes()
    assert {d.code for d in check_message(raw)} == {"NL755"}
    assert check_message(raw, off=("NL755",)) == []
