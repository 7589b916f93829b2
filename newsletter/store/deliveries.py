"""Who is claimed by whom, and what became of them? The statements of one turn of a running send.

Every function takes part in the caller's transaction, which begins with `renew`: it proves that
this process still holds the send, so that a stale one can neither claim nor record.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from newsletter.model.delivery import DeliveryState, SendState
from newsletter.store.base import Database, Row, Transaction, utc_moment, utc_text
from newsletter.store.send_records import (
    Claim,
    ClaimedBatch,
    FencedError,
    OpenBatch,
    Person,
    Settlement,
    Tally,
    Terms,
    fenced,
)

# What a `Person` is made of, then the status.
_PERSON: Final = "d.subscriber_id, s.email, s.name, s.metadata, d.attempts + 1, s.status"
# A batch whose ids lie this much wider than its size is updated row by row, not by range.
_WIDE: Final = 4


def renew(tx: Transaction, send_id: int, epoch: int, until: datetime) -> tuple[SendState, str]:
    """Prove that this process still holds the send and extend its lease; returns the state and the note.

    Raises:
        FencedError: another process holds it now.
    """
    if not tx.execute(
        "UPDATE sends SET lease_until = ? WHERE id = ? AND epoch = ?", (utc_text(until), send_id, epoch)
    ):
        raise fenced(f"send {send_id}")
    [(state, note)] = tx.query("SELECT state, note FROM sends WHERE id = ?", (send_id,))
    return SendState(state), note


def claim(tx: Transaction, send_id: int, epoch: int, terms: Terms, *, after: int) -> Claim:
    """Claim pending recipients with an id above `after`.

    Whoever is not active any more is skipped with the reason; whoever the terms give a reason for
    is rejected with it. The caller must hold the send: see `renew`.
    """
    rows = tx.query(
        f"SELECT {_PERSON} FROM deliveries d LEFT JOIN subscribers s ON s.id = d.subscriber_id "
        "WHERE d.send_id = ? AND d.subscriber_id > ? AND d.state = 0 ORDER BY d.subscriber_id LIMIT ?",
        (send_id, after, terms.limit),
    )
    return _claim_rows(tx, (send_id, epoch), terms, rows, DeliveryState.PENDING)


def claim_due(tx: Transaction, send_id: int, epoch: int, terms: Terms) -> Claim:
    """Claim deferred recipients whose time has come; else as `claim`."""
    rows = tx.query(
        f"SELECT {_PERSON} FROM deliveries d LEFT JOIN subscribers s ON s.id = d.subscriber_id "
        "WHERE d.send_id = ? AND d.state = 4 AND d.retry_at <= ? ORDER BY d.retry_at, d.subscriber_id LIMIT ?",
        (send_id, utc_text(terms.at), terms.limit),
    )
    rows.sort(key=_subscriber_id)
    return _claim_rows(tx, (send_id, epoch), terms, rows, DeliveryState.DEFERRED)


def next_due(tx: Transaction, send_id: int) -> datetime | None:
    """When the first deferred recipient is due; None where there is none."""
    [(text,)] = tx.query("SELECT min(retry_at) FROM deliveries WHERE send_id = ? AND state = 4", (send_id,))
    return utc_moment(text) if text else None


def any_pending(tx: Transaction, send_id: int) -> bool:
    """Whether somebody is still to be claimed."""
    return bool(
        tx.query(
            "SELECT subscriber_id FROM deliveries WHERE send_id = ? AND state = 0 ORDER BY 1 LIMIT 1",
            (send_id,),
        )
    )


def keep_hash(tx: Transaction, batch_id: int, epoch: int, body_hash: str) -> None:
    """Commit what is about to leave, so that only the same bytes are ever sent under this key again."""
    tx.execute("UPDATE batches SET body_hash = ? WHERE id = ? AND epoch = ?", (body_hash, batch_id, epoch))


def accept(
    tx: Transaction, send_id: int, batch: ClaimedBatch, provider_ids: Sequence[str], at: datetime
) -> None:
    """Record that the provider took the whole batch: one statement, its ids on the batch's row."""
    _set_batch(tx, send_id, batch, "state = 2, reason = NULL")
    tx.execute(
        "UPDATE batches SET provider_ids = ?, finished_at = ? WHERE id = ?",
        ("\n".join(provider_ids) if any(provider_ids) else "", utc_text(at), batch.id),
    )


def settle(tx: Transaction, send_id: int, batch_id: int, rows: Sequence[Settlement], at: datetime) -> None:
    """Record each recipient's own outcome, row by row; the batch stays open while one is unknown.

    A lost answer is no riddle where a webhook was faster: see `report_accepted`.
    """
    tx.executemany(
        "UPDATE deliveries SET state = CASE WHEN ? = 5 AND reason IS NOT NULL THEN 2 ELSE ? END, "
        "provider_id = ?, reason = ?, retry_at = ?, attempts = attempts - ? "
        "WHERE send_id = ? AND subscriber_id = ? AND batch_id = ? AND state = 1",
        [
            (
                int(row.state),
                int(row.state),
                row.provider_id or None,
                row.reason or None,
                utc_text(row.retry_at) if row.retry_at else None,
                int(row.uncounted),
                send_id,
                row.subscriber_id,
                batch_id,
            )
            for row in rows
        ],
    )
    if not any(row.state is DeliveryState.UNKNOWN for row in rows):
        tx.execute("UPDATE batches SET finished_at = ? WHERE id = ?", (utc_text(at), batch_id))


