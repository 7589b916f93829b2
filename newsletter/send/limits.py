"""How fast may a send go? What the settings wish for, within what the provider can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from newsletter.providers.base import Capabilities
from newsletter.send.pace import Pace, default_burst, paced_batch

# Providers count calls in windows of their own, and the network moves calls together: a little
# distance to the limit keeps one call in a few hundred from being refused.
_CALL_MARGIN: Final = 0.95


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast a send may go.

    Attributes:
        batch: recipients per call.
        connections: calls that may be under way at once.
        rate: messages a second; 0 for no limit.
        hold: seconds before the first message.
        burst: messages that may leave at once before the rate bites; 0 for one batch.
        calls: calls a second; 0 for no limit.
        daily_quota: messages in any 24 hours through this provider; 0 for none.
    """

    batch: int
    connections: int
    rate: float = 0.0
    hold: float = 0.0
    burst: int = 0
    calls: float = 0.0
    daily_quota: int = 0


@dataclass(frozen=True, slots=True)
class Wishes:
    """The `[sending]` table; 0 leaves a number to the provider."""

    rate: float = 0.0
    batch: int = 0
    connections: int = 0
    hold: float = 0.0
    burst: int = 0
    calls: float = 0.0
    daily_quota: int = 0

    def limits(self, capabilities: Capabilities, *, fits: int = 0) -> Limits:
        """What is wished for, within what the provider can do.

        Args:
            capabilities: the provider's.
            fits: how many messages of this issue fit into a call; 0 where there is no such limit.
        """
        rate = self.rate or capabilities.messages_per_second
        calls = self.calls or capabilities.calls_per_second
        batch = min(
            self.batch or capabilities.max_batch, capabilities.max_batch, fits or capabilities.max_batch
        )
        return Limits(
            batch=paced_batch(batch, rate, self.burst, calls),
            connections=self.connections or capabilities.connections,
            rate=rate,
            hold=self.hold,
            burst=self.burst,
            calls=calls,
            daily_quota=self.daily_quota,
        )


@dataclass(slots=True)
class Meter:
    """Both limits at once: messages a second and calls a second.

    Args:
        limits: of the send.

    Attributes:
        burst: messages that may leave at once.
        call_rate: calls a second that are really made; 0 for no limit.
        call_burst: calls that may leave at once.
    """

    limits: Limits
    burst: float = field(init=False)
    call_rate: float = field(init=False)
    call_burst: float = field(init=False)
    _messages: Pace = field(init=False)
    _calls: Pace = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        self.burst = (
            max(limits.burst, limits.batch) if limits.burst else default_burst(limits.rate, limits.batch)
        )
        self.call_rate = limits.calls * _CALL_MARGIN
        self.call_burst = default_burst(self.call_rate)
        self._messages = Pace(limits.rate, self.burst)
        self._calls = Pace(self.call_rate, self.call_burst)

    def wait(self, now: float, messages: int = 0) -> float:
        """Seconds until a call of so many messages (a whole batch where that isn't said) may leave."""
        return max(self._messages.wait(now, messages or self.limits.batch), self._calls.wait(now))

    def spend(self, messages: int, now: float) -> None:
        """Count a call of so many messages as leaving now."""
        self._messages.spend(messages, now)
        self._calls.spend(1, now)

    def restart(self, now: float) -> None:
        """The first call was answered: it arrived later than it left by all that a connection takes to be made."""
        self._calls.restart(1, now)
