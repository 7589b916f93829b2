"""Who is not known to have got it, and what is learnt about them afterwards? Reading and settling after the fact.

Everything here moves a row only from where it stands: what another process has settled meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from newsletter.model.delivery import DeliveryState
from newsletter.store.base import Database, Row, Transaction
from newsletter.store.send_records import Undelivered

# In the order of what somebody has to do about them.
_SHOWN: Final = (
    DeliveryState.REJECTED,
    DeliveryState.UNKNOWN,
    DeliveryState.DEFERRED,
    DeliveryState.SKIPPED,
)


class Found(NamedTuple):
    """What was learnt about one delivery: accepted with the provider's id, or rejected for a reason."""

    send_id: int
    subscriber_id: int
    accepted: bool
    provider_id: str = ""
    reason: str = ""


def undelivered(db: Database, send_id: int) -> Iterator[Undelivered]:
    """Who was refused, lost, put off or left out, in this order; streamed."""
    for state in _SHOWN:
        for number, email, reason, attempts in db.stream(
            "SELECT d.subscriber_id, s.email, d.reason, d.attempts FROM deliveries d "
            "LEFT JOIN subscribers s ON s.id = d.subscriber_id "
            "WHERE d.send_id = ? AND d.state = ? ORDER BY d.subscriber_id",
            (send_id, int(state)),
        ):
            yield Undelivered(number, email or "", state, reason or "", attempts)


def addresses(db: Database, subscriber_ids: Sequence[int]) -> dict[int, str]:
    """The address of each; those who were erased are left out."""
    found: dict[int, str] = {}
    for at in range(0, len(subscriber_ids), 500):
        part = subscriber_ids[at : at + 500]
        marks = ", ".join("?" * len(part))
        found |= dict(
            _pair(row) for row in db.query(f"SELECT id, email FROM subscribers WHERE id IN ({marks})", part)
        )
    return found


def settle_found(tx: Transaction, found: Iterable[Found]) -> tuple[int, int]:
    """Move unknown deliveries to what they turned out to be; returns how many were accepted and rejected."""
    counts = [0, 0]
    for one in found:
        state = DeliveryState.ACCEPTED if one.accepted else DeliveryState.REJECTED
        counts[0 if one.accepted else 1] += tx.execute(
            "UPDATE deliveries SET state = ?, provider_id = coalesce(?, provider_id), reason = ? "
            "WHERE send_id = ? AND subscriber_id = ? AND state = 5",
            (int(state), one.provider_id or None, one.reason or None, one.send_id, one.subscriber_id),
        )
    return counts[0], counts[1]


def correct_refused(tx: Transaction, found: Iterable[Found]) -> int:
    """Make refused deliveries that arrived all the same accepted; returns how many were."""
    return tx.executemany(
        "UPDATE deliveries SET state = 2, provider_id = coalesce(?, provider_id), reason = NULL "
        "WHERE send_id = ? AND subscriber_id = ? AND state = 3",
        [(one.provider_id or None, one.send_id, one.subscriber_id) for one in found],
    )


def report_accepted(tx: Transaction, found: Found) -> bool:
    """Note on a claimed delivery that it was accepted, for whoever settles it; returns whether it was claimed.

    The row stays claimed: the process that holds it, or its recovery, may still learn the outcome of
    the whole batch under its key, which needs all of its members.
    """
    return bool(
        tx.execute(
            "UPDATE deliveries SET reason = ? WHERE send_id = ? AND subscriber_id = ? AND state = 1",
            (found.reason or "accepted", found.send_id, found.subscriber_id),
        )
    )


def by_provider_id(tx: Transaction, provider: str, provider_id: str) -> list[tuple[int, int, str]]:
    """Unknown deliveries the provider has given this id: send, subscriber, address."""
    rows = tx.query(
        "SELECT d.send_id, d.subscriber_id, coalesce(s.email, '') FROM deliveries d "
        "JOIN sends n ON n.id = d.send_id LEFT JOIN subscribers s ON s.id = d.subscriber_id "
        "WHERE d.state = 5 AND d.provider_id = ? AND n.provider = ?",
        (provider_id, provider),
    )
    return [(send_id, number, email) for send_id, number, email in rows]


def count_retryable(db: Database, send_id: int) -> int:
    """How many were refused and may still be written to: who has left or is suppressed may not."""
    [(count,)] = db.query(
        "SELECT count(*) FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id "
        "WHERE d.send_id = ? AND d.state = 3 AND s.status = 'active'",
        (send_id,),
    )
    return int(count)


def retry_rejected(tx: Transaction, send_id: int) -> int:
    """Put those of `count_retryable` back to pending, as if they had never been tried; returns how many."""
    return tx.execute(
        "UPDATE deliveries SET state = 0, batch_id = NULL, provider_id = NULL, reason = NULL, attempts = 0 "
        "WHERE send_id = ? AND state = 3 AND EXISTS "
        "(SELECT 1 FROM subscribers s WHERE s.id = deliveries.subscriber_id AND s.status = 'active')",
        (send_id,),
    )


def doubt_open(tx: Transaction, send_id: int, reason: str) -> int:
    """Make whatever is still to be sent unknown: another copy of this store may have sent it; returns how many.

    Batches keep their members, so that a key that is alive can still tell.
    """
    return tx.execute(
        "UPDATE deliveries SET state = 5, reason = ?, retry_at = NULL WHERE send_id = ? AND state IN (0, 1, 4)",
        (reason, send_id),
    )


def _pair(row: Row) -> tuple[int, str]:
    return int(row[0]), str(row[1])
