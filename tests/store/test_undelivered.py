"""Who is not known to have got it: listing them, settling them, trying them again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from newsletter.model.delivery import DeliveryState
from newsletter.send.recipients import unreachable
from newsletter.store import deliveries, undelivered
from newsletter.store.send_records import Settlement, Tally, Terms
from newsletter.store.sends import SendLedger
from newsletter.store.sqlite import SqliteDatabase
from newsletter.store.undelivered import Found
from tests.send.desk import add_subscribers, in_memory, new_send, set_status

NOW = datetime(2026, 1, 6, 9, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)
STATES = (
    DeliveryState.ACCEPTED,
    DeliveryState.REJECTED,
    DeliveryState.UNKNOWN,
    DeliveryState.DEFERRED,
)


@pytest.fixture
def db() -> Iterator[SqliteDatabase]:
    """A send to seven: one in each state that is settled, two claimed, one pending."""
    with in_memory() as folder, SqliteDatabase(folder / "newsletter.db") as database:
        add_subscribers(database, 7)
        ledger = SendLedger(database)
        send_id = ledger.create(new_send(), NOW)
        epoch = ledger.take_over(ledger.get(send_id), "host:1:a", LATER)
        while ledger.freeze_chunk(send_id, epoch, LATER) is not None:
            pass
        ledger.finish_freezing(send_id, epoch, LATER)
        with database.write() as tx:
            first = deliveries.claim(tx, send_id, epoch, Terms(4, NOW), after=0).batch
            deliveries.claim(tx, send_id, epoch, Terms(2, NOW), after=4)
            assert first is not None
            rows = [
                Settlement(n, state, reason=f"as {state.name}", retry_at=LATER)
                for n, state in enumerate(STATES, 1)
            ]
            deliveries.settle(tx, send_id, first.id, rows, NOW)
        yield database


def states(db: SqliteDatabase) -> dict[int, DeliveryState]:
    rows = db.query("SELECT subscriber_id, state FROM deliveries ORDER BY 1")
    return {number: DeliveryState(state) for number, state in rows}


def test_the_list_begins_with_the_refused_and_says_why(db: SqliteDatabase) -> None:
    with db.write() as tx:
        tx.execute("DELETE FROM subscribers WHERE id = 4")
    listed = [(one.email, one.state.name, one.reason, one.attempts) for one in undelivered.undelivered(db, 1)]
    assert listed == [
        ("r2@example.org", "REJECTED", "as REJECTED", 1),
        ("r3@example.org", "UNKNOWN", "as UNKNOWN", 1),
        ("", "DEFERRED", "as DEFERRED", 1),
    ]


def test_only_unknown_deliveries_are_settled_by_what_is_found(db: SqliteDatabase) -> None:
    before = states(db)
    with db.write() as tx:
        found = [Found(1, n, accepted=bool(n % 2), provider_id="p", reason="x") for n in range(1, 9)]
        assert undelivered.settle_found(tx, found) == (1, 0)
    assert states(db) == before | {3: DeliveryState.ACCEPTED}


def test_what_is_in_doubt_is_whatever_was_open_and_its_batch_stays_whole(db: SqliteDatabase) -> None:
    with db.write() as tx:
        assert undelivered.doubt_open(tx, 1, "a copy") == 4
    assert SendLedger(db).tally(1) == Tally(accepted=1, rejected=1, unknown=5)
    left = {batch.id: batch.unknown for batch in deliveries.open_batches(db, 1)}
    # The seventh was never claimed: it belongs to no batch.
    assert left == {1: (3, 4), 2: (5, 6), 0: (7,)}


def test_the_refused_are_tried_again_as_if_for_the_first_time(db: SqliteDatabase) -> None:
    assert undelivered.count_retryable(db, 1) == 1
    before = states(db)
    with db.write() as tx:
        assert undelivered.retry_rejected(tx, 1) == 1
    assert states(db) == before | {2: DeliveryState.PENDING}
    assert db.query(
        "SELECT attempts, batch_id, provider_id, reason FROM deliveries WHERE subscriber_id = 2"
    ) == [(0, None, None, None)]


@pytest.mark.parametrize("status", ["unsubscribed", "bounced", "complained", "pending", "erased"])
def test_who_was_refused_and_may_not_be_written_to_is_not_tried_again(
    db: SqliteDatabase, status: str
) -> None:
    if status == "erased":
        with db.write() as tx:
            tx.execute("DELETE FROM subscribers WHERE id = 2")
    else:
        set_status(db, "r2@example.org", status)
    assert undelivered.count_retryable(db, 1) == 0
    with db.write() as tx:
        assert undelivered.retry_rejected(tx, 1) == 0
    assert states(db)[2] is DeliveryState.REJECTED


def test_unknown_deliveries_are_found_by_the_providers_id_without_reading_the_others(
    db: SqliteDatabase,
) -> None:
    with db.write() as tx:
        tx.execute("UPDATE deliveries SET provider_id = 'p' WHERE subscriber_id <= 3")
        assert undelivered.by_provider_id(tx, "outbox", "p") == [(1, 3, "r3@example.org")]
        assert undelivered.by_provider_id(tx, "resend", "p") == []
        plan = tx.query("EXPLAIN QUERY PLAN SELECT 1 FROM deliveries WHERE state = 5 AND provider_id = 'p'")
    assert "deliveries_unknown" in str(plan)


def test_a_sandbox_send_reaches_nobody(db: SqliteDatabase) -> None:
    ledger = SendLedger(db)
    assert ledger.reached_anybody(1)
    assert ledger.count_audience("hello") == 2
    with db.write() as tx:
        tx.execute("UPDATE sends SET sandbox = 1")
    assert not ledger.reached_anybody(1)
    assert not ledger.reached_by("hello")
    assert ledger.count_audience("hello") == 7


def test_whether_it_is_a_sandbox_is_decided_by_whoever_begins_it(db: SqliteDatabase) -> None:
    ledger = SendLedger(db)
    fresh = ledger.get(ledger.create(new_send("another"), NOW))
    ledger.take_over(fresh, "host:1:a", LATER, sandbox=True)
    again = ledger.get(fresh.id)
    assert again.sandbox
    ledger.take_over(again, "host:2:b", LATER, sandbox=False)
    assert ledger.get(fresh.id).sandbox


def test_mailboxes_with_letters_outside_ascii_are_those_the_claim_would_refuse(db: SqliteDatabase) -> None:
    emails = [
        "jürgen@example.org",
        "a@bücher.example",
        "日本@日本.example",
        "plain@example.org",
        '"a@ü"@x.org',
    ]
    with db.write() as tx:
        tx.executemany(
            "INSERT INTO subscribers (email, match_key, status, created_at) VALUES (?, ?, 'active', '')",
            [(email, email) for email in emails],
        )
    expected = sum(bool(unreachable(email)) for email in emails)
    assert expected == 3
    assert SendLedger(db).count_non_ascii("another") == expected
