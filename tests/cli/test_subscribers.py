"""The list from the terminal: what is printed, what scripts get, and what a mistake is told."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import Run, run_here

LIST = "email,name,tags,status\nada@example.com,Ada,beta;vip,active\nbob@example.com,Bob,,active\ngone@example.com,,,unsubscribed\nbroken,,,active\n"


@pytest.fixture
def subscribers(tmp_path: Path) -> Run:
    """`newsletter subscribers …` in a folder with a list to import, through the program's own entry point.

    In this process: starting one for each of a hundred calls would be most of the time.
    """
    (tmp_path / "list.csv").write_text(LIST)

    def run(*arguments: str, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        return run_here("subscribers", *arguments, cwd=cwd)

    return run


def data(result: subprocess.CompletedProcess[str]) -> object:
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return json.loads(result.stdout)


def test_an_import_reports_exactly_the_agreed_keys_and_a_second_one_is_all_unchanged(
    subscribers: Run,
) -> None:
    first = data(subscribers("import", "list.csv", "--json"))
    assert isinstance(first, dict)
    errors_file = Path(first.pop("errors_file"))
    assert first == {"added": 2, "updated": 0, "unchanged": 0, "suppressed": 1, "rejected": 1}
    assert errors_file.read_text().splitlines()[1].startswith("5,An email address must have an @-sign,broken")
    second = data(subscribers("import", "list.csv", "--json"))
    assert second == {
        "added": 0,
        "updated": 0,
        "unchanged": 3,
        "suppressed": 0,
        "rejected": 1,
        "errors_file": str(errors_file),
    }
    [(_, tags)] = [
        (p["email"], p["tags"]) for p in json.loads(subscribers("list", "--json", "--tag", "vip").stdout)
    ]
    assert tags == ["beta", "vip"]


def test_an_import_without_a_rejected_row_has_no_errors_file(subscribers: Run, tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text("email\na@example.com\n")
    result = subscribers("import", "good.csv", "--json", "--tag", "x", "--consent", "joined at the meetup")
    assert data(result) == {
        "added": 1,
        "updated": 0,
        "unchanged": 0,
        "suppressed": 0,
        "rejected": 0,
        "errors_file": None,
    }
    assert "every row is taken as active" in result.stderr
    shown = data(subscribers("show", "a@example.com", "--json"))
    assert isinstance(shown, dict)
    assert shown["tags"] == ["x"]
    assert "joined at the meetup" in shown["consent"][0]["detail"]


def test_a_dry_run_changes_nothing(subscribers: Run) -> None:
    result = subscribers("import", "list.csv", "--dry-run")
    assert result.returncode == 0
    assert "nothing is changed" in result.stdout
    assert data(subscribers("list", "--json")) == []


def test_show_has_the_agreed_keys(subscribers: Run) -> None:
    subscribers("add", "Ada@Example.com", "--name", "Ada", "--tag", "x", "--tag", "y")
    shown = data(subscribers("show", "ada@example.com", "--json"))
    assert isinstance(shown, dict)
    assert {key: shown[key] for key in ("email", "status", "tags", "name", "metadata")} == {
        "email": "Ada@Example.com",
        "status": "active",
        "tags": ["x", "y"],
        "name": "Ada",
        "metadata": {},
    }
    assert shown["created_at"].endswith("Z")
    assert [event["action"] for event in shown["consent"]] == ["added"]
    plain = subscribers("show", "ada@example.com").stdout
    assert "Ada@Example.com" in plain
    assert "added by operator" in plain
    assert "\x1b" not in plain


def test_leaving_and_coming_back(subscribers: Run) -> None:
    subscribers("add", "a@example.com")
    left = data(subscribers("unsubscribe", "a@example.com", "--json"))
    assert left == {"email": "a@example.com", "status": "unsubscribed", "changed": True}
    again = data(subscribers("unsubscribe", "a@example.com", "--json"))
    assert again == {"email": "a@example.com", "status": "unsubscribed", "changed": False}
    refused = subscribers("add", "a@example.com")
    assert refused.returncode == 2
    assert "isn't brought back" in refused.stderr
    assert "--resubscribe" in refused.stderr
    back = data(subscribers("add", "a@example.com", "--resubscribe", "wrote to us", "--json"))
    assert isinstance(back, dict)
    assert (back["outcome"], back["status"]) == ("resubscribed", "active")


def test_lists_are_filtered_and_counted(subscribers: Run) -> None:
    subscribers("import", "list.csv")
    people = data(subscribers("list", "--status", "active", "--json"))
    assert isinstance(people, list)
    assert [person["email"] for person in people] == ["ada@example.com", "bob@example.com"]
    assert subscribers("list", "--search", "GONE").stdout.split() == ["unsubscribed", "gone@example.com"]
    assert len(subscribers("list", "--limit", "2").stdout.splitlines()) == 2
    assert "nobody fits" in subscribers("list", "--tag", "none").stderr
    stats = data(subscribers("stats", "--json"))
    assert isinstance(stats, dict)
    assert stats["total"] == 3
    assert stats["status"]["active"] == 2
    assert stats["active_by_tag"] == {"beta": 1, "vip": 1}
    assert "total" in subscribers("stats").stdout


def test_tags_are_given_and_taken(subscribers: Run) -> None:
    subscribers("import", "list.csv")
    result = subscribers(
        "tag", "ada@example.com", "bob@example.com", "--add", "new", "--remove", "vip", "--json"
    )
    assert data(result) == {"people": 2, "changed": 3}
    nothing = subscribers("tag", "ada@example.com")
    assert nothing.returncode == 2
    assert "--add" in nothing.stderr


def test_an_export_comes_back_in_elsewhere(subscribers: Run, tmp_path: Path) -> None:
    subscribers("import", "list.csv")
    subscribers("add", "+plus@example.com", "--name", "=1+1")
    result = subscribers("export", "--out", "out.csv")
    assert result.returncode == 0
    assert "4 people written" in result.stderr
    out = tmp_path / "out.csv"
    assert out.stat().st_mode & 0o077 == 0
    assert "\n'+plus@example.com,'=1+1," in out.read_text()
    raw = subscribers("export", "--raw").stdout
    assert "\n+plus@example.com,=1+1," in raw
    assert [row["email"] for row in csv.DictReader(io.StringIO(raw))][-1] == "+plus@example.com"
    lines = subscribers("export", "--format", "jsonl", "--status", "active").stdout.splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["Ada", "Bob", "=1+1"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    counts = data(subscribers("import", str(out), "--json", cwd=elsewhere))
    assert isinstance(counts, dict)
    assert (counts["added"], counts["suppressed"], counts["rejected"]) == (3, 1, 0)
    again = subscribers("export", "--raw", cwd=elsewhere).stdout
    assert sorted(again.splitlines()) == sorted(raw.splitlines())


def test_erasing_asks_and_then_forgets(subscribers: Run) -> None:
    subscribers("add", "a@example.com")
    refused = subscribers("erase", "a@example.com")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert data(subscribers("erase", "a@example.com", "--yes", "--json")) == {"erased": True, "id": 1}
    assert subscribers("show", "a@example.com").returncode == 1
    assert "was erased" in subscribers("add", "a@example.com").stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "ada"), 2, "`ada` is not an email address"),
        (("show", "nobody@example.com"), 1, "nobody@example.com is not on the list"),
        (("add", "a@localhost"), 2, "is not an email address"),
        (("list", "--status", "happy"), 2, "there is no status `happy`"),
        (("list", "--search", os.fsdecode(b"\xff")), 0, "nobody"),
        (("import", "nowhere.csv"), 1, "nowhere.csv can't be read"),
        (("import", "names.csv"), 1, "has no email column; its columns are `name`"),
        (("import", "list.csv", "--map", "email"), 2, "names no column"),
        (("import", "list.csv", "--map", "email=Nope"), 2, "has no column `Nope`"),
        (("import", "list.csv", "--status", "happy"), 2, "there is no status `happy`"),
        (("export", "--format", "xlsx"), 2, "there is no format `xlsx`"),
        (("export", "--out", "."), 1, "can't be written: it is a folder"),
        (("export", "--out", "missing/out.csv"), 1, "can't be written: No such file"),
        (("unsubscribe", "nobody@example.com"), 1, "is not on the list"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    subscribers: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "names.csv").write_text("name\nAda\n")
    result = subscribers(*arguments)
    assert result.returncode == code, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_arguments_that_are_no_text_are_told_so(run: Run) -> None:
    result = run("subscribers", "add", os.fsdecode(b"a\xff@example.com"))
    assert result.returncode == 2
    assert "is not an email address" in result.stderr


def test_every_command_has_help_with_an_example(subscribers: Run) -> None:
    for name in ("add", "list", "show", "tag", "import", "export", "unsubscribe", "stats", "erase"):
        shown = subscribers(name, "--help").stdout
        assert f"Example: newsletter subscribers {name}" in shown, name


def test_a_reader_that_leaves_early_is_no_error(subscribers: Run, tmp_path: Path) -> None:
    (tmp_path / "many.csv").write_text("email\n" + "".join(f"p{i}@example.com\n" for i in range(20_000)))
    subscribers("import", "many.csv")
    command = f"{sys.executable} -m newsletter subscribers export | head -n 1"
    result = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("email,name,status")
    assert result.stderr == ""


def test_a_terminal_shows_a_bar_only_for_long_work(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    with path.open("w") as stream:
        stream.write("email,name,tags,status,plan\n")
        for i in range(150_000):
            stream.write(f"p{i}@example.com,Ü{i},t;u,{'unsubscribed' if i % 2 else 'active'},x{i}\n")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "newsletter", "subscribers", "import", "list.csv"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(theirs)
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:
        pass  # Linux says so when the other end is closed
    os.close(ours)
    assert process.stdout is not None
    with process.stdout:
        assert b"75,000" in process.stdout.read()
    assert process.wait() == 0
    assert b"%" in said
    assert b"merging" in said
