"""Commands are run as a user runs them: a process, its arguments, its output and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("check", "issues/", cwd=…, env={…})`; no terminal, no settings of the machine's own."""

    def run_command(
        *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("NEWSLETTER_")}
        return subprocess.run(
            [sys.executable, "-m", "newsletter", *arguments],
            cwd=cwd or tmp_path,
            env=clean | {"COLUMNS": "120"} | (env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run_command
