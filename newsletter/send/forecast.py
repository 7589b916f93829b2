"""When will a send be finished? From its size and its limits, before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from newsletter.send.limits import Limits, Meter
from newsletter.send.rates import duration_in_words, rate_in_words

_DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """What can be said about the pace of a send.

    Attributes:
        limits: it goes by.
        count: recipients.
        seconds: from the first message to the last, days of waiting for the quota included; None where nothing
            but the provider and the network decide.
        begins: when the first message leaves.
        today: how many the daily quota leaves room for; `count` where it doesn't matter.
    """

    limits: Limits
    count: int
    seconds: float | None
    begins: datetime
    today: int

    @property
    def ends(self) -> datetime | None:
        """When the last message leaves; None where that can't be said."""
        return None if self.seconds is None else self.begins + timedelta(seconds=self.seconds)

    def pace(self) -> str:
        """The limit that decides, how long that takes and until when, in words; local time."""
        ends = self.ends
        if self.seconds is None or ends is None:
            return "as fast as the provider takes them"
        if self.seconds < 1:
            return f"{self._limit()}: at once"
        local, begins = ends.astimezone(), self.begins.astimezone()
        day = "" if local.date() == begins.date() else f"{local:%A %Y-%m-%d} "
        return f"{self._limit()}: about {duration_in_words(self.seconds)}, until {day}{local:%H:%M}"

    def quota(self) -> str:
        """What the daily quota does to this send; empty where nothing."""
        if self.today >= self.count:
            return ""
        left = self.count - self.today
        return (
            f"the daily quota of {self.limits.daily_quota:,} has room for {self.today:,} now: the send pauses then, "
            f"and newsletter resume goes on with the other {left:,} when there is room again"
        )

    def _limit(self) -> str:
        limits = self.limits
        within = [self._rate()] if limits.rate or limits.calls else []
        if self.today < self.count:
            within.append(f"{limits.daily_quota:,} messages a day")
        return f"at most {' and '.join(within)}"

    def _rate(self) -> str:
        limits = self.limits
        by_rate, by_calls = _by_rate(self.count, limits), _by_calls(self.count, limits)
        if limits.calls and by_calls >= by_rate:
            each = f" of {limits.batch:,} messages" if limits.batch > 1 else ""
            return rate_in_words(limits.calls, what="call", each=each)
        return rate_in_words(limits.rate)


def forecast(count: int, limits: Limits, begins: datetime, *, used: int = 0) -> Forecast:
    """When a send to `count` people is finished.

    Args:
        count: recipients.
        limits: of the send.
        begins: when it starts, before `Limits.hold`.
        used: messages that went through the provider in the 24 hours before.
    """
    begins += timedelta(seconds=limits.hold)
    today = count
    if limits.daily_quota:
        today = max(0, min(count, limits.daily_quota - used))
    if not limits.rate and not limits.calls and today >= count:
        return Forecast(limits, count, None, begins, count)
    days = math.ceil((count - today) / limits.daily_quota) if today < count else 0
    last = count if not days else (count - today) - (days - 1) * limits.daily_quota
    seconds = days * _DAY + max(_by_rate(last, limits), _by_calls(last, limits))
    return Forecast(limits, count, seconds, begins, today)


def _by_rate(count: int, limits: Limits) -> float:
    """Seconds that the rate alone makes of it: the first burst leaves at once."""
    return max(0.0, (count - Meter(limits).burst) / limits.rate) if limits.rate else 0.0


def _by_calls(count: int, limits: Limits) -> float:
    """Seconds that the limit of calls alone makes of it: as many as may leave at once do so first."""
    meter = Meter(limits)
    calls = math.ceil(count / limits.batch)
    return max(0.0, (calls - meter.call_burst) / meter.call_rate) if limits.calls else 0.0
