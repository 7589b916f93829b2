"""The hour comes: once, for whoever is on the list then, and never for what a person should look at first."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.clock import Clock, FakeClock
from newsletter.errors import NewsletterError, StoreError, UsageError
from newsletter.model.delivery import SendState
from newsletter.providers.base import Provider
from newsletter.send.due import AGAIN, Became, DueSends, Result, tolerated
from newsletter.send.limits import Wishes
from newsletter.send.run import Desk, start
from newsletter.store.schedules import NewSchedule, Schedule, Schedules, ScheduleState
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.ledger import Fault
from tests.fakes.resend import FakeResend
from tests.send.desk import (
    add_subscribers,
    make_desk,
    new_send,
    outbox_recipients,
    set_status,
    through_resend,
)
from tests.send.fuse import Fuse

PEOPLE = 30
HOUR = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
LATE = timedelta(hours=1)
SLUG = "hello"


@pytest.fixture
def db(folder: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(folder / "newsletter.db") as opened:
        add_subscribers(opened, PEOPLE)
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(HOUR - timedelta(days=2))


def plan(
    db: SqliteDatabase,
    *,
    at: datetime = HOUR,
    provider: str = "outbox",
    people: int = PEOPLE,
    slug: str = SLUG,
) -> Schedule:
    schedules = Schedules(db)
    new = NewSchedule(new_send(slug, provider), at, "Europe/London", "issues/001.md", "", people)
    return schedules.get(schedules.add(new, at - timedelta(days=2)))


def look(desk: Desk) -> list[Result]:
    return list(DueSends(desk, LATE).look())


def became(desk: Desk) -> list[Became]:
    return [result.became for result in look(desk)]


def count(ending: Result) -> int:
    assert ending.ending is not None
    return ending.ending.tally.accepted


# At the hour ------------------------------------------------------------------------------------------


def test_it_leaves_at_its_hour_once_to_whoever_is_on_the_list_then(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db)
    desk = make_desk(folder, db=db, clock=clock)
    assert look(desk) == []
    assert DueSends(desk, LATE).next_time() == HOUR
    add_subscribers(db, 1, first=500)
    set_status(db, "r3@example.org", "unsubscribed")
    clock.set(HOUR - timedelta(milliseconds=1))
    assert look(desk) == []
    clock.set(HOUR)
    [sent] = look(desk)
    assert (sent.became, count(sent)) == (Became.SENT, PEOPLE)
    reached = outbox_recipients(folder)
    assert "r500@example.org" in reached
    assert "r3@example.org" not in reached
    assert look(desk) == []
    assert DueSends(desk, LATE).next_time() is None
    assert len(outbox_recipients(folder)) == len(set(outbox_recipients(folder))) == PEOPLE


def test_several_leave_in_the_order_of_their_hours(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db, at=HOUR, slug="second")
    plan(db, at=HOUR - timedelta(minutes=5), slug="first")
    plan(db, at=HOUR + timedelta(minutes=5), slug="third")
    clock.set(HOUR)
    desk = make_desk(folder, db=db, clock=clock)
    assert [result.schedule.slug for result in look(desk)] == ["first", "second"]
    assert DueSends(desk, LATE).next_time() == HOUR + timedelta(minutes=5)


@pytest.mark.parametrize(("after", "wanted"), [(LATE, Became.SENT), (LATE * 1.01, Became.HELD)])
def test_what_is_found_long_after_its_hour_asks_first(
    folder: Path, db: SqliteDatabase, clock: FakeClock, after: timedelta, wanted: Became
) -> None:
    schedule = plan(db)
    clock.set(HOUR + after)
    desk = make_desk(folder, db=db, clock=clock)
    assert became(desk) == [wanted]
    if wanted is Became.HELD:
        held = Schedules(db).get(schedule.id)
        assert held.state is ScheduleState.HELD
        assert "1 hour after its hour" in held.note
        assert "newsletter send 1 --now" in held.hint
        assert outbox_recipients(folder) == []
        assert look(desk) == []
        assert desk.ledger.sends() == []


def test_what_falls_due_while_another_issue_is_being_sent_is_not_late(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db, slug="large")
    plan(db, slug="small", at=HOUR + timedelta(minutes=1))
    clock.set(HOUR)
    desk = make_desk(folder, db=db, clock=clock)
    desk.on_turn = lambda _: clock.set(HOUR + timedelta(hours=5))
    assert [(r.schedule.slug, r.became) for r in look(desk)] == [
        ("large", Became.SENT),
        ("small", Became.SENT),
    ]


def test_a_clock_that_is_set_back_makes_it_wait_and_one_set_far_forward_makes_it_ask(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db)
    desk = make_desk(folder, db=db, clock=clock)
    clock.set(HOUR - timedelta(days=400))
    assert look(desk) == []
    clock.set(HOUR + timedelta(days=400))
    assert became(desk) == [Became.HELD]
    clock.set(HOUR)
    assert look(desk) == []


def test_what_cant_be_sent_at_its_hour_is_held_with_the_reason_and_nothing_is_lost(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    schedule = plan(db)
    clock.set(HOUR)

    def broken(name: str, send_name: str) -> Provider:
        raise UsageError("NEWSLETTER_OUTBOX_API_KEY isn't set", hint="put the key into .env")

    assert became(make_desk(folder, broken, db=db, clock=clock)) == [Became.HELD]
    held = Schedules(db).get(schedule.id)
    assert "API_KEY isn't set" in held.note
    assert held.hint == "put the key into .env; then: newsletter resume 1"
    Schedules(db).release(held)
    assert became(make_desk(folder, db=db, clock=clock)) == [Became.SENT]


def test_damaged_content_and_another_sandbox_are_held(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    clock.set(HOUR)
    schedule = plan(db)
    desk = make_desk(folder, db=db, clock=clock)
    desk.sandbox = True
    [held] = look(desk)
    assert "it was scheduled for real" in held.note
    desk.sandbox = False
    with db.write() as tx:
        tx.execute("UPDATE schedules SET content = ?", (b"rot",))
    Schedules(db).release(schedule)
    [held] = look(desk)
    assert "is damaged" in held.note
    assert desk.ledger.sends() == []


@pytest.mark.parametrize(
    ("before", "now", "wanted"),
    [(30, 50, Became.SENT), (30, 51, Became.HELD), (50, 30, Became.SENT), (51, 30, Became.HELD)],
)
def test_a_list_that_isnt_the_one_it_was_is_looked_at_first(
    folder: Path, db: SqliteDatabase, before: int, now: int, wanted: Became
) -> None:
    plan(db, people=before)
    add_subscribers(db, now - PEOPLE, first=100)
    [result] = look(make_desk(folder, db=db, clock=FakeClock(HOUR)))
    assert result.became is wanted
    if wanted is Became.HELD:
        assert f"it would reach {now}, and {before} when it was scheduled" in result.note
        assert f"--expect-count {now}" in result.hint


@given(st.integers(1, 5_000_000))
def test_a_fifth_may_come_and_go_and_twenty_on_a_short_list_but_never_all(people: int) -> None:
    allowed = tolerated(people)
    assert 0 not in allowed
    assert people in allowed
    assert people + max(20, people // 5) in allowed
    assert people + max(20, people // 5) + 1 not in allowed
    assert people * 2 not in allowed or people <= 20


def test_an_issue_that_was_sent_by_hand_meanwhile_is_not_sent_by_itself(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db)
    desk = make_desk(folder, db=db, clock=clock)
    start(desk, new_send())
    clock.set(HOUR)
    [held] = look(desk)
    assert (held.became, held.note) == (Became.HELD, "it was sent by hand since it was scheduled")
    assert len(outbox_recipients(folder)) == PEOPLE


def test_an_unfinished_send_by_hand_is_never_begun_a_second_time(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db)
    desk = make_desk(folder, db=db, clock=clock)
    desk.ledger.create(new_send(), clock.now())
    clock.set(HOUR)
    [held] = look(desk)
    assert "under way already" in held.note
    assert len(desk.ledger.sends()) == 1


def test_a_store_that_was_copied_or_restored_sends_nothing_by_itself(
    folder: Path, db: SqliteDatabase, clock: FakeClock, tmp_path: Path
) -> None:
    start(make_desk(folder, db=db, clock=clock), new_send("earlier"))
    plan(db)
    db.checkpoint()
    shutil.copy(folder / "newsletter.db", tmp_path / "newsletter.db")
    clock.set(HOUR)
    with SqliteDatabase(tmp_path / "newsletter.db") as copy:
        [held] = look(make_desk(tmp_path, db=copy, clock=clock))
    assert held.became is Became.HELD
    assert "may have been sent since" in held.note
    assert outbox_recipients(tmp_path) == []
    assert became(make_desk(folder, db=db, clock=clock)) == [Became.SENT]


def test_while_an_import_is_merged_it_waits(folder: Path, db: SqliteDatabase, clock: FakeClock) -> None:
    plan(db)
    clock.set(HOUR)
    with db.write() as tx:
        tx.execute(
            "INSERT INTO imports (file_name, sha256, started_at, staged_file, status, tags)"
            " VALUES ('list.csv', '', '', 'stage', '', '[]')"
        )
    desk = make_desk(folder, db=db, clock=clock)
    assert became(desk) == [Became.PUT_OFF]
    with db.write() as tx:
        tx.execute("UPDATE imports SET finished_at = 'now'")
    assert became(desk) == [Became.SENT]


# Two workers, and those that die -------------------------------------------------------------------------


def test_two_workers_at_once_send_each_issue_once(folder: Path, db: SqliteDatabase, clock: FakeClock) -> None:
    for number in range(5):
        plan(db, slug=f"issue-{number}")
    clock.set(HOUR)
    results: list[Result] = []
    ready = threading.Barrier(3)

    def one() -> None:
        with SqliteDatabase(folder / "newsletter.db") as own:
            desk = make_desk(folder, db=own, clock=clock)
            ready.wait()
            results.extend(look(desk))

    workers = [threading.Thread(target=one) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {result.schedule.slug for result in results} == {f"issue-{n}" for n in range(5)}
    assert {result.became for result in results} == {Became.SENT}
    assert len(make_desk(folder, db=db).ledger.sends()) == 5
    sent = outbox_recipients(folder)
    assert len(sent) == 5 * PEOPLE
    assert {sent.count(address) for address in set(sent)} == {5}


def test_a_worker_that_died_after_its_claim_is_taken_over_by_the_next(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    schedule = plan(db)
    clock.set(HOUR)
    assert Schedules(db).begin(schedule, clock.now())
    assert not Schedules(db).begin(schedule, clock.now())
    told: list[tuple[bool, int]] = []
    desk = make_desk(folder, db=db, clock=clock)
    [sent] = DueSends(desk, LATE, lambda s, n: told.append((bool(s.send_id), n))).look()
    assert (sent.became, count(sent)) == (Became.SENT, PEOPLE)
    assert told == [(True, 0)]


def test_a_send_that_was_stopped_is_gone_on_with_by_the_next_worker(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db)
    clock.set(HOUR)
    desk = make_desk(folder, db=db, clock=clock, wishes=Wishes(batch=5, connections=1))

    def press(tally: object) -> None:
        if outbox_recipients(folder):
            desk.stop.press()

    desk.on_turn = press
    [stopped] = look(desk)
    assert stopped.became is Became.STOPPED
    left = len(outbox_recipients(folder))
    assert 0 < left < PEOPLE
    assert look(desk) == [], "whoever was asked to stop begins nothing more"
    [sent] = look(make_desk(folder, db=db, clock=clock))
    assert (sent.became, count(sent)) == (Became.SENT, PEOPLE)
    assert len(outbox_recipients(folder)) == PEOPLE


@pytest.mark.parametrize("state", ["freezing", "sending"])
def test_a_send_found_interrupted_long_after_is_not_gone_on_with_by_itself(
    folder: Path, db: SqliteDatabase, clock: FakeClock, state: str
) -> None:
    schedule = plan(db)
    clock.set(HOUR)
    Schedules(db).begin(schedule, clock.now())
    with db.write() as tx:
        tx.execute("UPDATE sends SET state = ?", (state,))
    clock.set(HOUR + timedelta(hours=5))
    desk = make_desk(folder, db=db, clock=clock)
    [result] = look(desk)
    assert "interrupted 5 hours ago" in result.note
    assert "newsletter resume 1" in result.hint
    if state == "freezing":
        assert result.became is Became.HELD
        assert Schedules(db).get(schedule.id).state is ScheduleState.HELD
        assert desk.ledger.sends() == []
    else:
        assert result.became is Became.PAUSED
        assert desk.ledger.get(1).state is SendState.PAUSED
    assert look(desk) == []
    assert outbox_recipients(folder) == []


def test_a_send_that_was_forgotten_before_it_began_becomes_a_held_schedule_again(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    schedule = plan(db)
    clock.set(HOUR)
    send_id = Schedules(db).begin(schedule, clock.now())
    desk = make_desk(folder, db=db, clock=clock)
    desk.ledger.discard(send_id, 0)
    assert became(desk) == [Became.HELD]
    held = Schedules(db).get(schedule.id)
    assert (held.state, held.send_id) == (ScheduleState.HELD, 0)
    assert Schedules(db).content(schedule.id)


def look_in_a_child(folder: Path, die_at: str = "", passage: int = 1) -> dict[str, int]:
    """One look in a process of its own, which may die on its way; the points it passed where it doesn't."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            fuse = Fuse(die_at, passage)
            fuse.install()
            with SqliteDatabase(folder / "newsletter.db") as own:
                done = [
                    r.became.value
                    for r in DueSends(make_desk(folder, db=own, clock=FakeClock(HOUR)), LATE).look()
                ]
            os.write(writer, json.dumps({"done": done, "passed": fuse.passed}).encode())
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return dict(json.loads(said)["passed"]) if said else {}


