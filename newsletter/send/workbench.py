"""Whose turn is it to compute? One batch is built at a time, and whoever writes to the store comes first.

Python runs one thread at a time anyway. What this prevents is that a thread in a transaction, which lets go of
the interpreter at each statement, waits for busy builders to give it back each time, the write lock held.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Workbench:
    """Shared by the threads of one send."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._wanted = False

    @contextmanager
    def building(self) -> Iterator[None]:
        """The bench for one batch, once nobody else has it or wants to write."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken and not self._wanted)
            self._taken = True
        try:
            yield
        finally:
            self._leave()

    @contextmanager
    def writing(self) -> Iterator[Callable[[], None]]:
        """The bench for a transaction; what it gives lets go of it early: a commit needs the disk, not the interpreter."""
        with self._changed:
            self._wanted = True
            self._changed.wait_for(lambda: not self._taken)
            self._taken, self._wanted = True, False
        left = False

        def leave() -> None:
            nonlocal left
            if not left:
                left = True
                self._leave()

        try:
            yield leave
        finally:
            leave()

    def _leave(self) -> None:
        with self._changed:
            self._taken = False
            self._changed.notify_all()
