from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from newsletter.errors import NewsletterError, StoreError
from newsletter.model.delivery import DeliveryState, SendState
from newsletter.store import deliveries
from newsletter.store.send_records import Claim, ClaimedBatch, FencedError, Settlement, Tally, Terms
from newsletter.store.sends import SendLedger
from newsletter.store.sqlite import SqliteDatabase
from tests.send.desk import add_subscribers, in_memory, new_send, set_status

NOW = datetime(2026, 1, 6, 9, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(minutes=2)


@pytest.fixture
def db() -> Iterator[SqliteDatabase]:
    with in_memory() as folder, SqliteDatabase(folder / "newsletter.db") as database:
        yield database


def frozen(db: SqliteDatabase, *, slug: str = "hello", tag: str = "", chunk: int = 50_000) -> tuple[int, int]:
    """A send whose audience is written down: its id and the epoch."""
    ledger = SendLedger(db)
    send_id = ledger.create(new_send(slug, tag=tag), NOW)
    epoch = ledger.take_over(ledger.get(send_id), "host:1:a", LATER)
    while ledger.freeze_chunk(send_id, epoch, LATER, chunk) is not None:
        pass
    ledger.finish_freezing(send_id, epoch, LATER)
    return send_id, epoch


def claim(db: SqliteDatabase, send_id: int, epoch: int, limit: int = 10, after: int = 0) -> Claim:
    with db.write() as tx:
        deliveries.renew(tx, send_id, epoch, LATER)
        return deliveries.claim(tx, send_id, epoch, Terms(limit, NOW, with_tags=True), after=after)


def batch_of(found: Claim) -> ClaimedBatch:
    assert found.batch is not None
    return found.batch


def emails(found: Claim) -> list[str]:
    return [person.email for person in batch_of(found).people]


def test_the_audience_is_the_active_ones_written_down_in_chunks_and_counted(db: SqliteDatabase) -> None:
    add_subscribers(db, 25)
    add_subscribers(db, 5, first=100, status="unsubscribed")
    add_subscribers(db, 5, first=200, status="pending")
    send_id, _ = frozen(db, chunk=7)
    record = SendLedger(db).get(send_id)
    assert (record.state, record.audience) == (SendState.SENDING, 25)
    assert SendLedger(db).tally(send_id) == Tally(pending=25)


def test_a_segment_is_those_with_the_tag(db: SqliteDatabase) -> None:
    add_subscribers(db, 6)
    with db.write() as tx:
        tx.execute("INSERT INTO subscriber_tags SELECT id, 'rag' FROM subscribers WHERE id <= 2")
    assert SendLedger(db).count_audience("hello", "rag") == 2
    send_id, epoch = frozen(db, tag="rag")
    found = claim(db, send_id, epoch)
    assert emails(found) == ["r1@example.org", "r2@example.org"]
    assert [person.tags for person in batch_of(found).people] == [("rag",), ("rag",)]


def test_who_joins_while_the_audience_is_written_down_breaks_nothing(db: SqliteDatabase) -> None:
    add_subscribers(db, 10)
    ledger = SendLedger(db)
    send_id = ledger.create(new_send(), NOW)
    epoch = ledger.take_over(ledger.get(send_id), "host:1:a", LATER)
    ledger.freeze_chunk(send_id, epoch, LATER, 4)
    add_subscribers(db, 3, first=50)
    set_status(db, "r9@example.org", "unsubscribed")
    while ledger.freeze_chunk(send_id, epoch, LATER, 4) is not None:
        pass
    assert ledger.finish_freezing(send_id, epoch, LATER) == 12


def test_an_audience_changed_from_outside_is_not_sent_to(db: SqliteDatabase) -> None:
    add_subscribers(db, 3)
    ledger = SendLedger(db)
    send_id = ledger.create(new_send(), NOW)
    epoch = ledger.take_over(ledger.get(send_id), "host:1:a", LATER)
    ledger.freeze_chunk(send_id, epoch, LATER)
    with db.write() as tx:
        tx.execute("DELETE FROM deliveries WHERE subscriber_id = 2")
    with pytest.raises(StoreError, match="2 recipients, 3 were written down"):
        ledger.finish_freezing(send_id, epoch, LATER)
    assert ledger.get(send_id).state is SendState.FREEZING


def test_a_second_send_of_an_issue_that_is_under_way_is_refused_in_the_store_itself(
    db: SqliteDatabase,
) -> None:
    add_subscribers(db, 1)
    frozen(db)
    with pytest.raises(NewsletterError, match="under way already"):
        SendLedger(db).create(new_send(), NOW)


def test_claims_go_by_id_and_take_nobody_twice(db: SqliteDatabase) -> None:
    add_subscribers(db, 25)
    send_id, epoch = frozen(db)
    seen: list[str] = []
    after = 0
    while (found := claim(db, send_id, epoch, 10, after)).looked_at:
        seen += emails(found)
        after = found.last_id
    assert seen == [f"r{n}@example.org" for n in range(1, 26)]
    assert SendLedger(db).tally(send_id) == Tally(claimed=25)
    assert claim(db, send_id, epoch).looked_at == 0


def test_whoever_left_after_the_freeze_is_skipped_at_the_claim_with_the_reason(db: SqliteDatabase) -> None:
    add_subscribers(db, 4)
    send_id, epoch = frozen(db)
    set_status(db, "r1@example.org", "unsubscribed")
    set_status(db, "r3@example.org", "complained")
    with db.write() as tx:
        tx.execute("DELETE FROM subscribers WHERE email = 'r4@example.org'")
    found = claim(db, send_id, epoch)
    assert emails(found) == ["r2@example.org"]
    assert SendLedger(db).tally(send_id) == Tally(claimed=1, skipped=3)
    reasons = db.query("SELECT reason FROM deliveries WHERE state = 6 ORDER BY subscriber_id")
    assert reasons == [("unsubscribed",), ("complained",), ("erased",)]


def test_an_address_out_of_reach_is_rejected_with_the_reason_not_lost(db: SqliteDatabase) -> None:
    add_subscribers(db, 2)
    with db.write() as tx:
        tx.execute("UPDATE subscribers SET email = 'jürgen@example.org' WHERE id = 1")
    send_id, epoch = frozen(db)
    with db.write() as tx:
        terms = Terms(10, NOW, unreachable=lambda email: f"can't reach {email[0]}")
        found = deliveries.claim(tx, send_id, epoch, terms, after=0)
    assert emails(found) == ["r2@example.org"]
    assert found.rejected == 1
    assert db.query("SELECT state, reason FROM deliveries WHERE subscriber_id = 1") == [(3, "can't reach j")]


def test_a_process_that_was_replaced_can_neither_claim_nor_record(db: SqliteDatabase) -> None:
    add_subscribers(db, 2)
    send_id, epoch = frozen(db)
    ledger = SendLedger(db)
    batch = batch_of(claim(db, send_id, epoch))
    stale = ledger.get(send_id)
    assert ledger.take_over(stale, "other:2:b", LATER) == epoch + 1
    with pytest.raises(FencedError):
        claim(db, send_id, epoch)

    def record() -> None:
        with db.write() as tx:
            deliveries.renew(tx, send_id, epoch, LATER)
            deliveries.accept(tx, send_id, batch, ["a", "b"], NOW)

    with pytest.raises(FencedError):
        record()
    with pytest.raises(FencedError):
        ledger.take_over(stale, "third:3:c", LATER)
    assert ledger.tally(send_id) == Tally(claimed=2)


def test_a_wholly_accepted_batch_keeps_its_ids_on_one_row(db: SqliteDatabase) -> None:
    add_subscribers(db, 3)
    send_id, epoch = frozen(db)
    batch = batch_of(claim(db, send_id, epoch))
    with db.write() as tx:
        deliveries.accept(tx, send_id, batch, ["x", "y", "z"], NOW)
    assert SendLedger(db).tally(send_id) == Tally(accepted=3)
    [(ids, finished)] = db.query("SELECT provider_ids, finished_at FROM batches")
    assert ids.split("\n") == ["x", "y", "z"]
    assert finished


def test_each_recipient_has_an_outcome_of_their_own(db: SqliteDatabase) -> None:
    add_subscribers(db, 4)
    send_id, epoch = frozen(db)
    batch = batch_of(claim(db, send_id, epoch))
    due = NOW + timedelta(seconds=30)
    rows = [
        Settlement(1, DeliveryState.ACCEPTED, provider_id="one"),
        Settlement(2, DeliveryState.REJECTED, reason="550 no such user"),
        Settlement(3, DeliveryState.DEFERRED, reason="451 busy", retry_at=due),
        Settlement(4, DeliveryState.UNKNOWN, reason="reset"),
    ]
    with db.write() as tx:
        deliveries.settle(tx, send_id, batch.id, rows, NOW)
    assert SendLedger(db).tally(send_id) == Tally(accepted=1, rejected=1, deferred=1, unknown=1)
    assert [(u.email, u.reason) for u in SendLedger(db).unknown("hello")] == [("r4@example.org", "reset")]
    with db.write() as tx:
        assert deliveries.next_due(tx, send_id) == due.replace(microsecond=123000)
        early = deliveries.claim_due(tx, send_id, epoch, Terms(10, NOW))
        assert early.looked_at == 0
        again = deliveries.claim_due(tx, send_id, epoch, Terms(10, due))
    assert [(p.subscriber_id, p.attempts) for p in batch_of(again).people] == [(3, 2)]


def test_a_batch_spread_over_the_list_is_recorded_without_touching_what_lies_between(
    db: SqliteDatabase,
) -> None:
    add_subscribers(db, 100)
    send_id, epoch = frozen(db)
    first = batch_of(claim(db, send_id, epoch, 100))
    rows = [
        Settlement(p.subscriber_id, DeliveryState.DEFERRED, retry_at=NOW)
        if p.subscriber_id in (1, 100)
        else Settlement(p.subscriber_id, DeliveryState.UNKNOWN)
        for p in first.people
    ]
    with db.write() as tx:
        deliveries.settle(tx, send_id, first.id, rows, NOW)
        again = batch_of(deliveries.claim_due(tx, send_id, epoch, Terms(10, NOW)))
        deliveries.accept(tx, send_id, again, ["", ""], NOW)
    assert SendLedger(db).tally(send_id) == Tally(accepted=2, unknown=98)


def test_a_batch_of_which_nothing_left_goes_back_as_if_it_had_never_been_claimed(db: SqliteDatabase) -> None:
    add_subscribers(db, 3)
    send_id, epoch = frozen(db)
    batch = batch_of(claim(db, send_id, epoch))
    with db.write() as tx:
        deliveries.release(tx, send_id, batch, NOW)
    assert SendLedger(db).tally(send_id) == Tally(pending=3)
    assert db.query("SELECT DISTINCT attempts, batch_id FROM deliveries") == [(0, None)]


def test_a_claims_time_is_what_the_store_reads_back(db: SqliteDatabase) -> None:
    add_subscribers(db, 2)
    send_id, epoch = frozen(db)
    batch = batch_of(claim(db, send_id, epoch))
    [left] = deliveries.open_batches(db, send_id)
    assert left.at == batch.at
    assert (left.claimed, left.unknown, left.size) == ((1, 2), (), 2)


def test_a_batch_is_taken_over_for_a_replay_only_as_a_whole(db: SqliteDatabase) -> None:
    add_subscribers(db, 2)
    send_id, epoch = frozen(db)
    claim(db, send_id, epoch)
    [left] = deliveries.open_batches(db, send_id)
    with db.write() as tx:
        again = deliveries.reclaim(tx, send_id, epoch, left)
    assert again is not None
    assert (again.key, again.at, [p.email for p in again.people]) == (
        left.key,
        left.at,
        ["r1@example.org", "r2@example.org"],
    )
    set_status(db, "r2@example.org", "unsubscribed")
    with db.write() as tx:
        assert deliveries.reclaim(tx, send_id, epoch, left) is None


def test_a_later_send_of_the_same_issue_leaves_out_whoever_was_reached_or_may_have_been(
    db: SqliteDatabase,
) -> None:
    add_subscribers(db, 5)
    send_id, epoch = frozen(db)
    batch = batch_of(claim(db, send_id, epoch, 4))
    states = [
        DeliveryState.ACCEPTED,
        DeliveryState.REJECTED,
        DeliveryState.UNKNOWN,
        DeliveryState.DEFERRED,
    ]
    with db.write() as tx:
        rows = [
            Settlement(p.subscriber_id, state, retry_at=NOW if state is DeliveryState.DEFERRED else None)
            for p, state in zip(batch.people, states, strict=True)
        ]
        deliveries.settle(tx, send_id, batch.id, rows, NOW)
    ledger = SendLedger(db)
    assert ledger.change_state(send_id, SendState.CANCELLED, [SendState.SENDING], now=NOW)
    add_subscribers(db, 1, first=6)
    # r4 was put off and r5 never tried when it was cancelled; r6 is new.
    assert ledger.count_audience("hello") == 3
    second, epoch = frozen(db)
    assert emails(claim(db, second, epoch)) == ["r4@example.org", "r5@example.org", "r6@example.org"]
    assert ledger.count_audience("another") == 6


def test_a_send_that_never_began_is_forgotten_one_that_did_is_not(db: SqliteDatabase) -> None:
    add_subscribers(db, 2)
    ledger = SendLedger(db)
    send_id, epoch = frozen(db)
    ledger.discard(send_id, epoch)
    assert ledger.sends("hello") == []
    assert db.query("SELECT count(*) FROM deliveries") == [(0,)]
    send_id, epoch = frozen(db)
    claim(db, send_id, epoch)
    ledger.discard(send_id, epoch)
    assert ledger.tally(send_id).total == 2


def test_a_state_changes_only_from_where_it_may(db: SqliteDatabase) -> None:
    add_subscribers(db, 1)
    send_id, _ = frozen(db)
    ledger = SendLedger(db)
    assert ledger.change_state(send_id, SendState.PAUSED, [SendState.SENDING], note="lunch", now=NOW)
    assert not ledger.change_state(send_id, SendState.PAUSED, [SendState.SENDING], now=NOW)
    assert (ledger.get(send_id).state, ledger.get(send_id).note) == (SendState.PAUSED, "lunch")
    assert ledger.sends_numbered(1)[0].id == send_id
    with pytest.raises(StoreError):
        ledger.get(99)
