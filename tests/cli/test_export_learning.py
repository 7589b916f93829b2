"""`newsletter export questions | dataset` as they are run: the right form, whole or not at all, and frank."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from newsletter.cli.export import app
from newsletter.errors import NewsletterError, UsageError
from tests.running import Run, run_here
from tests.site.conftest import issue, tree

SETTINGS = """\
name = "Notes"
from = "notes@example.com"
postal_address = "1 Example Street"
base_url = "https://notes.example.com"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "newsletter.toml").write_text(SETTINGS)
    (tmp_path / "issues").mkdir()
    for number in (1, 2):
        (tmp_path / "issues" / f"00{number}-issue.md").write_text(
            issue(number, f"Issue {number}", extra=f"slug: issue-{number}\n").replace(
                "Because", f"Because of {number}"
            )
        )
    return tmp_path


def test_the_ending_chooses_the_form_and_a_folder_gets_all(run: Run, home: Path) -> None:
    done = run("export", "questions", "--drafts", "--out", "bank", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "questions": 2,
        "levels": {"mid": 2},
        "files": [
            {"path": f"bank/questions.{ending}", "format": form}
            for ending, form in (("json", "json"), ("csv", "csv"), ("tsv", "anki"))
        ],
    }
    one = run("export", "questions", "--drafts", "--out", "cards.txt", cwd=home)
    assert one.stdout == "2 questions written to cards.txt\n"
    assert (home / "cards.txt").read_bytes() == (home / "bank" / "questions.tsv").read_bytes()
    printed = run("export", "questions", "--drafts", "--out", "-", "--format", "csv", cwd=home)
    assert printed.stdout == (home / "bank" / "questions.csv").read_text()


def test_drafts_stay_at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    done = CliRunner().invoke(app, ["questions", "--out", "q.json"])
    assert done.exit_code == 0, done.output
    assert "only sent issues are published" in done.stderr
    assert json.loads((home / "q.json").read_text())["questions"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "q.xlsx"), "q.xlsx has an ending that tells no format"),
        (("--out", "q.json", "--format", "xml"), "there is no format `xml`"),
        (("--out", "-"), "standard output has no ending"),
        (("--out", "-", "--format", "csv", "--json"), "standard output gets the questions themselves"),
    ],
)
def test_a_form_that_there_is_not_is_a_mistake_of_use(
    home: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(home)
    failure = CliRunner().invoke(app, ["questions", *arguments]).exception
    assert isinstance(failure, UsageError)
    assert message in failure.message


@pytest.mark.parametrize("command", ["corpus", "questions", "dataset"])
def test_a_terminal_is_told_where_reading_takes_a_moment(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    for number in range(3, 103):
        (home / "issues" / f"{number:03}-draft.md").write_text("")
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    app([command, "--out", "out"], standalone_mode=False)
    assert capsys.readouterr().err.startswith("reading 102 issues …\n")


def test_an_issue_with_an_error_stops_it_and_the_old_file_stays(run: Run, home: Path) -> None:
    (home / "q.json").write_text("old")
    path = home / "issues" / "002-issue.md"
    path.write_text(path.read_text().replace("### Answer\nBecause of 2.\n", ""))
    done = run("export", "questions", "--drafts", "--out", "q.json", cwd=home)
    assert done.returncode == 1
    assert "--> issues/002-issue.md:" in done.stderr
    assert "nothing was written" in done.stderr
    assert (home / "q.json").read_text() == "old"


def test_all_files_or_none_where_one_cannot_be_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    bank = home / "bank"
    (bank / "questions.tsv").mkdir(parents=True)
    (bank / "questions.json").write_text("old")
    failure = CliRunner().invoke(app, ["questions", "--drafts", "--out", "bank"]).exception
    assert isinstance(failure, NewsletterError)
    assert "questions.tsv can't be written: it is a folder" in failure.message
    assert (bank / "questions.json").read_text() == "old"
    assert sorted(path.name for path in bank.iterdir()) == ["questions.json", "questions.tsv"]


def test_training_data_comes_with_a_report_that_is_frank(run: Run, home: Path) -> None:
    done = run("export", "dataset", "--drafts", "--out", "data", cwd=home)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (home / "data").iterdir()) == [
        "report.json",
        "train.jsonl",
        "validation.jsonl",
    ]
    assert "too few for any fine-tune" in done.stdout
    assert "Facts belong in retrieval" in done.stdout
    report = json.loads((home / "data" / "report.json").read_text())
    for part in ("train", "validation"):
        lines = (home / "data" / f"{part}.jsonl").read_text().splitlines()
        assert len(lines) == report[part]["examples"] > 0
    # Most sections of the two issues say the same.
    assert report["copies"]
    before = (home / "data" / "train.jsonl").read_bytes()
    again = run("export", "dataset", "--drafts", "--out", "data", "--json", cwd=home)
    assert json.loads(again.stdout)["train"] == report["train"]
    assert (home / "data" / "train.jsonl").read_bytes() == before


def test_without_an_address_nothing_can_be_cited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    (home / "newsletter.toml").write_text(SETTINGS.replace('base_url = "https://notes.example.com"\n', ""))
    failure = CliRunner().invoke(app, ["questions", "--drafts", "--out", "q.json"]).exception
    assert isinstance(failure, UsageError)
    assert "`base_url` isn't set" in failure.message


@pytest.mark.parametrize(
    "command",
    [
        "export corpus --out issues/001-issue.md",
        "export questions --drafts --format json --out issues/001-issue.md",
        "export questions --drafts --format json --out newsletter.toml",
        "export corpus --out .env",
        "export dataset --drafts --out .newsletter",
        "export dataset --drafts --out templates/email",
        "eval --questions --drafts --out issues/new.md",
    ],
)
def test_nothing_is_written_over_what_the_newsletter_is_made_of(home: Path, command: str) -> None:
    before = tree(home)
    done = run_here(*command.split(), cwd=home)
    assert done.returncode == 2
    assert "is the newsletter's own, and no place for an export" in done.stderr
    assert tree(home) == before


def test_an_export_may_stand_among_the_issues(home: Path) -> None:
    assert run_here("export", "questions", "--drafts", "--out", "issues/bank.json", cwd=home).returncode == 0
    assert run_here("export", "corpus", "--out", "issues/corpus", cwd=home).returncode == 0
    assert (home / "issues" / "corpus" / "corpus.manifest.json").is_file()


def test_words_and_names_of_other_bytes_are_said_to_be_none(home: Path) -> None:
    for command in (["search", "x\udcff"], ["site", "build", "--drafts", "--out", "x\udcff"]):
        done = run_here(*command, cwd=home)
        assert done.returncode == 2
        assert "x<U+DCFF>" in done.stderr
        assert "isn't UTF-8" in done.stderr
    (home / "templates" / "site").mkdir(parents=True)
    (home / "templates" / "site" / "issue.html.j2").write_bytes(b"caf\xe9")
    done = run_here("site", "build", "--drafts", cwd=home)
    assert done.returncode == 1
    assert "templates/site/issue.html.j2 isn't UTF-8" in done.stderr
