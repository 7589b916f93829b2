"""Each thing that goes wrong at a provider: its own sentence, its own outcome, and `resume` works afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from newsletter.clock import FakeClock
from newsletter.model.delivery import SendState
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import (
    Allowance,
    Batch,
    BatchResult,
    Capabilities,
    ContentForm,
    Hold,
    Session,
)
from newsletter.send.engine import Ending
from newsletter.send.limits import Wishes
from newsletter.send.run import resume, start
from newsletter.store.send_records import Tally
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.ledger import Fault
from tests.fakes.resend import FakeResend
from tests.send.desk import (
    HastyClock,
    add_subscribers,
    make_desk,
    new_send,
    outbox_recipients,
    through_resend,
)


@pytest.fixture
def db(folder: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(folder / "newsletter.db") as database:
        add_subscribers(database, 100)
        yield database


@pytest.fixture
def server() -> Iterator[FakeResend]:
    with FakeResend() as fake:
        yield fake


def send(folder: Path, db: SqliteDatabase, server: FakeResend, *, ttl: int | None = None) -> Ending:
    """Ten batches of ten over four connections, or what is left of them."""
    desk = make_desk(
        folder,
        through_resend(server.url, ttl=ttl),
        db=db,
        clock=HastyClock(),
        wishes=Wishes(connections=4),
    )
    return resume(desk, 1) if desk.ledger.sends("hello") else start(desk, new_send(provider="resend"))


def everybody_once(server: FakeResend) -> bool:
    mailed = server.ledger.recipients
    return len(mailed) == 100 and set(mailed.values()) == {1}


@pytest.mark.parametrize(
    ("wrong", "sentence", "hint"),
    [
        ({"secret": "another"}, "API key is invalid", "make a key that may send"),
        ({"verified": ("elsewhere.example",)}, "domain is not verified", "verify the domain of `from`"),
    ],
    ids=["wrong key", "unverified domain"],
)
def test_what_a_person_must_mend_stops_the_send_after_one_call_and_costs_nothing(
    folder: Path, db: SqliteDatabase, wrong: dict[str, Any], sentence: str, hint: str
) -> None:
    server = FakeResend(**wrong)
    # As often as somebody tries: nobody is given up for what is wrong with the account.
    for attempt in range(1, 9):
        ending = send(folder, db, server)
        assert ending.state is SendState.PAUSED
        assert sentence in ending.note
        assert hint in ending.hint
        assert len(server.calls) == attempt
        assert ending.tally.pending + ending.tally.deferred == 100
    server.secret, server.verified = "re_test", ()
    assert send(folder, db, server).tally == Tally(accepted=100)
    assert everybody_once(server)
    server.close()


def test_a_quota_used_up_at_the_provider_pauses_and_resumes_where_it_stood(
    folder: Path, db: SqliteDatabase, server: FakeResend
) -> None:
    server.quota = 30
    ending = send(folder, db, server)
    assert ending.state is SendState.PAUSED
    assert "daily email sending quota" in ending.note
    # Calls that reach the fake at once may all find room.
    reached = sum(server.ledger.recipients.values())
    assert 30 <= reached <= 60
    assert ending.tally.accepted == reached
    assert ending.tally.pending + ending.tally.deferred == 100 - reached
    server.quota = None
    assert send(folder, db, server).tally == Tally(accepted=100)
    assert everybody_once(server)


def test_a_call_that_is_too_large_pauses_with_what_to_do(
    folder: Path, db: SqliteDatabase, server: FakeResend
) -> None:
    server.faults.add(Fault("POST", "413"))
    ending = send(folder, db, server)
    assert ending.state is SendState.PAUSED
    assert "413" in ending.note
    assert "batch = " in ending.hint
    assert ending.tally.pending + ending.tally.deferred == 100
    server.faults.clear()
    assert send(folder, db, server).tally == Tally(accepted=100)


def test_addresses_the_provider_refuses_one_batch_at_a_time_cost_the_others_nothing(
    folder: Path, db: SqliteDatabase, server: FakeResend
) -> None:
    """A provider that refuses whole batches and names one address each time, more often than anybody is tried."""
    for number in range(1, 10):
        address = f"r{number}@example.org"
        said = f'{{"name": "validation_error", "message": "Invalid `to` field: {address}"}}'
        server.faults.add(Fault("POST", "422", match=f'"{address}"', body=said))
    ending = send(folder, db, server)
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=91, rejected=9))
    assert set(server.ledger.recipients.values()) == {1}
    reasons = [reason for (reason,) in db.query("SELECT reason FROM deliveries WHERE state = 3")]
    assert all("Invalid `to` field" in reason for reason in reasons)


def test_a_provider_that_is_down_for_an_hour_pauses_the_send_in_minutes_and_loses_nobody(
    folder: Path, db: SqliteDatabase, server: FakeResend
) -> None:
    server.faults.add(Fault("POST", "503"))
    clock = HastyClock()
    begun = clock.monotonic()
    desk = make_desk(folder, through_resend(server.url), db=db, clock=clock)
    ending = start(desk, new_send(provider="resend"))
    assert ending.state is SendState.PAUSED
    assert "503" in ending.note
    assert "times in a row" in ending.note
    assert 60 < clock.monotonic() - begun < 900
    # One batch was probed with; the others never left.
    assert ending.tally.unknown <= 50
    server.faults.clear()
    assert resume(desk, 1).tally == Tally(accepted=100)
    assert everybody_once(server)


def test_server_errors_without_keys_leave_a_few_batches_unknown_and_then_pause(
    folder: Path, db: SqliteDatabase, server: FakeResend
) -> None:
    server.faults.add(Fault("POST", "accept-500", after=3))
    ending = send(folder, db, server, ttl=0)
    assert ending.state is SendState.PAUSED
    assert "batches in a row were left without an answer to be trusted" in ending.note
    assert "500" in ending.note
    # Four connections were open when it began.
    assert 30 <= ending.tally.unknown <= 60
    server.faults.clear()
    again = send(folder, db, server, ttl=0)
    assert again.tally == Tally(accepted=100 - ending.tally.unknown, unknown=ending.tally.unknown)
    assert everybody_once(server)


def test_a_provider_that_wants_to_be_left_alone_for_hours_is_not_waited_for(
    folder: Path, db: SqliteDatabase, server: FakeResend
) -> None:
    server.faults.add(Fault("POST", "429", headers={"retry-after": "3600"}))
    clock = HastyClock()
    begun = clock.monotonic()
    ending = start(
        make_desk(folder, through_resend(server.url), db=db, clock=clock), new_send(provider="resend")
    )
    assert ending.state is SendState.PAUSED
    assert "asks to be left alone for 60 minutes" in ending.note
    assert clock.monotonic() - begun < 60
    server.faults.clear()
    assert send(folder, db, server).tally == Tally(accepted=100)


# The pace in force ----------------------------------------------------------------------------------


class Recorder:
    """A provider in memory that takes everything, and says what a test wants it to say.

    Attributes:
        left: when each batch left, by the clock, and how large it was.
        together: the most calls that were under way at once.
    """

    name = "recorder"

    def __init__(
        self, clock: FakeClock, answers: Iterator[BatchResult | None], **capabilities: float
    ) -> None:
        self.capabilities = Capabilities(
            ContentForm.MIME,
            max_batch=10,
            connections=4,
            calls_per_second=capabilities.get("calls", 0.0),
            messages_per_second=capabilities.get("rate", 0.0),
        )
        self._clock, self._answers = clock, answers
        self.left: list[tuple[float, int]] = []

    def session(self) -> Session:
        return self

    def send(self, batch: Batch) -> BatchResult:
        self.left.append((self._clock.monotonic(), len(batch.messages)))
        said = next(self._answers, None)
        if said is not None and said.outcomes:
            return said
        if said is not None and said.hold is not None:
            return BatchResult(
                [Outcome(m.delivery_id, OutcomeKind.DEFERRED) for m in batch.messages], said.hold
            )
        accepted = [Outcome(m.delivery_id, OutcomeKind.ACCEPTED) for m in batch.messages]
        return BatchResult(accepted, allowance=said.allowance if said else None)

    def close(self) -> None:
        """Nothing."""


def test_calls_keep_to_the_limit_of_calls_with_whole_batches(folder: Path, db: SqliteDatabase) -> None:
    clock = FakeClock()
    provider = Recorder(clock, iter(()), calls=1 / 6)
    ending = start(make_desk(folder, provider, db=db, clock=clock), new_send(provider="recorder"))
    assert ending.tally == Tally(accepted=100)
    assert [size for _, size in provider.left] == [10] * 10
    times = [at for at, _ in provider.left]
    assert all(later - earlier >= 6 for earlier, later in pairwise(times))
    assert times[-1] - times[0] < 9 * 6.5 + 2
    # With the last answer the send is over: there is nobody to wait for.
    assert clock.monotonic() < times[-1] + 1


def test_who_is_put_back_by_another_process_at_the_last_moment_is_still_sent_to(
    folder: Path, db: SqliteDatabase
) -> None:
    clock = FakeClock()

    class Meddled(Recorder):
        def send(self, batch: Batch) -> BatchResult:
            result = super().send(batch)
            if len(self.left) == 10:
                with db.write() as tx:
                    tx.execute("UPDATE deliveries SET state = 0, batch_id = NULL WHERE subscriber_id = 1")
            return result

    provider = Meddled(clock, iter(()))
    ending = start(
        make_desk(folder, provider, db=db, clock=clock, wishes=Wishes(connections=1)),
        new_send(provider="recorder"),
    )
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=100))
    assert [size for _, size in provider.left] == [10] * 10 + [1]


def test_an_allowance_used_up_is_waited_for_and_nothing_leaves_before(
    folder: Path, db: SqliteDatabase
) -> None:
    clock = FakeClock()
    spent = iter([BatchResult([], allowance=Allowance(0, 20.0))] * 100)
    provider = Recorder(clock, spent)
    ending = start(make_desk(folder, provider, db=db, clock=clock), new_send(provider="recorder"))
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=100))
    times = [at for at, _ in provider.left]
    # The first answer opened four connections, and closed them in the same breath.
    assert all(later - earlier >= 20 for earlier, later in pairwise(times))


def test_a_hold_keeps_back_what_was_claimed_already(folder: Path, db: SqliteDatabase) -> None:
    clock = FakeClock()
    answers = iter([None, BatchResult([], Hold("busy", retry_after=30.0)), *[None] * 100])
    provider = Recorder(clock, answers)
    desk = make_desk(folder, provider, db=db, clock=clock, wishes=Wishes(connections=1))
    told: list[tuple[str, float]] = []
    desk.on_wait = lambda reason, seconds: told.append((reason, seconds))
    ending = start(desk, new_send(provider="recorder"))
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=100))
    assert provider.left[2][0] - provider.left[1][0] >= 30
    assert told == [("busy", 30.0)]


def test_the_daily_quota_holds_across_sends_and_says_when_to_go_on(folder: Path, db: SqliteDatabase) -> None:
    clock = FakeClock()
    wishes = Wishes(daily_quota=120)
    desk = make_desk(folder, db=db, clock=clock, wishes=wishes)
    assert start(desk, new_send("first")).tally == Tally(accepted=100)
    clock.sleep(3600)
    ending = start(desk, new_send("second"))
    assert ending.state is SendState.PAUSED
    assert ending.tally == Tally(accepted=20, pending=80)
    assert "the daily quota of 120 messages through outbox is used up" in ending.note
    assert "there is room again at 09:00 UTC on Wednesday, 2026-01-07" in ending.note
    # Too early: nothing leaves, and the same is said again.
    again = resume(make_desk(folder, db=db, clock=clock, wishes=wishes), 2)
    assert (again.tally, again.note) == (ending.tally, ending.note)
    clock.sleep(22.9 * 3600)
    # A few minutes before there is room it waits.
    assert resume(make_desk(folder, db=db, clock=clock, wishes=wishes), 2).tally == Tally(accepted=100)
    assert len(outbox_recipients(folder)) == 200


def test_what_was_put_off_gives_its_quota_back(folder: Path, db: SqliteDatabase) -> None:
    clock = FakeClock()
    answers = iter([BatchResult([], Hold("busy", retry_after=1.0)) for _ in range(5)])
    provider = Recorder(clock, answers)
    desk = make_desk(folder, provider, db=db, clock=clock, wishes=Wishes(daily_quota=100, connections=1))
    ending = start(desk, new_send(provider="recorder"))
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=100))


def test_a_laptop_that_slept_past_its_lease_renews_it_before_anything_leaves(
    folder: Path, db: SqliteDatabase
) -> None:
    clock = FakeClock()
    lease: list[tuple[float, str]] = []

    class Sleepy(Recorder):
        def send(self, batch: Batch) -> BatchResult:
            [(until,)] = db.query("SELECT lease_until FROM sends")
            lease.append((clock.monotonic(), until))
            result = super().send(batch)
            if len(self.left) in (2, 5):
                clock.sleep(7200)
            return result

    provider = Sleepy(clock, iter(()))
    began = clock.now()
    ending = start(
        make_desk(folder, provider, db=db, clock=clock, wishes=Wishes(connections=1)),
        new_send(provider="recorder"),
    )
    assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=100))
    assert clock.monotonic() >= 14_400
    for at, until in lease:
        assert (began + timedelta(seconds=at)).isoformat() < until


def test_a_provider_on_this_machine_is_asked_without_the_environments_proxy(
    folder: Path, db: SqliteDatabase, server: FakeResend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        # Nothing listens there.
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert send(folder, db, server).tally.accepted == 100
    assert everybody_once(server)
