"""What was reported, what of it waits, and what is known of each delivery: the rows behind `newsletter.tracking`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from newsletter.model.event import BounceClass, Event, EventType
from newsletter.store import hits
from newsletter.store.base import Database, Transaction, utc_moment, utc_text

# Enough for any provider's report of one event; what is longer is kept without its raw form.
_LONGEST_RAW: Final = 32_000
_LONGEST_ID: Final = 200
_LONGEST_TEXT: Final = 1_000
_IN_PAYLOAD: Final = ("recipient", "message_id", "delivery_id", "reason", "url", "user_agent")


class KeptEvent(NamedTuple):
    """A report that waits to be applied."""

    id: int
    event: Event
    received_at: str


class Hold(NamedTuple):
    """Why nobody is suppressed by what a provider reports.

    Attributes:
        since: when it began; empty where nothing is held.
        released_to: reports up to this id were let through by a person.
        refused: how many calls in its name were refused in the last minute in which those were too many.
        refused_at: when that was; empty where it never was.
        waiting: how many reports are held.
    """

    provider: str
    since: str
    reason: str
    released_to: int
    refused: int
    refused_at: str
    waiting: int


def keep(tx: Transaction, events: Sequence[Event], received_at: datetime) -> int:
    """Write down reports that nobody has seen before; returns how many those are."""
    rows = [
        (event.provider, _id(event), event.type.value, _at(event, received_at), _payload(event), utc_text(received_at))
        for event in events
    ]  # fmt: skip
    return tx.executemany(
        "INSERT INTO events (provider, event_id, type, at, payload, received_at) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (provider, event_id) DO NOTHING",
        rows,
    )


def any_waiting(db: Database) -> bool:
    """Whether there is a report to be applied."""
    return bool(db.query("SELECT 1 FROM events WHERE applied_at = '' AND held = 0 LIMIT 1"))


def waiting(tx: Transaction, limit: int) -> list[KeptEvent]:
    """Reports to be applied, in the order they came."""
    rows = tx.query(
        "SELECT id, provider, event_id, type, at, payload, received_at FROM events "
        "WHERE applied_at = '' AND held = 0 ORDER BY id LIMIT ?",
        (limit,),
    )
    return [
        KeptEvent(number, _event(provider, name, kind, at, payload), received)
        for number, provider, name, kind, at, payload, received in rows
    ]


def settle(
    tx: Transaction, number: int, result: str, at: str, delivery: tuple[int, int] | None = None
) -> None:
    """Write down what became of a report; `delivery` is the send and the subscriber it is about.

    Of somebody who was erased while it waited, nothing is kept of its words.
    """
    send_id, subscriber_id = delivery or (None, None)
    tx.execute(
        "UPDATE events SET applied_at = ?, result = ?, send_id = ?, subscriber_id = ?, payload = CASE WHEN ? IS NULL "
        "OR EXISTS (SELECT 1 FROM subscribers WHERE id = ?) THEN payload ELSE '' END WHERE id = ?",
        (at, result, send_id, subscriber_id, subscriber_id, subscriber_id, number),
    )


def hold(tx: Transaction, number: int) -> None:
    """Let a report wait for a person."""
    tx.execute("UPDATE events SET held = 1 WHERE id = ?", (number,))


def suppressed_since(tx: Transaction, send_id: int, since: str, after: int) -> int:
    """How many were suppressed by reports about a send since then; only reports with an id above `after` count."""
    [(count,)] = tx.query(
        "SELECT count(*) FROM events WHERE send_id = ? AND result = 'suppressed' AND applied_at >= ? AND id > ?",
        (send_id, since, after),
    )
    return int(count)


def holds(source: Database | Transaction, provider: str = "") -> list[Hold]:
    """What is known of each provider's floods, or of one provider's."""
    rows = source.query(
        "SELECT h.provider, h.since, h.reason, h.released_to, h.refused, h.refused_at, (SELECT count(*) FROM events e "
        "WHERE e.applied_at = '' AND e.held = 1 AND e.provider = h.provider) FROM event_holds h "
        "WHERE ? IN ('', h.provider) ORDER BY h.provider",
        (provider,),
    )
    return [Hold(*row) for row in rows]


def trip(tx: Transaction, provider: str, reason: str, at: str) -> None:
    """Begin to hold what a provider reports."""
    tx.execute(
        "INSERT INTO event_holds (provider, since, reason) VALUES (?, ?, ?) "
        "ON CONFLICT (provider) DO UPDATE SET since = excluded.since, reason = excluded.reason",
        (provider, at, reason),
    )


def release(tx: Transaction, provider: str) -> int:
    """Let through what was held; returns how many reports those are."""
    tx.execute(
        "UPDATE event_holds SET since = '', reason = '', "
        "released_to = (SELECT coalesce(max(id), 0) FROM events) WHERE provider = ?",
        (provider,),
    )
    return tx.execute(
        "UPDATE events SET held = 0 WHERE applied_at = '' AND held = 1 AND provider = ?", (provider,)
    )


def discard(tx: Transaction, provider: str, at: str) -> int:
    """Give up what was held, as never to be applied; returns how many reports those are."""
    tx.execute("UPDATE event_holds SET since = '', reason = '' WHERE provider = ?", (provider,))
    return tx.execute(
        "UPDATE events SET applied_at = ?, held = 0, result = 'discarded' "
        "WHERE applied_at = '' AND held = 1 AND provider = ?",
        (at, provider),
    )


def state_of(tx: Transaction, delivery: tuple[int, int]) -> tuple[int, int]:
    """The standing and what the reader did; zeros where nothing was heard."""
    rows = tx.query("SELECT standing, seen FROM tracking WHERE send_id = ? AND subscriber_id = ?", delivery)
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


def put_state(tx: Transaction, delivery: tuple[int, int], standing: int, seen: int) -> None:
    """Write down what is known of a delivery."""
    tx.execute(
        "INSERT INTO tracking (send_id, subscriber_id, standing, seen) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (send_id, subscriber_id) DO UPDATE SET standing = excluded.standing, seen = excluded.seen",
        (*delivery, standing, seen),
    )


def standings_around(tx: Transaction, delivery: tuple[int, int], most: int) -> list[tuple[int, int]]:
    """A person's latest deliveries that a provider took, the newest first: send and standing."""
    _, subscriber_id = delivery
    rows = tx.query(
        "SELECT d.send_id, coalesce(t.standing, 0) FROM (SELECT id FROM sends ORDER BY id DESC LIMIT 200) n "
        "JOIN deliveries d ON d.send_id = n.id AND d.subscriber_id = ? AND d.state = 2 "
        "LEFT JOIN tracking t ON t.send_id = d.send_id AND t.subscriber_id = d.subscriber_id "
        "ORDER BY d.send_id DESC LIMIT ?",
        (subscriber_id, most),
    )
    return [(send_id, standing) for send_id, standing in rows]


