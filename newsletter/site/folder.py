"""How does a folder become another one in a moment? Written aside, then swapped: a crash leaves the old site whole."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from newsletter.errors import UsageError

# Tells our folder from anybody else's.
MARK = ".newsletter-site"
_WORDS = b"Built by `newsletter site build`, which replaces this folder as a whole.\n"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def refuse_foreign(out: Path) -> None:
    """Refuse a folder that has something in it and was not made here.

    Raises:
        UsageError: it would be replaced.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"{out} is not a folder of its own", hint="name another with --out")
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise UsageError(
            f"{out} has files that no site build made, and the build replaces the whole folder",
            hint="name another folder with --out, or empty this one",
        )


class NewFolder:
    """A folder in the making, beside the one it is to replace.

    Args:
        out: the folder that is to be replaced.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._new = out.with_name(f".{out.name}.new")
        self._made: set[str] = set()
        self.files: dict[str, tuple[int, int]] = {}
        out.parent.mkdir(parents=True, exist_ok=True)
        # What a build left behind that was killed.
        shutil.rmtree(self._new, ignore_errors=True)
        self._new.mkdir()
        (self._new / MARK).write_bytes(_WORDS)

    def write(self, path: str, data: bytes) -> None:
        """A new file."""
        target = self._place(path)
        with open(target, "wb") as file:  # noqa: PTH123 - some thousand times a build
            file.write(data)
        self._note(path, target)

    def keep(self, path: str) -> None:
        """The file as the old folder has it; the bytes are not copied where the disk can share them."""
        source, target = f"{self._out}/{path}", self._place(path)
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
        self._note(path, target)

    def copy(self, path: str, source: Path) -> None:
        """A file from elsewhere."""
        target = self._place(path)
        shutil.copyfile(source, target)
        self._note(path, target)

    def _place(self, path: str) -> str:
        folder = path.rpartition("/")[0]
        if folder not in self._made:
            os.makedirs(f"{self._new}/{folder}", exist_ok=True)  # noqa: PTH103 - as above
            self._made.add(folder)
        return f"{self._new}/{path}"

    def _note(self, path: str, target: str) -> None:
        status = os.stat(target)  # noqa: PTH116 - as above
        self.files[path] = (status.st_mtime_ns, status.st_size)

    def swap(self) -> None:
        """Put it in the place of the old one, which is deleted then."""
        if not self._out.exists():
            self._new.rename(self._out)
            return
        old = self._out.with_name(f".{self._out.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if _exchange(self._new, self._out):
            self._new.rename(old)
        else:
            self._out.rename(old)
            self._new.rename(self._out)
        shutil.rmtree(old)

    def discard(self) -> None:
        """Leave everything as it was."""
        shutil.rmtree(self._new, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step where the system can (renameat2(2)); whether it did."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def as_written(out: Path, files: Mapping[str, tuple[str, int, int]]) -> set[str]:
    """Those of `files` that are in the folder as they were written: nobody edited or deleted them."""
    found: set[str] = set()
    for path, (_, changed, size) in files.items():
        try:
            status = os.stat(f"{out}/{path}")  # noqa: PTH116 - some thousand times a build
        except OSError:
            continue
        if (status.st_mtime_ns, status.st_size) == (changed, size):
            found.add(path)
    return found
