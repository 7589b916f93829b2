"""`[checks.files]` and `--online` as a user meets them: what is turned off where, what is refused, what asks nobody."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.cli.root import run as run_command_line
from tests.conftest import ROOT

GOOD = (ROOT / "tests" / "cases" / "NL101" / "good.md").read_text("utf-8")
SHORT = "[The paper](https://bit.ly/3xYz) and [the code](http://10.0.0.1/code).\n"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "issues").mkdir()
    for number in (1, 2):
        text = GOOD.replace("number: 1", f"number: {number}") + "\n" + SHORT
        (tmp_path / "issues" / f"00{number}-a{number}.md").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NEWSLETTER_HOME", raising=False)
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["newsletter", "check", "--no-render", *arguments])
        with pytest.raises(SystemExit) as left:
            run_command_line()
        out, err = capsys.readouterr()
        code = left.value.code
        return code if isinstance(code, int) else 0, out, err

    return call


def settings(home: Path, files: str) -> None:
    (home / "newsletter.toml").write_text(
        f'name = "Notes"\n[checks]\noff = ["NL309"]\n[checks.files]\n{files}\n'
    )


def found(out: str) -> list[tuple[str, str]]:
    return [(Path(entry["path"]).name, entry["code"]) for entry in json.loads(out)]


@pytest.mark.parametrize("pattern", ["issues/001-*.md", "001-a1.md", "issues/*1.md"])
def test_a_code_is_off_in_the_files_a_pattern_names_and_nowhere_else(
    home: Path, run: Run, pattern: str
) -> None:
    settings(home, f'"{pattern}" = ["NL812"]')
    code, out, err = run("--format", "json")
    assert (code, found(out), err) == (1, [("002-a2.md", "NL812")], "")
    assert run("issues/001-a1.md")[:2] == (0, "checked 1 issue: no findings\n")


def test_a_pattern_that_names_nothing_is_told_and_a_code_that_is_none_refused(home: Path, run: Run) -> None:
    settings(home, '"issues/007-*.md" = ["NL812"]')
    assert "007-*.md" in run()[2]
    # Who names one file doesn't ask about the others.
    assert run("issues/001-a1.md")[2] == ""
    for codes, said in (("NL8122", "did you mean NL812"), ("NL201", "can't be turned off")):
        settings(home, f'"issues/007-*.md" = ["{codes}"]')
        code, out, err = run()
        assert (code, out) == (2, "")
        assert said in err
        assert "007-*.md" in err


def test_the_web_is_asked_only_on_request_and_never_inside_a_network(home: Path, run: Run) -> None:
    settings(home, '"*.md" = ["NL812", "NL851", "NL852", "NL856"]')
    assert found(run("--format", "json")[1]) == []
    code, out, _ = run("--format", "json", "--online")
    assert code == 1
    assert found(out) == [("001-a1.md", "NL854"), ("002-a2.md", "NL854")]
