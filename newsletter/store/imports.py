"""How do a million validated rows reach the list at once to the user, while others go on writing?

Rows are staged in a file of their own, sorted and freed of repeats there; nothing of the list is
touched or locked meanwhile. Then the import is written down, and from that commit on it is
finished whatever happens, by `store.merge`; one cut short by a crash goes on when the store is next opened.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from newsletter.errors import StoreError
from newsletter.store import merge_sql as sql
from newsletter.store.merge import AddressHmac, Merge, Progress
from newsletter.store.only_one import only_one
from newsletter.store.sqlite import SqliteDatabase, immediate

# match_key, email (empty: the same), name, status, tags (JSON array), metadata (JSON object), created_at;
# empty wherever the row says nothing of its own. (sqlite3 takes three times as long to bind a None.)
StagedRow = tuple[str, str, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """What became of the rows, each counted once.

    Attributes:
        added: new people who may be mailed (or are pending).
        updated: known people with a new name, tag, metadata, earlier date, or confirmed.
        unchanged: nothing new, repeats within the file included.
        suppressed: rows of people who left, here or according to the file.
        rejected: rows in the errors file.
        errors_file: where they are; empty where there are none.
    """

    added: int
    updated: int
    unchanged: int
    suppressed: int
    rejected: int
    errors_file: str


@dataclass(frozen=True, slots=True)
class ImportFacts:
    """What is recorded of an import: the proof of where people came from.

    Attributes:
        file_name: as the operator named it, without folders.
        sha256: of the file's bytes, in hex.
        started_at: UTC, see `utc_text`.
        status: of rows that name none themselves.
        tags: given to every row, as a JSON array.
        attestation: what the operator said about consent.
        rejected: rows refused before staging.
        errors_file: where those are.
    """

    file_name: str
    sha256: str
    started_at: str
    status: str
    tags: str = "[]"
    attestation: str = ""
    rejected: int = 0
    errors_file: str = ""


@contextmanager
def import_lock(database: SqliteDatabase) -> Iterator[None]:
    """Hold the right to import: one process at a time; the kernel lets go of it when the process dies.

    Raises:
        StoreError: another process is importing.
    """
    refusal = StoreError("another import is running", hint="wait for it to end, then run the command again")
    with only_one(database.path.with_name("import.lock"), refusal):
        yield


class Stage:
    """Rows on their way in, outside the list. Use it as a context manager, below `import_lock`.

    Args:
        database: the store they go to.
        status: what a row without a status of its own has.
    """

    def __init__(self, database: SqliteDatabase, status: str) -> None:
        self._database = database
        self._status = status
        self.path = database.path.with_name(f"import-{secrets.token_hex(6)}.staged")
        self._registered = False

    def __enter__(self) -> Self:
        _remove_orphans(self._database)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            self._open()
        except BaseException:
            self.path.unlink()
            raise
        return self

    def _open(self) -> None:
        with _translated(self.path):
            # Unsorted rows go to an anonymous temporary file, sorted ones to `path`. No journal: a
            # crash before the import is registered throws both away.
            self._connection = sqlite3.connect("", isolation_level=None)
            self._connection.execute("ATTACH ? AS stage", (str(self.path),))
            for pragma in sql.STAGE_PRAGMAS:
                self._connection.execute(pragma)
            for statement in sql.STAGE_TABLES:
                self._connection.execute(statement)
            self._connection.execute("BEGIN")

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        if not self._registered:
            self.path.unlink(missing_ok=True)

    def add(self, rows: Sequence[StagedRow]) -> None:
        """Put validated rows aside.

        Raises:
            StoreError: the disk is full.
        """
        with _translated(self.path):
            self._connection.executemany(sql.STAGE_ROW, rows)

    def seal(self, *, has_tags: bool, has_status: bool) -> tuple[int, int]:
        """Sort the rows and fold repeated addresses into one; returns how many rows and how many people.

        Args:
            has_tags: some row, or the import as a whole, brings tags.
            has_status: some row has a status of its own, or all have one other than active.

        Raises:
            StoreError: the disk is full.
        """
        with _translated(self.path):
            self._connection.execute(sql.SORT_STAGE, {"status": self._status})
            [(rows, people)] = self._connection.execute(sql.COUNT_STAGE).fetchall()
            self._connection.execute(
                "INSERT INTO stage.facts (rows, people, has_tags, has_status) VALUES (?, ?, ?, ?)",
                (rows, people, has_tags, has_status),
            )
            self._connection.execute("COMMIT")
        return rows, people

    def register(self, facts: ImportFacts) -> int:
        """Write the import down in the store: from here on it will be finished. Returns its id.

        Raises:
            StoreError: the disk is full or the store can't be written; nothing has happened then.
        """
        self._connection.close()
        # The rows and their name in the folder are on the disk before anything counts on them.
        for path in (self.path, self.path.parent):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        with self._database.write() as tx:
            import_id = tx.insert(
                "INSERT INTO imports (file_name, sha256, started_at, staged_file, status, tags, attestation,"
                " rejected, errors_file) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(facts.file_name, facts.sha256, facts.started_at, self.path.name, facts.status),
                    *(facts.tags, facts.attestation, facts.rejected, facts.errors_file),
                ),
            )
            # Before the commit: interrupted right after it, the rows must not be thrown away.
            self._registered = True
        return import_id

    def forecast(self, address_hmac: AddressHmac, tags: str) -> ImportCounts:
        """What `merge` would count, without changing anything; `rejected` is left at 0.

        Raises:
            StoreError: the store can't be read.
        """
        self._connection.close()
        with self._database.own_connection() as connection:
            merge = Merge(connection, self.path, address_hmac, self._status, tags)
            counts = merge.count_all()
        return ImportCounts(*counts, rejected=0, errors_file="")


def pending_imports(database: SqliteDatabase) -> list[int]:
    """Imports that are registered and not yet merged to the end."""
    return [
        number for (number,) in database.query("SELECT id FROM imports WHERE finished_at = '' ORDER BY id")
    ]


def merge_import(
    database: SqliteDatabase,
    import_id: int,
    address_hmac: AddressHmac,
    *,
    at: str,
    progress: Progress | None = None,
) -> ImportCounts:
    """Merge a registered import from where it stands to its end. Call it below `import_lock`.

    Args:
        database: the store.
        import_id: see `Stage.register`.
        address_hmac: what suppressions are kept as, of a match_key.
        at: the time to record, see `utc_text`.
        progress: told how many people of how many are merged, after each slice.

    Raises:
        StoreError: the disk is full or the store is busy (what is merged stays, the rest is merged
            when it is called again), or the staged file is gone.
    """
    [(name, status, tags, sha256, merged_to)] = database.query(
        "SELECT staged_file, status, tags, sha256, merged_to FROM imports WHERE id = ?", (import_id,)
    )
    path = database.path.with_name(name)
    if not path.is_file():
        with database.write() as tx:
            tx.execute("UPDATE imports SET finished_at = started_at WHERE id = ?", (import_id,))
        raise StoreError(
            f"an import was cut short and its staged rows {path} are gone",
            hint="import the file again: people who are on the list already stay as they are",
        )
    with database.own_connection() as connection:
        merge = Merge(connection, path, address_hmac, status, tags)
        merge.run(import_id, sha256, merged_to, at, progress)
        # Slices may be lost in a power cut, but only from the end and together with their mark. This
        # last commit reaches the disk with all of them, before the staged rows go away. The mark is
        # somebody's address: it doesn't stay behind.
        connection.execute("PRAGMA synchronous = FULL")
        with immediate(connection):
            connection.execute(
                "UPDATE imports SET finished_at = ?, merged_to = '' WHERE id = ?", (at, import_id)
            )
    path.unlink(missing_ok=True)
    [row] = database.query(
        "SELECT added, updated, unchanged, suppressed, rejected, errors_file FROM imports WHERE id = ?",
        (import_id,),
    )
    return ImportCounts(*row)


def finish_interrupted(database: SqliteDatabase, address_hmac: AddressHmac, *, at: str) -> bool:
    """Finish imports whose process died while merging; leaves those alone that are at work. True if there was one.

    Raises:
        StoreError: see `merge_import`.
    """
    if not pending_imports(database):
        return False
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(import_lock(database))
        except StoreError:
            return False
        for import_id in pending_imports(database):
            merge_import(database, import_id, address_hmac, at=at)
    return True


def _remove_orphans(database: SqliteDatabase) -> None:
    """Delete staged files that no registered import needs: their process died before anything happened."""
    needed = {name for (name,) in database.query("SELECT staged_file FROM imports WHERE finished_at = ''")}
    for path in database.path.parent.glob("import-*.staged*"):
        if path.name not in needed:
            path.unlink(missing_ok=True)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"rows can't be staged in {path.parent}: {error}",
            hint="make room on the disk and import the file again; the list is as it was",
        ) from error
