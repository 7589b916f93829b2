"""Scheduling as a user does it: said, shown, taken back, sent at its hour by a worker or from cron."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from newsletter.app import open_workspace
from newsletter.cli.worker import POLL, Diary, look_once, work
from newsletter.clock import FakeClock
from newsletter.errors import StoreError
from newsletter.send.presence import present, somebody_works
from newsletter.send.run import StopSwitch
from newsletter.store.base import utc_text
from tests.cli.test_interrupts import at_a_terminal
from tests.cli.test_send import PEOPLE, Home
from tests.fakes.resend import FakeResend
from tests.send.desk import add_subscribers, in_memory, set_status


@pytest.fixture
def home() -> Iterator[Home]:
    with in_memory() as folder:
        yield Home(folder)


def schedule(home: Home, when: str, *arguments: str, count: int = PEOPLE, code: int = 0) -> Any:
    return home.json("send", "1", "--at", when, "--yes", "--expect-count", str(count), *arguments, code=code)


@contextmanager
def running(home: Home, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command beside the test, ended with it."""
    with home.start(*arguments) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def make_due(home: Home, ago: timedelta = timedelta(seconds=1)) -> None:
    """Its hour was so long ago."""
    with home.store() as db, db.write() as tx:
        assert tx.execute("UPDATE schedules SET due_at = ?", (utc_text(datetime.now(UTC) - ago),))


def through(home: Home, server: FakeResend, sending: str = "") -> None:
    home.settings(f'[provider]\nname = "resend"\nbase_url = "{server.url}"\n[sending]\n{sending}')
    home.env["NEWSLETTER_RESEND_API_KEY"] = "re_test"


# Said and shown ---------------------------------------------------------------------------------------


def test_what_is_scheduled_is_said_back_in_words_and_listed(home: Home) -> None:
    out, _ = home.run("send", "1", "--at", "tomorrow 09:00 Europe/London", "--yes", "--expect-count", "12")
    said = next(line for line in out.splitlines() if "When" in line)
    assert "09:00 in London (" in said
    assert "frozen now" in out
    assert "frozen at that hour" in out
    assert "no worker is running on this machine" in out
    shown = home.json("status", "1")
    assert shown["state"] == "scheduled"
    assert shown["audience"] == shown["pending"] == 0
    assert shown["scheduled"]["people"] == PEOPLE
    assert shown["scheduled"]["zone"] == "Europe/London"
    assert shown["next"] == "newsletter worker"
    [listed] = home.json("status")
    assert listed["scheduled"]["words"].startswith(said.split("When")[1].strip().rsplit(", in ", 1)[0])
    out, _ = home.run("status")
    assert "scheduled" in out
    assert "in London" in out
    assert home.outbox() == []


