"""`newsletter site build` as a user runs it: what was sent to people is published, what was only tried isn't."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.site.conftest import ROOT, issue

SETTINGS = """\
name = "Notes"
from = "notes@example.com"
postal_address = "1 Example Street"
base_url = "https://notes.example.com"
"""


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "newsletter", *arguments],
        cwd=home,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "newsletter.toml").write_text(SETTINGS)
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / "001-first.md").write_text(issue(1, "The first"))
    return tmp_path


def test_an_issue_appears_when_it_was_sent(home: Path) -> None:
    before = run(home, "site", "build", "--json")
    assert before.returncode == 0, before.stderr
    assert json.loads(before.stdout)["issues"] == 0
    assert run(home, "subscribers", "add", "ada@example.com").returncode == 0
    sent = run(home, "send", "1", "--yes", "--expect-count", "1", "--json")
    assert sent.returncode == 0, sent.stderr
    after = run(home, "site", "build")
    assert after.returncode == 0, after.stderr
    assert after.stdout.startswith("site: 1 issue, 0 guides, ")
    assert (home / "site" / "first" / "index.html").is_file()
    assert run(home, "site", "build").stdout == "site is up to date: 1 issue, 0 guides\n"


@pytest.mark.parametrize("wanted", [True, False])
def test_without_pillow_the_site_is_built_and_one_line_says_what_to_install(home: Path, wanted: bool) -> None:
    if not wanted:
        (home / "newsletter.toml").write_text(f"{SETTINGS}\n[site]\ncards = false\n")
    without = "import sys; sys.modules['PIL'] = None; from newsletter.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "site", "build", "--drafts"],
        cwd=home,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("site: 1 issue")
    assert not list((home / "site").glob("assets/card-*"))
    told = [line for line in done.stderr.splitlines() if "newsletter-toolkit[site]" in line]
    assert len(told) == (1 if wanted else 0)


def test_findings_are_printed_and_leave_with_1(home: Path) -> None:
    (home / "issues" / "001-first.md").write_text(issue(1, "The first", body="[x](gone.md)"))
    done = run(home, "site", "build", "--drafts")
    assert done.returncode == 1
    assert "error[NL601]: there is no issue or guide `gone.md`" in done.stderr
    assert "issues/001-first.md:12:5" in done.stderr
    assert "nothing was built" in done.stderr
    assert not (home / "site").exists()


def test_without_an_address_there_is_no_site(home: Path) -> None:
    (home / "newsletter.toml").write_text(SETTINGS.replace('base_url = "https://notes.example.com"\n', ""))
    done = run(home, "site", "build")
    assert done.returncode == 2
    assert "`base_url` isn't set" in done.stderr


@pytest.mark.parametrize("root", ["", "/letters"])
def test_serving_shows_the_site_and_its_own_404(home: Path, root: str) -> None:
    (home / "newsletter.toml").write_text(
        SETTINGS.replace("//notes.example.com", f"//notes.example.com{root}")
    )
    with subprocess.Popen(
        [sys.executable, "-m", "newsletter", "site", "serve", "--drafts", "--port", "0"],
        cwd=home,
        env=dict(os.environ, PYTHONPATH=str(ROOT), NEWSLETTER_HOME=str(home)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            address = line.split()[5].rstrip(";")
            assert address.startswith("http://127.0.0.1:"), line
            for page in ("first/", "first"):  # the second leads to the first
                with urllib.request.urlopen(f"{address}{page}", timeout=60) as answer:
                    assert answer.url == f"{address}first/"
                    assert "The first" in answer.read().decode()
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{address}nothing/", timeout=60)
            with (home / "newsletter.toml").open("a") as settings:
                settings.write('\n[site]\nlicence = "CC0"\n')
            deadline = time.monotonic() + 90
            while "CC0" not in urllib.request.urlopen(address, timeout=60).read().decode():
                assert time.monotonic() < deadline, "settings that were saved are not shown"
                time.sleep(0.1)
        finally:
            process.terminate()
            process.wait(20)


def test_a_port_that_is_taken_is_told_before_anything_is_built(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(home, "site", "serve", "--port", str(port))
    assert done.returncode == 2
    assert f"can't listen on 127.0.0.1 port {port}" in done.stderr
    assert not (home / ".newsletter" / "site-preview").exists()
