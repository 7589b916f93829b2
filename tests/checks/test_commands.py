"""`check`, `explain`, `schema` and `new` as a user types them: what is printed, what is left on disk, the exit code."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.cli.new import next_date
from newsletter.cli.root import run as run_command_line

GOOD = (Path(__file__).parent.parent / "cases" / "NL101" / "good.md").read_text("utf-8")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "issues" / "guides").mkdir(parents=True)
    (tmp_path / "newsletter.toml").write_text('name = "Notes"\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NEWSLETTER_HOME", raising=False)
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["newsletter", *arguments])
        with pytest.raises(SystemExit) as left:
            run_command_line()
        out, err = capsys.readouterr()
        code = left.value.code
        return code if isinstance(code, int) else 0, out, err

    return call


def test_a_clean_newsletter_leaves_with_0(home: Path, run: Run) -> None:
    (home / "issues" / "001-a.md").write_text(GOOD)
    (home / "issues" / "guides" / "a.md").write_text("a guide")
    (home / "issues" / "README.md").write_text("# About")
    (home / "issues" / "welcome.md").write_text("Hello")
    assert run("check") == (0, "checked 1 issue: no findings\n", "")
    assert run("check", "issues") == (0, "checked 1 issue: no findings\n", "")
    assert run("check", "issues/001-a.md", "issues")[1] == "checked 1 issue: no findings\n"
    assert run("check", "1")[:2] == (0, "checked 1 issue: no findings\n")
    # What is named is checked, whatever its name is.
    assert run("check", "issues/README.md")[0] == 1


def test_findings_leave_with_1_and_infos_with_0(home: Path, run: Run) -> None:
    path = home / "issues" / "001-a.md"
    path.write_text(GOOD.replace("description:", "descripton:"))
    code, out, _ = run("check", "--format", "concise")
    assert (code, out) == (
        1,
        "issues/001-a.md:5:1: NL102 unknown front matter key `descripton`\n1 error in 1 file\n",
    )
    path.write_text(GOOD.rstrip("\n"))
    code, out, _ = run("check", "--format", "json")
    assert code == 0
    assert [entry["code"] for entry in json.loads(out)] == ["NL217"]


def test_fix_mends_and_says_how_much(home: Path, run: Run) -> None:
    path = home / "issues" / "001-a.md"
    path.write_text(GOOD.replace("description:", "descripton:").rstrip("\n"))
    assert run("check", "--fix") == (0, "checked 1 issue: no findings\n", "2 replacements made\n")
    assert path.read_text() == GOOD


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "issues/none.md"], "doesn't exist"),
        (["check", "none"], "there is no issue `none`"),
        (["check", "--format", "jsn"], "did you mean `json`?"),
        (["check", "--colour"], "No such option"),
        (["explain", "NL30"], "did you mean NL3"),
        (["explain", "\x1b[2J"], "newsletter explain lists all codes"),
        (["new", "  "], "printable words"),
        (["new", "x", "--date", "2026-2-3"], "write it like 2026-03-03"),
        (["new", "x", "--date", "20260203"], "write it like 2026-03-03"),
    ],
)
def test_wrong_use_leaves_with_2_and_a_way_out(home: Path, run: Run, arguments: list[str], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_a_code_that_does_not_exist_in_the_settings_is_refused(home: Path, run: Run) -> None:
    (home / "newsletter.toml").write_text('[checks]\noff = ["NL3100"]\n')
    (home / "issues" / "001-a.md").write_text(GOOD)
    code, _, err = run("check")
    assert code == 2
    assert "NL310" in err


def test_issues_that_contradict_one_another_are_found_when_only_one_is_named(home: Path, run: Run) -> None:
    (home / "issues" / "001-a.md").write_text(GOOD)
    (home / "issues" / "002-b.md").write_text(GOOD)
    code, out, _ = run("check", "issues/002-b.md", "--format", "concise")
    assert code == 1
    assert "NL901 issue number 1 is taken by issues/001-a.md" in out
    assert "issues/001-a.md:" not in out


def test_explain_tells_about_one_code_or_lists_all(home: Path, run: Run) -> None:
    code, out, _ = run("explain", "nl102")
    assert code == 0
    assert out.startswith("NL102 · error · unknown front matter key")
    listed = run("explain")[1].splitlines()
    assert listed == sorted(listed)
    assert len(listed) > 40
    assert json.loads(run("explain", "NL310", "--json")[1])["severity"] == "warning"


def test_schema_is_json(home: Path, run: Run) -> None:
    code, out, _ = run("schema")
    assert code == 0
    assert json.loads(out)["$defs"]["concept"]["x-heading"] == "## Concept: …"


def test_new_counts_dates_and_never_overwrites(home: Path, run: Run) -> None:
    code, out, _ = run("new", "Größe: was  zählt?", "--date", "2026-03-03")
    assert code == 0
    path = home / "issues" / "001-grosse-was-zahlt.md"
    assert out.startswith("issues/001-grosse-was-zahlt.md  (issue 1, Tuesday 2026-03-03)\n")
    assert "newsletter preview issues/001-grosse-was-zahlt.md" in out
    assert 'title: "Größe: was zählt?"' in path.read_text("utf-8")
    made = json.loads(run("new", "Next", "--json")[1])
    assert (made["path"], made["number"]) == ("issues/002-next.md", 2)
    when = dt.date.fromisoformat(made["date"])
    assert when >= dt.datetime.now(dt.UTC).date()
    assert when.weekday() == 1
    found = json.loads(run("check", "--format", "json")[1])
    assert {entry["code"] for entry in found} == {"NL310"}
    # A number taken in a file that can't be read is taken all the same.
    (home / "issues" / "009-broken.md").write_bytes(b"\xff\xfe")
    assert json.loads(run("new", "日本語", "--json")[1]) == {
        "path": "issues/010.md", "number": 10, "date": (when + dt.timedelta(days=7)).isoformat(), "slug": "issue-10",
    }  # fmt: skip


def test_new_refuses_a_file_that_exists(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.cli.new._last", lambda _: (0, None))
    target = home / "issues" / "001-x.md"
    target.write_text("mine")
    code, _, err = run("new", "x")
    assert code == 2
    assert "exists already" in err
    assert target.read_text() == "mine"


def test_new_where_no_file_can_be_made_is_a_sentence(home: Path, run: Run) -> None:
    # Root may write in any folder, but not in what is none.
    (home / "issues").rename(home / "elsewhere")
    (home / "issues").write_text("mine")
    code, _, err = run("new", "x")
    assert code == 1
    assert str(home / "issues") in err
    assert (home / "issues").read_text() == "mine"


TUESDAY = dt.date(2026, 1, 6)


@pytest.mark.parametrize(
    ("today", "last", "day", "expected"),
    [
        (dt.date(2026, 1, 4), None, "", TUESDAY),
        (TUESDAY, None, "", TUESDAY),
        (dt.date(2026, 1, 7), None, "", dt.date(2026, 1, 13)),
        (dt.date(2026, 1, 7), None, "thursday", dt.date(2026, 1, 8)),
        (TUESDAY, dt.date(2026, 1, 1), "", dt.date(2026, 1, 8)),
        (dt.date(2026, 2, 1), dt.date(2026, 1, 1), "", dt.date(2026, 2, 5)),
        (TUESDAY, dt.date(2026, 1, 8), "thursday", dt.date(2026, 1, 15)),
        (TUESDAY, dt.date(2026, 1, 1), "thursday", dt.date(2026, 1, 8)),
        (dt.date(2026, 1, 9), dt.date(2026, 1, 2), "", dt.date(2026, 1, 9)),
        (TUESDAY, TUESDAY, "tuesday", dt.date(2026, 1, 13)),
    ],
)
def test_the_next_send_date(today: dt.date, last: dt.date | None, day: str, expected: dt.date) -> None:
    assert next_date(today, last, day) == expected


def test_the_command_itself_starts_checks_and_leaves_without_a_traceback(home: Path) -> None:
    (home / "issues" / "001-a.md").write_bytes(b"\x00\xff" * 50)
    command = [str(Path(sys.executable).parent / "newsletter"), "check"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error[NL100]" in done.stdout
    assert done.stderr == ""
