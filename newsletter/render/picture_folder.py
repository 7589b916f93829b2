"""Where are pictures kept that were made once, and which of them may go? A folder of which nothing is lost but time.

A file that is asked for is marked with the time; what nothing has asked for in a month is removed, once a day at most.
Processes may share the folder: before a file is removed it is moved out of the way and looked at again, so that one
that was asked for meanwhile comes back, and who asks in between finds none and makes it anew.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from threading import get_ident
from typing import Final

_DAY: Final = 86_400.0
_KEPT_SECONDS: Final = 30 * _DAY
_TIDIED: Final = "tidied"
_LEAVING: Final = ".leaving-"


class PictureFolder:
    """Files by name; what is kept under one name is always the same.

    Args:
        folder: is made when the first file is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where a file of that name is, or would be."""
        return self._folder / name

    def read(self, name: str) -> bytes | None:
        """A file, which is in use then; None where there is none."""
        path = self._folder / name
        try:
            data = path.read_bytes()
        except OSError:
            return None
        return data if _mark(path) else None

    def keep(self, name: str, data: bytes) -> Path | None:
        """Keep a file whole or not at all; None where there is no room, and it has to be made anew each time."""
        target = self._folder / name
        if self.read(name) == data:
            return target
        aside = self._folder / f".{name}.{os.getpid()}-{get_ident()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(data)
            aside.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            return None
        # What grows is tidied: who only looks doesn't wait for it.
        with contextlib.suppress(OSError):
            self._tidy()
        return target

    def still_used(self, files: Iterable[Path]) -> None:
        """Mark files as in use that were not read: those of pages that didn't change."""
        for path in files:
            _mark(path)

    def _tidy(self) -> None:
        told = self._folder / _TIDIED
        now = time.time()
        if _age(told, now) < _DAY:
            return
        # First, so that of many processes one does it.
        told.touch()
        for entry in list(os.scandir(self._folder)):
            if entry.name != _TIDIED and entry.is_file() and _age(Path(entry.path), now) > _KEPT_SECONDS:
                self._remove(Path(entry.path), now)

    def _remove(self, path: Path, now: float) -> None:
        leaving = path if path.name.startswith(".") else path.with_name(f"{_LEAVING}{path.name}")
        with contextlib.suppress(FileNotFoundError):
            path.rename(leaving)
            if leaving != path and _age(leaving, now) <= _KEPT_SECONDS:
                leaving.rename(path)
            else:
                leaving.unlink()


def _mark(path: Path) -> bool:
    """Note that a file is in use, a day exactly enough; whether it is there."""
    try:
        found = path.stat()
        if time.time() - max(found.st_atime, found.st_mtime) > _DAY:
            os.utime(path, ns=(time.time_ns(), found.st_mtime_ns))
    except FileNotFoundError:
        return False
    except OSError:  # somebody else's file, or a disk that is only read
        return True
    return True


def _age(path: Path, now: float) -> float:
    """Seconds since a file was made or marked; what isn't there is as old as can be."""
    try:
        found = path.stat()
    except OSError:
        return float("inf")
    return now - max(found.st_atime, found.st_mtime)
