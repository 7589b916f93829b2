"""`newsletter preview` as a process: what it prints, how it ends, what it refuses."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ISSUE = """\
---
number: 1
title: A first issue
date: 2026-01-06
description: What the inbox shows after the subject.
---
## Concept: A first idea
A body.

**Takeaway:** One sentence to keep.

## Architecture: A shape
A body.

## Project idea: Something to build
- **Difficulty:** easy
- **Time:** 4h
- **Stack:** Python

Build it.

## Interview question: What did you learn?
- **Level:** mid

### Answer
This.
"""
COMMAND = [sys.executable, "-m", "newsletter", "preview"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "issues").mkdir(parents=True)
    (folder / "newsletter.toml").write_text(
        'name = "Field Notes"\nfrom = "Ada <ada@notes.example>"\npostal_address = "1 Example Street"\n'
        'base_url = "https://notes.example"\n'
    )
    (folder / "issues" / "001-first.md").write_text(ISSUE)
    return folder


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=home, capture_output=True, text=True, timeout=60, check=False
    )


def began(home: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A preview that answers, and its address."""
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--json"], cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    return process, json.loads("".join(lines))["url"]


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_interrupted_though_a_page_is_open(home: Path, by: signal.Signals) -> None:
    process, url = began(home)
    address = urlsplit(url)
    assert address.hostname == "127.0.0.1"
    assert address.fragment == "/001-first/email"
    connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=20)
    try:
        connection.request("GET", address.path)
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        # An open page must not hold it up.
        connection.request("GET", f"{address.path}events?issue=001-first")
        assert connection.getresponse().readline()
        # Twice, as `timeout` does: the second may come while the first is being handled.
        process.send_signal(by)
        process.send_signal(by)
        output, errors = process.communicate(timeout=60)
    finally:
        connection.close()
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert output == ""
    assert errors == ""


def test_an_issue_may_be_named_by_its_number(home: Path) -> None:
    (home / "issues" / "002-second.md").write_text(ISSUE.replace("number: 1", "number: 2"))
    process, url = began(home, "1")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert urlsplit(url).fragment == "/001-first/email"


def test_it_says_where_it_is_and_how_to_end_it(home: Path) -> None:
    process = subprocess.Popen(COMMAND, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    first, second = process.stdout.readline(), process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert first.startswith("Preview of Field Notes at http://127.0.0.1:")
    assert "Ctrl-C" in second


def test_a_port_that_is_taken_is_said_plainly(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run(home, "--port", str(port))
    assert result.returncode == 2
    assert f"port {port}" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_issue_is_said_plainly(home: Path) -> None:
    result = run(home, "7")
    assert result.returncode == 2
    assert "there is no issue `7`" in result.stderr
    assert "001-first.md" in result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com", "::"])
def test_it_listens_on_no_other_interface(home: Path, host: str) -> None:
    result = run(home, "--host", host)
    assert result.returncode == 2
    assert f"doesn't listen on {host}" in result.stderr
    assert "--out" in result.stderr


def test_an_unknown_reader_is_said_plainly_and_makes_no_store(home: Path) -> None:
    result = run(home, "--as", "nobody@example.com")
    assert result.returncode == 2
    assert "there is no subscriber nobody@example.com" in result.stderr
    assert not (home / ".newsletter").exists()


def test_a_subscriber_of_the_list_reads_their_own_copy(home: Path) -> None:
    path = home / "issues" / "001-first.md"
    path.write_text(path.read_text().replace("A body.", 'Hello {{ subscriber.name | default("there") }}.'))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "newsletter",
            "subscribers",
            "add",
            "grace@example.com",
            "--name",
            "Grace Hopper",
        ],
        cwd=home,
        check=True,
        capture_output=True,
        timeout=60,
    )
    result = run(home, "--as", "grace@example.com", "--out", "out")
    assert result.returncode == 0, result.stderr
    assert "Hello Grace Hopper." in (home / "out" / "001-first" / "email.txt").read_text()
    assert b"To: grace@example.com" in (home / "out" / "001-first" / "message.eml").read_bytes()


def test_files_are_written_and_summed_up_as_json(home: Path) -> None:
    result = run(home, "--out", "build/preview", "--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["out"] == "build/preview"
    (issue,) = summary["issues"]
    assert (issue["number"], issue["rendered"]) == (1, True)
    assert set(issue["findings"]) == {"error", "warning", "info"}
    assert issue["size"] == (home / "build/preview/001-first/message.eml").stat().st_size
    for name in issue["files"]:
        assert (home / "build" / "preview" / name).is_file()
    assert not (home / ".newsletter").exists()


def test_an_issue_that_cant_be_rendered_makes_the_export_fail_but_not_stop(home: Path) -> None:
    (home / "issues" / "002-second.md").write_text("no front matter")
    result = run(home, "--out", "out")
    assert result.returncode == 1
    assert "can't be rendered" in result.stdout
    assert (home / "out" / "001-first" / "message.eml").is_file()


def test_an_output_folder_that_cannot_be_made_is_said_plainly(home: Path) -> None:
    # Root may write in any folder, but not in what is none.
    (home / "taken").write_text("mine")
    result = run(home, "--out", "taken/out")
    assert result.returncode == 1
    assert "taken" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_newsletter_without_issues_is_no_error(home: Path) -> None:
    (home / "issues" / "001-first.md").unlink()
    process = subprocess.Popen(COMMAND, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    said = process.stdout.readline() + process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert "No issues yet" in said
    assert run(home, "--out", "out").returncode == 0
    assert "There are no issues yet" in (home / "out" / "index.html").read_text()


def test_pictures_without_a_browser_are_refused_with_what_to_install(home: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [*COMMAND, "--screenshot", str(tmp_path / "pictures")],
        cwd=home,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert "none was found" in result.stderr
    assert "apt install chromium" in result.stderr
    assert not (tmp_path / "pictures").exists()


def test_files_and_pictures_are_two_runs(home: Path) -> None:
    result = run(home, "--out", "a", "--screenshot", "b")
    assert result.returncode == 2
    assert "exclude each other" in result.stderr