def test_a_time_without_a_zone_is_in_the_settings_zone_else_the_machines_and_says_so(home: Home) -> None:
    out, _ = home.run("send", "1", "--at", "tomorrow 09:00", "--dry-run")
    assert "this machine's zone" in out
    assert "Nothing was scheduled." in out
    home.edit("newsletter.toml", "^name", 'timezone = "Asia/Tokyo"\nname')
    out, _ = home.run("send", "1", "--at", "tomorrow 09:00", "--dry-run")
    assert "09:00 in Tokyo (JST)" in out
    assert "the `timezone` of the settings" in out
    assert home.json("status", "1")["state"] == "not sent"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("1", "--at", ""), "no time is named"),
        (("1", "--at", "yesterday 9:00"), "not a time that can be read"),
        (("1", "--at", "2020-01-01 09:00"), "long past"),
        (("1", "--at", "tomorrow 9:00", "--yes"), "--yes needs --expect-count"),
        (("1", "--at", "tomorrow 9:00", "--yes", "--expect-count", "11"), "the audience is 12, not 11"),
        (("1", "--at", "tomorrow 9:00"), "no terminal to ask at"),
        (("1", "--at", "tomorrow 9:00", "--now"), "--at and --now exclude each other"),
        (("1", "--at", "tomorrow 9:00", "--test", "me@example.com"), "--at and --test exclude"),
        (("1", "--now", "--yes", "--expect-count", "12"), "`hello` is not scheduled"),
        (("1", "--now", "--tag", "rag"), "--now sends what was scheduled, as it was scheduled"),
        (("1", "--due"), "--due sends every issue that is due"),
        ((), "which issue?"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_the_way_out(
    home: Home, arguments: tuple[str, ...], words: str
) -> None:
    _, err = home.run("send", *arguments, code=2)
    assert words in err
    assert "help: " in err
    assert home.json("status", "1")["state"] == "not sent"
    assert home.outbox() == []


def test_an_issue_with_errors_cant_be_scheduled(home: Home) -> None:
    home.edit(home.issue, r"^description:.*$", "")
    _, err = home.run("send", "1", "--at", "tomorrow 9:00", "--yes", "--expect-count", "12", code=1)
    assert "error[NL" in err


def test_at_a_terminal_a_no_schedules_nothing(home: Home) -> None:
    code, screen = at_a_terminal(
        ["send", "1", "--at", "tomorrow 09:00 UTC"], home.folder, until="for about 12 people?", keys="n\n"
    )
    assert code == 1
    assert "Nothing was scheduled." in screen
    assert home.json("status", "1")["state"] == "not sent"


# Second thoughts ----------------------------------------------------------------------------------------


def test_a_schedule_is_replaced_held_let_go_and_taken_back(home: Home) -> None:
    schedule(home, "tomorrow 09:00 UTC")
    _, err = home.run("send", "1", "--yes", "--expect-count", "12", code=2)
    assert "`hello` is scheduled for" in err
    for way_out in ("--now", "--at", "newsletter cancel 1"):
        assert way_out in err
    later = schedule(home, "tomorrow 10:00 UTC")
    assert len(home.json("status")) == 1
    assert home.json("status", "1")["scheduled"]["at"] == later["scheduled"]["at"]
    _, err = home.run("resume", "1", "--yes", code=2)
    assert "nothing holds it" in err
    assert home.json("pause", "1")["state"] == "held"
    assert home.json("pause", "1")["note"] == "paused by the operator"
    make_due(home, timedelta(seconds=-60))
    assert home.json("resume", "hello", "--yes")["state"] == "scheduled"
    assert home.json("cancel", "1", "--yes")["state"] == "not sent"
    assert home.json("status", "1")["state"] == "not sent"
    assert home.send()["accepted"] == PEOPLE


def test_what_was_paused_and_whose_hour_has_passed_goes_when_a_person_says_so(home: Home) -> None:
    schedule(home, "tomorrow 09:00 UTC")
    home.run("pause", "1")
    make_due(home)
    assert home.json("send", "--due")["done"] == []
    _, err = home.run("resume", "1", code=2)
    assert "no terminal to ask at" in err
    assert home.json("resume", "1", "--yes")["accepted"] == PEOPLE


def test_the_scheduled_version_goes_whatever_became_of_the_file(home: Home) -> None:
    schedule(home, "tomorrow 09:00 UTC")
    home.edit(home.issue, r"^title:.*$", "title: Something else")
    shown = home.json("status", "1")
    assert shown["scheduled"]["file_changed"]
    assert shown["title"].startswith("Hello")
    assert "changed since; what was scheduled is sent" in home.run("status", "1")[0]
    (home.folder / home.issue).unlink()
    assert "is gone since" in home.run("status", "1")[0]
    make_due(home)
    out, err = home.run("send", "--due")
    assert "sent: 12 accepted" in out
    assert "is gone since; what was scheduled is sent" in err
    assert "Subject: Hello" in home.outbox()[0].read_text()


def test_now_sends_what_was_scheduled_to_whoever_is_there(home: Home) -> None:
    schedule(home, "tomorrow 09:00 UTC")
    with home.store() as db:
        add_subscribers(db, 1, first=90)
    _, err = home.run("send", "1", "--now", "--yes", "--expect-count", "12", code=2)
    assert "the audience is 13, not 12" in err
    assert home.json("status", "1")["state"] == "scheduled"
    sent = home.json("send", "1", "--now", "--yes", "--expect-count", "13")
    assert (sent["state"], sent["accepted"]) == ("sent", 13)
    assert home.json("send", "--due") == {"done": [], "next": None}


def test_only_to_a_tag_and_only_to_those_who_joined_since(home: Home) -> None:
    with home.store() as db, db.write() as tx:
        tx.execute("INSERT INTO subscriber_tags SELECT id, 'rag' FROM subscribers WHERE id <= 5")
    schedule(home, "tomorrow 09:00 UTC", "--tag", "rag", count=5)
    make_due(home)
    [done] = home.json("send", "--due")["done"]
    assert (done["became"], done["accepted"], done["tag"]) == ("sent", 5, "rag")
    _, err = home.run("send", "1", "--at", "tomorrow 09:00", "--yes", "--expect-count", "7", code=2)
    assert "was sent before" in err
    schedule(home, "tomorrow 09:00 UTC", "--new-only", count=7)
    shown = home.json("status", "1")
    assert (shown["state"], [e["accepted"] for e in shown["earlier"]]) == ("scheduled", [5])
    make_due(home)
    [done] = home.json("send", "--due")["done"]
    assert done["accepted"] == 7


# From cron ----------------------------------------------------------------------------------------------


def test_due_says_nothing_where_nothing_is_due_and_sends_what_is(home: Home) -> None:
    assert home.run("send", "--due") == ("", "")
    schedule(home, "tomorrow 09:00 UTC")
    assert home.run("send", "--due") == ("", "")
    assert home.json("send", "--due")["next"]["issue"] == "hello"
    with home.store() as db:
        add_subscribers(db, 2, first=70)
        set_status(db, "r1@example.org", "unsubscribed")
    make_due(home)
    [done] = home.json("send", "--due")["done"]
    assert (done["became"], done["accepted"]) == ("sent", PEOPLE + 1)
    assert home.run("send", "--due") == ("", "")


def test_what_is_found_long_overdue_is_held_once_and_a_person_decides(home: Home) -> None:
    schedule(home, "tomorrow 09:00 UTC")
    make_due(home, timedelta(hours=3))
    _, err = home.run("send", "--due", code=1)
    assert "held: found 3 hours after its hour" in err
    assert "newsletter send 1 --now" in err
    assert home.run("send", "--due") == ("", "")
    assert home.json("status", "1")["state"] == "held"
    assert home.outbox() == []
    home.settings("[sending]\nlate = 86400")
    assert home.json("send", "1", "--now", "--yes", "--expect-count", "12")["accepted"] == PEOPLE


def test_a_key_that_is_gone_at_the_hour_is_said_and_nothing_is_lost(home: Home) -> None:
    with FakeResend() as server:
        through(home, server)
        schedule(home, "tomorrow 09:00 UTC")
        make_due(home)
        key = home.env.pop("NEWSLETTER_RESEND_API_KEY")
        _, err = home.run("send", "--due", code=1)
        assert "NEWSLETTER_RESEND_API_KEY" in err
        assert "newsletter resume 1" in err
        _, err = home.run("resume", "1", "--yes", code=2)
        assert "NEWSLETTER_RESEND_API_KEY" in err
        assert home.json("status", "1")["state"] == "held"
        home.env["NEWSLETTER_RESEND_API_KEY"] = key
        assert home.json("resume", "1", "--yes")["accepted"] == PEOPLE
        assert set(server.ledger.recipients.values()) == {1}


# The hold -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "interrupt"])
def test_within_the_hold_it_is_taken_back_as_if_nothing_had_been(home: Home, how: str) -> None:
    home.settings("[sending]\nhold = 60")
    with running(home, "send", "1", "--yes", "--expect-count", str(PEOPLE), "--json") as process:
        assert process.stderr is not None
        assert "Holding for 60 seconds" in process.stderr.readline()
        while home.json("status", "1")["state"] != "sending" and process.poll() is None:
            time.sleep(0.05)
        if how == "cancel":
            assert home.json("cancel", "1", "--yes")["state"] == "cancelled"
        else:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == (1 if how == "cancel" else 130)
    assert "Taken back: nothing had left. newsletter send 1 begins anew." in err
    assert (json.loads(out)["state"], json.loads(out)["accepted"]) == ("cancelled", 0)
    assert home.outbox() == []
    home.edit("newsletter.toml", "^hold = 60$", "hold = 1")
    _, err = home.run("send", "1", "--new-only", "--yes", "--expect-count", str(PEOPLE), code=2)
    assert "was not sent yet" in err
    assert home.send()["accepted"] == PEOPLE


# The worker -----------------------------------------------------------------------------------------------


def say_when(process: subprocess.Popen[str], words: str) -> str:
    """The line of its output that has `words`."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(process.communicate())


def test_two_workers_send_it_once_at_its_hour_and_leave_when_told(home: Home) -> None:
    with running(home, "worker") as one, running(home, "worker") as other:
        workers = (one, other)
        for worker in workers:
            say_when(worker, "nothing is scheduled")
        out, _ = home.run("send", "1", "--at", "in 1 second", "--yes", "--expect-count", str(PEOPLE))
        assert "a worker is running on this machine" in out
        while home.json("status", "1")["state"] != "sent" and one.poll() is other.poll() is None:
            time.sleep(0.1)
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        said = "".join(worker.communicate(timeout=120)[0] for worker in workers)
    assert [worker.returncode for worker in workers] == [0, 0]
    assert said.count("sending to 12 people through outbox") == 1
    assert said.count("sent: 12 accepted") == 1
    assert said.count("worker ended") == 2
    assert len(home.outbox()) == PEOPLE


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_worker_leaves_behind_the_next_goes_on_with(home: Home, way: signal.Signals) -> None:
    with FakeResend(latency=0.3) as server:
        through(home, server, "batch = 2\nconnections = 1\ncalls = 50")
        schedule(home, "tomorrow 09:00 UTC")
        make_due(home)
        with running(home, "worker") as worker:
            while not server.ledger.entries and worker.poll() is None:
                time.sleep(0.01)
            worker.send_signal(way)
            out, err = worker.communicate(timeout=120)
        assert worker.returncode == (0 if way is signal.SIGTERM else -way)
        left = sum(server.ledger.recipients.values())
        assert 0 < left < PEOPLE, (out, err)
        server.latency = 0
        out, _ = home.run("send", "--due")
        assert "going on with what was interrupted" in out
        assert home.json("status", "1")["accepted"] == PEOPLE
        assert set(server.ledger.recipients.values()) == {1}


def test_the_worker_waits_for_the_hour_and_no_longer_whatever_the_clock_is_set_to() -> None:
    start = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    clock, stop = FakeClock(start), StopSwitch()
    hour, looks = start + timedelta(seconds=POLL * 2.5), list[datetime]()

    def look() -> datetime:
        looks.append(clock.now())
        if len(looks) == 4:
            clock.set(start - timedelta(days=1))
        if len(looks) == 5:
            clock.set(start + timedelta(days=1))
        if len(looks) == 6:
            stop.press()
        return hour

    work(look, clock, stop, pytest.fail)
    assert looks[:4] == [start, start + timedelta(seconds=POLL), start + timedelta(seconds=POLL * 2), hour]
    assert looks[4] == start - timedelta(days=1) + timedelta(seconds=POLL)
    assert looks[5] - timedelta(days=1) - start < timedelta(seconds=1)


def test_a_worker_outlives_broken_settings_and_a_failing_store_and_says_each_once(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    schedule(home, "tomorrow 09:00 UTC")
    make_due(home)
    clock, stop, diary = FakeClock(), StopSwitch(), Diary(FakeClock())
    toml = home.folder / "newsletter.toml"
    good, turns = toml.read_text(), list[float]()

    def look() -> datetime | None:
        turns.append(clock.monotonic())
        if len(turns) <= 3:
            toml.write_text("name = 1")
        elif len(turns) == 4:
            toml.write_text(good)
            raise StoreError("the disk is full", hint="make room")
        elif len(turns) == 5:
            raise OSError(28, "No space left on device")
        else:
            stop.press()
            stop.pressed = len(turns) > 6
        return look_once(open_workspace(home.folder), stop, diary)

    work(look, clock, stop, diary.failed)
    said = capsys.readouterr()
    assert said.err.count("`name`: it has to be text in quotes") == 1
    assert said.err.count("the disk is full") == 1
    assert said.err.count("No space left on device") == 1
    assert [later - sooner for sooner, later in pairwise(turns)][:5] == [30.0] * 5
    assert "sent: 12 accepted" in said.out
    assert len(home.outbox()) == PEOPLE


def test_a_worker_is_present_as_long_as_one_of_them_runs(tmp_path: Path) -> None:
    assert not somebody_works(tmp_path)
    with present(tmp_path):
        with present(tmp_path):
            assert somebody_works(tmp_path)
        assert somebody_works(tmp_path)
    assert not somebody_works(tmp_path)


def test_the_help_of_each_command_has_an_example(home: Home) -> None:
    for command in ("send", "worker", "resume", "pause", "cancel", "status"):
        assert "Example: newsletter" in " ".join(home.run(command, "--help")[0].split())