def test_a_worker_may_die_wherever_it_has_an_effect(folder: Path, db: SqliteDatabase) -> None:
    plan(db)
    db.checkpoint()
    kept = (folder / "newsletter.db").read_bytes()

    def afresh(name: str) -> Path:
        own = folder / name
        own.mkdir()
        (own / "newsletter.db").write_bytes(kept)
        return own

    passed = look_in_a_child(afresh("whole"))
    points = [(point, n) for point, times in passed.items() for n in {1, times}]
    assert {point for point, _ in points} >= {
        f"sqlite {word} in store/schedules.py:begin" for word in ("BEGIN", "COMMIT")
    }
    for number, (point, passage) in enumerate(points):
        own = afresh(str(number))
        assert not look_in_a_child(own, point, passage), f"it lived through {point}"
        look_in_a_child(own)
        with SqliteDatabase(own / "newsletter.db") as after:
            desk = make_desk(own, db=after, clock=FakeClock(HOUR))
            assert [(r.state, desk.ledger.tally(r.id).accepted) for r in desk.ledger.sends()] == [
                (SendState.SENT, PEOPLE)
            ], point
        assert sorted(outbox_recipients(own)) == sorted(set(outbox_recipients(own)))
        assert len(outbox_recipients(own)) == PEOPLE


