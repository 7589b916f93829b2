"""When does a process die? After so many points, such as before and after a commit or a call; from then on nothing of it reaches the world."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from newsletter.store.base import Transaction
from newsletter.store.sqlite import SqliteDatabase


class Died(BaseException):
    """The process is dead: nothing it still wants to do has any effect."""


class Life:
    """One process: it may pass so many points; after that nothing of it reaches the world."""

    def __init__(self, points: int | None) -> None:
        self._left, self._lock = points, threading.Lock()
        self.over = False

    def point(self) -> None:
        with self._lock:
            if self._left is not None:
                self._left -= 1
                self.over = self.over or self._left < 0
            if self.over:
                raise Died


class MortalDatabase(SqliteDatabase):
    """The real store, as one process uses it."""

    life: Life = Life(None)

    @contextmanager
    def write(self) -> Iterator[Transaction]:  # type: ignore[override]  # the same, one type wider
        self.life.point()
        with super().write() as tx:
            yield tx
            self.life.point()
        self.life.point()
