"""A process died between claiming and recording: what became of its batches?

Where the provider can tell, it is asked. Where the same key may still be used, the same bytes are
sent again under it. Else nobody can know, and that is what is written down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from newsletter.model.delivery import DeliveryState
from newsletter.model.message import OutcomeKind
from newsletter.providers.base import LookUp, Provider
from newsletter.send.messages import MessageSource
from newsletter.store import deliveries
from newsletter.store.base import Transaction
from newsletter.store.send_records import ClaimedBatch, OpenBatch

DIED: Final = "the process that was sending it ended before the answer was recorded"
# A key is not used in the last part of its life: clocks differ, and an answer takes its time.
KEY_MARGIN: Final = 0.9


@dataclass(slots=True)
class Findings:
    """What is to be written down about the batches a dead process left behind.

    Attributes:
        accepted: subscriber ids, with the batch's earlier state, that provably left.
        unsent: those that provably did not.
        lost: those nobody can tell about.
        replays: batches whose bytes may leave again under their key.
    """

    accepted: list[tuple[DeliveryState, int]] = field(default_factory=list)
    unsent: list[tuple[DeliveryState, int]] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    replays: list[OpenBatch] = field(default_factory=list)


def investigate(
    open_batches: list[OpenBatch], provider: Provider, source: MessageSource, now: datetime
) -> Findings:
    """What became of `open_batches`; may ask the provider, changes nothing."""
    findings = Findings()
    ttl = timedelta(seconds=provider.capabilities.idempotency_ttl * KEY_MARGIN)
    for batch in open_batches:
        # A negative age means that a clock was wrong then or is wrong now: no key is trusted to that.
        if isinstance(provider, LookUp) and provider.capabilities.look_up:
            _ask(batch, provider, source, findings)
        elif ttl and batch.claimed and not batch.body_hash:
            # The hash is committed before the request may leave, and there is none.
            findings.unsent += [(DeliveryState.CLAIMED, number) for number in batch.claimed]
        elif ttl and batch.body_hash and timedelta(0) <= now - batch.at < ttl:
            findings.replays.append(batch)
        else:
            findings.lost += batch.claimed
    return findings


def _ask(batch: OpenBatch, provider: LookUp, source: MessageSource, findings: Findings) -> None:
    members = dict(_members(batch, source))
    known = provider.look_up(list(members))
    for delivery_id, (state, number) in members.items():
        outcome = known.get(delivery_id)
        if outcome is not None and outcome.kind is OutcomeKind.ACCEPTED:
            findings.accepted.append((state, number))
        elif outcome is not None and outcome.kind is OutcomeKind.DEFERRED:
            findings.unsent.append((state, number))
        elif state is DeliveryState.CLAIMED:
            findings.lost.append(number)


def _members(batch: OpenBatch, source: MessageSource) -> Iterator[tuple[str, tuple[DeliveryState, int]]]:
    for number in batch.claimed:
        yield source.recipients.delivery_id(number), (DeliveryState.CLAIMED, number)
    for number in batch.unknown:
        yield source.recipients.delivery_id(number), (DeliveryState.UNKNOWN, number)


def write_down(
    tx: Transaction, send_id: int, epoch: int, findings: Findings, source: MessageSource
) -> list[ClaimedBatch]:
    """Record the findings; returns the batches to send again, claimed by this process."""
    for state in (DeliveryState.CLAIMED, DeliveryState.UNKNOWN):
        deliveries.requeue(tx, send_id, [n for s, n in findings.unsent if s is state], from_state=state)
        deliveries.mark(
            tx,
            send_id,
            [n for s, n in findings.accepted if s is state],
            from_state=state,
            to_state=DeliveryState.ACCEPTED,
            reason="",
        )
    replays: list[ClaimedBatch] = []
    lost = list(findings.lost)
    for batch in findings.replays:
        claimed = deliveries.reclaim(tx, send_id, epoch, batch, with_tags=source.recipients.with_tags)
        if claimed is None:
            lost += batch.claimed
        else:
            replays.append(claimed)
    deliveries.mark(
        tx, send_id, lost, from_state=DeliveryState.CLAIMED, to_state=DeliveryState.UNKNOWN, reason=DIED
    )
    return replays
