"""The browser that takes pictures leaves nothing behind: no process, and no folder that one of them writes again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from newsletter.preview.chromium import Chromium


def test_a_browser_that_is_closed_takes_its_processes_and_its_profile_along(
    chromium: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Chromium(chromium) as browser:
        assert browser.evaluate("1 + 1") == 2
        assert list(tmp_path.iterdir())
        assert _with(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert _with(tmp_path) == []


def _with(folder: Path) -> list[str]:
    """The processes that were told of a folder; those that ended, and are only remembered, have no words any more."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(process.name)
    return found
