"""Deliveries whose answer was lost: what the provider, its webhooks and the operator make of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from newsletter.audience.tokens import TokenSigner
from newsletter.errors import NewsletterError
from newsletter.model.delivery import DeliveryState, SendState
from newsletter.model.event import Event, EventType
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import Provider
from newsletter.send.lease import SendLock
from newsletter.send.reconcile import Asked, Inquest, Settled, decide, retry_failed, settle_from_events
from newsletter.send.run import Wishes, resume, start
from newsletter.send.search import Patience
from newsletter.send.settlement import settlement
from newsletter.send.transport import HttpSession
from newsletter.store import deliveries
from newsletter.store.send_records import Settlement, Tally, Terms
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.ledger import Fault
from tests.send.desk import (
    FROZEN,
    SIGNER,
    HastyClock,
    add_subscribers,
    make_desk,
    new_send,
    set_status,
    through_resend,
)
from tests.send.searchable import FakeSearchable

PEOPLE = 20


@pytest.fixture
def db(folder: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(folder / "newsletter.db") as database:
        add_subscribers(database, PEOPLE)
        yield database


@pytest.fixture
def server() -> Iterator[FakeSearchable]:
    with FakeSearchable() as running:
        yield running


def lose_answers(folder: Path, db: SqliteDatabase, server: FakeSearchable) -> None:
    """A send whose calls are all taken and none of whose answers arrives."""
    server.faults.add(Fault("POST", "accept-close"))
    # Over one connection, so that the first are the first.
    desk = make_desk(folder, server.provider(batch=5), db=db, wishes=Wishes(connections=1))
    ending = start(desk, new_send(provider="searchable"))
    assert ending.tally.unknown + ending.tally.pending == PEOPLE
    assert ending.tally.unknown >= 5
    server.faults.clear()


@pytest.fixture
def unanswered(folder: Path, db: SqliteDatabase, server: FakeSearchable) -> SqliteDatabase:
    """The store after `lose_answers`."""
    lose_answers(folder, db, server)
    return db


def dies_after_sending(folder: Path, db: SqliteDatabase, provider: Provider) -> None:
    """The first ten are claimed and sent by a process that then is gone."""
    desk = make_desk(folder, provider, db=db)
    ledger = desk.ledger
    send_id, now = ledger.create(new_send(provider="searchable"), desk.clock.now()), desk.clock.now()
    epoch = ledger.take_over(ledger.get(send_id), "elsewhere:1:x", now)
    while ledger.freeze_chunk(send_id, epoch, now) is not None:
        pass
    ledger.finish_freezing(send_id, epoch, now)
    with db.write() as tx:
        claimed = deliveries.claim(tx, send_id, epoch, Terms(10, now), after=0).batch
    assert claimed is not None
    made = desk.source(FROZEN, provider, send_id).maker()(claimed)
    session = HttpSession(provider)  # type: ignore[arg-type]  # an HTTP provider, as the tests made it
    session.send(made.batch)
    session.close()


def inquest(db: SqliteDatabase, provider: Provider, seconds: float = 60.0, send_id: int = 1) -> Asked:
    return Inquest(db, SIGNER, provider, send_id, Patience(HastyClock(), seconds)).run()


def rows(db: SqliteDatabase, state: DeliveryState) -> dict[str, tuple[str, str]]:
    return {
        email: (provider_id or "", reason or "")
        for email, provider_id, reason in db.query(
            "SELECT s.email, d.provider_id, d.reason FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id"
            " WHERE d.state = ?",
            (int(state),),
        )
    }


# The search ------------------------------------------------------------------------------------------


def test_resume_asks_what_a_dead_process_left_and_sends_nobody_of_it_again(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    server.refused["r4@example.org"] = "suppressed"
    server.lagging |= {"r2@example.org", "r3@example.org"}
    dies_after_sending(folder, db, server.provider())
    ending = resume(make_desk(folder, server.provider(), db=db), 1)
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=17, rejected=1, unknown=2))
    assert set(server.ledger.recipients.values()) == {1}
    accepted = rows(db, DeliveryState.ACCEPTED)
    assert accepted["r1@example.org"][0] == "m1"
    assert rows(db, DeliveryState.REJECTED) == {"r4@example.org": ("m4", "suppressed")}
    unknown = rows(db, DeliveryState.UNKNOWN)
    assert unknown.keys() == server.lagging
    assert "searchable was asked and didn't know of it yet" in unknown["r2@example.org"][1]
    # The index has caught up: the next resume asks again.
    server.lagging.clear()
    assert resume(make_desk(folder, server.provider(), db=db), 1).tally == Tally(accepted=19, rejected=1)
    assert set(server.ledger.recipients.values()) == {1}


def test_resume_goes_on_where_the_provider_does_not_answer(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    dies_after_sending(folder, db, server.provider())
    server.faults.add(Fault("GET", "close"))
    ending = resume(make_desk(folder, server.provider(), db=db, clock=HastyClock()), 1)
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=10, unknown=10))
    assert set(server.ledger.recipients.values()) == {1}
    reasons = {reason for _, reason in rows(db, DeliveryState.UNKNOWN).values()}
    assert reasons == {"the process that was sending it ended before the answer was recorded"}


def test_a_live_key_is_used_before_a_search_is(folder: Path, db: SqliteDatabase) -> None:
    """Resend's key tells for certain; that it has no search changes nothing."""
    from tests.fakes.resend import FakeResend

    with FakeResend() as server:
        server.faults.add(Fault("POST", "accept-close", times=9))
        desk = make_desk(folder, through_resend(server.url), db=db, clock=HastyClock())
        unknown = start(desk, new_send(provider="resend")).tally.unknown
        assert unknown
        asked = Inquest(
            db, SIGNER, through_resend(server.url)("resend", ""), 1, Patience(desk.clock, 60)
        ).run()
        assert (asked.asked, asked.unasked, asked.replayable) == (0, unknown, unknown)
        server.faults.clear()
        assert resume(desk, 1).tally == Tally(accepted=PEOPLE)
        assert set(server.ledger.recipients.values()) == {1}


