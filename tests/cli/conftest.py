"""Commands are run as a user runs them: a process, its arguments, its output and its exit code."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.running import NEWSLETTER, Run, python


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("check", "issues/", cwd=…, env={…})`; no terminal, no settings of the machine's own."""

    def run_command(
        *arguments: str, cwd: Path = tmp_path, env: dict[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return python(*NEWSLETTER, *arguments, cwd=cwd, env={"COLUMNS": "120"} | (env or {}), stdin=stdin)

    return run_command