# Trouble that passes ----------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine gives up on a provider at once: what it waits for meanwhile is tried elsewhere."""
    monkeypatch.setattr("newsletter.send.retry._HOLDS", 1)


def due_without_a_network(folder: Path, db: SqliteDatabase, clock: FakeClock) -> tuple[Schedule, Desk]:
    """A send at its hour, through a provider that nobody can reach."""
    with FakeResend() as server:
        url = server.url
    schedule = plan(db, provider="resend")
    clock.set(HOUR)
    return schedule, make_desk(folder, through_resend(url), db=db, clock=clock)


@pytest.mark.usefixtures("hasty")
def test_without_a_network_it_is_tried_again_ever_later_and_then_left_to_a_person(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    schedule, desk = due_without_a_network(folder, db, clock)
    waits: list[float] = []
    for _ in AGAIN:
        [result] = look(desk)
        assert result.became is Became.PUT_OFF
        assert "can't be reached" in result.note
        assert result.again_at is not None
        assert look(desk) == [], "not before its time"
        waits.append((result.again_at - clock.now()).total_seconds())
        clock.set(result.again_at)
    assert waits == list(AGAIN)
    [last] = look(desk)
    assert last.became is Became.PAUSED
    assert f"({len(AGAIN) + 1} times)" in last.note
    clock.set(clock.now() + timedelta(days=1))
    assert look(desk) == []
    assert desk.ledger.get(Schedules(db).get(schedule.id).send_id).state is SendState.PAUSED


@pytest.mark.usefixtures("hasty")
def test_once_the_network_is_back_it_leaves_and_nobody_gets_it_twice(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db, provider="resend")
    clock.set(HOUR)
    with FakeResend() as server:
        server.faults.add(Fault("POST", "503", after=1, times=1))
        desk = make_desk(folder, through_resend(server.url), db=db, clock=clock)
        [put_off] = look(desk)
        assert put_off.became is Became.PUT_OFF
        assert put_off.again_at is not None
        clock.set(put_off.again_at)
        assert became(desk) == [Became.SENT]
        assert set(server.ledger.recipients.values()) == {1}
        assert len(server.ledger.recipients) == PEOPLE


def test_a_daily_quota_is_used_up_day_after_day_without_anybody_watching(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db)
    clock.set(HOUR)
    desk = make_desk(folder, db=db, clock=clock, wishes=Wishes(daily_quota=12))
    for _ in range(2):
        [result] = look(desk)
        assert result.became is Became.PUT_OFF
        assert "daily quota" in result.note
        assert result.again_at is not None
        clock.set(result.again_at)
    assert became(desk) == [Became.SENT]
    assert len(outbox_recipients(folder)) == PEOPLE


@pytest.mark.usefixtures("hasty")
def test_what_a_person_paused_or_took_over_no_worker_goes_on_with(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    schedule, desk = due_without_a_network(folder, db, clock)
    [put_off] = look(desk)
    assert put_off.again_at is not None
    Schedules(db).forget_retry(Schedules(db).get(schedule.id).send_id)
    clock.set(put_off.again_at)
    assert look(desk) == []


def test_a_wrong_key_is_a_persons_to_mend_and_isnt_tried_again(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    plan(db, provider="resend")
    clock.set(HOUR)
    with FakeResend(secret="another") as server:
        desk = make_desk(folder, through_resend(server.url), db=db, clock=clock)
        [paused] = look(desk)
        assert paused.became is Became.PAUSED
        assert paused.again_at is None
        calls = len(server.calls)
        clock.set(HOUR + timedelta(days=1))
        assert look(desk) == []
        assert len(server.calls) == calls


def test_a_time_to_try_again_that_a_wrong_clock_wrote_is_not_waited_for(
    folder: Path, db: SqliteDatabase, clock: FakeClock
) -> None:
    schedule = plan(db)
    clock.set(HOUR)
    schedules = Schedules(db)
    schedules.begin(schedule, clock.now())
    schedules.retry(schedules.get(schedule.id), HOUR + timedelta(days=30), 1)
    assert became(make_desk(folder, db=db, clock=clock)) == [Became.SENT]


def test_a_full_disk_at_the_hour_leaves_it_due(folder: Path, db: SqliteDatabase, clock: FakeClock) -> None:
    schedule = plan(db)
    clock.set(HOUR)
    [(pages,)] = db.query("PRAGMA page_count")
    db.query(f"PRAGMA max_page_count = {pages}")
    desk = make_desk(folder, db=db, clock=clock)
    fill(db)
    with pytest.raises(StoreError, match="disk is full"):
        look(desk)
    assert outbox_recipients(folder) == []
    db.query("PRAGMA max_page_count = 1073741823")
    assert became(desk) == [Became.SENT]
    assert Schedules(db).get(schedule.id).send_id
    assert len(outbox_recipients(folder)) == PEOPLE


def fill(db: SqliteDatabase) -> None:
    """Use up what is free in the file."""
    for size in (100_000, 500, 10, 1):
        with suppress(StoreError):
            while True:
                with db.write() as tx:
                    tx.execute(f"INSERT INTO meta VALUES (hex(randomblob(8)), hex(zeroblob({size})))")


# The store's own rules ----------------------------------------------------------------------------------


def test_an_issue_is_scheduled_once_and_anew_only_in_its_place(db: SqliteDatabase) -> None:
    schedules, first = Schedules(db), plan(db)
    new = NewSchedule(new_send(), HOUR + LATE, "UTC", "issues/001.md", "", PEOPLE)
    with pytest.raises(NewsletterError, match="scheduled a moment ago"):
        schedules.add(new, HOUR)
    second = schedules.add(new, HOUR, replaced=first.id)
    assert schedules.get(first.id).state is ScheduleState.CANCELLED
    assert [s.id for s in schedules.open()] == [second]
    assert not schedules.cancel(first)
    assert not schedules.begin(first, HOUR)
    waiting = schedules.get(second)
    assert schedules.hold(waiting, "paused a moment ago")
    assert not schedules.begin(waiting, HOUR)
    assert schedules.release(schedules.get(second))
    assert schedules.cancel(schedules.get(second))
    assert not schedules.hold(schedules.get(second), "")
    assert schedules.due(HOUR + LATE) == []


def test_what_is_being_sent_cant_be_scheduled(folder: Path, db: SqliteDatabase, clock: Clock) -> None:
    make_desk(folder, db=db).ledger.create(replace(new_send(), tag="a"), clock.now())
    with pytest.raises(NewsletterError, match="is being sent"):
        plan(db)
    assert Schedules(db).open() == []
