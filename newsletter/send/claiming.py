"""Who is claimed next, and when? Within the pace and the quota, and never long before a message can leave."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from newsletter.model.delivery import DeliveryState, SendState
from newsletter.providers.base import Capabilities
from newsletter.send.limits import Limits, Meter
from newsletter.send.quota import Quota
from newsletter.send.recipients import unreachable
from newsletter.send.retry import Pause
from newsletter.send.senders import Job
from newsletter.store import deliveries
from newsletter.store.base import Transaction
from newsletter.store.send_records import Claim, Terms


@dataclass(slots=True)
class Turn:
    """What one transaction decided; takes effect in memory only when it is committed.

    Attributes:
        state: of the send.
        cursor: the highest subscriber id looked at.
        swept: nobody is left who was not tried.
        under_way: batches that were claimed and not settled before.
        note: why the send is paused.
        jobs: to be done once it is committed.
        moved: how many deliveries went from one state to another.
        due: when the first deferred delivery is.
        ended: this was the last one.
    """

    state: SendState
    cursor: int
    swept: bool
    under_way: int
    note: str = ""
    jobs: list[Job] = field(default_factory=list)
    claimed: int = 0
    settled: int = 0
    moved: Counter[DeliveryState] = field(default_factory=Counter)
    due: datetime | None = None
    ended: bool = False

    @property
    def busy(self) -> int:
        """Batches that are claimed and not settled, as of now."""
        return self.under_way + self.claimed - self.settled

    def move(self, to: DeliveryState, count: int, origin: DeliveryState = DeliveryState.CLAIMED) -> None:
        """So many deliveries go from one state to another."""
        self.moved[origin] -= count
        self.moved[to] += count


class Claims:
    """Claims for one running send.

    Args:
        send_id: the send.
        epoch: what proves that this process holds it.
        limits: of the send.
        capabilities: of its provider.
        with_tags: whether the content asks for a recipient's tags.

    Attributes:
        quota: None where there is none.
        counts: deliveries in each state, as of the last turn.
        due: when the first deferred delivery is.
        not_before: nothing is claimed earlier, on the monotonic clock.
        room: batches that may be claimed and not settled at once.
    """

    def __init__(
        self, send_id: int, epoch: int, limits: Limits, capabilities: Capabilities, *, with_tags: bool
    ) -> None:
        self._send_id, self._epoch = send_id, epoch
        self._limits, self._with_tags = limits, with_tags
        self._refuse = None if capabilities.writes_to_non_ascii else unreachable
        self._meter = Meter(limits)
        self._cursor, self._swept = 0, False
        self.quota: Quota | None = None
        self.counts: Counter[DeliveryState] = Counter()
        self.due: datetime | None = None
        self.not_before = -math.inf
        # Some batches wait for a free connection, so that none is idle while a turn is committed.
        # An idempotent provider's batches pass the writer once more, for their hash.
        twice = bool(capabilities.idempotency_ttl)
        self.room = limits.connections * (2 if twice else 1) + max(1, limits.connections // 4)

    def turn(self, state: SendState, note: str, under_way: int) -> Turn:
        """A turn that begins."""
        return Turn(state, self._cursor, self._swept, under_way, note)

    def committed(self, turn: Turn) -> None:
        """What the turn decided holds."""
        self._cursor, self._swept, self.due = turn.cursor, turn.swept, turn.due
        self.counts.update(turn.moved)

    def opening(self, now: float) -> float:
        """When the next claim is in order, on the monotonic clock; infinite where nobody is left but the deferred."""
        return math.inf if self._swept else self.paced(now)

    def paced(self, now: float) -> float:
        """When the pace allows the next claim."""
        return max(self.not_before, now + self._meter.wait(now))

    def give_back(self, job: Job, count: int) -> None:
        """So many of a job's messages didn't leave: they don't count against the quota."""
        if self.quota is not None:
            self.quota.give_back(count, job.claimed.at)

    def take(self, tx: Transaction, turn: Turn, elapsed: float, now: datetime) -> Pause | None:
        """Claim batches for the connections that are or will soon be free.

        Returns:
            Why the send has to be paused, if so.
        """
        deferred = self.due is not None and self.due <= now
        while elapsed >= self.not_before and turn.busy < self.room and not self._meter.wait(elapsed):
            if not (deferred or self._anybody(turn)):
                break
            limit = self._limits.batch if self.quota is None else self.quota.room(tx, self._limits.batch, now)
            if not limit:
                # What is under way may come back and make room.
                return None if turn.busy else self._over_quota(elapsed, now)
            terms = Terms(limit, now, self._with_tags, self._refuse)
            if deferred:
                claim = deliveries.claim_due(tx, self._send_id, self._epoch, terms)
                deferred = bool(claim.looked_at)
                self._take_on(claim, DeliveryState.DEFERRED, turn, elapsed)
                continue
            claim = deliveries.claim(tx, self._send_id, self._epoch, terms, after=turn.cursor)
            # Behind the last one the search begins again at the first: some were given back.
            turn.swept = not claim.looked_at and not turn.cursor
            turn.cursor = claim.last_id
            self._take_on(claim, DeliveryState.PENDING, turn, elapsed)
        # Known without looking, and without waiting for the pace to allow a look.
        turn.swept = turn.swept or not self._anybody(turn)
        return None

    def recount(self, tx: Transaction, turn: Turn) -> None:
        """Somebody else put deliveries back to pending: count anew, and look again from the first."""
        tally = deliveries.tally(tx, self._send_id)
        turn.moved = Counter({state: getattr(tally, state.name.lower()) for state in DeliveryState})
        turn.moved.subtract(self.counts)
        turn.cursor, turn.swept = 0, False

    def _anybody(self, turn: Turn) -> bool:
        return not turn.swept and self.counts[DeliveryState.PENDING] + turn.moved[DeliveryState.PENDING] > 0

    def _over_quota(self, elapsed: float, now: datetime) -> Pause | None:
        assert self.quota is not None
        decision = self.quota.after_none(now)
        if isinstance(decision, Pause):
            return decision
        self.not_before = max(self.not_before, elapsed + decision.seconds)
        return None

    def _take_on(self, claim: Claim, origin: DeliveryState, turn: Turn, elapsed: float) -> None:
        turn.move(DeliveryState.SKIPPED, claim.skipped, origin)
        turn.move(DeliveryState.REJECTED, claim.rejected, origin)
        if claim.batch is not None:
            turn.move(DeliveryState.CLAIMED, len(claim.batch.people), origin)
            turn.claimed += 1
            turn.jobs.append(Job(claim.batch))
            self._meter.spend(len(claim.batch.people), elapsed)
            if self.quota is not None:
                self.quota.take(len(claim.batch.people), claim.batch.at)
