"""Output that can't be written as it is: a closed stream, an encoding without the characters, a full disk, a reader that left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import Run, environment

ASCII = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`newsletter …` as a shell runs it, with its redirections."""
    command = line.replace("newsletter", f"'{sys.executable}' -m newsletter", 1)
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_terminal_without_unicode_gets_escapes_and_scripts_get_json(run: Run, tmp_path: Path) -> None:
    added = run("subscribers", "add", "zoë@example.com", "--name", "Zoë 😀", "--json", env=ASCII)
    assert added.returncode == 0, added.stderr
    assert json.loads(added.stdout)["name"] == "Zoë 😀"
    listed = run("subscribers", "list", env=ASCII)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert r"zo\xeb@example.com" in listed.stdout
    assert json.loads(run("subscribers", "list", "--json", env=ASCII).stdout)[0]["name"] == "Zoë 😀"
    (tmp_path / "issues").mkdir()
    (tmp_path / "issues" / "001-ü.md").write_text("---\ntitel: Ü 😀\n---\n", "utf-8")
    found = json.loads(run("check", "--format", "json", env=ASCII).stdout)
    assert any("titel" in finding["message"] for finding in found)
    assert run("check", env=ASCII).stderr == ""


@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&- <&-"])
def test_a_stream_the_caller_closed_stops_nothing(redirection: str, tmp_path: Path) -> None:
    assert shell(f"newsletter subscribers list {redirection}", tmp_path).returncode == 0
    done = shell(f"newsletter check {redirection}", tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_output_that_finds_no_room_is_an_error_in_a_sentence(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell("newsletter explain > /dev/full", tmp_path)
    assert done.returncode == 1
    assert "error: No space left on device" in done.stderr
    assert "Exception" not in done.stderr


def test_nothing_in_an_error_is_obeyed_by_the_terminal(run: Run) -> None:
    printed = run("check", "\x1b]0;mine\x07\u202egnp.md").stderr
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert "␛]0;mine␇<U+202E>gnp.md" in printed


def test_a_command_that_does_not_exist_is_answered_with_the_nearest(run: Run) -> None:
    wrong = run("chek")
    assert wrong.returncode == 2
    assert wrong.stderr == "error: there is no command `chek`\n  help: did you mean `check`?\n"
    assert "newsletter --help lists all commands" in run("frobnicate").stderr
