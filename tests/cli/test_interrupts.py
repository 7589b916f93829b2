"""Ctrl-C before anything has begun, and at a question: the command ends with 130, in silence or a word, and nothing is done."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from pathlib import Path

import pytest

from tests.running import NEWSLETTER, Run, environment, python


def at_a_terminal(arguments: list[str], cwd: Path, *, until: str, keys: str) -> tuple[int, str]:
    """Exit code and screen of a command on a terminal of its own, `keys` typed once `until` is on it."""
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execve(sys.executable, [sys.executable, *NEWSLETTER, *arguments], environment())
    shown, typed_at, ends_by = b"", 0.0, time.monotonic() + 60
    try:
        while time.monotonic() < ends_by:
            if until.encode() in shown and time.monotonic() > typed_at + 3:
                # The question is on the screen a moment before the keyboard is listened to, and what
                # comes in between may be lost: as a person would, wait a little, then type again.
                time.sleep(0.1)
                os.write(screen, keys.encode())
                typed_at = time.monotonic()
            if select.select([screen], [], [], 0.1)[0]:
                piece = os.read(screen, 4096)
                if not piece:
                    break
                shown += piece
    except OSError:
        pass  # Linux's way to say that the other side is closed
    finally:
        os.close(screen)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown.decode()


@pytest.mark.parametrize(("keys", "code"), [("\x03", 130), ("n\n", 1), ("\n", 1), ("\x04", 1)])
def test_a_question_that_is_not_answered_with_yes_changes_nothing(
    run: Run, tmp_path: Path, keys: str, code: int
) -> None:
    run("subscribers", "add", "ada@example.com")
    ended, screen = at_a_terminal(
        ["subscribers", "erase", "ada@example.com"], tmp_path, until="for good?", keys=keys
    )
    assert (ended, "Traceback" in screen) == (code, False), screen
    assert "ada@example.com" in run("subscribers", "list").stdout


def test_init_left_at_a_question_makes_nothing(tmp_path: Path) -> None:
    ended, screen = at_a_terminal(["init", "letter"], tmp_path, until="Name of", keys="\x03")
    assert (ended, "Traceback" in screen) == (130, False), screen
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_modules_are_imported_is_no_traceback(tmp_path: Path) -> None:
    program = """
import sys

class PressedDuringImport:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, PressedDuringImport())
from newsletter.cli import main
main()
"""
    done = python("-c", program, "check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
