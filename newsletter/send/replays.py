"""Whose answer was lost and may be asked for again? The same bytes under the same key, while the key lives."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from newsletter.model.message import OutcomeKind
from newsletter.send.recovery import KEY_MARGIN
from newsletter.send.retry import RetryAt
from newsletter.send.senders import Job, Report, Step

_MOST: Final = 2


class Replays:
    """Jobs that wait to be sent again.

    Args:
        ttl: seconds a key lives at the provider; 0 where it takes none.
    """

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._waiting: list[tuple[float, Job]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def next_at(self) -> float:
        """When the next one may go, on the monotonic clock; infinite where there is none."""
        return min((at for at, _ in self._waiting), default=math.inf)

    def take(self, report: Report, *, wall: datetime, now: float, not_before: float) -> bool:
        """Keep the report's job for another try, where there may be one; returns whether it is kept."""
        job = report.job
        lost = any(outcome.kind is OutcomeKind.UNKNOWN for outcome in report.outcomes)
        age = (wall - job.claimed.at).total_seconds()
        if not lost or not self._ttl or job.request is None or age > self._ttl * KEY_MARGIN:
            return False
        if not isinstance(report.decision, RetryAt):
            # While the whole send waits, its waiting is counted, not this job's tries.
            job.replays += 1
        if job.replays > _MOST:
            return False
        job.uncertain, job.last = True, report.outcomes
        self._waiting.append((max(not_before, now + 2.0**job.replays), job))
        return True

    def due(self, now: float) -> list[Job]:
        """Those whose time has come; they wait no more."""
        due = [job for at, job in self._waiting if at <= now]
        self._waiting = [(at, job) for at, job in self._waiting if at > now]
        return due

    def give_up(self) -> list[Report]:
        """What to write down of all that wait: their answer stays lost."""
        given_up = [Report(job, Step.DONE, outcomes=job.last) for _, job in self._waiting]
        self._waiting.clear()
        return given_up
