"""How many messages may still leave today? A daily quota over any 24 hours, counted from the ledger."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from newsletter.send.retry import LONGEST_WAIT, Pause, RetryAt
from newsletter.store import quota as ledger
from newsletter.store.base import Database, Transaction

_DAY: Final = timedelta(hours=24)


def used(source: Database | Transaction, provider: str, now: datetime) -> int:
    """Messages that left, or may have, through `provider` in the last 24 hours."""
    return sum(count for _, count in ledger.left_since(source, provider, now - _DAY))


class Quota:
    """The quota of one running send; other sends through the same provider count too.

    Args:
        source: the store.
        provider: whose quota it is.
        send_id: the send that asks.
        limit: messages in any 24 hours; 0 for no quota.
        now: the time.
    """

    def __init__(self, source: Database, provider: str, send_id: int, limit: int, now: datetime) -> None:
        self._provider, self._send_id, self._limit = provider, send_id, limit
        self._left: deque[tuple[datetime, int]] = deque()
        self._used = self._seen = 0
        if limit:
            self._seen = ledger.newest_batch(source)
            for at, count in ledger.left_since(source, provider, now - _DAY):
                self.take(count, at)

    def room(self, tx: Transaction, wanted: int, now: datetime) -> int:
        """How many of `wanted` may be claimed now."""
        if not self._limit:
            return wanted
        for number, at, count in ledger.claimed_by_others(tx, self._provider, self._send_id, self._seen):
            self._seen = number
            self.take(count, at)
        while self._left and self._left[0][0] <= now - _DAY:
            self._used -= self._left.popleft()[1]
        return max(0, min(wanted, self._limit - self._used))

    def take(self, count: int, at: datetime) -> None:
        """Count messages as leaving."""
        if self._limit and count:
            self._left.append((at, count))
            self._used += count

    def give_back(self, count: int, at: datetime) -> None:
        """Of what was claimed at `at` so many didn't leave after all."""
        for position, (when, taken) in enumerate(self._left):
            if when == at and taken >= count:
                self._left[position] = (when, taken - count)
                self._used -= count
                return

    def after_none(self, now: datetime) -> RetryAt | Pause:
        """What to do where there is no room: wait for it where that is soon, else say when."""
        free, opens = self._limit - self._used, now + _DAY
        for at, count in self._left:
            free += count
            if free > 0:
                opens = at + _DAY
                break
        seconds = max(1.0, (opens - now).total_seconds())
        if seconds <= LONGEST_WAIT:
            return RetryAt(seconds)
        # To the minute, rounded up: at the time that is said there is room.
        when = opens + timedelta(seconds=59)
        return Pause(
            f"the daily quota of {self._limit:,} messages through {self._provider} is used up; "
            f"there is room again at {when:%H:%M} UTC on {when:%A, %Y-%m-%d}",
            "go on from then; with a larger plan, raise `daily_quota` under [sending] first",
            (when - now).total_seconds(),
        )
