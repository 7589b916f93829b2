"""How do staged rows become the list? In slices in the order of the index, each a short transaction that also records how far it came."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from newsletter.store import merge_sql as sql
from newsletter.store.sqlite import immediate

AddressHmac = Callable[[str], bytes]
Progress = Callable[[int, int], None]

_LOCK_SECONDS: Final = (
    0.015  # what a slice aims at, its commit aside: a sixth of what a neighbour may be asked to wait
)
_FIRST_SLICE: Final = 1000
_LARGEST_SLICE: Final = 20_000
_COUNTS: Final = ("added", "updated", "unchanged", "suppressed")
_COUNTED_AS: Final = {"leaves": "suppressed", "confirmed": "updated"}


class Merge:
    """One staged file and one connection to the list.

    Args:
        connection: to the list, its own; the staged file is attached to it.
        path: of the staged file.
        address_hmac: what suppressions are kept as, of a match_key.
        status: of rows that name none themselves.
        tags: given to every row, as a JSON array.
    """

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
        """Merge what comes after the address `merged_to`, recording how far it came in the import's row.

        Raises:
            sqlite3.OperationalError: the disk is full or the list is busy; what is merged stays.
        """
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
        """How many `run` would add, update, leave as they are and suppress."""
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