def forget(tx: Transaction, before: str) -> int:
    """Empty what applied reports received before then say of persons; returns how many were emptied.

    The row stays: a report that is told again is still known. Of older opens and clicks the counts stay.
    """
    hits.aggregate(tx, before)
    return tx.execute(
        "UPDATE events SET payload = '' WHERE received_at < ? AND applied_at <> '' AND payload <> ''",
        (before,),
    )


def _id(event: Event) -> str:
    """The event's id where it is short and plain, else a digest of it."""
    text = event.event_id
    if text and len(text) <= _LONGEST_ID and text.isascii() and text.isprintable():
        return text
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _at(event: Event, received_at: datetime) -> str:
    """When it happened; nothing happens after it was reported."""
    try:
        return utc_text(min(event.at.astimezone(UTC), received_at) if event.at else received_at)
    except OverflowError:
        return utc_text(received_at)


def _plain(text: str) -> str:
    """A line of moderate length that a database can hold: JSON can say half a surrogate pair, UTF-8 can't."""
    line = "".join(c if c.isprintable() else " " for c in text[:_LONGEST_TEXT])
    return line.encode("utf-8", "replace").decode()


def _payload(event: Event) -> str:
    said: dict[str, Any] = {name: _plain(value) for name in _IN_PAYLOAD if (value := getattr(event, name))}
    if event.bounce_class:
        said["bounce_class"] = event.bounce_class.value
    raw = json.dumps(event.raw, separators=(",", ":"), default=str)
    head = json.dumps(said, separators=(",", ":"))
    if len(raw) > _LONGEST_RAW:
        return head
    return f'{head[:-1]}{"," if said else ""}"raw":{raw}}}'


def _event(provider: str, name: str, kind: str, at: str, payload: str) -> Event:
    said = json.loads(payload) if payload else {}
    return Event(
        provider=provider,
        type=EventType(kind),
        event_id=name,
        at=utc_moment(at),
        bounce_class=BounceClass(said.get("bounce_class", "")),
        **{field: said.get(field, "") for field in _IN_PAYLOAD},
    )


def note_refused(tx: Transaction, provider: str, count: int, at: str) -> None:
    """Write down that so many calls in the name of a provider were refused within a minute."""
    tx.execute(
        "INSERT INTO event_holds (provider, refused, refused_at) VALUES (?, ?, ?) "
        "ON CONFLICT (provider) DO UPDATE SET refused = excluded.refused, refused_at = excluded.refused_at",
        (provider, count, at),
    )


def waiting_counts(db: Database) -> dict[str, int]:
    """How many reports of each provider wait to be applied, held ones included."""
    return dict(db.query("SELECT provider, count(*) FROM events WHERE applied_at = '' GROUP BY provider"))
