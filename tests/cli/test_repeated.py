"""A check that was made before is said again at once, and made anew when anything it looks at is another."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import NEWSLETTER, Run, python

FLAGS = ("--name", "Notes", "--from", "ada@example.com", "--postal-address", "1 Street")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `newsletter init` makes."""
    folder = tmp_path_factory.mktemp("begun")
    python(*NEWSLETTER, "init", "letter", *FLAGS, cwd=folder).check_returncode()
    return folder / "letter"


@pytest.fixture
def home(tmp_path: Path, begun: Path) -> Path:
    """A newsletter whose files have been as they are for a while."""
    home = tmp_path / "letter"
    shutil.copytree(begun, home)
    (home / ".newsletter").mkdir(exist_ok=True)
    age(home)
    return home


def age(home: Path) -> None:
    """Let what was just written count as old."""
    for path in home.rglob("*"):
        os.utime(path, ns=(time.time_ns() - 10**10,) * 2)


def kept(home: Path) -> list[Path]:
    """What is remembered."""
    return sorted((home / ".newsletter" / "checks-made").glob("*.json"))


def said_again(home: Path, *arguments: str) -> bool:
    """Whether the check imports nothing that checks."""
    words = ("-X", "importtime", *NEWSLETTER, "check", *arguments)
    done = python(*words, cwd=home, env={"COLUMNS": "120"})
    return "pydantic" not in done.stderr


def test_the_same_words_and_code_without_checking(home: Path, run: Run) -> None:
    (home / "issues" / "002-broken.md").write_text("---\nnumber: 2\n---\n")
    age(home)
    first = run("check", cwd=home)
    assert first.returncode == 1
    [file] = kept(home)
    made = json.loads(file.read_text())
    assert made["said"] == first.stdout
    # Said from what is kept, and from nothing else.
    file.write_text(json.dumps(made | {"said": "what was kept\n"}))
    again = run("check", cwd=home)
    assert (again.returncode, again.stdout) == (1, "what was kept\n")
    assert said_again(home)
    assert not said_again(home, "--format", "json")


def edit(home: Path) -> None:
    path = home / "issues" / "001-hello.md"
    path.write_text(path.read_text() + "\n\nTODO: more\n")


def add(home: Path) -> None:
    (home / "issues" / "002-again.md").write_text((home / "issues" / "001-hello.md").read_text())


def settle(home: Path) -> None:
    path = home / "newsletter.toml"
    path.write_text(path.read_text() + '\n[checks]\nerrors = ["NL999"]\n')


def dress(home: Path) -> None:
    own = home / "templates" / "email"
    own.mkdir(parents=True)
    (own / "footer.html.j2").write_text("{{ nothing.of.the.kind }}")


def damage(home: Path) -> None:
    for file in kept(home):
        file.write_text('{"key": 1')


def let_a_day_pass(home: Path) -> None:
    for file in kept(home):
        made = json.loads(file.read_text())
        file.write_text(json.dumps(made | {"until": time.time() - 1}))


@pytest.mark.parametrize(
    ("change", "code"), [(edit, 1), (add, 1), (settle, 2), (dress, 1), (damage, 0), (let_a_day_pass, 0)]
)
def test_another_answer_where_something_changed(
    home: Path, run: Run, change: Callable[[Path], None], code: int
) -> None:
    assert run("check", cwd=home).returncode == 0
    [file] = kept(home)
    made = json.loads(file.read_text())
    file.write_text(json.dumps(made | {"said": "what was kept\n"}))
    assert run("check", cwd=home).stdout == "what was kept\n"
    change(home)
    answer = run("check", cwd=home)
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert "what was kept" not in answer.stdout


def test_another_answer_where_another_package_is_installed(home: Path, tmp_path: Path, run: Run) -> None:
    site = tmp_path / "site-packages"
    site.mkdir()
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
    assert run("check", cwd=home, env={"PYTHONPATH": path}).returncode == 0
    [file] = kept(home)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"said": "what was kept\n"}))
    assert run("check", cwd=home, env={"PYTHONPATH": path}).stdout == "what was kept\n"
    (site / "markdown-99.dist-info").mkdir()
    assert "what was kept" not in run("check", cwd=home, env={"PYTHONPATH": path}).stdout


def test_a_file_that_was_just_written_is_looked_at_again(home: Path, run: Run) -> None:
    ahead = time.time_ns() + 10**10
    os.utime(home / "issues" / "001-hello.md", ns=(ahead, ahead))
    assert run("check", cwd=home).returncode == 0
    assert kept(home) == []


def test_nothing_is_kept_of_what_the_folder_does_not_hold(home: Path, tmp_path: Path, run: Run) -> None:
    outside = tmp_path / "elsewhere.md"
    outside.write_text((home / "issues" / "001-hello.md").read_text())
    run("check", str(outside), cwd=home)
    assert kept(home) == []
    issue = home / "issues" / "001-hello.md"
    issue.write_text(
        issue.read_text().replace("**Takeaway:**", "[out](../../elsewhere.md)\n\n**Takeaway:**", 1)
    )
    age(home)
    run("check", cwd=home)
    assert kept(home) == []


def test_mending_is_never_said_again(home: Path, run: Run) -> None:
    assert run("check", "--fix", cwd=home).returncode == 0
    assert kept(home) == []
    assert run("check", cwd=home).returncode == 0
    assert "0 replacements made" in run("check", "--fix", cwd=home).stderr


def test_a_folder_nobody_may_write_to_is_checked_all_the_same(home: Path, run: Run) -> None:
    (home / ".newsletter" / "checks-made").write_text("in the way")
    age(home)
    for _ in range(2):
        answer = run("check", cwd=home)
        assert (answer.returncode, answer.stderr) == (0, "")
