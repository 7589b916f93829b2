"""The README tells the truth: every console block in it is typed into a real shell, in order.

A block's lines beginning with `$ ` are commands; `> ` continues one. The shell stays in one folder
from block to block, as a reader's does. Where the README says `smtp.example.com` or Resend's
address, a server on this machine answers.
"""

from __future__ import annotations

import re

from tests.conftest import ROOT

README = ROOT / "README.md"


def blocks() -> list[str]:
    return re.findall(r"^```console\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[str]:
    found: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif line.startswith("> "):
            found[-1] += "\n" + line[2:]
    return found


def test_every_console_block_has_a_command() -> None:
    assert blocks()
    assert all(commands(block) for block in blocks())
