"""SQLite as the store: one file, WAL, one short `BEGIN IMMEDIATE` for every write.

`BEGIN IMMEDIATE` takes the write lock at once: a plain `BEGIN` that upgrades later fails with
SQLITE_BUSY_SNAPSHOT whatever the timeout. `synchronous=FULL` makes a commit survive a power cut,
which the claim-before-send protocol stands on.
"""

from __future__ import annotations

import errno
import os
import random
import secrets
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from newsletter.errors import StoreError
from newsletter.store.base import Parameters, Row

_BUSY_SECONDS = 10.0
# SQLite's own wait backs off to 100 ms and starves beside a writer that works in short slices:
# it gives up early here, and `_patiently` asks again until `_BUSY_SECONDS` are over.
_POLL_SECONDS = 0.005
# Says in the file's header whose it is ("NwsL"), so that another program's database is never touched.
APPLICATION_ID = 0x4E77734C

_T = TypeVar("_T")


def migrations() -> list[tuple[int, str]]:
    """The numbered migrations shipped with the package, in order."""
    folder = Path(__file__).parent / "migrations"
    return sorted((int(file.name.split("_")[0]), file.read_text("utf-8")) for file in folder.glob("*.sql"))


class SqliteTransaction:
    """An open `BEGIN IMMEDIATE`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        return self._connection.execute(sql, parameters).rowcount

    def executemany(self, sql: str, rows: Sequence[Parameters]) -> int:
        """Run one statement for each of `rows`; returns how many rows were changed in all."""
        return self._connection.executemany(sql, rows).rowcount

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Read inside the transaction."""
        return self._connection.execute(sql, parameters).fetchall()

    def insert(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one INSERT; returns the new row's id."""
        cursor = self._connection.execute(sql, parameters)
        assert cursor.lastrowid is not None
        return cursor.lastrowid


class SqliteDatabase:
    """One SQLite file. Any thread may read or write; writers of this process queue on a lock.

    Args:
        path: the file; it and its folder are made (0700, 0600) where they are missing.

    Raises:
        StoreError: it can't be opened, isn't a database of ours, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _prepare_file(path)
        except OSError as error:
            raise _explain_os(error, path) from error
        with self._translated():
            self._connection = self._connect()
            try:
                self._migrate()
            except BaseException:
                self._connection.close()
                raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_POLL_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL"))
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            # What is erased is overwritten in its page, at no extra I/O.
            connection.execute("PRAGMA secure_delete = FAST")
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self) -> None:
        available = migrations()
        newest = available[-1][0]
        version = self._version()
        if version > newest:
            raise StoreError(
                f"the store {self.path} has schema {version}; this newsletter knows up to {newest}",
                hint="upgrade the newsletter toolkit to the version that wrote it",
            )
        for number, sql in available:
            if number <= version:
                continue
            # One transaction a migration, its number inside: a crash leaves the old schema whole.
            # Two processes may both find it missing: the number is read again under the lock.
            with immediate(self._connection):
                now_at = self._version()
                if now_at == 0:
                    self._claim_file()
                if now_at < number:
                    for statement in _statements(sql):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {number}")

    def _version(self) -> int:
        (version,) = _patiently(lambda: self._connection.execute("PRAGMA user_version").fetchone())
        return int(version)

    def _claim_file(self) -> None:
        (owner,) = self._connection.execute("PRAGMA application_id").fetchone()
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables or owner not in (0, APPLICATION_ID):
            raise StoreError(
                f"{self.path} is another program's database",
                hint="move it away, or name another folder with NEWSLETTER_HOME",
            )
        self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The one seam where the driver's errors become ours; mistakes in our own SQL stay what they are."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            # IntegrityError, ProgrammingError and their like are ours to mend, not the user's.
            if type(error) not in (sqlite3.OperationalError, sqlite3.DatabaseError):
                raise
            raise _explain(error, self.path) from error

    @contextmanager
    def write(self) -> Iterator[SqliteTransaction]:
        """A write transaction: committed at the end of the block, rolled back if it raises.

        Raises:
            StoreError: the disk is full, the file can't be written, or another process holds the
                lock for longer than ten seconds; nothing of the block is kept.
        """
        with self._lock, self._translated(), immediate(self._connection):
            yield SqliteTransaction(self._connection)

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Read outside any transaction, all rows at once.

        Raises:
            StoreError: the file can't be read.
        """
        with self._lock, self._translated():
            return _patiently(lambda: self._connection.execute(sql, parameters).fetchall())

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Read row by row from one snapshot, on a connection of its own, with flat memory.

        Raises:
            StoreError: the file can't be read.
        """
        with self._translated(), closing(self._connect()) as connection:
            cursor = _patiently(lambda: connection.execute(sql, parameters))
            while rows := cursor.fetchmany(1000):
                yield from rows

    @contextmanager
    def own_connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for bulk work that attaches files and sets its own pragmas; closed at the end.

        Raises:
            StoreError: what the driver reports inside the block.
        """
        with self._translated(), closing(self._connect()) as connection:
            yield connection

    def checkpoint(self) -> None:
        """Fold the log into the file and empty it, as far as readers allow: what was erased is gone from both.

        Raises:
            StoreError: the disk is full.
        """
        with self._lock, self._translated():
            _patiently(lambda: self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)"))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def immediate(connection: sqlite3.Connection) -> Iterator[None]:
    """`BEGIN IMMEDIATE`, waited for; committed at the end of the block, rolled back if it raises."""
    _patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself rolls back on some failures, a full disk among them.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _patiently(attempt: Callable[[], _T]) -> _T:
    """`attempt()`, again and again while another process holds the lock, for ten seconds at most."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode or 0) & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.0005, 0.003))  # noqa: S311 - spreads the waiters, guards nothing


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit the open transaction."""
    buffer = ""
    for line in sql.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""


def _prepare_file(path: Path) -> None:
    """Make the file where it is missing, with tight permissions before SQLite writes addresses into it.

    An existing file is looked at without being opened: closing it again would drop the locks that
    other connections of this process hold on it (https://sqlite.org/howtocorrupt.html, 2.2).
    """
    # Looked for first: where another process makes the store this moment, its log comes after the file.
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    if not path.exists():
        if has_log:
            # SQLite would throw the log away, and with it perhaps the only copy of what was committed last.
            raise StoreError(
                f"the store {path} is gone, but its log {log.name} is still there",
                hint="put the store back beside it, from a backup; to start anew, move the log away as well",
            )
        draft = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    # SQLite would take so short a file for an empty one, and write over it.
    if 0 < found.st_size < 512:
        raise _not_a_database(path)


def _not_a_database(path: Path) -> StoreError:
    return StoreError(
        f"{path} is not a database", hint="move it away and restore a backup, or start anew without it"
    )


def _explain_os(error: OSError, path: Path) -> StoreError:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = "give yourself permission to write there, or name another folder with NEWSLETTER_HOME"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "make room and run the command again"
    else:
        hint = "check the folder, or name another with NEWSLETTER_HOME"
    return StoreError(f"the store {path} can't be opened: {error.strerror}", hint=hint)


def _explain(error: sqlite3.DatabaseError, path: Path) -> StoreError:
    code = (error.sqlite_errorcode or 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreError(
            f"the disk is full: {path} can't grow",
            hint="make room and run the command again; everything committed before is kept",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"another process has held {path} for ten seconds", hint="wait for it to end and try again"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return StoreError(
            f"the store {path} can't be written: {error}",
            hint="give yourself permission to write the file and its folder",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return _not_a_database(path)
    if code == sqlite3.SQLITE_CORRUPT:
        return StoreError(
            f"the store {path} is damaged: {error}",
            hint=f'restore a backup, or save what is readable: sqlite3 "{path}" .recover',
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(
            f"the disk failed under the store {path}: {error}",
            hint="check free space, quota and the disk; everything committed before is kept",
        )
    return StoreError(f"the store {path}: {error}")
