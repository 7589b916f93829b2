"""What does a report change? The delivery's state, the ledger where an answer was lost, and who may be mailed again.

A hard bounce and a complaint suppress at once; soft bounces after several in a row. A flood of either from
one provider is held for a person: forged or mistaken, it would empty the list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from newsletter.audience.consent import ConsentEvent
from newsletter.audience.membership import Audience
from newsletter.model.event import Event, EventType
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import events as kept
from newsletter.store.base import Transaction, utc_text
from newsletter.store.events import KeptEvent
from newsletter.tracking.correlate import DeliveryIds, delivery_of
from newsletter.tracking.states import Seen, Standing, State, next_state

# The writer serves readers as well: one turn is a few milliseconds.
CHUNK: Final = 100
_WINDOW: Final = timedelta(hours=1)
_LONGEST_DETAIL: Final = 300
_ABOUT_SUPPRESSION: Final = (SubscriberStatus.BOUNCED, SubscriberStatus.COMPLAINED)

Settle = Callable[[Transaction, DeliveryIds, Sequence[Event]], Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """When a report suppresses, and when it is too many of them.

    Attributes:
        soft_bounces: so many deliveries in a row that came back for now count as gone.
        flood_percent: more suppressions than this share of a send's audience, within an hour, are held.
        flood_least: fewer than so many are never a flood.
    """

    soft_bounces: int = 3
    flood_percent: float = 10.0
    flood_least: int = 25


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies what was reported.

    Attributes:
        audience: the list.
        ids: reads our delivery ids.
        settle: tells the ledger what became of deliveries whose answer was lost; see `send.reconcile`.
        rules: when to suppress, and when to hold.
    """

    audience: Audience
    ids: DeliveryIds
    settle: Settle
    rules: Rules = field(default_factory=Rules)

    def apply(self, tx: Transaction, limit: int = CHUNK) -> Applied:
        """Apply up to `limit` reports that wait; what was done is in the same transaction."""
        turn = kept.waiting(tx, limit)
        applied = Applied(looked_at=len(turn))
        if not turn:
            return applied
        self.settle(tx, self.ids, [one.event for one in turn])
        breaker = _Breaker(tx, self.rules, self.audience.clock.now())
        for one in turn:
            result = self._apply_one(tx, one, breaker)
            applied.results[result] += 1
        applied.tripped = breaker.tripped
        return applied

    def set_aside(self, tx: Transaction) -> int:
        """Give up the first report that waits, because it can't be applied; it is kept. Returns its id, or 0."""
        for one in kept.waiting(tx, 1):
            kept.settle(tx, one.id, "failed", utc_text(self.audience.clock.now()))
            return one.id
        return 0

    def _apply_one(self, tx: Transaction, one: KeptEvent, breaker: _Breaker) -> str:
        at, event = utc_text(self.audience.clock.now()), one.event
        delivery = delivery_of(tx, self.ids, event)
        if delivery is None:
            kept.settle(tx, one.id, "not ours", at)
            return "not ours"
        before = _state(tx, delivery)
        after = next_state(before, event)
        if after != before:
            kept.put_state(tx, delivery, int(after.standing), int(after.seen))
        leaving = self._leaving(tx, delivery, event, after)
        result = "noted"
        if leaving is not None and not _came_back_since(tx, delivery[1], event):
            status, why = leaving
            if status in _ABOUT_SUPPRESSION and breaker.holds(one, delivery[0]):
                kept.hold(tx, one.id)
                return "held"
            consent = ConsentEvent(
                status.value, at, f"webhook:{event.provider}", "provider", detail=why[:_LONGEST_DETAIL]
            )
            if self.audience.leave(tx, delivery[1], status, consent):
                result = "suppressed" if status in _ABOUT_SUPPRESSION else "unsubscribed"
        kept.settle(tx, one.id, result, at, delivery)
        if result == "suppressed":
            breaker.count(delivery[0])
        return result

    def _leaving(
        self, tx: Transaction, delivery: tuple[int, int], event: Event, after: State
    ) -> tuple[SubscriberStatus, str] | None:
        """What the report means for the person, and why; None where it means nothing."""
        alone = next_state(State(), event)
        if Seen.COMPLAINED in alone.seen:
            return SubscriberStatus.COMPLAINED, event.reason or "reported as spam"
        if Seen.UNSUBSCRIBED in alone.seen:
            return SubscriberStatus.UNSUBSCRIBED, event.reason
        if alone.standing is Standing.HARD:
            return SubscriberStatus.BOUNCED, event.reason or "hard bounce"
        if alone.standing is Standing.SOFT and after.standing is Standing.SOFT:
            row = soft_bounces_in_a_row(kept.standings_around(tx, delivery, 4 * self.rules.soft_bounces))
            if row >= self.rules.soft_bounces:
                return SubscriberStatus.BOUNCED, f"{row} soft bounces in a row: {event.reason}".rstrip(": ")
        return None


