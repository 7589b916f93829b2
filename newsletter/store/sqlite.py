"""SQLite as the store: one file, WAL, one short `BEGIN IMMEDIATE` for every write.

`BEGIN IMMEDIATE` takes the write lock at once: a plain `BEGIN` that upgrades later fails with
SQLITE_BUSY_SNAPSHOT whatever the timeout. `synchronous=FULL` makes a commit survive a power cut,
which the claim-before-send protocol stands on.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Self

from newsletter.errors import StoreError
from newsletter.store.base import Parameters, Row

_BUSY_SECONDS = 10.0


def migrations() -> list[tuple[int, str]]:
    """The numbered migrations shipped with the package, in order."""
    folder = resources.files("newsletter.store") / "migrations"
    found = [
        (int(entry.name.split("_")[0]), entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


class SqliteTransaction:
    """An open `BEGIN IMMEDIATE`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        return self._connection.execute(sql, parameters).rowcount

    def executemany(self, sql: str, rows: list[Parameters]) -> int:
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
        StoreError: it can't be opened, isn't a database, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made with tight permissions before SQLite writes addresses into it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = self._connect()
            self._migrate()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(
                f"the store {path} can't be opened: {error}",
                hint="check the folder's permissions and free space, or name another with NEWSLETTER_HOME",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _migrate(self) -> None:
        available = migrations()
        newest = available[-1][0]
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > newest:
            raise StoreError(
                f"the store {self.path} has schema {version}; this newsletter knows up to {newest}",
                hint="upgrade: pip install --upgrade newsletter-toolkit",
            )
        for number, sql in available:
            if number <= version:
                continue
            # One transaction a migration, its number inside: a crash leaves the old schema whole.
            # Two processes may both find it missing: the number is read again under the lock.
            self._connection.executescript("BEGIN IMMEDIATE")
            try:
                (now_at,) = self._connection.execute("PRAGMA user_version").fetchone()
                if now_at < number:
                    for statement in _statements(sql):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {number}")
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def write(self) -> Iterator[SqliteTransaction]:
        """A write transaction: committed at the end of the block, rolled back if it raises.

        Raises:
            StoreError: the disk is full, the file can't be written, or another process holds the
                lock for longer than ten seconds; nothing of the block is kept.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield SqliteTransaction(self._connection)
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                raise _explain(error, self.path) from error

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Read outside any transaction, all rows at once."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Read row by row from one snapshot, on a connection of its own, with flat memory."""
        with closing(self._connect()) as connection:
            yield from connection.execute(sql, parameters)

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


def _statements(sql: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit the open transaction."""
    buffer = ""
    for line in sql.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""


def _explain(error: sqlite3.OperationalError, path: Path) -> StoreError:
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
    if code == sqlite3.SQLITE_READONLY:
        return StoreError(f"{path} is read-only", hint="give yourself permission to write it")
    return StoreError(f"the store {path}: {error}")
