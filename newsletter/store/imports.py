"""How do a million validated rows reach the list at once to the user, while others go on writing?

Rows are staged in a file of their own, sorted and freed of repeats there; nothing of the list is
touched or locked meanwhile. Then the import is written down, and from that commit on it is
finished whatever happens: slices in the order of the index, each a short transaction that also
records how far it came. A merge cut short by a crash goes on when the store is next opened.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from newsletter.errors import StoreError
from newsletter.store import merge_sql as sql
from newsletter.store.sqlite import SqliteDatabase, immediate

# match_key, email (empty: the same), name, status, tags (JSON array), metadata (JSON object), created_at;
# empty wherever the row says nothing of its own. (sqlite3 takes three times as long to bind a None.)
StagedRow = tuple[str, str, str, str, str, str, str]
AddressHmac = Callable[[str], bytes]
Progress = Callable[[int, int], None]

_LOCK_SECONDS: Final = (
    0.015  # what a slice aims at, its commit aside: a sixth of what a neighbour may be asked to wait
)
_FIRST_SLICE: Final = 1000
_LARGEST_SLICE: Final = 20_000
_COUNTS: Final = ("added", "updated", "unchanged", "suppressed")
_COUNTED_AS: Final = {"leaves": "suppressed", "confirmed": "updated"}


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
    # A file of its own: closing a second descriptor of a database would drop SQLite's own locks on it.
    descriptor = os.open(database.path.with_name("import.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                "another import is running", hint="wait for it to end, then run the command again"
            ) from None
        yield
    finally:
        os.close(descriptor)


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
            merge = _Merge(connection, self.path, address_hmac, self._status, tags)
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
        merge = _Merge(connection, path, address_hmac, status, tags)
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


class _Merge:
    """One staged file and one connection to the list."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, address_hmac: AddressHmac, status: str, tags: str
    ) -> None:
        self._connection = connection
        self._values: dict[str, str | int] = {"status": status, "tags": tags, "after": ""}
        self._raised: BaseException | None = None
        self._slice_people = self._slice_repeats = 0
        connection.create_function("address_hmac", 1, self._guarded(address_hmac), deterministic=True)
        connection.execute("ATTACH ? AS stage", (str(path),))
        for pragma in sql.MERGE_PRAGMAS:
            connection.execute(pragma)
        for statement in sql.MERGE_TABLES:
            connection.execute(statement)
        [(self._people, self._has_tags, self._has_status)] = connection.execute(
            "SELECT people, has_tags, has_status FROM stage.facts"
        ).fetchall()

    def _guarded(self, address_hmac: AddressHmac) -> AddressHmac:
        """Remember what `address_hmac` raises, Ctrl-C above all: SQLite makes an error of its own of it."""

        def remembering(key: str) -> bytes:
            try:
                return address_hmac(key)
            except BaseException as error:
                self._raised = error
                raise

        return remembering

    def run(self, import_id: int, sha256: str, merged_to: str, at: str, progress: Progress | None) -> None:
        self._values |= {"after": merged_to, "import_id": import_id, "source": f"import:{sha256}", "at": at}
        [(done,)] = self._all("SELECT count(*) FROM stage.rows WHERE key <= :after")
        size = _FIRST_SLICE
        while self._next_slice(size):
            with immediate(self._connection):
                began = time.perf_counter()
                try:
                    self._merge_slice()
                except sqlite3.OperationalError as error:
                    raise self._raised or error from None
                held = time.perf_counter() - began
            done += self._slice_people
            if progress is not None:
                progress(done, self._people)
            self._values["after"] = self._values["upto"]
            size = max(100, min(_LARGEST_SLICE, size * 2, int(size * _LOCK_SECONDS / held)))

    def count_all(self) -> tuple[int, int, int, int]:
        totals = dict.fromkeys(_COUNTS, 0)
        while self._next_slice(_LARGEST_SLICE):
            self._classify()
            for name, number in self._counts().items():
                totals[name] += number
            self._values["after"] = self._values["upto"]
        added, updated, unchanged, suppressed = totals.values()
        return added, updated, unchanged, suppressed

    def _all(self, statement: str) -> list[tuple[int, ...]]:
        return self._connection.execute(statement, self._values).fetchall()

    def _next_slice(self, size: int) -> bool:
        """Move `upto` behind the next `size` people; False where there are none."""
        [(key, people, repeats)] = self._connection.execute(
            sql.SLICE_END, self._values | {"size": size}
        ).fetchall()
        self._values["upto"] = key or ""
        self._slice_people, self._slice_repeats = people, repeats
        return bool(people)

    def _classify(self) -> None:
        """Fill `known`: who of the slice is on the list or was erased, and what the row means for them."""
        self._connection.execute("DELETE FROM temp.known")
        # One look instead of one per row: a list that is new, or its own alphabet, meets nobody.
        if self._all(sql.ANYONE_IN_RANGE)[0][0]:
            self._connection.execute(sql.CLASSIFY_KNOWN, self._values)
        # Looked at under the same lock as the rows: nobody erased in between comes back.
        if self._all("SELECT EXISTS (SELECT 1 FROM main.suppressions)")[0][0]:
            self._connection.execute(sql.CLASSIFY_ERASED, self._values)

    def _counts(self) -> dict[str, int]:
        counts = dict.fromkeys(_COUNTS, 0)
        for outcome, number in self._connection.execute(sql.COUNT_KNOWN):
            counts[_COUNTED_AS.get(outcome, outcome)] += number
        leaving = self._all(sql.COUNT_LEAVING)[0][0] if self._has_status else 0
        counts["added"] = self._slice_people - sum(counts.values()) - leaving
        counts["suppressed"] += leaving
        counts["unchanged"] += self._slice_repeats
        return counts

    def _merge_slice(self) -> None:
        self._classify()
        counts = self._counts()
        execute = self._connection.execute
        [(anyone_known,)] = execute("SELECT EXISTS (SELECT 1 FROM temp.known)").fetchall()
        execute(sql.INSERT_NEW if anyone_known else sql.INSERT_ALL, self._values)
        if counts["updated"] or counts["suppressed"]:
            execute(sql.UPDATE_KNOWN, self._values)
            execute(sql.RECORD_CONSENT, self._values)
        if self._has_status:
            execute(sql.SUPPRESS, self._values)
        if self._has_tags:
            execute(sql.ADD_TAGS, self._values)
        execute(sql.RECORD_PROGRESS, self._values | counts)


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
