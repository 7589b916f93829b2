"""`newsletter init`: nothing asked, nothing overwritten, ready at once."""

from __future__ import annotations

import json
import re
import resource
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from newsletter import __version__
from newsletter.cli.scaffold import write_new
from newsletter.content.whole_files import write_whole
from newsletter.providers.registry import PROVIDERS
from tests.running import Run

FLAGS = ("--name", 'Notes "N"', "--from", "Ada <ada@example.com>", "--postal-address", "1 Street\\Town")


def test_a_new_folder_checks_clean_and_sends_at_once(tmp_path: Path, run: Run) -> None:
    made = run("init", "letter", *FLAGS)
    assert made.returncode == 0, made.stderr
    home = tmp_path / "letter"
    settings = tomllib.loads((home / "newsletter.toml").read_text("utf-8"))
    assert settings["name"] == 'Notes "N"'
    assert settings["postal_address"] == "1 Street\\Town"
    assert settings["base_url"] == "https://example.com"
    assert (home / ".gitignore").read_text().splitlines() == [".newsletter/", ".env"]

    checked = run("check", cwd=home)
    assert checked.returncode == 0, checked.stdout
    assert run("subscribers", "add", "reader@example.org", cwd=home).returncode == 0
    sent = run("send", "1", "--yes", "--expect-count", "1", "--json", cwd=home)
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout)["accepted"] == 1
    assert len(list((home / ".newsletter" / "outbox").glob("*/*.eml"))) == 1


def test_pull_requests_are_checked_by_a_workflow_that_runs(tmp_path: Path, run: Run) -> None:
    made = run("init", "letter", *FLAGS, "--json")
    file = ".github/workflows/newsletter.yml"
    assert file in json.loads(made.stdout)["files"]
    workflow = yaml.safe_load((tmp_path / "letter" / file).read_text("utf-8"))
    steps = workflow["jobs"]["check"]["steps"]
    assert f"=={__version__}" in steps[-2]["run"]
    assert steps[-1]["run"].startswith("newsletter ")
    checked = run(*steps[-1]["run"].split()[1:], cwd=tmp_path / "letter")
    assert (checked.returncode, checked.stdout) == (0, "")
    (tmp_path / "letter/issues/002-broken.md").write_text("---\nnumber: 2\n---\n")
    broken = run(*steps[-1]["run"].split()[1:], cwd=tmp_path / "letter")
    assert broken.returncode == 1
    assert "::error file=issues/002-broken.md,line=" in broken.stdout


def test_what_exists_is_left_alone(tmp_path: Path, run: Run) -> None:
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / "009-mine.md").write_text("mine")
    (tmp_path / ".gitignore").write_text("mine\n.env")
    assert run("init", *FLAGS).returncode == 0
    assert [p.name for p in (tmp_path / "issues").iterdir()] == ["009-mine.md"]
    assert (tmp_path / ".gitignore").read_text().splitlines() == ["mine", ".env", ".newsletter/"]
    before = (tmp_path / "newsletter.toml").read_bytes()
    again = run("init", *FLAGS)
    assert again.returncode == 2
    assert "is a newsletter already" in again.stderr
    assert (tmp_path / "newsletter.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (FLAGS[:2], "--from is missing"),
        ((*FLAGS[:3], "nobody", *FLAGS[4:]), "address"),
        ((*FLAGS[:3], "a@b@c", *FLAGS[4:]), "not a valid address"),
        (("--name", "a\nb", *FLAGS[2:]), "line breaks"),
        ((*FLAGS, "--base-url", "ftp://x"), "base_url"),
    ],
)
def test_a_wrong_answer_makes_nothing(tmp_path: Path, run: Run, flags: tuple[str, ...], words: str) -> None:
    refused = run("init", "letter", *flags)
    assert refused.returncode == 2
    assert words in refused.stderr
    # One mistake is told once, also where another setting would have been made of it.
    assert len(refused.stderr.splitlines()) <= 2
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "letter").exists()


def test_a_gitignore_in_another_encoding_is_added_to(tmp_path: Path, run: Run) -> None:
    (tmp_path / ".gitignore").write_bytes(b"caf\xe9")
    assert run("init", *FLAGS).returncode == 0
    assert (tmp_path / ".gitignore").read_bytes() == b"caf\xe9\n.newsletter/\n.env\n"


@pytest.mark.parametrize("write", [write_new, lambda path, text: write_whole(path, text.encode())])
def test_what_finds_no_room_is_named_and_not_left_half_written(
    tmp_path: Path, write: Callable[[Path, str], object]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match=r"issue\.md"):
            write(tmp_path / "issue.md", "x" * 101)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_a_clear_error(tmp_path: Path, run: Run) -> None:
    (tmp_path / "letter").write_text("")
    refused = run("init", "letter", *FLAGS)
    assert refused.returncode in (1, 2)
    assert "letter" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_settings_name_every_provider_there_is(tmp_path: Path, run: Run) -> None:
    assert run("init", "letter", *FLAGS).returncode == 0
    comments = (tmp_path / "letter" / "newsletter.toml").read_text("utf-8")
    assert [name for name in PROVIDERS if not re.search(rf"\b{name}\b", comments)] == []
