"""Deliveries whose answer was lost: what do the provider and its webhooks say about them, and what does the operator decide?

Only proof changes a row by itself. What nobody can prove is left as it is until a person decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from newsletter.errors import NewsletterError
from newsletter.model.delivery import DeliveryState, SendState
from newsletter.model.event import Event, EventType
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import LookUp, Provider
from newsletter.send.lease import SendLock
from newsletter.send.recovery import KEY_MARGIN, found_of
from newsletter.send.search import Patience, ask, can_search, questions_about
from newsletter.store import deliveries, undelivered
from newsletter.store.base import Database, Transaction
from newsletter.store.send_records import OpenBatch, SendRecord, UnknownDelivery
from newsletter.store.undelivered import Found

# Whatever came of it later, the provider had taken the message.
_TAKEN: Final = frozenset(
    {
        EventType.QUEUED,
        EventType.SENT,
        EventType.BOUNCED,
        EventType.DEFERRED,
        EventType.DELIVERED,
        EventType.AUTORESPONDED,
        EventType.OPENED,
        EventType.CLICKED,
        EventType.COMPLAINED,
        EventType.UNSUBSCRIBED,
    }
)
# The reader had it, whatever an earlier answer said.
_ARRIVED: Final = frozenset({EventType.DELIVERED, EventType.OPENED, EventType.CLICKED})
# The provider never tried.
_REFUSED: Final = frozenset({EventType.REJECTED, EventType.FAILED})


class DeliveryIds(Protocol):
    """Makes and reads the ids that ride along; see `audience.tokens.TokenSigner`."""

    def delivery(self, send_id: int, subscriber_id: int) -> str:
        """The id of a delivery."""
        ...

    def read_delivery(self, token: str) -> tuple[int, int] | None:
        """The send and the subscriber, or None where the id is not ours."""
        ...


@dataclass(slots=True)
class Asked:
    """What asking a provider came to.

    Attributes:
        asked: how many deliveries it was asked about.
        not_sent: provably never accepted; a resume sends them.
        unasked: those nobody could be asked about: the time was over, or there was trouble.
        replayable: unknown ones a resume may send again under their key, without doubling anybody.
        trouble: why it didn't answer, in a sentence.
    """

    provider: str
    asked: int = 0
    accepted: int = 0
    rejected: int = 0
    not_sent: int = 0
    unasked: int = 0
    replayable: int = 0
    trouble: str = ""

    @property
    def not_found(self) -> int:
        """Asked about and still not known: an index may lag."""
        return self.asked - self.accepted - self.rejected - self.not_sent


@dataclass(frozen=True, slots=True)
class Settled:
    """What webhooks settled.

    Attributes:
        events: how many there were.
        accepted: deliveries that turned out to be accepted.
        rejected: those that turned out to be refused.
    """

    events: int
    accepted: int
    rejected: int


@dataclass(slots=True)
class Inquest:
    """Asks `provider` about every unknown delivery of one send.

    Attributes:
        on_progress: told how many were asked about, of how many.
    """

    db: Database
    ids: DeliveryIds
    provider: Provider
    send_id: int
    patience: Patience
    on_progress: Callable[[int, int], None] = lambda _done, _all: None

    def run(self) -> Asked:
        """Ask, and record what it knows, batch by batch."""
        batches = [batch for batch in deliveries.open_batches(self.db, self.send_id) if batch.unknown]
        asked = Asked(self.provider.name, unasked=sum(len(batch.unknown) for batch in batches))
        asked.replayable = self._replayable(batches)
        if isinstance(self.provider, LookUp) and self.provider.capabilities.look_up:
            self._look_up(self.provider, batches, asked)
        elif can_search(self.provider):
            self._search(batches, asked)
        return asked

    def _replayable(self, batches: Sequence[OpenBatch]) -> int:
        ttl = timedelta(seconds=self.provider.capabilities.idempotency_ttl * KEY_MARGIN)
        now = self.patience.clock.now()
        alive = [batch for batch in batches if batch.body_hash and timedelta(0) <= now - batch.at < ttl]
        return sum(len(batch.unknown) for batch in alive)

    def _look_up(self, provider: LookUp, batches: Sequence[OpenBatch], asked: Asked) -> None:
        for batch in batches:
            numbers = {self._delivery_id(number): number for number in batch.unknown}
            known = provider.look_up(list(numbers))
            asked.asked += len(numbers)
            asked.unasked -= len(numbers)
            asked.not_sent += sum(outcome.kind is OutcomeKind.DEFERRED for outcome in known.values())
            accepted = {i: outcome for i, outcome in known.items() if outcome.kind is OutcomeKind.ACCEPTED}
            self._record(accepted, asked)

    def _search(self, batches: Sequence[OpenBatch], asked: Asked) -> None:
        total = asked.unasked
        questions = questions_about(self.db, self._delivery_id, batches, claimed=False)
        for answer in ask(self.provider, questions, self.patience):
            if answer.trouble:
                asked.trouble = answer.trouble
                return
            asked.asked += len(answer.question.recipients)
            asked.unasked -= len(answer.question.recipients)
            self._record(answer.found, asked)
            self.on_progress(asked.asked, total)

    def _delivery_id(self, number: int) -> str:
        return self.ids.delivery(self.send_id, number)

    def _record(self, outcomes: Mapping[str, Outcome], asked: Asked) -> None:
        named = ((self.ids.read_delivery(token), outcome) for token, outcome in outcomes.items())
        found = [found_of(*ours, outcome) for ours, outcome in named if ours is not None]
        if found:
            with self.db.write() as tx:
                accepted, rejected = undelivered.settle_found(tx, found)
            asked.accepted += accepted
            asked.rejected += rejected


def settle_from_events(db: Database, ids: DeliveryIds, events: Iterable[Event]) -> Settled:
    """What `settle_events` does, in a transaction of its own."""
    with db.write() as tx:
        return settle_events(tx, ids, events)


def settle_events(tx: Transaction, ids: DeliveryIds, events: Iterable[Event]) -> Settled:
    """Settle unknown deliveries that `events` say something certain about, in the caller's transaction.

    An event belongs to a delivery by our own id, which nobody can make without the key, or by the id
    the provider gave it when it was sent. One that names another provider's send, or none of ours,
    changes nothing. A delivery that is claimed stays so: see `undelivered.report_accepted`. One that
    was refused and arrived all the same is taken out of what `resume --failed` would send again.
    """
    count, arrived = 0, list[Found]()
    taken: dict[tuple[int, int], Found] = {}
    refused: dict[tuple[int, int], Found] = {}
    for event in events:
        count += 1
        if event.type not in _TAKEN and event.type not in _REFUSED:
            continue
        for named in _deliveries_of(tx, ids, event):
            accepted = event.type in _TAKEN
            reason = "" if accepted else event.reason or f"{event.provider} reported: {event.type.value}"
            found = Found(*named, accepted, event.message_id, reason)
            (taken if accepted else refused)[named] = found
            if event.type in _ARRIVED:
                arrived.append(found)
    for found in taken.values():
        undelivered.report_accepted(tx, found)
    corrected = undelivered.correct_refused(tx, arrived)
    # A message that was taken and then failed was taken.
    rejected = [found for key, found in refused.items() if key not in taken]
    newly_accepted, newly_rejected = undelivered.settle_found(tx, [*taken.values(), *rejected])
    return Settled(count, newly_accepted + corrected, newly_rejected)


def _deliveries_of(tx: Transaction, ids: DeliveryIds, event: Event) -> list[tuple[int, int]]:
    if event.delivery_id:
        named = ids.read_delivery(event.delivery_id)
        if named is None:
            return []
        rows = tx.query("SELECT provider FROM sends WHERE id = ?", named[:1])
        return [named] if rows == [(event.provider,)] else []
    if not event.message_id:
        return []
    rows = undelivered.by_provider_id(tx, event.provider, event.message_id)
    # Where a whole call has one id, the recipient says which of its messages is meant.
    if event.recipient:
        rows = [row for row in rows if row[2].casefold() == event.recipient.casefold()]
    return [(rows[0][0], rows[0][1])] if len(rows) == 1 else []


def decide(
    db: Database,
    records: Sequence[SendRecord],
    unknown: Iterable[UnknownDelivery],
    *,
    resend: bool,
    now: datetime,
) -> int:
    """Do as the operator says about `unknown`, all in one transaction; returns how many were changed.

    A cancelled send is not begun again, and `resume` goes on with the last send only: there, those to
    be sent again go back to "never reached", where `--new-only` finds them.

    Args:
        db: the store.
        records: all sends of the issue, oldest first.
        unknown: whom it is about.
        resend: send to them again, instead of taking them for sent.
        now: the time.
    """
    by_send: dict[int, list[int]] = {}
    for delivery in unknown:
        by_send.setdefault(delivery.send_id, []).append(delivery.subscriber_id)
    known, latest, changed = {record.id: record for record in records}, records[-1].id, 0
    with db.write() as tx:
        for send_id, numbers in by_send.items():
            if not resend:
                to_state, reason = DeliveryState.ACCEPTED, "marked as sent by the operator"
            elif send_id != latest or known[send_id].state is SendState.CANCELLED:
                to_state, reason = DeliveryState.SKIPPED, "to be sent again with --new-only"
            else:
                changed += deliveries.requeue(tx, send_id, numbers, from_state=DeliveryState.UNKNOWN)
                _reopen(tx, known[send_id], len(numbers), now)
                continue
            changed += deliveries.mark(
                tx, send_id, numbers, from_state=DeliveryState.UNKNOWN, to_state=to_state, reason=reason
            )
    return changed


def retry_failed(db: Database, state_dir: Path, record: SendRecord, expect: int, now: datetime) -> int:
    """Put those who were refused and may be written to back to pending; returns how many.

    Raises:
        NewsletterError: another process is sending, or there are not `expect` of them any more.
    """
    with SendLock(state_dir, record.id, record.slug), db.write() as tx:
        changed = undelivered.retry_rejected(tx, record.id)
        if changed != expect:
            raise NewsletterError(
                f"there are {changed} to be tried again, not {expect}: the list changed a moment ago",
                hint="nothing was changed; run the command again",
            )
        if changed:
            _reopen(tx, record, changed, now)
    return changed


def _reopen(tx: Transaction, record: SendRecord, count: int, now: datetime) -> None:
    """A send that had ended has something to do again."""
    if record.state is SendState.SENT:
        deliveries.finish(tx, record.id, SendState.PAUSED, f"{count} to be sent again", now)
