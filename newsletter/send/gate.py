"""May this call leave now? The one gate between the sender threads and the provider.

Whatever bounds a send in time meets here, where a call really leaves, not where it was planned: the
rate, the provider's own allowance, how many calls may be under way, and every reason to stop. An answer
closes the gate before the thread that got it does anything else.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final, assert_never

from newsletter.clock import Clock
from newsletter.model.message import OutcomeKind
from newsletter.providers.base import Allowance, BatchResult
from newsletter.send.limits import Limits, Meter
from newsletter.send.pace import Window
from newsletter.send.retry import Breaker, Decision, Pause, RetryAt, within_bounds

# Somebody else may move the clock: a waiting thread looks again after so many seconds.
_LONGEST_NAP: Final = 1.0


class Gate:
    """Shared by the threads of one send.

    Args:
        limits: of the send.
        clock: whose monotonic time is meant.
        may_send: asked right before anything leaves; false once the lease has run out.
        replayable: whether a lost answer can be asked for again under its key.
    """

    def __init__(
        self, limits: Limits, clock: Clock, may_send: Callable[[], bool], *, replayable: bool
    ) -> None:
        self._clock, self._may_send = clock, may_send
        self._changed = threading.Condition()
        self._meter = Meter(limits)
        self._window = Window(limits.connections)
        self._breaker = Breaker(replayable=replayable)
        self._closed_until = -math.inf
        # Calls the provider still takes, by its own headers, and when it counts anew.
        self._allowed, self._reset_at = math.inf, -math.inf
        self._waiting = 0
        self._on_the_wire = 0
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether nothing more may leave."""
        return self._stopped

    @property
    def closed_until(self) -> float:
        """Until when the provider wants to be left alone, on the monotonic clock."""
        return self._closed_until if self._allowed >= 1 else max(self._closed_until, self._reset_at)

    def stop(self) -> None:
        """Let nothing more leave. Safe in a signal handler: takes no lock."""
        self._stopped = True

    def wake(self) -> None:
        """Have those who wait look again: the clock was moved, or the gate was stopped."""
        with self._changed:
            self._changed.notify_all()

    def enter(self, messages: int) -> int | None:
        """Wait until a call of so many messages may leave; returns its number, or None where it must not."""
        with self._changed:
            self._waiting += 1
            try:
                while not self._stopped and (left := self._opens_in(self._clock.monotonic(), messages)):
                    self._changed.wait(min(left, _LONGEST_NAP))
            finally:
                self._waiting -= 1
            if self._stopped or not self._may_send():
                return None
            self._meter.spend(messages, self._clock.monotonic())
            self._on_the_wire += 1
            self._allowed = max(0.0, self._allowed - 1)
            return self._window.begin()

    def leave(self, call: int, result: BatchResult, *, repeated: bool = False) -> Decision:
        """Call number `call` came back: what that means for the whole send, decided once. `repeated`: see `Breaker`."""
        with self._changed:
            self._on_the_wire -= 1
            now = self._clock.monotonic()
            decision = self._breaker.after(result, already=now < self._closed_until, repeated=repeated)
            answered = any(outcome.kind is not OutcomeKind.UNKNOWN for outcome in result.outcomes)
            if result.hold is not None:
                self._window.throttled(call)
            elif answered and self._window.succeeded():
                self._meter.restart(now)
            decision = decision or self._within(result.allowance, now)
            match decision:
                case Pause():
                    self._stopped = True
                case RetryAt(seconds):
                    self._closed_until = max(self._closed_until, now + seconds)
                case None:
                    pass
                case _:
                    assert_never(decision)
            self._changed.notify_all()
        return decision

    def waits_for_time(self, jobs: int) -> bool:
        """Whether all of so many jobs stand at the gate and only time will open it."""
        with self._changed:
            return 0 < jobs == self._waiting and not self._on_the_wire and not self._stopped

    def opens_in(self, now: float) -> float:
        """Seconds until the next whole batch may leave, as far as time alone decides."""
        return max(0.0, self.closed_until - now, self._meter.wait(now))

    def _opens_in(self, now: float, messages: int) -> float:
        # Once the provider counts anew, one call finds out how many it takes now.
        most = self._window.size if self._allowed >= 1 else 1
        if self._on_the_wire >= most:
            return math.inf
        return max(0.0, self.closed_until - now, self._meter.wait(now, messages))

    def _within(self, allowance: Allowance | None, now: float) -> Pause | None:
        """Keep to what the provider says it still takes; what is under way counts already."""
        if allowance is None or allowance.reset_after <= 0:
            self._allowed = math.inf
            return None
        self._allowed = max(0.0, float(allowance.remaining - self._on_the_wire))
        self._reset_at = now + allowance.reset_after
        if self._allowed >= 1:
            return None
        decision = within_bounds(allowance.reset_after, "the provider takes no more calls for now")
        return decision if isinstance(decision, Pause) else None
