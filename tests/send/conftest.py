"""Where sends of the tests live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.send.desk import in_memory


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: what is tested here is crashes of processes, not of disks."""
    with in_memory() as path:
        yield path
