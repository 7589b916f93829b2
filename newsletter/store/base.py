"""What a database is to the rest: short write transactions, plain reads, the same SQL text everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]


class Transaction(Protocol):
    """Statements that take effect together, or not at all."""

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        ...

    def executemany(self, sql: str, rows: Sequence[Parameters]) -> int:
        """Run one statement for each of `rows`; returns how many rows were changed in all."""
        ...

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Read inside the transaction."""
        ...

    def insert(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one INSERT; returns the new row's id."""
        ...


class Database(Protocol):
    """A database whose schema is current."""

    def write(self) -> AbstractContextManager[Transaction]:
        """A write transaction: committed at the end of the block, rolled back if it raises."""
        ...

    def query(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Read outside any transaction, all rows at once."""
        ...

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Read row by row from one snapshot, with flat memory."""
        ...

    def close(self) -> None:
        """Let go of the file or the connection."""
        ...


def utc_text(moment: datetime) -> str:
    """`moment` as the store writes times: UTC, ISO 8601, milliseconds, a trailing `Z`; sorts as text."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def utc_moment(text: str) -> datetime:
    """The time that `utc_text` wrote."""
    return datetime.fromisoformat(text)
