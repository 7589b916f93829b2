"""`check`, `explain`, `schema` and `new` as a user types them: what is printed, what is left on disk, the exit code."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from newsletter import app
from newsletter.cli.new import next_date
from newsletter.cli.root import run as run_command_line
from newsletter.clock import FakeClock
from newsletter.content.guide import read_guide
from newsletter.content.guide_files import guide_files
from newsletter.diagnostics import CODES
from newsletter.model.guide import Guide
from newsletter.model.issue import Prose
from tests.conftest import ROOT

GOOD = (Path(__file__).parent.parent / "cases" / "NL101" / "good.md").read_text("utf-8")
GUIDE = (Path(__file__).parent.parent / "cases" / "NL501" / "good.md").read_text("utf-8")
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
    (home / "issues" / "README.md").write_text("# About")
    (home / "issues" / "welcome.md").write_text("Hello")
    assert run("check") == (0, "checked 1 issue: no findings\n", "")
    assert run("check", "issues") == (0, "checked 1 issue: no findings\n", "")
    assert run("check", "issues/001-a.md", "issues")[1] == "checked 1 issue: no findings\n"
    assert run("check", "1")[:2] == (0, "checked 1 issue: no findings\n")
    # What is named is checked, whatever its name is.
    assert run("check", "issues/README.md")[0] == 1


def test_where_nothing_is_to_be_checked_the_next_step_is_named(home: Path, run: Run) -> None:
    code, out, err = run("check")
    assert (code, out) == (0, "checked 0 issues: no findings\n")
    assert "newsletter new" in err
    (home / "newsletter.toml").unlink()
    assert "newsletter init" in run("check")[2]


def test_guides_are_checked_beside_the_issues(home: Path, run: Run) -> None:
    guides = home / "issues" / "guides"
    (home / "issues" / "001-a.md").write_text(GOOD)
    (guides / "README.md").write_text("# About")
    (guides / "drafts").mkdir()
    (guides / "drafts" / "b.md").write_text("not yet")
    (guides / "queue-or-cron.md").write_text(GUIDE)
    assert run("check") == (0, "checked 1 issue and 1 guide: no findings\n", "")
    assert run("check", "issues") == (0, "checked 1 issue and 1 guide: no findings\n", "")
    assert run("check", "issues/guides") == (0, "checked 1 guide: no findings\n", "")
    assert run("check", "issues/guides/queue-or-cron.md")[1] == "checked 1 guide: no findings\n"
    # What stands among the guides is meant to be one, whatever it says.
    (guides / "b.md").write_text(GOOD)
    code, out, _ = run("check", "--format", "concise")
    assert code == 1
    assert "issues/guides/b.md:2:1: NL102 unknown front matter key `number`" in out


def test_a_guide_is_compared_with_issues_that_are_not_named(home: Path, run: Run) -> None:
    (home / "issues" / "001-a.md").write_text(GOOD)
    path = home / "issues" / "guides" / "b.md"
    path.write_text(GUIDE.replace("sources:", "related: [a, 2]\naliases: [a]\nsources:"))
    code, out, _ = run("check", "issues/guides/b.md", "--format", "concise")
    assert code == 1
    assert out.splitlines() == [
        "issues/guides/b.md:8:14: NL515 there is no issue 2",
        "issues/guides/b.md:9:11: NL902 the address `a` is taken by issues/001-a.md",
        "2 errors in 1 file",
    ]


def test_a_guide_is_past_its_review_by_the_newsletters_own_clock(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(dt.datetime(2026, 6, 30, 21, 59, tzinfo=dt.UTC))
    (home / "newsletter.toml").write_text('timezone = "Europe/Berlin"\n')
    path = home / "issues" / "guides" / "b.md"
    path.write_text(GUIDE.replace("2099-01-06", "2026-06-30"))
    opened = app.open_workspace

    def open_workspace() -> app.Workspace:
        workspace = opened()
        workspace.clock = clock
        return workspace

    monkeypatch.setattr(app, "open_workspace", open_workspace)
    assert run("check")[0] == 0
    clock.sleep(60)
    code, out, _ = run("check", "--format", "concise")
    assert code == 1
    assert out.startswith("issues/guides/b.md:7:12: NL513 the review was due on 2026-06-30\n")


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
        (["new", "--guide", "A vs B", "--date", "2026-02-03"], "leave out --date"),
        (["new", "--guide", "日本"], "no letter that an address"),
        (["schema", "guides"], "it is issue or guide"),
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
    explained = json.loads(run("explain", "NL310", "--json")[1])
    assert (explained["severity"], "judgement" in explained["source"]) == ("warning", True)
    assert "Source: RFC 2606; RFC 6761" in run("explain", "NL811")[1]


def test_all_explanations_make_a_page_with_a_place_for_each_code(home: Path, run: Run) -> None:
    page = run("explain", "--markdown")[1]
    assert re.findall(r"^### (NL\d+): ", page, re.MULTILINE) == sorted(CODES)
    assert len(re.findall(r"^## ", page, re.MULTILINE)) == 14
    assert all(entry.explanation in page for entry in CODES.values())
    one = run("explain", "NL812", "--markdown")[1]
    assert re.findall(r"^### (NL\d+): ", one, re.MULTILINE) == ["NL812"]
    assert run("explain", "--markdown", "--json")[0] == 2


def test_schema_is_json(home: Path, run: Run) -> None:
    code, out, _ = run("schema")
    assert code == 0
    assert json.loads(out)["$defs"]["concept"]["x-heading"] == "## Concept: …"


def test_the_schema_of_a_guide_accepts_ours_and_refuses_what_the_checks_refuse(home: Path, run: Run) -> None:
    schema = json.loads(run("schema", "guide")[1])
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    files = guide_files(ROOT / "issues")
    assert len(files) >= 4
    for path in files:
        guide = read_guide(path).guide
        assert guide is not None
        written = as_written(guide)
        assert list(validator.iter_errors(written)) == []
        for key in ("options", "updated", "review_by"):
            front = {name: value for name, value in written["frontMatter"].items() if name != key}
            assert list(validator.iter_errors({**written, "frontMatter": front}))
        assert list(validator.iter_errors({**written, "faq": {"questions": []}}))


def as_written(guide: Guide) -> dict[str, Any]:
    """A guide as the schema describes it: prose as text, without places."""

    def plain(value: Any) -> Any:
        if isinstance(value, Prose):
            return value.text
        if isinstance(value, BaseModel):
            return {name: plain(field) for name, field in value if name != "line"}
        if isinstance(value, dt.date):
            return value.isoformat()
        return [plain(item) for item in value] if isinstance(value, tuple) else value

    parts = {"frontMatter": guide.front, **guide._asdict()}
    return {name: plain(parts[name]) for name in ("frontMatter", "summary", "comparison", "choosing", "faq")}


@pytest.mark.parametrize(
    ("title", "options"),
    [
        ("RAG vs. fine-tuning", ["RAG", "fine-tuning"]),
        ("BM25, vectors or both: what to take", ["BM25", "vectors", "both"]),
        ('"A" VS \\B', ['"A"', "\\B"]),
        ("Evals", ["TK option A", "TK option B"]),
        ("A vs B vs C vs D vs E", ["TK option A", "TK option B"]),
        ("A vs a", ["TK option A", "TK option B"]),
    ],
)
def test_a_new_guide_checks_clean_but_for_its_blanks(
    home: Path, run: Run, title: str, options: list[str]
) -> None:
    made = json.loads(run("new", "--guide", title, "--json")[1])
    path = home / made["path"]
    assert path.parent == home / "issues" / "guides"
    assert {entry["code"] for entry in json.loads(run("check", "--format", "json")[1])} == {"NL310"}
    guide = read_guide(path).guide
    assert guide is not None
    assert list(guide.front.options) == options
    assert guide.front.status == "draft"
    # What is written in place of a blank leaves nothing behind.
    written = re.sub(r"\bTK (?=\w)", "", path.read_text("utf-8")).replace("TK", "Yes")
    path.write_text(written.replace("status: draft", "status: ready"))
    assert run("check")[1] == "checked 1 guide: no findings\n"
    before = path.read_bytes()
    assert "exists already" in run("new", "--guide", title)[2]
    assert path.read_bytes() == before


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


def test_a_title_that_was_there_before_or_is_a_page_of_the_site_gets_an_address_of_its_own(
    home: Path, run: Run
) -> None:
    names = [json.loads(run("new", title, "--json")[1])["path"] for title in ("Links", "Links", "Search")]
    assert names == ["issues/001-links.md", "issues/002-links-2.md", "issues/003-search-3.md"]
    assert {entry["code"] for entry in json.loads(run("check", "--format", "json")[1])} == {"NL310"}


def test_new_refuses_a_file_that_exists(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.cli.new._before", lambda _: (0, None, set()))
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
