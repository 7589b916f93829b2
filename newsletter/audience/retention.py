"""What has been kept long enough? Each period of `[privacy]`, applied in short transactions beside whoever else writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from itertools import islice

from newsletter.audience.consent import ConsentEvent
from newsletter.audience.membership import Audience
from newsletter.audience.suppression import LEFT
from newsletter.store import events, outgoing
from newsletter.store.base import Database, Row, Transaction, utc_text

_LAST_RUN = "retention_ran_at"
_EVERY = timedelta(hours=24)
# One transaction changes so many rows, so that other writers get their turn.
_SLICE = 500

_NETWORKS = "SELECT id FROM consent_events WHERE at < ? AND (ip <> '' OR user_agent <> '')"
_GONE = (
    "SELECT s.id FROM subscribers s WHERE s.status IN (?, ?, ?) "
    "AND CASE s.updated_at WHEN '' THEN s.created_at ELSE s.updated_at END < ? "
    "AND NOT EXISTS (SELECT 1 FROM joinings j WHERE j.subscriber_id = s.id)"
)
_SENDS = "SELECT id FROM sends WHERE finished_at <> '' AND finished_at < ? AND reasons_removed_at = ''"
_REASONS = "SELECT send_id, subscriber_id FROM deliveries WHERE send_id = ? AND reason IS NOT NULL"
_REPORTS = "SELECT id FROM events WHERE received_at < ? AND applied_at <> '' AND payload <> ''"
_MAILS = "SELECT id FROM outgoing WHERE state NOT IN ('waiting', 'claimed') AND finished_at < ?"


@dataclass(frozen=True, slots=True)
class Periods:
    """How long what is kept; None for as long as the person is on the list.

    Attributes:
        networks: network addresses and browsers in the consent record.
        people: who left, bounced or complained, since the last change; then only the keyed hash stays.
        reasons: the words of receiving servers in the deliveries of a finished send.
        reports: what providers reported, in their words.
        mails: that a confirmation or another single mail was sent.
    """

    networks: timedelta | None = None
    people: timedelta | None = None
    reasons: timedelta | None = None
    reports: timedelta | None = None
    mails: timedelta | None = None


@dataclass(slots=True)
class Forgotten:
    """How much of each there is, or was; see `Periods`."""

    networks: int = 0
    people: int = 0
    reasons: int = 0
    reports: int = 0
    mails: int = 0

    def __bool__(self) -> bool:
        return any(asdict(self).values())


def is_due(source: Database | Transaction, now: datetime) -> bool:
    """Whether the last time was a day ago or longer."""
    rows = source.query("SELECT value FROM meta WHERE key = ?", (_LAST_RUN,))
    # A clock that was set back must not keep it from ever running.
    return not rows or not utc_text(now - _EVERY) < str(rows[0][0]) <= utc_text(now)


def run_when_due(audience: Audience, periods: Periods) -> Forgotten | None:
    """Apply the periods once a day; None where somebody did so already."""
    now = audience.clock.now()
    if not is_due(audience.database, now):
        return None
    with audience.database.write() as tx:
        if not is_due(tx, now):
            return None
        _ran(tx, now)
    return apply(audience, periods)


def count(database: Database, periods: Periods, now: datetime) -> Forgotten:
    """How much has been kept long enough; nothing is changed."""
    found = Forgotten()
    for period in fields(Periods):
        kept = getattr(periods, period.name)
        if kept is not None:
            setattr(found, period.name, sum(1 for _ in _old(database, period.name, utc_text(now - kept))))
    return found


def apply(audience: Audience, periods: Periods) -> Forgotten:
    """Forget what has been kept long enough; returns how much that was.

    It may be interrupted at any point: the next run goes on.

    Raises:
        StoreError: the store can't be written now.
    """
    database, now = audience.database, audience.clock.now()
    at = utc_text(now)
    done = Forgotten()
    with database.write() as tx:
        _ran(tx, now)
        if periods.reports is not None:
            done.reports = events.forget(tx, utc_text(now - periods.reports))
        if periods.mails is not None:
            done.mails = outgoing.purge(tx, now - periods.mails)
    if periods.networks is not None:
        sql = "UPDATE consent_events SET ip = '', user_agent = '' WHERE id = ?"
        old = _old(database, "networks", utc_text(now - periods.networks))
        done.networks = _in_slices(database, old, lambda tx, rows: tx.executemany(sql, rows))
    if periods.reasons is not None:
        done.reasons = _remove_reasons(database, utc_text(now - periods.reasons), at)
    if periods.people is not None:
        event = ConsentEvent("erased", at, "retention", "operator")
        before = utc_text(now - periods.people)

        def erase(tx: Transaction, rows: Sequence[Row]) -> int:
            # Somebody may have come back since they were looked up.
            still = [number for (number,) in rows if _left_before(tx, number, before)]
            return sum(audience.forget(tx, number, event) for number in still)

        done.people = _in_slices(database, _old(database, "people", before), erase)
    if done:
        database.checkpoint()
    return done


def _ran(tx: Transaction, now: datetime) -> None:
    tx.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_LAST_RUN, utc_text(now)),
    )


def _old(database: Database, what: str, before: str) -> Iterator[Row]:
    """The rows of one period that are older; read from a snapshot, so that nobody has to wait."""
    match what:
        case "networks":
            return database.stream(_NETWORKS, (before,))
        case "people":
            return database.stream(_GONE, (*sorted(LEFT), before))
        case "reasons":
            return (
                row for send in database.query(_SENDS, (before,)) for row in database.stream(_REASONS, send)
            )
        case "reports":
            return database.stream(_REPORTS, (before,))
        case _:
            return database.stream(_MAILS, (before,))


def _left_before(tx: Transaction, number: int, before: str) -> bool:
    return bool(tx.query(f"{_GONE} AND s.id = ?", (*sorted(LEFT), before, number)))


def _remove_reasons(database: Database, before: str, at: str) -> int:
    sql = "UPDATE deliveries SET reason = NULL WHERE send_id = ? AND subscriber_id = ?"
    removed = 0
    for send in database.query(_SENDS, (before,)):
        old = database.stream(_REASONS, send)
        removed += _in_slices(database, old, lambda tx, rows: tx.executemany(sql, rows))
        with database.write() as tx:
            tx.execute("UPDATE sends SET reasons_removed_at = ? WHERE id = ?", (at, *send))
    return removed


def _in_slices(
    database: Database, rows: Iterator[Row], change: Callable[[Transaction, Sequence[Row]], int]
) -> int:
    changed = 0
    while part := list(islice(rows, _SLICE)):
        with database.write() as tx:
            changed += change(tx, part)
    return changed
