"""When does Python look for garbage? Not while a command starts, and seldom in one that ends soon."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OWN_THRESHOLDS = gc.get_threshold()
# Objects made and not let go of between two searches.
_SELDOM = 50_000


def collect_nothing() -> None:
    """Look for none from here on: nothing made while modules are imported is garbage.

    Nor at the end, when the system takes all memory back at once: a last search would cost a quarter of a short
    command.
    """
    gc.disable()
    atexit.register(gc.freeze)


def collect_seldom() -> None:
    """Look for it now and then, among what is made from here on; a process that looks anyway is left alone."""
    if not gc.isenabled():
        gc.freeze()
        gc.set_threshold(_SELDOM)
        gc.enable()


def run_long() -> None:
    """Give the collector its own thresholds back, for a send, which makes real garbage."""
    gc.set_threshold(*_OWN_THRESHOLDS)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for none within the block, which makes millions of small objects and no cycles that matter.

    Where none was looked for before, none is afterwards: the first search would walk through all that was made.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
