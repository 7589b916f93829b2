"""A list in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from newsletter.audience.membership import Audience
from newsletter.audience.suppression import Suppressions
from newsletter.clock import FakeClock
from newsletter.store.sqlite import SqliteDatabase

SECRET = b"a secret key for tests, long enough"


def open_audience(path: Path) -> Audience:
    """The list kept in `path`, as a command would open it."""
    database = SqliteDatabase(path)
    return Audience(database, Suppressions(database, SECRET), FakeClock())


@pytest.fixture
def audience(tmp_path: Path) -> Iterator[Audience]:
    """An empty list."""
    opened = open_audience(tmp_path / ".newsletter" / "newsletter.db")
    yield opened
    opened.database.close()


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Writes a CSV file and returns its path."""

    def write(content: str | bytes, name: str = "list.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
