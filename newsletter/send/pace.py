"""When may the next messages leave? A token bucket whose burst is one batch."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """At most `rate` messages a second, measured on a clock that never runs backwards.

    A batch of n costs n/rate seconds, paid by whoever comes after it. Time that passed unused is
    not saved up: after a pause there is no burst.

    Attributes:
        rate: messages a second; 0 for no limit.
    """

    rate: float
    _free_at: float = -math.inf

    def wait(self, now: float) -> float:
        """Seconds until something may leave; 0 where it may now."""
        return max(0.0, self._free_at - now) if self.rate else 0.0

    def spend(self, messages: int, now: float) -> None:
        """Count `messages` as leaving now."""
        if self.rate:
            self._free_at = max(self._free_at, now) + messages / self.rate

    def batch_limit(self, wanted: int) -> int:
        """How large a batch may be, so that one second's batch doesn't hold ten seconds' messages."""
        return wanted if not self.rate else max(1, min(wanted, int(self.rate)))