@dataclass(slots=True)
class Applied:
    """What a turn came to.

    Attributes:
        looked_at: how many reports.
        results: how many of them were noted, suppressed, unsubscribed, not ours, held.
        tripped: providers whose reports are held from now on, and why.
    """

    looked_at: int = 0
    results: Counter[str] = field(default_factory=Counter)
    tripped: list[tuple[str, str]] = field(default_factory=list)


def soft_bounces_in_a_row(latest: Sequence[tuple[int, int]]) -> int:
    """How many of a person's latest deliveries came back softly, with nothing in between.

    Those at the top of which nothing is known yet are passed over: their reports are still to come.

    Args:
        latest: send and standing, the newest first.
    """
    row = 0
    for _, standing in latest:
        if standing == Standing.SOFT:
            row += 1
        elif row or standing not in (Standing.SILENT, Standing.SENT, Standing.DEFERRED):
            break
    return row


def _state(tx: Transaction, delivery: tuple[int, int]) -> State:
    standing, seen = kept.state_of(tx, delivery)
    return State(Standing(standing), Seen(seen))


def _came_back_since(tx: Transaction, subscriber_id: int, event: Event) -> bool:
    """Whether the person joined anew after what is reported: then it says nothing about them any more."""
    return bool(
        tx.query(
            "SELECT 1 FROM consent_events WHERE subscriber_id = ? AND action IN ('resubscribed', 'confirmed') "
            "AND at > ? LIMIT 1",
            (subscriber_id, utc_text(event.at) if event.at else ""),
        )
    )


class _Breaker:
    """Counts suppressions by send, and holds a provider whose reports are a flood."""

    def __init__(self, tx: Transaction, rules: Rules, now: datetime) -> None:
        self._tx, self._rules, self._now = tx, rules, now
        self._since = utc_text(now - _WINDOW)
        self._holds = {hold.provider: hold for hold in kept.holds(tx)}
        self._counts: dict[int, int] = {}
        self._limits: dict[int, float] = {}
        self.tripped: list[tuple[str, str]] = []

    def holds(self, one: KeptEvent, send_id: int) -> bool:
        """Whether this report has to wait for a person."""
        provider = one.event.provider
        known = self._holds.get(provider)
        if known is not None and one.id <= known.released_to:
            return False
        if known is not None and known.since:
            return True
        count = self._count(send_id, known.released_to if known else 0)
        if count + 1 <= self._limits[send_id]:
            return False
        what = "complaints" if one.event.type is EventType.COMPLAINED else "bounces"
        reason = f"{count + 1} bounces and complaints within an hour about one send, the last of them {what}"
        kept.trip(self._tx, provider, reason, utc_text(self._now))
        self._holds = {hold.provider: hold for hold in kept.holds(self._tx)}
        self.tripped.append((provider, reason))
        return True

    def count(self, send_id: int) -> None:
        """One more was suppressed."""
        if send_id in self._counts:
            self._counts[send_id] += 1

    def _count(self, send_id: int, after: int) -> int:
        if send_id not in self._counts:
            self._counts[send_id] = kept.suppressed_since(self._tx, send_id, self._since, after)
            [(audience,)] = self._tx.query("SELECT audience FROM sends WHERE id = ?", (send_id,))
            share = audience * self._rules.flood_percent / 100
            self._limits[send_id] = max(self._rules.flood_least, share)
        return self._counts[send_id]
