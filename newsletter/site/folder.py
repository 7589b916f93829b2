"""How does a folder become another one in a moment? Written aside, then swapped: a crash leaves the old site whole."""

from __future__ import annotations

import ctypes
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from newsletter.errors import UsageError
from newsletter.interrupts import uninterrupted

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
    if (out / ".git").exists():
        # Such as a checkout of the branch that a host publishes: its history is nowhere else.
        raise UsageError(
            f"{out} is a repository, and the build replaces the whole folder",
            hint="build into a folder beside it, and copy that: rsync -a --delete --exclude .git",
        )
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UsageError(f"{out} is not a folder of its own", hint="name another with --out")
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise UsageError(
            f"{out} has files that no site build made, and the build replaces the whole folder",
            hint="name another folder with --out, or empty this one",
        )


class NewFolder:
    """A folder in the making, beside the one it is to replace.

    The folder that a build replaces is kept as `spare`, and the next build makes it into the new one: what both
    have is left alone, so that an edit costs what it changes and not a thousand folders made and removed.

    Args:
        out: the folder that is to be replaced.
        spare: where the one before it is kept; another file system, and nothing is.
        there: files of `out` that are as they were written, with time of the last change and size.
        inodes: of the same files.
    """

    def __init__(
        self, out: Path, spare: Path, there: Mapping[str, tuple[int, int]], inodes: Mapping[str, int]
    ) -> None:
        self._out, self._spare, self._there, self._inodes = out, spare, there, inodes
        self._aside = out.with_name(f".{out.name}.new")
        self._is_spare = _can_be_swapped(out, spare)
        self._new = spare if self._is_spare else self._aside
        self._found: dict[str, int] = {}
        self._folders: set[str] = set()
        self.files: dict[str, tuple[int, int]] = {}
        out.parent.mkdir(parents=True, exist_ok=True)
        # What a build left behind that was killed.
        shutil.rmtree(self._aside, ignore_errors=True)
        if self._is_spare and (spare / MARK).is_file():
            # Without its mark it is nobody's: a build that is killed from here on leaves nothing to be trusted.
            (spare / MARK).unlink()
            self._scan("")
        else:
            shutil.rmtree(self._new, ignore_errors=True)
            self._new.mkdir()

    def _scan(self, folder: str) -> None:
        with os.scandir(f"{self._new}/{folder}") as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    self._folders.add(name)
                    self._scan(name)
                else:
                    # The folder itself says it: the file needn't be asked.
                    self._found[name] = entry.inode()

    def write(self, path: str, data: bytes) -> None:
        """A new file."""
        # Some thousand times a build: a file object asks the system twice as much.
        file = os.open(self._place(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(file, left) :]
            status = os.fstat(file)
        finally:
            os.close(file)
        self.files[path] = (status.st_mtime_ns, status.st_size)

    def keep(self, *paths: str) -> None:
        """Files as the old folder has them; no bytes are copied where the disk can share them."""
        for path in paths:
            known = self._there.get(path)
            # Both are on one file system: the same inode is the same file.
            if known is None:
                self._note(path, self._share(path))
            else:
                if self._found.get(path) != self._inodes[path]:
                    self._share(path)
                self.files[path] = known

    def _share(self, path: str) -> str:
        source, target = f"{self._out}/{path}", self._place(path)
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)
        return target

    def place_of(self, path: str) -> Path:
        """Where a file is until the swap."""
        return self._new / path

    def copy(self, path: str, source: Path) -> None:
        """A file from elsewhere."""
        target = self._place(path)
        shutil.copyfile(source, target)
        self._note(path, target)

    def read(self, path: str) -> bytes:
        """What is in a file of the new folder."""
        with open(f"{self._new}/{path}", "rb") as file:  # noqa: PTH123 - as above
            return file.read()

    def _place(self, path: str) -> str:
        """Where the file goes; nothing is there any more, since the old folder may share its bytes."""
        folder, target = path.rpartition("/")[0], f"{self._new}/{path}"
        if path in self._found:
            os.unlink(target)  # noqa: PTH108 - as above
        elif path in self._folders:
            shutil.rmtree(target)
            inside = f"{path}/"
            self._folders = {f for f in self._folders if f != path and not f.startswith(inside)}
            self._found = {f: status for f, status in self._found.items() if not f.startswith(inside)}
        elif folder not in self._folders:
            for name in reversed([*_above(path)]):
                if name in self._folders:
                    continue
                if self._found.pop(name, None):
                    os.unlink(f"{self._new}/{name}")  # noqa: PTH108 - as above
                os.mkdir(f"{self._new}/{name}")  # noqa: PTH102 - as above
                self._folders.add(name)
        return target

    def _note(self, path: str, target: str) -> None:
        status = os.stat(target)  # noqa: PTH116 - as above
        self.files[path] = (status.st_mtime_ns, status.st_size)

    def swap(self) -> None:
        """Put it in the place of the old one, which is kept as the spare one, or deleted."""
        self._drop_the_rest()
        (self._new / MARK).write_bytes(_WORDS)
        if not self._out.exists():
            self._new.rename(self._out)
            self._begin_spare()
            return
        old = self._out.with_name(f".{self._out.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        # Between the two renames there is no site.
        with uninterrupted():
            if not _exchange(self._new, self._out):
                self._out.rename(old)
                try:
                    self._new.rename(self._out)
                except OSError:
                    old.rename(self._out)
                    raise
                old.rename(self._new)
        if not self._is_spare:
            self._new.rename(old)
            shutil.rmtree(old)

    def _begin_spare(self) -> None:
        """Make the folder that the next build begins with: of a first build nobody expects to be over in a moment."""
        try:
            shutil.rmtree(self._spare, ignore_errors=True)
            self._spare.mkdir()
            for folder in sorted(self._folders_of_files()):
                os.mkdir(f"{self._spare}/{folder}")  # noqa: PTH102 - as above
            for path in self.files:
                os.link(f"{self._out}/{path}", f"{self._spare}/{path}")
            (self._spare / MARK).write_bytes(_WORDS)
        except OSError:
            # Another file system, or no room: the next build makes it, or does without.
            shutil.rmtree(self._spare, ignore_errors=True)

    def _drop_the_rest(self) -> None:
        """Remove what the spare folder has and the site has not, folders that are left empty included."""
        gone = self._found.keys() - self.files.keys()
        for path in gone:
            os.unlink(f"{self._new}/{path}")  # noqa: PTH108 - as above
        for folder in sorted(self._folders - self._folders_of_files(), reverse=True):
            os.rmdir(f"{self._new}/{folder}")  # noqa: PTH106 - as above

    def _folders_of_files(self) -> set[str]:
        """All below the new folder that have a file in or below them."""
        wanted = {path.rpartition("/")[0] for path in self.files} - {""}
        return wanted.union(*map(_above, wanted))

    def discard(self) -> None:
        """Leave everything as it was."""
        shutil.rmtree(self._new, ignore_errors=True)


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _can_be_swapped(out: Path, spare: Path) -> bool:
    """Whether both are on one file system, and mounted once: a link from one to the other tells."""
    probe = spare.with_name(f"{spare.name}.probe")
    try:
        spare.parent.mkdir(parents=True, exist_ok=True)
        probe.unlink(missing_ok=True)
        os.link(out / MARK, probe)
        probe.unlink()
    except OSError:
        return False
    return True


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step where the system can (renameat2(2)); whether it did."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def as_written(out: Path, files: Mapping[str, tuple[str, int, int]]) -> dict[str, int]:
    """Those of `files` that are in the folder as they were written: nobody edited or deleted them; with their inodes."""
    found: dict[str, int] = {}
    for path, (_, changed, size) in files.items():
        try:
            status = os.stat(f"{out}/{path}")  # noqa: PTH116 - some thousand times a build
        except OSError:
            continue
        if (status.st_mtime_ns, status.st_size) == (changed, size):
            found[path] = status.st_ino
    return found