def release(tx: Transaction, send_id: int, batch: ClaimedBatch, at: datetime) -> None:
    """Give back a batch of which nothing has left."""
    _set_batch(tx, send_id, batch, "state = 0, batch_id = NULL, reason = NULL, attempts = attempts - 1")
    tx.execute("UPDATE batches SET finished_at = ? WHERE id = ?", (utc_text(at), batch.id))


def finish(tx: Transaction, send_id: int, state: SendState, note: str, at: datetime) -> None:
    """Write down how the send ended or why it is paused."""
    done = state in (SendState.SENT, SendState.CANCELLED)
    tx.execute(
        "UPDATE sends SET state = ?, note = ?, finished_at = ? WHERE id = ?",
        (state.value, note, utc_text(at) if done else "", send_id),
    )


def open_batches(source: Database | Transaction, send_id: int) -> list[OpenBatch]:
    """The batches a process left behind, with who of them is claimed and who is unknown."""
    members: dict[int, tuple[list[int], list[int], list[int]]] = {}
    for batch_id, subscriber_id, state, told in source.query(
        "SELECT batch_id, subscriber_id, state, reason IS NOT NULL FROM deliveries "
        "WHERE send_id = ? AND state IN (1, 5) ORDER BY subscriber_id",
        (send_id,),
    ):
        claimed, unknown, known = members.setdefault(batch_id or 0, ([], [], []))
        (claimed if state == 1 else unknown).append(subscriber_id)
        if state == 1 and told:
            known.append(subscriber_id)
    found = []
    for batch_id, (claimed, unknown, known) in members.items():
        [(key, at, body_hash, size)] = source.query(
            "SELECT key, first_claimed_at, body_hash, size FROM batches WHERE id = ?", (batch_id,)
        ) or source.query("SELECT '', created_at, '', 0 FROM sends WHERE id = ?", (send_id,))
        found.append(
            OpenBatch(
                batch_id, key, utc_moment(at), body_hash, size, tuple(claimed), tuple(unknown), tuple(known)
            )
        )
    return found


def reclaim(
    tx: Transaction, send_id: int, epoch: int, batch: OpenBatch, *, with_tags: bool = False
) -> ClaimedBatch | None:
    """Take an open batch over to send the same bytes under the same key again.

    None where that can't be: somebody of it has left since, or isn't part of it any more. Whoever of it
    was settled by a webhook is in the call again, as the key stands for the whole of it, and stays settled.
    """
    ids = sorted((*batch.claimed, *batch.unknown))
    everybody = ids
    if len(ids) < batch.size:
        settled = tx.query(
            "SELECT subscriber_id FROM deliveries WHERE send_id = ? AND batch_id = ? AND state IN (2, 3)",
            (send_id, batch.id),
        )
        everybody = sorted((*ids, *(number for (number,) in settled)))
    people: list[Person] = []
    for part in _slices(everybody):
        marks = ", ".join("?" * len(part))
        rows = tx.query(
            f"SELECT {_PERSON} FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id "
            f"WHERE d.send_id = ? AND d.subscriber_id IN ({marks}) AND s.status = 'active' ORDER BY 1",
            (send_id, *part),
        )
        people += [Person(*row[:5]) for row in rows]
    if len(people) != batch.size:
        return None
    tx.executemany(
        "UPDATE deliveries SET state = 1, reason = CASE WHEN state = 1 THEN reason END "
        "WHERE send_id = ? AND subscriber_id = ? AND batch_id = ? AND state IN (1, 5)",
        [(send_id, subscriber_id, batch.id) for subscriber_id in ids],
    )
    tx.execute("UPDATE batches SET epoch = ? WHERE id = ?", (epoch, batch.id))
    tagged = _with_tags(tx, people) if with_tags else tuple(people)
    return ClaimedBatch(batch.id, batch.key, batch.at, tagged, batch.body_hash)


def requeue(
    tx: Transaction, send_id: int, subscriber_ids: Iterable[int], *, from_state: DeliveryState
) -> int:
    """Put deliveries that provably never left back to pending; returns how many."""
    return tx.executemany(
        "UPDATE deliveries SET state = 0, batch_id = NULL, reason = NULL, provider_id = NULL, "
        "attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END "
        "WHERE send_id = ? AND subscriber_id = ? AND state = ?",
        [(send_id, subscriber_id, int(from_state)) for subscriber_id in subscriber_ids],
    )


def mark(
    tx: Transaction,
    send_id: int,
    subscriber_ids: Iterable[int],
    *,
    from_state: DeliveryState,
    to_state: DeliveryState,
    reason: str,
) -> int:
    """Move deliveries from one state to another for a reason; returns how many."""
    return tx.executemany(
        "UPDATE deliveries SET state = ?, reason = ? WHERE send_id = ? AND subscriber_id = ? AND state = ?",
        [(int(to_state), reason or None, send_id, number, int(from_state)) for number in subscriber_ids],
    )


