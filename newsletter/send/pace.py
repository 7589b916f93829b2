"""When may the next messages leave, and over how many connections at once? Arithmetic alone; nothing here waits."""

from __future__ import annotations

import math
from dataclasses import dataclass

# What may leave at once where nobody says: a tenth of a second's worth, so that waking up for
# every single message isn't what bounds the rate.
_BURST_SECONDS = 0.1
# Far below any message or call, far above what rounding adds up to.
_GRAIN = 1e-6


@dataclass(slots=True)
class Pace:
    """A token bucket on a clock that never runs backwards.

    In any stretch of t seconds at most `rate * t + burst` units leave. Time that passed unused fills
    the bucket up to `burst` and no further: after a pause there is no flood.

    Attributes:
        rate: units (messages or calls) a second; 0 for no limit.
        burst: units that may leave at once; at least as many as one departure has.
    """

    rate: float
    burst: float = 1.0
    # When the bucket will be full again: what is missing until then has left already.
    _full_at: float = -math.inf

    def wait(self, now: float, units: float = 1.0) -> float:
        """Seconds until `units` may leave; 0 where they may now."""
        if not self.rate:
            return 0.0
        at = self._full_at - (self.burst - min(units, self.burst)) / self.rate
        left = at - now
        return left if left > _GRAIN / self.rate else 0.0

    def spend(self, units: float, now: float) -> None:
        """Count `units` as leaving now."""
        if self.rate:
            self._full_at = max(self._full_at, now) + units / self.rate

    def restart(self, units: float, now: float) -> None:
        """Count the last `units` as leaving now, not when they did."""
        if self.rate:
            self._full_at = max(self._full_at, now + units / self.rate)


def paced_batch(wanted: int, rate: float, burst: int = 0, calls: float = 0.0) -> int:
    """How many messages a call may have, so that the rate is kept and yet can be reached.

    A limit of calls never makes a batch smaller. A rate of messages does, to what may leave at once:
    `burst` where somebody said so, else one second's worth, or as much as a call must carry for the
    calls allowed to reach the rate.

    Args:
        wanted: what the provider takes and the settings ask for.
        rate: messages a second; 0 for no limit.
        burst: messages at once; 0 where nobody says.
        calls: calls a second; 0 for no limit.
    """
    if not rate:
        return wanted
    at_once = burst or max(int(rate), math.ceil(rate / calls - _GRAIN) if calls else 1)
    return max(1, min(wanted, at_once))


def default_burst(rate: float, batch: float = 1.0) -> float:
    """What may leave at once where nobody says: one batch, or a tenth of a second's worth if that is more."""
    return max(batch, rate * _BURST_SECONDS)


@dataclass(slots=True)
class Window:
    """How many calls may be under way at once: additive increase, multiplicative decrease.

    The first call goes alone: an answer that stops the send stops it before anything else has left.
    The first success opens the window wide, for a stable provider loses nothing by that. Being told to
    slow down halves it, once for all calls that were under way then, and each round of successes
    gives one connection back.

    Attributes:
        most: connections there are.
        size: calls that may be under way.
    """

    most: int
    size: int = 1
    _proven: bool = False
    _round: int = 0
    # Calls begun before the last cut say nothing new by failing too.
    _begun: int = 0
    _cut_at: int = 0

    def begin(self) -> int:
        """A call begins; returns its number, for `succeeded` and `throttled`."""
        self._begun += 1
        return self._begun

    def succeeded(self) -> bool:
        """A call was answered as it should be; returns whether it was the first."""
        if not self._proven:
            self._proven, self.size = True, self.most
            return True
        if self.size < self.most:
            self._round += 1
            if self._round >= self.size:
                self.size, self._round = self.size + 1, 0
        return False

    def throttled(self, call: int) -> None:
        """Call number `call` was told to slow down, or met a provider that is down."""
        if call > self._cut_at:
            self.size, self._round, self._cut_at = max(1, self.size // 2), 0, self._begun
