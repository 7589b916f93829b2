"""Where does a wish to leave go when the store can't be written? Into a file, until it can: it is never lost.

Wishes are appended to one file and flushed to the disk before they are answered. Whoever next opens
the store takes the file aside and carries them out; it is deleted only when that is committed. A crash
at any point repeats some of them, which changes nothing.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Final

from newsletter.audience.leaving import Leave, leave_late
from newsletter.audience.membership import Audience

_APPENDED: Final = "leaving.jsonl"
_TAKEN: Final = "taken-*.jsonl"
# Given back to the file system piece by piece when the disk is full: room for some 1,500 wishes.
_RESERVE_BYTES: Final = 512 * 1024
_PIECE_BYTES: Final = 64 * 1024
# One transaction carries out so many, so that other writers get their turn.
_SLICE: Final = 1_000


class Spool:
    """The wishes to leave of one workspace that wait for the store.

    Args:
        folder: `.newsletter/spool`; made when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, wishes: Sequence[Leave]) -> None:
        """Keep `wishes`; when this returns they are on the disk.

        Raises:
            OSError: they can't be kept there either.
        """
        # A line end before as well: after a crash the last line may be half a line.
        lines = "".join(f"\n{json.dumps(asdict(wish))}\n" for wish in wishes).encode("ascii")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked("append.lock"):
            path = self._folder / _APPENDED
            fresh = not path.exists()
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                while lines:
                    lines = lines[self._write(descriptor, lines) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if fresh:
                _sync_folder(self._folder)

    def reserve(self) -> None:
        """Set room aside for the day the disk is full; it costs nothing else, so a failure is passed over."""
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder / "reserve", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                if os.fstat(descriptor).st_size < _RESERVE_BYTES:
                    os.pwrite(descriptor, bytes(_RESERVE_BYTES), 0)
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def waiting(self) -> bool:
        """Whether there is anything to carry out."""
        try:
            return any(name.endswith(".jsonl") for name in os.listdir(self._folder))  # noqa: PTH208 - asked at every start
        except OSError:
            return False

    def carry_out(self, audience: Audience) -> int:
        """Carry out what waits; returns how many people left by it. Another process that does so already is waited for.

        Raises:
            StoreError: the store still can't be written; nothing is lost.
            OSError: the folder can't be read or written.
        """
        if not self.waiting():
            return 0
        left = 0
        with self._locked("apply.lock"):
            with self._locked("append.lock"), suppress(FileNotFoundError):
                (self._folder / _APPENDED).rename(self._folder / f"taken-{secrets.token_hex(6)}.jsonl")
            for path in sorted(self._folder.glob(_TAKEN)):
                wishes = _read(path)
                for at in range(0, len(wishes), _SLICE):
                    with audience.database.write() as tx:
                        left += sum(leave_late(audience, tx, wish) for wish in wishes[at : at + _SLICE])
                path.unlink()
        return left

    def _write(self, descriptor: int, data: bytes) -> int:
        while True:
            try:
                return os.write(descriptor, data)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not self._give_back():
                    raise

    def _give_back(self) -> bool:
        """Free a piece of the reserve; False when there is none left."""
        path = self._folder / "reserve"
        try:
            size = path.stat().st_size
            os.truncate(path, max(size - _PIECE_BYTES, 0))
        except OSError:
            return False
        return size > 0

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read(path: Path) -> list[Leave]:
    """The wishes of a file; a line cut short by a crash was never answered."""
    wishes = []
    for line in path.read_bytes().splitlines():
        with suppress(ValueError, TypeError):
            wishes.append(Leave(**json.loads(line)))
    return wishes


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
