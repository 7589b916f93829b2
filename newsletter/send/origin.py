"""Is this store the one that last sent, or a copy of it? A copy doesn't know what the original did since.

Two witnesses, each blind where the other sees:

- The file. Its inode and its time of birth are kept inside it whenever a process takes a send over. A
  copied store, or a backup put in its place, is another file. The same file stays the same through
  everything ordinary: its folder moved or renamed on one file system, VACUUM, a backup made of it, a
  reboot, another container or another host name with the same volume. Host, path and device are
  therefore only named in the sentence, never compared.
- The last batch. Its number is kept beside the store, in `last-batch`, after it is committed and before
  it leaves. A backup written *into* the file keeps the inode, but knows fewer batches than were begun.

A snapshot of a whole disk takes both witnesses back in time: nothing on the disk can tell it, only the
provider. Where a file system has no time of birth, the inode alone decides.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from newsletter.errors import NewsletterError
from newsletter.store.base import Database, Transaction, utc_text
from newsletter.store.sends import SendLedger
from newsletter.store.sqlite import SqliteDatabase

_AT_FDCWD: Final = -100
_STATX_BTIME: Final = 0x800
# struct statx, <linux/stat.h>: 64 bytes before stx_atime, 16 for each time.
_BIRTH_OFFSET: Final = 80


class CopiedStoreError(NewsletterError):
    """This store is a copy, or was restored: what it takes for unsent may have been sent."""


@dataclass(frozen=True, slots=True)
class StoreFile:
    """Which file a store is in.

    Attributes:
        born: when the file was made, in nanoseconds since 1970; 0 where the file system doesn't say.
        at: when it took a send over, as the store writes times.
    """

    host: str
    path: str
    device: int
    inode: int
    born: int
    at: str

    def same_file(self, other: StoreFile) -> bool:
        """Whether both are one file, whatever it is called and wherever it is mounted."""
        same_birth = self.born == other.born or not self.born or not other.born
        return self.inode == other.inode and same_birth


@dataclass(frozen=True, slots=True)
class Origin:
    """Where this store comes from.

    Args:
        state_dir: where `last-batch` is kept.
    """

    db: Database
    state_dir: Path

    def stamp(self, now: datetime) -> str:
        """What is kept in the store about the file it is in; empty for a store that isn't a file."""
        if not isinstance(self.db, SqliteDatabase):
            return ""
        return json.dumps(asdict(_file_of(self.db.path, now)))

    def doubt(self) -> str:
        """Why this store may not know what was sent; empty where it is the one that last sent."""
        if not isinstance(self.db, SqliteDatabase):
            return ""
        ledger = SendLedger(self.db)
        last, here = _parse(ledger.last_sender()), _file_of(self.db.path, datetime.now(UTC))
        if last is not None and not last.same_file(here):
            return _copied(last, here)
        forgotten = _last_batch(self.state_dir, ledger.store_id()) - ledger.last_batch()
        if forgotten > 0:
            return (
                f"this store went back in time, as after restoring a backup: it has forgotten the last {forgotten:,} "
                "batches that were begun from it"
            )
        return ""

    def require(self, slug: str) -> None:
        """Refuse to go on with a send of `slug` that was begun elsewhere.

        Raises:
            CopiedStoreError: this isn't the store that last sent.
        """
        doubt = self.doubt()
        if doubt:
            raise CopiedStoreError(
                f"{doubt}; what is unsent here may have been sent since",
                hint=f"go on where it was begun; if that is gone for good: newsletter resume {slug} --take-over",
            )

    def adopt(self, now: datetime, settle: Callable[[Transaction], object] = lambda _: None) -> None:
        """From now on this store is the one that sends.

        Args:
            now: the time.
            settle: what takes effect together with that.
        """
        with self.db.write() as tx:
            settle(tx)
            SendLedger.keep_sender(tx, self.stamp(now))
        # Last: a process that dies before is asked again, and nothing is lost by that.
        (self.state_dir / "last-batch").unlink(missing_ok=True)

    def witness(self) -> LastBatch:
        """What keeps the number of the last batch beside the store."""
        return LastBatch(self.state_dir, SendLedger(self.db).store_id())


class LastBatch:
    """The number of the last batch any send from this store began, in a file of its own.

    A second send from the same store may put a lower number there for a moment: then the witness says
    less, never anything wrong. Nor does a disk that takes no byte stop a send for it.
    """

    def __init__(self, folder: Path, store_id: str) -> None:
        self._store_id = store_id
        self._highest = 0
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self._descriptor = os.open(folder / "last-batch", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, batch_id: int) -> None:
        """Keep `batch_id`, which is committed and about to leave."""
        if batch_id > self._highest and self._descriptor >= 0:
            self._highest = batch_id
            with contextlib.suppress(OSError):
                os.pwrite(self._descriptor, b"%s %020d\n" % (self._store_id.encode(), batch_id), 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _last_batch(folder: Path, store_id: str) -> int:
    """What `LastBatch` noted for this store; 0 for another one, that was begun anew since."""
    try:
        text = (folder / "last-batch").read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return 0
    found = re.match(r"([0-9a-f]+) (\d{20})\n", text)
    return int(found[2]) if found and found[1] == store_id else 0


def _file_of(path: Path, now: datetime) -> StoreFile:
    found = path.stat()
    return StoreFile(
        host=socket.gethostname(),
        path=str(path.resolve()),
        device=found.st_dev,
        inode=found.st_ino,
        born=_born(path),
        at=utc_text(now),
    )


def _born(path: Path) -> int:
    """When the file was made, in nanoseconds since 1970; 0 where nobody knows (statx(2), Linux 4.11)."""
    with contextlib.suppress(OSError, AttributeError):
        buffer = ctypes.create_string_buffer(256)
        statx = ctypes.CDLL(None).statx
        if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer) == 0:
            (mask,) = struct.unpack_from("=I", buffer)
            seconds, nanoseconds = struct.unpack_from("=qI", buffer, _BIRTH_OFFSET)
            return seconds * 1_000_000_000 + nanoseconds if mask & _STATX_BTIME else 0
    # Where there is no statx, the file's own record may have it (macOS, FreeBSD).
    return int(getattr(path.stat(), "st_birthtime", 0) * 1_000_000_000)


def _parse(text: str) -> StoreFile | None:
    try:
        return StoreFile(**json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def _copied(last: StoreFile, here: StoreFile) -> str:
    """What `here` is, where `last` is the file that last sent, and since when."""
    made = f", made {datetime.fromtimestamp(here.born / 1e9, UTC):%Y-%m-%d %H:%M} UTC," if here.born else ""
    began = f"last began to send {last.at[:16].replace('T', ' ')} UTC"
    if (last.host, last.path) == (here.host, here.path):
        return f"this store is a backup{made} in the place of the one that {began}"
    return f"this store is a copy{made} of {last.path} on {last.host}, which {began}"
