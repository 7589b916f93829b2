"""Pictures that nothing asks for go, those in use stay, whoever else is at work in the folder."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from newsletter.render.picture_folder import PictureFolder

DAYS = 86_400


def aged(path: Path, days: float) -> None:
    then = time.time() - days * DAYS
    os.utime(path, (then, then))


@pytest.fixture
def folder(tmp_path: Path) -> PictureFolder:
    return PictureFolder(tmp_path / "pictures")


def names(folder: PictureFolder) -> set[str]:
    return {path.name for path in folder.path("x").parent.iterdir() if not path.name.startswith("tidied")}


def tomorrow(folder: PictureFolder) -> None:
    aged(folder.path("tidied"), 2)


def test_what_nothing_asked_for_in_a_month_goes(folder: PictureFolder) -> None:
    for name in ("asked", "shown", "forgotten", "young", ".left.1-1", ".leaving-gone"):
        folder.keep(name, b"x")
        aged(folder.path(name), 40)
    aged(folder.path("young"), 20)
    tomorrow(folder)
    assert folder.read("asked") == b"x"
    folder.still_used([folder.path("shown"), folder.path("never made")])
    assert "forgotten" in names(folder), "who reads doesn't tidy"
    folder.keep("new", b"y")
    assert names(folder) == {"asked", "shown", "young", "new"}


def test_it_is_tidied_once_a_day(folder: PictureFolder) -> None:
    for name in ("old", "new"):
        folder.keep(name, b"x")
    aged(folder.path("old"), 40)
    folder.keep("newer", b"x")
    assert "old" in names(folder)
    tomorrow(folder)
    folder.keep("newest", b"x")
    assert "old" not in names(folder)


def test_a_mark_leaves_the_time_of_the_last_change(folder: PictureFolder) -> None:
    folder.keep("kept", b"x")
    aged(folder.path("kept"), 40)
    before = folder.path("kept").stat().st_mtime_ns
    assert folder.read("kept") == b"x"
    assert folder.path("kept").stat().st_mtime_ns == before


def test_what_is_asked_for_while_it_leaves_is_there_afterwards(folder: PictureFolder) -> None:
    folder.keep("first", b"x")
    for at in range(150):
        folder.keep("old", b"x")
        aged(folder.path("old"), 40)
        tomorrow(folder)
        begin = threading.Barrier(3)
        found: list[bytes | None] = []

        def ask(begin: threading.Barrier = begin, found: list[bytes | None] = found) -> None:
            begin.wait()
            found.append(folder.read("old"))

        def grow(name: str, begin: threading.Barrier = begin) -> None:
            begin.wait()
            folder.keep(name, b"x")

        threads = [threading.Thread(target=ask), threading.Thread(target=grow, args=(f"new-{at}",))]
        for thread in threads:
            thread.start()
        begin.wait()
        for thread in threads:
            thread.join()
        assert found == [None] or folder.path("old").exists()
        assert folder.path(f"new-{at}").exists()


def test_a_folder_that_is_no_folder_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "pictures").write_text("taken")
    folder = PictureFolder(tmp_path / "pictures")
    assert folder.keep("x", b"x") is None
    assert folder.read("x") is None
