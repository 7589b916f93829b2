"""A process died between claiming and recording: what became of its batches?

Where the provider can tell for certain, it is asked. Where the same key may still be used, the same
bytes are sent again under it. Else the provider's search may know, or a webhook has said it. What is
left nobody can know, and that is what is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from newsletter.clock import Clock
from newsletter.model.delivery import DeliveryState
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import LookUp, Provider
from newsletter.send.messages import MessageSource
from newsletter.send.search import Patience, ask, can_search, questions_about
from newsletter.store import deliveries, undelivered
from newsletter.store.base import Database, Transaction
from newsletter.store.send_records import ClaimedBatch, OpenBatch
from newsletter.store.undelivered import Found

DIED: Final = "the process that was sending it ended before the answer was recorded"
# A key is not used in the last part of its life: clocks differ, and an answer takes its time.
KEY_MARGIN: Final = 0.9
# Seconds a resume asks the provider before it goes on; `newsletter reconcile` asks for longer.
ASKING_SECONDS: Final = 60.0


@dataclass(slots=True)
class Findings:
    """What is to be written down about the batches a dead process left behind.

    Attributes:
        found: what became of single deliveries, claimed or unknown before.
        unsent: subscriber ids, with the batch's earlier state, that provably did not leave.
        lost: claimed ones nobody can tell about, or only `found`, by the reason to write down.
        replays: batches whose bytes may leave again under their key.
    """

    found: list[Found] = field(default_factory=list)
    unsent: list[tuple[DeliveryState, int]] = field(default_factory=list)
    lost: dict[str, list[int]] = field(default_factory=dict)
    replays: list[OpenBatch] = field(default_factory=list)

    def lose(self, numbers: tuple[int, ...] | list[int], reason: str = DIED) -> None:
        """Nobody can tell about these, unless they are in `found`."""
        if numbers:
            self.lost.setdefault(reason, []).extend(numbers)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What asking a provider's search needs.

    Attributes:
        send_id: whose batches they are.
        go_on: see `Patience`; the engine keeps its lease by it.
    """

    db: Database
    send_id: int
    clock: Clock
    go_on: Callable[[], bool]


def investigate(
    open_batches: list[OpenBatch],
    provider: Provider,
    source: MessageSource,
    now: datetime,
    inquiry: Inquiry,
) -> Findings:
    """What became of `open_batches`; may ask the provider, changes nothing."""
    findings, riddles = Findings(), []
    ttl = timedelta(seconds=provider.capabilities.idempotency_ttl * KEY_MARGIN)
    for batch in open_batches:
        # A negative age means that a clock was wrong then or is wrong now: no key is trusted to that.
        if isinstance(provider, LookUp) and provider.capabilities.look_up:
            _look_up(batch, provider, source, findings, inquiry.send_id)
        elif ttl and batch.claimed and not batch.body_hash:
            # The hash is committed before the request may leave, and there is none.
            findings.unsent += [(DeliveryState.CLAIMED, number) for number in batch.claimed]
        elif ttl and batch.body_hash and timedelta(0) <= now - batch.at < ttl:
            findings.replays.append(batch)
        else:
            riddles.append(batch)
    _search(riddles, provider, source, findings, inquiry)
    return findings


def _look_up(
    batch: OpenBatch, provider: LookUp, source: MessageSource, findings: Findings, send_id: int
) -> None:
    members = dict(_members(batch, source))
    known = provider.look_up(list(members))
    for delivery_id, (state, number) in members.items():
        outcome = known.get(delivery_id)
        if outcome is not None and outcome.kind is OutcomeKind.DEFERRED:
            findings.unsent.append((state, number))
            continue
        if outcome is not None and outcome.kind is OutcomeKind.ACCEPTED:
            findings.found.append(found_of(send_id, number, outcome))
        if state is DeliveryState.CLAIMED:
            findings.lose([number])


def _members(batch: OpenBatch, source: MessageSource) -> Iterator[tuple[str, tuple[DeliveryState, int]]]:
    for number in batch.claimed:
        yield source.recipients.delivery_id(number), (DeliveryState.CLAIMED, number)
    for number in batch.unknown:
        yield source.recipients.delivery_id(number), (DeliveryState.UNKNOWN, number)


def _search(
    riddles: list[OpenBatch], provider: Provider, source: MessageSource, findings: Findings, inquiry: Inquiry
) -> None:
    """Ask the provider's search about what nothing else can tell; a webhook's word needs no asking."""
    lost = {number for batch in riddles for number in batch.claimed}
    for batch in riddles:
        findings.found += [Found(inquiry.send_id, number, accepted=True) for number in batch.told]
    if can_search(provider) and riddles:
        delivery_id = source.recipients.delivery_id
        numbers = {delivery_id(n): n for batch in riddles for n in (*batch.claimed, *batch.unknown)}
        questions = questions_about(inquiry.db, delivery_id, riddles, claimed=True)
        for answer in ask(provider, questions, Patience(inquiry.clock, ASKING_SECONDS, inquiry.go_on)):
            if answer.trouble:
                break
            findings.found += [
                found_of(inquiry.send_id, numbers[token], outcome) for token, outcome in answer.found.items()
            ]
            asked = lost & {numbers[token] for token in answer.question.recipients}
            findings.lose(sorted(asked), f"{DIED}; {provider.name} was asked and didn't know of it yet")
            lost -= asked
    findings.lose(sorted(lost))


def found_of(send_id: int, subscriber_id: int, outcome: Outcome) -> Found:
    """What an outcome that is certain says about a delivery."""
    accepted = outcome.kind is OutcomeKind.ACCEPTED
    return Found(send_id, subscriber_id, accepted, outcome.provider_id, "" if accepted else outcome.reason)


def write_down(
    tx: Transaction, send_id: int, epoch: int, findings: Findings, source: MessageSource
) -> list[ClaimedBatch]:
    """Record the findings; returns the batches to send again, claimed by this process."""
    for state in (DeliveryState.CLAIMED, DeliveryState.UNKNOWN):
        deliveries.requeue(tx, send_id, [n for s, n in findings.unsent if s is state], from_state=state)
    replays: list[ClaimedBatch] = []
    for batch in findings.replays:
        claimed = deliveries.reclaim(tx, send_id, epoch, batch, with_tags=source.recipients.with_tags)
        if claimed is None:
            findings.lose(batch.claimed)
            findings.found += [Found(send_id, number, accepted=True) for number in batch.told]
        else:
            replays.append(claimed)
    for reason, numbers in findings.lost.items():
        deliveries.mark(
            tx,
            send_id,
            numbers,
            from_state=DeliveryState.CLAIMED,
            to_state=DeliveryState.UNKNOWN,
            reason=reason,
        )
    undelivered.settle_found(tx, findings.found)
    return replays
