"""How is the interpreter set while a send runs? For memory that lives as long as a batch, and threads that take turns."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_SWITCH_SECONDS: Final = 0.0002
_COLLECT_EVERY: Final = 10_000


@contextmanager
def long_lived() -> Iterator[None]:
    """Spare the garbage collector what was there before: else each full collection walks through every module.

    What a send makes lives as long as its batch: looking for cycles every 700 objects would cost a tenth of the
    time. Every ten thousand keeps memory flat, for httpx keeps calls and their bodies in cycles.

    Threads take turns more often, too. Whoever holds the write lock lets go of the interpreter at each
    statement, and the senders, busy with messages, would keep it for 5 ms every time: the lock would be held
    ten times as long as the work takes.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    thresholds = gc.get_threshold()
    gc.set_threshold(_COLLECT_EVERY, *thresholds[1:])
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
