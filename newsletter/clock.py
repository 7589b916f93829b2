"""What time is it? One seam, so that nothing waits or guesses in a test."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """The time of day and the passing of time."""

    def now(self) -> datetime:
        """The current time, timezone-aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, for measuring spans."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The current time, timezone-aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

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
