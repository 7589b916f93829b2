"""What does a test do until something has happened elsewhere? It looks again, and gives a busy machine its time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_T = TypeVar("_T")


def wait_for(found: Callable[[], _T], seconds: float = 90) -> _T:
    """What `found` says once it is true."""
    deadline = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < deadline, "it didn't come in time"
        time.sleep(0.01)
    return result


def finish(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """What `coroutine` returns; in a thread of its own: a browser of another test may have left a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
