"""What time is it? One seam, so that nothing waits or guesses in a test."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """The time of day and the passing of time."""

    def now(self) -> datetime:
        """The current time, timezone-aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards and go on while the machine sleeps, for measuring spans."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


def _elapsed_clock() -> Callable[[], float]:
    """The clock of this system that counts the time a laptop sleeps, so that a lease runs out meanwhile.

    On Linux CLOCK_MONOTONIC stands still then and CLOCK_BOOTTIME goes on (clock_gettime(2)); on macOS it
    is CLOCK_MONOTONIC that goes on, and Python's `time.monotonic` that doesn't. Elsewhere there is one clock.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        return partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return time.monotonic


_elapsed = _elapsed_clock()


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The current time, timezone-aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards and go on while the machine sleeps."""
        return _elapsed()

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        time.sleep(seconds)


class FakeClock:
    """A clock that moves only when told to, for tests of your own templates and sends.

    `sleep` moves it forward at once, so that nothing waits.
    """

    def __init__(self, now: datetime = datetime(2026, 1, 6, 9, 0, tzinfo=UTC)) -> None:
        self._now = now
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The time it was last set to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds it has been moved forward."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Move forward by `seconds` without waiting."""
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds

    def set(self, now: datetime) -> None:
        """Jump to `now`, forwards or backwards, as a corrected wall clock does; `monotonic` stays."""
        self._now = now