def make_due(tx: Transaction, send_id: int, at: datetime) -> int:
    """Let every deferred delivery be tried now: an operator who resumes means just that."""
    return tx.execute(
        "UPDATE deliveries SET retry_at = ? WHERE send_id = ? AND state = 4", (utc_text(at), send_id)
    )


def _claim_rows(
    tx: Transaction, holder: tuple[int, int], terms: Terms, rows: list[Row], state: DeliveryState
) -> Claim:
    if not rows:
        return Claim()
    send_id, epoch = holder
    claim = Claim(last_id=rows[-1][0], looked_at=len(rows))
    people: list[Person] = []
    aside: list[tuple[int, str, int, int, int]] = []
    for number, email, name, metadata, attempts, status in rows:
        if status != "active":
            aside.append((int(DeliveryState.SKIPPED), status or "erased", send_id, number, int(state)))
            claim.skipped += 1
        elif terms.unreachable and not email.isascii() and (reason := terms.unreachable(email)):
            aside.append((int(DeliveryState.REJECTED), reason, send_id, number, int(state)))
            claim.rejected += 1
        else:
            people.append(Person(number, email, name, metadata, attempts))
    if aside:
        tx.executemany(
            "UPDATE deliveries SET state = ?, reason = ? WHERE send_id = ? AND subscriber_id = ? AND state = ?",
            aside,
        )
    if people:
        key = f"nl-{send_id}-{secrets.token_hex(12)}"
        batch_id = tx.insert(
            "INSERT INTO batches (send_id, epoch, key, first_claimed_at, size) VALUES (?, ?, ?, ?, ?)",
            (send_id, epoch, key, utc_text(terms.at), len(people)),
        )
        _take(tx, send_id, batch_id, people, state)
        # The stored time has milliseconds; the messages are dated by what a resume would read back.
        exact = terms.at.replace(microsecond=terms.at.microsecond // 1000 * 1000)
        tagged = _with_tags(tx, people) if terms.with_tags else tuple(people)
        claim.batch = ClaimedBatch(batch_id, key, exact, tagged)
    return claim


def _take(
    tx: Transaction, send_id: int, batch_id: int, people: Sequence[Person], state: DeliveryState
) -> None:
    """The compare-and-swap: all of `people` from `state` to claimed, or an error that rolls back."""
    sql = (
        "UPDATE deliveries SET state = 1, batch_id = ?, attempts = attempts + 1, retry_at = NULL, reason = NULL "
        "WHERE send_id = ?"
    )
    if state is DeliveryState.PENDING:
        changed = tx.execute(
            f"{sql} AND subscriber_id BETWEEN ? AND ? AND state = 0",
            (batch_id, send_id, people[0].subscriber_id, people[-1].subscriber_id),
        )
    else:
        changed = tx.executemany(
            f"{sql} AND subscriber_id = ? AND state = 4",
            [(batch_id, send_id, person.subscriber_id) for person in people],
        )
    if changed != len(people):
        raise FencedError(
            f"{len(people) - changed} of {len(people)} recipients were claimed by another process",
            hint="wait for it to end: newsletter status",
        )


def _with_tags(tx: Transaction, people: list[Person]) -> tuple[Person, ...]:
    tags: dict[int, list[str]] = {}
    for part in _slices([person.subscriber_id for person in people]):
        marks = ", ".join("?" * len(part))
        for number, tag in tx.query(
            f"SELECT subscriber_id, tag FROM subscriber_tags WHERE subscriber_id IN ({marks}) ORDER BY 1, 2",
            part,
        ):
            tags.setdefault(number, []).append(tag)
    return tuple(
        p._replace(tags=tuple(tags[p.subscriber_id])) if p.subscriber_id in tags else p for p in people
    )


def _set_batch(tx: Transaction, send_id: int, batch: ClaimedBatch, assignments: str) -> None:
    """Change the rows of a batch: one range where its ids lie close together, else one by one."""
    first, last = batch.people[0].subscriber_id, batch.people[-1].subscriber_id
    sql = f"UPDATE deliveries SET {assignments} WHERE send_id = ? AND batch_id = ? AND state = 1"
    if last - first < _WIDE * len(batch.people):
        tx.execute(f"{sql} AND subscriber_id BETWEEN ? AND ?", (send_id, batch.id, first, last))
    else:
        tx.executemany(
            f"{sql} AND subscriber_id = ?", [(send_id, batch.id, p.subscriber_id) for p in batch.people]
        )


def tally(source: Database | Transaction, send_id: int) -> Tally:
    """How many deliveries of a send stand where."""
    rows = source.query("SELECT state, count(*) FROM deliveries WHERE send_id = ? GROUP BY state", (send_id,))
    return Tally(**{DeliveryState(state).name.lower(): count for state, count in rows})


def _subscriber_id(row: Row) -> int:
    return int(row[0])


def _slices(ids: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    """Parts small enough for any database's limit of bound values."""
    return (ids[at : at + size] for at in range(0, len(ids), size))
