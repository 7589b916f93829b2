"""The house rules that a linter can't say."""

from __future__ import annotations

import subprocess
import sys

import pytest

# What a command must not import to start: each costs tens of milliseconds.
HEAVY = (
    "httpx",
    "starlette",
    "jinja2",
    "markdown",
    "sqlite3",
    "rich",
    "cryptography",
    "css_inline",
    "pygments",
)


def imported(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_version_needs_no_command_line_framework() -> None:
    modules = imported(
        "import sys; sys.argv[1:] = ['--version']\nfrom newsletter.cli import main\ntry: main()\nexcept SystemExit: pass"
    )
    assert "newsletter.cli" in modules
    assert not {"typer", "pydantic"} & modules


@pytest.mark.parametrize("module", ["newsletter.cli.root", "newsletter.cli.check", "newsletter.app"])
def test_a_command_pays_only_for_what_it_uses(module: str) -> None:
    assert not set(HEAVY) & imported(f"import {module}")
