"""A plainly written `site build` does what the framework would have it do, without the framework."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.cli.site_building import plainly_written
from tests.site.conftest import issue

SETTINGS = (
    'name = "Notes"\nfrom = "a@example.com"\npostal_address = "1 Street"\nbase_url = "https://n.example"\n'
    "[site]\ncards = false\n"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "issues").mkdir()
    (tmp_path / "newsletter.toml").write_text(SETTINGS)
    (tmp_path / "issues" / "001-first.md").write_text(issue(1, "First"))
    return tmp_path


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=home, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-h"],
        ["--out"],
        ["--out", "--drafts"],
        ["--drafts=yes"],
        ["extra"],
        ["--", "--drafts"],
        ["--jsn"],
        ["--no-drafts"],
    ],
)
def test_whatever_is_not_plain_is_left_to_the_framework(words: list[str]) -> None:
    assert plainly_written(words) is None


@pytest.mark.parametrize(
    "words",
    [*list(itertools.permutations(["--drafts", "--json", "--out=x"])), ["--out", "x", "--json", "--drafts"]],
)
def test_options_are_read_in_any_order(words: list[str]) -> None:
    asked = plainly_written(words)
    assert asked is not None
    assert (asked.args, asked.keywords) == ((Path("x"),), {"drafts": True, "as_json": True})  # type: ignore[attr-defined] # a partial


def test_it_says_and_makes_the_same_with_and_without_the_framework(home: Path) -> None:
    plain = run(home, "-m", "newsletter", "site", "build", "--out", "plain", "--drafts", "--json")
    framed = run(
        home,
        "-c",
        "from newsletter.cli.root import run; run()",
        *["site", "build", "--out", "framed", "--drafts", "--json"],
    )
    assert (plain.returncode, framed.returncode) == (0, 0)
    assert (plain.stderr, framed.stderr) == ("", "")
    assert json.loads(plain.stdout) | {"out": ""} == json.loads(framed.stdout) | {"out": ""}
    files = [
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (home / "plain", home / "framed")
    ]
    assert files[0] == files[1]
    assert files[0]


def test_the_framework_is_not_imported_for_it(home: Path) -> None:
    told = run(home, "-X", "importtime", "-m", "newsletter", "site", "build", "--drafts")
    assert told.returncode == 0
    assert "newsletter.site.build" in told.stderr
    assert " typer" not in told.stderr


def test_what_is_wrong_is_told_as_ever(home: Path) -> None:
    (home / "issues" / "002-second.md").write_text(issue(1, "Second"))
    wrong = run(home, "-m", "newsletter", "site", "build", "--drafts")
    assert wrong.returncode == 1
    assert "NL901" in wrong.stderr
    assert "the site was not built" in wrong.stderr
    (home / "newsletter.toml").write_text("nam = 1\n")
    broken = run(home, "-m", "newsletter", "site", "build")
    assert broken.returncode in {1, 2}
    assert broken.stderr.startswith("error: ")
    assert "Traceback" not in broken.stderr