def test_a_key_still_tells_about_a_batch_of_which_webhooks_settled_a_part(
    folder: Path, db: SqliteDatabase
) -> None:
    from tests.fakes.resend import FakeResend

    with FakeResend() as server:
        server.faults.add(Fault("POST", "accept-close", times=9))
        desk = make_desk(folder, through_resend(server.url), db=db, clock=HastyClock())
        assert start(desk, new_send(provider="resend")).tally.unknown >= 10
        reports = [event(EventType.DELIVERED, 1), event(EventType.FAILED, 2)]
        reports = [replace(report, provider="resend") for report in reports]
        assert settle_from_events(db, SIGNER, reports) == Settled(2, 1, 1)
        server.faults.clear()
        assert resume(desk, 1).tally == Tally(accepted=PEOPLE - 1, rejected=1)
        assert set(server.ledger.recipients.values()) == {1}
    assert rows(db, DeliveryState.REJECTED) == {"r2@example.org": ("p2", "resend reported: failed")}


def test_reconcile_asks_and_only_what_is_found_changes(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    lose_answers(folder, db, server)
    before = len(rows(db, DeliveryState.UNKNOWN))
    server.lagging.add("r1@example.org")
    asked = inquest(db, server.provider())
    assert (asked.asked, asked.accepted, asked.not_found, asked.unasked) == (before, before - 1, 1, 0)
    assert rows(db, DeliveryState.UNKNOWN).keys() == {"r1@example.org"}
    server.lagging.clear()
    asked = inquest(db, server.provider())
    assert (asked.asked, asked.accepted, asked.not_found) == (1, 1, 0)
    assert not rows(db, DeliveryState.UNKNOWN)
    assert inquest(db, server.provider()) == Asked("searchable")


def test_a_search_waits_as_long_as_it_is_told(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    lose_answers(folder, db, server)
    unknown = len(rows(db, DeliveryState.UNKNOWN))
    server.faults.add(Fault("GET", "429", times=2, headers={"retry-after": "30"}))
    clock = HastyClock()
    asked = Inquest(db, SIGNER, server.provider(), 1, Patience(clock, 300)).run()
    assert (asked.accepted, asked.trouble) == (unknown, "")
    assert clock._skipped > 59


@pytest.mark.parametrize(
    ("fault", "how", "words"),
    [
        (Fault("GET", "close"), ("test-key", 60), "no answer from 127.0.0.1:"),
        (Fault("GET", "500"), ("test-key", 60), "searchable answered 500 (look at the key)"),
        (Fault("GET", "malformed"), ("test-key", 60), "searchable's answer can't be read: JSONDecodeError"),
        (Fault("GET", "429", headers={"retry-after": "900"}), ("test-key", 60), "try again in 900 seconds"),
        (Fault("GET", "slow", seconds=0.05), ("test-key", 0.01), "the time for asking was over"),
        (None, ("wrong", 60), "searchable answered 401 (look at the key)"),
    ],
    ids=["closed", "500", "malformed", "429 for long", "too slow", "wrong key"],
)
def test_a_search_that_fails_is_a_sentence_and_changes_nothing(
    unanswered: SqliteDatabase,
    server: FakeSearchable,
    fault: Fault | None,
    how: tuple[str, float],
    words: str,
) -> None:
    db = unanswered
    before = rows(db, DeliveryState.UNKNOWN)
    if fault:
        server.faults.add(fault)
    key, seconds = how
    asked = inquest(db, server.provider(key=key), seconds)
    assert words in asked.trouble
    assert (asked.accepted, asked.rejected, asked.unasked) == (0, 0, len(before))
    assert rows(db, DeliveryState.UNKNOWN) == before


def test_what_was_found_before_a_search_failed_is_kept(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    lose_answers(folder, db, server)
    before = len(rows(db, DeliveryState.UNKNOWN))
    assert before > 5
    server.faults.add(Fault("GET", "malformed", after=5))
    asked = inquest(db, server.provider())
    # The first batch was answered whole.
    assert (asked.asked, asked.accepted, asked.unasked) == (5, 5, before - 5)
    assert len(rows(db, DeliveryState.UNKNOWN)) == before - 5


def test_nobody_asks_about_a_person_who_was_erased(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    lose_answers(folder, db, server)
    before = len(rows(db, DeliveryState.UNKNOWN))
    with db.write() as tx:
        tx.execute("DELETE FROM subscribers WHERE email = 'r1@example.org'")
    asked = inquest(db, server.provider())
    assert (asked.asked, asked.accepted, asked.unasked) == (before - 1, before - 1, 1)
    assert not [call for call in server.calls if SIGNER.delivery(1, 1) in call.path]


# Webhooks --------------------------------------------------------------------------------------------


def event(
    kind: EventType,
    number: int = 1,
    *,
    provider: str = "searchable",
    send_id: int = 1,
    signer: TokenSigner = SIGNER,
) -> Event:
    return Event(
        provider, kind, "e1", None, delivery_id=signer.delivery(send_id, number), message_id=f"p{number}"
    )


TAKEN = [
    EventType.QUEUED,
    EventType.SENT,
    EventType.DELIVERED,
    EventType.DEFERRED,
    EventType.BOUNCED,
    EventType.OPENED,
    EventType.CLICKED,
    EventType.COMPLAINED,
    EventType.UNSUBSCRIBED,
    EventType.AUTORESPONDED,
]


def test_a_webhook_that_shows_a_message_was_taken_makes_it_accepted(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    lose_answers(folder, db, server)
    for kind in EventType:
        with db.write() as tx:
            tx.execute(
                "UPDATE deliveries SET state = 5, provider_id = NULL, reason = 'lost' WHERE subscriber_id = 1"
            )
        settled = settle_from_events(db, SIGNER, [event(kind)])
        [(state, provider_id, reason)] = db.query(
            "SELECT state, provider_id, reason FROM deliveries WHERE subscriber_id = 1"
        )
        if kind in TAKEN:
            assert (state, provider_id, reason, settled.accepted) == (2, "p1", None, 1), kind
        elif kind in (EventType.REJECTED, EventType.FAILED):
            assert (state, reason, settled.rejected) == (3, f"searchable reported: {kind}", 1)
        else:
            assert (state, reason, settled.accepted, settled.rejected) == (5, "lost", 0, 0), kind


@pytest.mark.parametrize(
    "forged",
    [
        replace(event(EventType.DELIVERED), delivery_id="x" * 20),
        event(EventType.DELIVERED, signer=TokenSigner(b"another key, sixteen and more bytes long")),
        event(EventType.DELIVERED, provider="resend"),
        event(EventType.DELIVERED, send_id=99),
        event(EventType.DELIVERED, number=999),
        replace(event(EventType.DELIVERED), delivery_id=SIGNER.unsubscribe(1)),
        replace(event(EventType.DELIVERED), delivery_id="", message_id="nobody's"),
        replace(event(EventType.DELIVERED), delivery_id="", message_id=""),
    ],
    ids=[
        "not a token",
        "another key",
        "another provider",
        "no such send",
        "no such person",
        "another token of ours",
        "an unknown message",
        "nothing named",
    ],
)
def test_a_forged_or_foreign_id_changes_nothing(
    folder: Path, db: SqliteDatabase, server: FakeSearchable, forged: Event
) -> None:
    lose_answers(folder, db, server)
    before = db.query("SELECT * FROM deliveries")
    settled = settle_from_events(db, SIGNER, [forged])
    assert (settled.events, settled.accepted, settled.rejected) == (1, 0, 0)
    assert db.query("SELECT * FROM deliveries") == before


def test_an_event_settles_only_what_is_unknown(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    desk = make_desk(folder, server.provider(), db=db)
    start(desk, new_send(provider="searchable"))
    with db.write() as tx:
        tx.execute("UPDATE deliveries SET state = 6 WHERE subscriber_id = 2")
        tx.execute("UPDATE deliveries SET state = 0 WHERE subscriber_id = 3")
        tx.execute("UPDATE deliveries SET state = 4 WHERE subscriber_id = 4")
    before = db.query("SELECT subscriber_id, state FROM deliveries")
    kinds = (EventType.REJECTED, EventType.DELIVERED)
    settle_from_events(db, SIGNER, [event(kind, number) for kind in kinds for number in (1, 2, 3, 4)])
    assert db.query("SELECT subscriber_id, state FROM deliveries") == before


def test_a_message_that_was_taken_and_then_failed_was_taken(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    lose_answers(folder, db, server)
    settled = settle_from_events(db, SIGNER, [event(EventType.FAILED), event(EventType.SENT)])
    assert (settled.accepted, settled.rejected) == (1, 0)


def test_a_refused_message_that_arrived_all_the_same_is_not_sent_again(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    lose_answers(folder, db, server)
    settle_from_events(db, SIGNER, [event(EventType.FAILED), event(EventType.FAILED, 2)])
    assert rows(db, DeliveryState.REJECTED).keys() == {"r1@example.org", "r2@example.org"}
    # A bounce says only that it was tried; an opening, that it was read.
    settle_from_events(db, SIGNER, [event(EventType.OPENED), event(EventType.BOUNCED, 2)])
    assert rows(db, DeliveryState.REJECTED).keys() == {"r2@example.org"}


def test_where_a_whole_call_has_one_id_the_recipient_says_who_is_meant(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    lose_answers(folder, db, server)
    with db.write() as tx:
        tx.execute("UPDATE deliveries SET provider_id = 'call-1' WHERE state = 5")
    by_id = Event("searchable", EventType.DELIVERED, "e", None, message_id="call-1")
    assert settle_from_events(db, SIGNER, [by_id]).accepted == 0
    assert settle_from_events(db, SIGNER, [replace(by_id, recipient="R2@example.org")]).accepted == 1
    assert rows(db, DeliveryState.ACCEPTED) == {"r2@example.org": ("call-1", "")}


def test_an_id_the_provider_gave_with_a_doubtful_answer_is_kept_for_its_webhooks() -> None:
    doubtful = Outcome("d", OutcomeKind.UNKNOWN, "p7", "queued, perhaps")
    row = settlement(7, 1, doubtful, HastyClock().now(), 0.0)
    assert (row.state, row.provider_id, row.reason) == (DeliveryState.UNKNOWN, "p7", "queued, perhaps")


def test_a_webhook_that_comes_before_the_dead_is_buried_is_not_forgotten(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    """The row stays claimed, so that the batch could still be replayed whole; the recovery reads the note."""
    dies_after_sending(folder, db, server.provider())
    settle_from_events(
        db, SIGNER, [event(EventType.DELIVERED, n) for n in (1, 2)] + [event(EventType.FAILED, 3)]
    )
    assert len(rows(db, DeliveryState.CLAIMED)) == 10
    server.faults.add(Fault("GET", "close"))
    ending = resume(make_desk(folder, server.provider(), db=db, clock=HastyClock()), 1)
    assert ending.tally == Tally(accepted=12, unknown=8)
    assert {"r1@example.org", "r2@example.org"} <= rows(db, DeliveryState.ACCEPTED).keys()


def test_a_lost_answer_is_no_riddle_where_the_webhook_was_faster(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    dies_after_sending(folder, db, server.provider())
    settle_from_events(db, SIGNER, [event(EventType.SENT, 1)])
    unknown = [Settlement(n, DeliveryState.UNKNOWN, reason="lost") for n in (1, 2)]
    with db.write() as tx:
        deliveries.settle(tx, 1, 1, unknown, HastyClock().now())
    assert rows(db, DeliveryState.UNKNOWN).keys() == {"r2@example.org"}
    assert "r1@example.org" in rows(db, DeliveryState.ACCEPTED)


# The operator ----------------------------------------------------------------------------------------


def test_what_is_decided_about_an_older_send_is_found_by_new_only(
    folder: Path, db: SqliteDatabase, server: FakeSearchable
) -> None:
    lose_answers(folder, db, server)
    desk = make_desk(folder, server.provider(), db=db)
    resume(desk, 1)
    with db.write() as tx:
        tx.execute("UPDATE deliveries SET state = 5 WHERE subscriber_id <= 2")
    add_subscribers(db, 1, first=50)
    start(desk, new_send(provider="searchable"))
    unknown = desk.ledger.unknown("hello")
    assert len(unknown) == 2
    changed = decide(db, desk.ledger.sends("hello"), unknown, resend=True, now=desk.clock.now())
    assert changed == 2
    assert desk.ledger.count_audience("hello") == 2


@pytest.fixture
def refused(folder: Path, db: SqliteDatabase, server: FakeSearchable) -> SqliteDatabase:
    """A send that ended with three refused, one lost and one left out."""
    start(make_desk(folder, server.provider(), db=db), new_send(provider="searchable"))
    with db.write() as tx:
        tx.execute("UPDATE deliveries SET state = 3, reason = 'no such user' WHERE subscriber_id <= 3")
        tx.execute("UPDATE deliveries SET state = 5 WHERE subscriber_id = 4")
        tx.execute("UPDATE deliveries SET state = 6 WHERE subscriber_id = 5")
    return db


def test_only_the_refused_are_tried_again_and_none_who_left(
    folder: Path, refused: SqliteDatabase, server: FakeSearchable
) -> None:
    set_status(refused, "r2@example.org", "complained")
    desk = make_desk(folder, server.provider(), db=refused)
    record = desk.ledger.get(1)
    assert retry_failed(refused, folder, record, 2, desk.clock.now()) == 2
    assert (desk.ledger.get(1).state, desk.ledger.tally(1).pending) == (SendState.PAUSED, 2)
    before = server.ledger.recipients
    ending = resume(desk, 1)
    again = {email for email, count in server.ledger.recipients.items() if count > before[email]}
    assert again == {"r1@example.org", "r3@example.org"}
    # The lost one was found by the search.
    assert ending.tally == Tally(accepted=18, rejected=1, skipped=1)


def test_a_count_that_is_not_the_one_asked_for_changes_nothing(folder: Path, refused: SqliteDatabase) -> None:
    desk = make_desk(folder, db=refused)
    with pytest.raises(NewsletterError, match="3 to be tried again, not 2"):
        retry_failed(refused, folder, desk.ledger.get(1), 2, desk.clock.now())
    assert desk.ledger.tally(1).rejected == 3


def test_the_refused_are_left_alone_while_a_process_is_sending(folder: Path, refused: SqliteDatabase) -> None:
    desk = make_desk(folder, db=refused)
    with SendLock(folder, 1, "hello"), pytest.raises(NewsletterError, match="being sent already"):
        retry_failed(refused, folder, desk.ledger.get(1), 3, desk.clock.now())
    assert desk.ledger.tally(1).rejected == 3
