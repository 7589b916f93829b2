"""What does a test do until something has happened elsewhere? It looks again, and gives a busy machine its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


def wait_for(found: Callable[[], _T], seconds: float = 90) -> _T:
    """What `found` says once it is true."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, "it didn't come in time"
        time.sleep(0.01)
    return result
