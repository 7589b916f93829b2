"""What to do after something was provably not accepted: try again, give up on one recipient, or hold the send?

Decisions are values, made from numbers alone; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import BatchResult, Hold
from newsletter.send.rates import duration_in_words

# Greylisting servers let a second try in after one to five minutes (RFC 6647, section 4.3: some up to an hour).
RECIPIENT_WAITS: Final = (10.0, 60.0, 240.0, 600.0, 1200.0)
# A provider that is down or says "slow down": doubled each time, this at most.
_LONGEST_HOLD: Final = 60.0
# Ten failures in a row without one success are some six minutes of waiting.
_HOLDS: Final = 10
# Longer than this nobody waits at a terminal: the send pauses and says when to go on.
LONGEST_WAIT: Final = 900.0
# What was put off through no fault of its own is tried again after so many seconds.
_SOON: Final = 1.0
# An endpoint that swallows requests without an answer would turn a whole list into "unknown".
_SILENCES: Final = 3


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again in so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop trying this recipient."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop the whole send until a person resumes it.

    Attributes:
        again: seconds after which a process that nobody watches may go on by itself, because time
            alone mends it; 0 where a person has to act.
    """

    reason: str
    hint: str
    again: float = 0.0


def after_deferral(attempts: int, reason: str) -> RetryAt | GiveUp:
    """What becomes of one recipient whose message was deferred for the `attempts`-th time, from 1."""
    if attempts > len(RECIPIENT_WAITS):
        return GiveUp(
            f"gave up after {attempts} attempts: {reason}" if reason else f"gave up after {attempts} attempts"
        )
    return RetryAt(RECIPIENT_WAITS[attempts - 1])


# What a whole send does after a batch: wait, pause, or go on.
Decision = RetryAt | Pause | None


def uncounted_wait(outcomes: Sequence[Outcome], decision: Decision) -> float:
    """Seconds after which deferred recipients are tried again without its counting against them; 0 where it counts.

    It doesn't count where the whole send was put off, nor where a provider refused a batch over some
    of its recipients: the others were never looked at.
    """
    match decision:
        case RetryAt(seconds):
            return seconds
        case Pause():
            return _SOON
        case None:
            kinds = {outcome.kind for outcome in outcomes}
            collateral = OutcomeKind.REJECTED in kinds and OutcomeKind.ACCEPTED not in kinds
            return _SOON if collateral else 0.0
        case _:
            assert_never(decision)


def within_bounds(seconds: float, reason: str, hint: str = "") -> RetryAt | Pause:
    """Wait so long, or pause where that is longer than anybody waits."""
    if seconds <= LONGEST_WAIT:
        return RetryAt(seconds)
    span = duration_in_words(seconds)
    return Pause(f"{reason}; it asks to be left alone for {span}", hint or f"go on in {span}", seconds)


@dataclass(slots=True)
class Breaker:
    """Notices when nothing about single recipients is wrong, but everything about the provider.

    Attributes:
        replayable: whether a lost answer can be asked for again, so that it costs nothing.
        holds: batches in a row the provider put off as a whole.
        silences: batches in a row whose answer was lost.
    """

    replayable: bool = False
    holds: int = 0
    silences: int = 0

    def after(self, result: BatchResult, *, already: bool = False, repeated: bool = False) -> Decision:
        """What the whole send does after a batch.

        `already` says that the send is waiting: what was under way then fails too, and counts once.
        `repeated` says that the batch was sent under its key before: a second lost answer puts nobody
        new in doubt, and may be all that a provider has to say about a key it knows.
        """
        lost = (
            bool(result.outcomes)
            and not repeated
            and all(o.kind is OutcomeKind.UNKNOWN for o in result.outcomes)
        )
        if result.hold is not None and result.hold.retry_after is None:
            return Pause(result.hold.reason, result.hold.hint)
        if lost and not (self.replayable and result.hold is not None):
            self.silences += 1
            if self.silences >= _SILENCES:
                said = result.hold.reason if result.hold is not None else result.outcomes[0].reason
                return Pause(
                    f"{self.silences} batches in a row were left without an answer to be trusted: {said}",
                    "look at the provider's status page; what was sent without an answer is held as unknown",
                )
        if result.hold is not None:
            return self._after_hold(result.hold, already=already)
        if any(_is_an_answer(outcome) for outcome in result.outcomes):
            self.holds = self.silences = 0
        return None

    def _after_hold(self, hold: Hold, *, already: bool) -> RetryAt | Pause:
        self.holds += not already or not self.holds
        if self.holds >= _HOLDS:
            return Pause(
                f"{hold.reason} ({self.holds} times in a row)",
                hold.hint or "resume when the provider is well again",
                _LONGEST_HOLD,
            )
        seconds = max(hold.retry_after or 0.0, min(_LONGEST_HOLD, 2.0 ** (self.holds - 1)))
        return within_bounds(seconds, hold.reason, hold.hint)


def _is_an_answer(outcome: Outcome) -> bool:
    """Whether an outcome shows that the provider is there and deals with messages one by one."""
    match outcome.kind:
        case OutcomeKind.ACCEPTED | OutcomeKind.REJECTED | OutcomeKind.DEFERRED:
            return True
        case OutcomeKind.UNKNOWN:
            return False
        case _:
            assert_never(outcome.kind)
