"""The engine against a real store and servers with ledgers of their own, well and unwell."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from newsletter.clock import FakeClock
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.delivery import SendState
from newsletter.providers.base import Batch, BatchResult, Capabilities, ContentForm, Session
from newsletter.send.engine import Ending
from newsletter.send.run import Desk, Wishes, resume, start
from newsletter.store.send_records import Tally
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.ledger import Fault, Faults
from tests.fakes.resend import FakeResend
from tests.fakes.smtp import FakeSmtp
from tests.send.desk import (
    HastyClock,
    add_subscribers,
    make_desk,
    new_send,
    outbox_recipients,
    through_resend,
    through_smtp,
)

EVERYBODY = [f"r{n}@example.org" for n in range(1, 101)]


@pytest.fixture
def db(folder: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(folder / "newsletter.db") as database:
        add_subscribers(database, 100)
        yield database


@contextmanager
def resend_with(*faults: Fault) -> Iterator[FakeResend]:
    with FakeResend(faults=Faults(faults)) as server:
        yield server


def once_each(counter: Counter[str]) -> bool:
    return sorted(counter) == sorted(EVERYBODY) and set(counter.values()) == {1}


def test_everybody_gets_one_file_in_the_outbox(folder: Path, db: SqliteDatabase) -> None:
    ending = start(make_desk(folder, db=db), new_send(), expect=100)
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=100))
    assert sorted(outbox_recipients(folder)) == sorted(EVERYBODY)
    [sent] = list((folder / "outbox").iterdir())
    assert sent.name == "001-hello-1"


def test_an_audience_that_is_not_the_expected_one_is_not_begun(folder: Path, db: SqliteDatabase) -> None:
    desk = make_desk(folder, db=db)
    with pytest.raises(UsageError, match="100, not 99"):
        start(desk, new_send(), expect=99)
    assert desk.ledger.sends("hello") == []
    assert outbox_recipients(folder) == []


def test_half_an_imported_list_is_not_frozen(folder: Path, db: SqliteDatabase) -> None:
    with db.write() as tx:
        tx.execute(
            "INSERT INTO imports (file_name, sha256, started_at, staged_file, status, tags)"
            " VALUES ('list.csv', '', '', 'stage', '', '[]')"
        )
    desk = make_desk(folder, db=db)
    with pytest.raises(NewsletterError, match="an import is being merged"):
        start(desk, new_send())
    assert db.query("SELECT * FROM sends") == []
    with db.write() as tx:
        tx.execute("UPDATE imports SET finished_at = 'now'")
    assert start(desk, new_send(), expect=100).tally.accepted == 100


def test_resend_gets_each_recipient_once_under_a_key_a_batch(folder: Path, db: SqliteDatabase) -> None:
    with FakeResend() as server:
        ending = start(make_desk(folder, through_resend(server.url), db=db), new_send(provider="resend"))
        assert ending.tally == Tally(accepted=100)
        assert once_each(server.ledger.recipients)
        assert len({entry["key"] for entry in server.ledger.entries}) == 10
    assert db.query("SELECT count(*) FROM batches WHERE length(body_hash) = 64 AND finished_at <> ''") == [
        (10,)
    ]


def test_smtp_gets_each_recipient_once(folder: Path, db: SqliteDatabase) -> None:
    server = FakeSmtp()
    try:
        ending = start(make_desk(folder, through_smtp(server.port), db=db), new_send(provider="smtp"))
    finally:
        server.close()
    assert ending.tally == Tally(accepted=100)
    assert once_each(server.ledger.recipients)


LOST_ANSWERS = [
    Fault("POST", "accept-close", after=2, times=2),
    Fault("POST", "accept-500", after=2, times=2),
    Fault("POST", "malformed", after=2, times=2),
    Fault("POST", "short", after=2, times=2),
]


@pytest.mark.parametrize("fault", LOST_ANSWERS, ids=lambda fault: fault.do)
def test_an_answer_lost_after_acceptance_is_asked_for_again_under_its_key(
    folder: Path, db: SqliteDatabase, fault: Fault
) -> None:
    with resend_with(fault) as server:
        desk = make_desk(folder, through_resend(server.url), db=db, clock=HastyClock())
        ending = start(desk, new_send(provider="resend"))
        assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=100))
        assert once_each(server.ledger.recipients)


@pytest.mark.parametrize("fault", LOST_ANSWERS, ids=lambda fault: fault.do)
def test_without_keys_a_lost_answer_is_unknown_and_never_sent_again_by_itself(
    folder: Path, db: SqliteDatabase, fault: Fault
) -> None:
    with resend_with(fault) as server:
        desk = make_desk(folder, through_resend(server.url, ttl=0), db=db, clock=HastyClock())
        ending = start(desk, new_send(provider="resend"))
        while ending.state is not SendState.SENT:
            ending = resume(desk, 1)
        assert ending.tally == Tally(accepted=80, unknown=20)
        assert once_each(server.ledger.recipients)
        assert resume(desk, 1).tally == ending.tally
        assert once_each(server.ledger.recipients)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", "429", times=3, headers={"retry-after": "2"}),
        Fault("POST", "429", after=4, times=3),
        Fault("POST", "close", after=1, times=2),
        Fault("POST", "500", after=1, times=2),
    ],
    ids=["429 with Retry-After", "429 without", "reset before acceptance", "500"],
)
def test_what_was_not_accepted_is_sent_in_the_end(folder: Path, db: SqliteDatabase, fault: Fault) -> None:
    with resend_with(fault) as server:
        desk = make_desk(folder, through_resend(server.url), db=db, clock=HastyClock())
        ending = start(desk, new_send(provider="resend"))
        assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=100))
        assert once_each(server.ledger.recipients)


def test_a_replay_that_is_refused_or_put_off_does_not_make_an_accepted_batch_look_unsent(
    folder: Path, db: SqliteDatabase
) -> None:
    """The first POST is accepted and its answer lost; the replay meets 429s and 500s for good."""
    faults = [
        Fault("POST", "accept-close", times=1),
        Fault("POST", "429", headers={"retry-after": "1"}),
    ]
    with resend_with(*faults) as server:
        desk = make_desk(
            folder, through_resend(server.url), db=db, clock=HastyClock(), wishes=Wishes(connections=1)
        )
        ending = start(desk, new_send(provider="resend"))
        assert ending.state is SendState.PAUSED
        assert ending.tally.unknown == 10
        server.faults.clear()
        again = resume(desk, 1)
        assert (again.state, again.tally) == (SendState.SENT, Tally(accepted=100))
        assert once_each(server.ledger.recipients)


def test_a_wrong_key_pauses_the_send_with_everybody_still_to_go(folder: Path, db: SqliteDatabase) -> None:
    with FakeResend(secret="another") as server:
        desk = make_desk(folder, through_resend(server.url), db=db)
        ending = start(desk, new_send(provider="resend"))
        assert ending.state is SendState.PAUSED
        assert ending.tally.pending + ending.tally.deferred == 100
        assert ending.note
        assert ending.hint
        server.secret = "re_test"
        again = resume(desk, 1)
        assert again.tally == Tally(accepted=100)
        assert once_each(server.ledger.recipients)


def test_a_closed_port_is_waited_for_and_then_given_back_with_nothing_lost(
    folder: Path, db: SqliteDatabase
) -> None:
    with FakeResend() as server:
        url = server.url
    desk = make_desk(folder, through_resend(url), db=db, clock=HastyClock())
    ending = start(desk, new_send(provider="resend"))
    assert ending.state is SendState.PAUSED
    assert ending.tally.pending + ending.tally.deferred == 100
    assert f"{urlsplit(url).netloc} can't be reached: Connection refused" in ending.note


def test_an_endpoint_that_swallows_requests_stops_the_send_before_it_eats_the_list(
    folder: Path, db: SqliteDatabase
) -> None:
    with resend_with(Fault("POST", "close")) as server:
        desk = make_desk(folder, through_resend(server.url, ttl=0), db=db, clock=HastyClock())
        ending = start(desk, new_send(provider="resend"))
    assert ending.state is SendState.PAUSED
    assert ending.tally.unknown <= 60
    assert ending.tally.total == 100


def test_one_refused_recipient_never_releases_the_batch(folder: Path, db: SqliteDatabase) -> None:
    with FakeSmtp(faults=Faults([Fault("RCPT", "550 5.1.1 no such user", match="<r7@")])) as server:
        ending = start(make_desk(folder, through_smtp(server.port), db=db), new_send(provider="smtp"))
    assert ending.tally == Tally(accepted=99, rejected=1)
    assert set(server.ledger.recipients.values()) == {1}
    [(reason,)] = db.query("SELECT reason FROM deliveries WHERE state = 3")
    assert "no such user" in reason


def test_a_greylisted_recipient_is_tried_again_and_one_that_stays_so_is_given_up_with_the_reason(
    folder: Path, db: SqliteDatabase
) -> None:
    faults = [
        Fault("RCPT", "451 4.7.1 greylisted", match="<r3@", times=2),
        Fault("RCPT", "452 4.2.2 mailbox full", match="<r9@"),
    ]
    with FakeSmtp(faults=Faults(faults)) as server:
        desk = make_desk(folder, through_smtp(server.port), db=db, clock=HastyClock())
        ending = start(desk, new_send(provider="smtp"))
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=99, rejected=1))
    assert set(server.ledger.recipients.values()) == {1}
    [(reason,)] = db.query("SELECT reason FROM deliveries WHERE state = 3")
    assert "gave up after 6 attempts" in reason
    assert "mailbox full" in reason


def test_nobody_is_mailed_after_they_left_while_the_send_ran(folder: Path, db: SqliteDatabase) -> None:
    """Everybody from r41 on leaves after the first turns: at most what was in flight still goes."""
    with FakeResend(latency=0.01) as server:
        desk = make_desk(folder, through_resend(server.url), db=db, wishes=Wishes(batch=5, connections=1))
        left: list[int] = []

        def leave(tally: Tally) -> None:
            if tally.accepted >= 10 and not left:
                claimed = {
                    row[0] for row in db.query("SELECT subscriber_id FROM deliveries WHERE state <> 0")
                }
                left.extend(n for n in range(1, 101) if n not in claimed)
                with db.write() as tx:
                    tx.execute(
                        f"UPDATE subscribers SET status = 'unsubscribed' WHERE id IN ({','.join(map(str, left))})"
                    )

        desk.on_turn = leave
        ending = start(desk, new_send(provider="resend"))
        assert left
        mailed = server.ledger.recipients
    assert not mailed.keys() & {f"r{n}@example.org" for n in left}
    assert ending.tally == Tally(accepted=100 - len(left), skipped=len(left))


def test_the_rate_is_kept_and_a_clock_that_jumps_changes_nothing(folder: Path, db: SqliteDatabase) -> None:
    clock = FakeClock()
    jumps = iter([datetime(2031, 1, 1, tzinfo=UTC), datetime(2001, 1, 1, tzinfo=UTC)] * 500)
    desk = make_desk(folder, db=db, clock=clock, wishes=Wishes(rate=10, connections=1))
    desk.on_turn = lambda _: clock.set(next(jumps))
    ending = start(desk, new_send())
    assert ending.tally == Tally(accepted=100)
    # Ten batches of ten: nine waits of a second lie between them.
    assert 9.0 <= clock.monotonic() <= 13.0


def test_cancelling_in_the_hold_before_the_first_message_is_free(folder: Path, db: SqliteDatabase) -> None:
    clock = FakeClock()
    desk = make_desk(folder, db=db, clock=clock, wishes=Wishes(hold=60))

    def cancel(tally: Tally) -> None:
        if 30 <= clock.monotonic() < 31:
            assert tally == Tally(pending=100)
            desk.ledger.change_state(1, SendState.CANCELLED, [SendState.SENDING], now=clock.now())

    desk.on_turn = cancel
    ending = start(desk, new_send())
    assert (ending.state, ending.tally) == (SendState.CANCELLED, Tally(pending=100))
    assert outbox_recipients(folder) == []
    assert resume(desk, 1).state is SendState.CANCELLED
    # Nobody got it, so that it may be sent as if it had never been begun.
    again = make_desk(folder, db=db)
    assert start(again, new_send(), expect=100).tally == Tally(accepted=100)


def test_a_pause_from_another_terminal_is_noticed_and_a_resume_goes_on(
    folder: Path, db: SqliteDatabase
) -> None:
    desk = make_desk(folder, db=db, wishes=Wishes(batch=5))

    def pause(tally: Tally) -> None:
        if tally.accepted >= 20:
            desk.ledger.change_state(
                1, SendState.PAUSED, [SendState.SENDING], note="lunch", now=desk.clock.now()
            )

    desk.on_turn = pause
    ending = start(desk, new_send())
    assert (ending.state, ending.note) == (SendState.PAUSED, "lunch")
    assert 20 <= ending.tally.accepted < 60
    assert ending.tally.claimed == ending.tally.unknown == 0
    assert ending.tally.total == 100
    desk.on_turn = lambda _: None
    assert resume(desk, 1).tally == Tally(accepted=100)
    assert sorted(outbox_recipients(folder)) == sorted(EVERYBODY)


def test_a_stop_finishes_what_is_under_way_and_gives_the_rest_back(folder: Path, db: SqliteDatabase) -> None:
    with FakeResend(latency=0.2) as server:
        desk = make_desk(folder, through_resend(server.url, ttl=0, batch=5), db=db)
        desk.on_turn = lambda tally: desk.stop.press() if tally.claimed else None
        ending = start(desk, new_send(provider="resend"))
        assert ending.interrupted
        assert ending.state is SendState.PAUSED
        assert ending.tally == Tally(accepted=ending.tally.accepted, pending=100 - ending.tally.accepted)
        assert sum(server.ledger.recipients.values()) == ending.tally.accepted
        fresh = make_desk(folder, through_resend(server.url, ttl=0), db=db)
        assert resume(fresh, 1).tally == Tally(accepted=100)
        assert once_each(server.ledger.recipients)


def test_a_second_sender_of_the_same_send_is_refused_by_name_while_the_first_runs(
    folder: Path, db: SqliteDatabase
) -> None:
    refused: list[str] = []
    desk = make_desk(folder, db=db, wishes=Wishes(batch=10))

    def second(_: Tally) -> None:
        with SqliteDatabase(folder / "newsletter.db") as other:
            with pytest.raises(NewsletterError) as error:
                resume(make_desk(folder, db=other), 1)
            refused.append(error.value.message)

    desk.on_turn = second
    assert start(desk, new_send()).tally == Tally(accepted=100)
    assert refused
    assert "is being sent already, by process " in refused[0]


def test_resuming_a_finished_send_does_nothing_as_often_as_one_likes(
    folder: Path, db: SqliteDatabase
) -> None:
    desk = make_desk(folder, db=db)
    start(desk, new_send())
    before = db.query("SELECT * FROM sends")
    for _ in range(3):
        ending = resume(desk, 1)
        assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=100))
    assert db.query("SELECT * FROM sends") == before


class Broken:
    """A provider with a defect: it raises after it may have sent."""

    name = "broken"
    capabilities = Capabilities(content=ContentForm.MIME, max_batch=10, connections=1)

    def session(self) -> Session:
        return self

    def send(self, batch: Batch) -> BatchResult:
        raise ZeroDivisionError

    def close(self) -> None:
        """Nothing."""


def test_a_defect_in_a_provider_makes_messages_unknown_not_unsent(folder: Path, db: SqliteDatabase) -> None:
    ending = start(make_desk(folder, Broken(), db=db), new_send(provider="broken"))
    assert ending.state is SendState.PAUSED
    assert 30 <= ending.tally.unknown <= 50
    assert ending.tally.total == 100


def run_in_thread(work: Callable[[], Ending]) -> tuple[threading.Thread, list[Ending | BaseException]]:
    found: list[Ending | BaseException] = []

    def body() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - handed to the test
            found.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    return thread, found


def test_a_process_that_wakes_up_past_its_lease_lets_nothing_more_leave(
    folder: Path, db: SqliteDatabase
) -> None:
    """While it sleeps between two turns another machine takes the send over."""
    clock = FakeClock()
    desk: Desk = make_desk(folder, db=db, clock=clock, wishes=Wishes(batch=10, connections=1))
    taken: list[int] = []

    def sleep_too_long(tally: Tally) -> None:
        if tally.accepted >= 20 and not taken:
            record = desk.ledger.get(1)
            taken.append(desk.ledger.take_over(record, "elsewhere:1:x", clock.now()))
            clock.sleep(3600)

    desk.on_turn = sleep_too_long
    thread, found = run_in_thread(lambda: start(desk, new_send()))
    thread.join(30)
    assert isinstance(found[0], NewsletterError)
    assert "taken over" in found[0].message
    tally = desk.ledger.tally(1)
    files = len(outbox_recipients(folder))
    # What it had claimed stays claimed for the other one to look up; nothing left after the lease.
    assert tally.accepted + tally.claimed + tally.pending == 100
    assert files <= tally.accepted + tally.claimed
    assert resume(make_desk(folder, db=db), 1).tally == Tally(accepted=100)
    assert sorted(outbox_recipients(folder)) == sorted(EVERYBODY)
