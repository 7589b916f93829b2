"""The stores every contract test runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.store.base import Database
from newsletter.store.sqlite import SqliteDatabase


@pytest.fixture(params=["sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty store of each kind."""
    assert request.param == "sqlite"
    opened = SqliteDatabase(tmp_path / "store" / "newsletter.db")
    yield opened
    opened.close()
