"""Two senders, a sleeper past its lease, a cloned or restored store: the stale one can neither send nor record."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from newsletter.errors import NewsletterError
from newsletter.model.delivery import SendState
from newsletter.providers.base import Provider
from newsletter.send import lease
from newsletter.send.origin import CopiedStoreError, Origin
from newsletter.send.run import Desk, Wishes, resume, start
from newsletter.store.send_records import Tally
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.resend import FakeResend
from tests.send.desk import add_subscribers, make_desk, new_send, outbox_recipients, through_resend

PEOPLE = 40
LEASE = 3.0
RUNNER = Path(__file__).with_name("another_process.py")


def copy_of(source: Path, folder: Path) -> Path:
    """A copy of a store that may be in use, as a backup tool makes it: whole, log included."""
    folder.mkdir(exist_ok=True)
    with (
        closing(sqlite3.connect(source / "newsletter.db")) as live,
        closing(sqlite3.connect(folder / "newsletter.db")) as copy,
    ):
        live.backup(copy)
    return folder


def half_sent(folder: Path, through: Callable[[str, str], Provider] | None = None) -> None:
    """A store in `folder` with a paused send of which a part has left, into the outbox or `through` a provider."""
    with opened(folder) as db:
        add_subscribers(db, PEOPLE)
        desk = make_desk(folder, through, db=db, wishes=Wishes(batch=5, connections=1))
        desk.on_turn = lambda tally: desk.stop.press() if tally.accepted else None
        ending = start(desk, new_send(provider="resend" if through else "outbox"))
    assert ending.state is SendState.PAUSED
    assert 0 < ending.tally.pending < PEOPLE


def opened(folder: Path) -> SqliteDatabase:
    return SqliteDatabase(folder / "newsletter.db")


def desk_at(db: SqliteDatabase, folder: Path) -> Desk:
    return make_desk(folder, db=db)


# Copies and backups ----------------------------------------------------------------------------------


def test_a_copied_store_sends_nothing_until_it_is_told_to_take_over(folder: Path) -> None:
    original, clone = folder / "original", folder / "clone"
    original.mkdir()
    half_sent(original)
    copy_of(original, clone)
    with opened(clone) as db:
        before = db.query("SELECT * FROM sends"), db.query("SELECT * FROM deliveries")
        with pytest.raises(CopiedStoreError, match="this store is a copy, made 2") as caught:
            resume(desk_at(db, clone), 1)
        assert str(original / "newsletter.db") in caught.value.message
        assert "newsletter resume hello --take-over" in caught.value.hint
        assert (db.query("SELECT * FROM sends"), db.query("SELECT * FROM deliveries")) == before
        assert outbox_recipients(clone) == []
    # The original goes on as if nothing had happened.
    with opened(original) as db:
        assert resume(desk_at(db, original), 1).tally == Tally(accepted=PEOPLE)


def test_a_copy_that_takes_over_knows_nothing_of_what_was_open_and_mails_nobody_of_it(folder: Path) -> None:
    original, clone = folder / "original", folder / "clone"
    original.mkdir()
    with FakeResend() as server:
        through = through_resend(server.url, batch=5)
        half_sent(original, through)
        copy_of(original, clone)
        # Meanwhile the original sends the rest.
        with opened(original) as db:
            assert resume(make_desk(original, through, db=db), 1).tally == Tally(accepted=PEOPLE)
        with opened(clone) as db:
            desk = make_desk(clone, through, db=db)
            had = desk.ledger.tally(1).accepted
            with pytest.raises(CopiedStoreError):
                resume(desk, 1)
            taken = resume(desk, 1, take_over=True)
            assert (taken.state, taken.tally) == (SendState.SENT, Tally(accepted=had, unknown=PEOPLE - had))
            # It is the one that sends from now on.
            assert resume(desk, 1).tally == taken.tally
            assert desk.origin.doubt() == ""
        assert set(server.ledger.recipients.values()) == {1}


def test_a_copy_made_while_the_audience_was_written_down_takes_over_as_well(folder: Path) -> None:
    original, clone = folder / "original", folder / "clone"
    original.mkdir()
    with opened(original) as db:
        add_subscribers(db, 10)
        desk = desk_at(db, original)
        send_id, now = desk.ledger.create(new_send(), desk.clock.now()), desk.clock.now()
        record = desk.ledger.get(send_id)
        epoch = desk.ledger.take_over(record, lease.owner_name(), now, sender=desk.origin.stamp(now))
        desk.ledger.freeze_chunk(send_id, epoch, now, 4)
    copy_of(original, clone)
    with opened(clone) as db:
        with pytest.raises(CopiedStoreError):
            resume(desk_at(db, clone), 1)
        ending = resume(desk_at(db, clone), 1, take_over=True)
    # Who could have been mailed by the original is not: the outbox alone knows that it has nothing.
    assert (ending.state, ending.tally.total) == (SendState.SENT, 10)


def test_late_subscribers_are_not_sent_to_from_a_copy(folder: Path) -> None:
    original, clone = folder / "original", folder / "clone"
    original.mkdir()
    with opened(original) as db:
        add_subscribers(db, 10)
        start(desk_at(db, original), new_send())
    copy_of(original, clone)
    with opened(clone) as db:
        add_subscribers(db, 1, first=50)
        desk = desk_at(db, clone)
        with pytest.raises(CopiedStoreError):
            start(desk, new_send())
        assert len(desk.ledger.sends()) == 1
        # Another issue was never begun elsewhere, as far as anybody can know here.
        assert start(desk, new_send("another")).tally == Tally(accepted=11)
        assert desk.origin.doubt() == ""


def test_a_backup_restored_into_the_same_file_is_noticed_by_what_it_forgot(folder: Path) -> None:
    half_sent(folder)
    backup = copy_of(folder, folder / "backup") / "newsletter.db"
    with opened(folder) as db:
        assert resume(desk_at(db, folder), 1).tally == Tally(accepted=PEOPLE)
    inode = (folder / "newsletter.db").stat().st_ino
    (folder / "newsletter.db").write_bytes(backup.read_bytes())
    assert (folder / "newsletter.db").stat().st_ino == inode
    with opened(folder) as db:
        desk = desk_at(db, folder)
        with pytest.raises(CopiedStoreError, match=r"went back in time, .* the last \d batches"):
            resume(desk, 1)
        # The outbox is asked, and knows for certain.
        assert resume(desk, 1, take_over=True).tally == Tally(accepted=PEOPLE)
        assert desk.origin.doubt() == ""
    assert sorted(outbox_recipients(folder)) == sorted(f"r{n}@example.org" for n in range(1, PEOPLE + 1))


def test_a_backup_put_in_the_place_of_the_store_is_another_file(folder: Path) -> None:
    half_sent(folder)
    backup = copy_of(folder, folder / "backup") / "newsletter.db"
    backup.replace(folder / "newsletter.db")
    with opened(folder) as db, pytest.raises(CopiedStoreError, match="this store is a backup, made 2"):
        resume(desk_at(db, folder), 1)


def test_what_is_ordinary_does_not_make_a_store_a_copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "notes"
    place.mkdir()
    half_sent(place)
    with opened(place) as db:
        db.query("VACUUM")
    copy_of(place, folder / "backup")
    moved = folder / "somewhere" / "else"
    moved.parent.mkdir()
    place.rename(moved)
    # Another container with the same volume.
    monkeypatch.setattr("socket.gethostname", lambda: "3f2a9c")
    with opened(moved) as db:
        assert Origin(db, moved).doubt() == ""
        assert resume(desk_at(db, moved), 1).tally == Tally(accepted=PEOPLE)


def test_a_store_begun_anew_in_the_same_folder_is_no_copy(folder: Path) -> None:
    half_sent(folder)
    for path in folder.glob("newsletter.db*"):
        path.unlink()
    half_sent(folder)
    with opened(folder) as db:
        assert resume(desk_at(db, folder), 1).tally == Tally(accepted=PEOPLE)


def test_without_a_time_of_birth_the_inode_decides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.send.origin._born", lambda _: 0)
    half_sent(folder)
    copy_of(folder, folder / "clone")
    with opened(folder) as db:
        assert Origin(db, folder).doubt() == ""
    with opened(folder / "clone") as db:
        assert "this store is a copy of" in Origin(db, folder / "clone").doubt()


def test_an_inode_that_is_given_out_again_does_not_hide_a_restored_store(folder: Path) -> None:
    """File systems reuse the number of a file that was removed: its birth tells the two apart."""
    with opened(folder) as db:
        stamp = json.loads(Origin(db, folder).stamp(datetime.now(UTC)))
        assert stamp["born"], "this machine's file system has no time of birth"
        with db.write() as tx:
            earlier = {**stamp, "born": stamp["born"] - 1}
            tx.execute("INSERT INTO meta VALUES ('last_sender', ?)", (json.dumps(earlier),))
        assert "this store is a backup" in Origin(db, folder).doubt()


def test_a_disk_that_takes_no_witness_stops_no_send(folder: Path) -> None:
    (folder / "last-batch").mkdir()
    half_sent(folder)
    with opened(folder) as db:
        assert resume(desk_at(db, folder), 1).tally == Tally(accepted=PEOPLE)


# Two processes ---------------------------------------------------------------------------------------


def command(folder: Path, url: str, **changes: Any) -> list[str]:
    what = {
        "folder": str(folder),
        "url": url,
        "machine": "",
        "locks": "",
        "lease": 120,
    }
    return [sys.executable, str(RUNNER), json.dumps(what | changes)]


def begin(folder: Path, url: str, **changes: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(folder, url, **changes),
        stdout=subprocess.PIPE,
        text=True,
        cwd=RUNNER.parents[2],
    )


def another(folder: Path, url: str, **changes: Any) -> dict[str, Any]:
    """What another process says it came to."""
    with begin(folder, url, **changes) as process:
        out, _ = process.communicate(timeout=60)
    return dict(json.loads(out))


def wait_for_accepted(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    with opened(folder) as db:
        while db.query("SELECT count(*) FROM deliveries WHERE state = 2")[0][0] < count:
            assert time.monotonic() < deadline
            time.sleep(0.005)


@pytest.fixture
def server() -> Iterator[FakeResend]:
    with FakeResend(latency=0.1) as running:
        yield running


def test_the_clone_of_a_running_send_is_refused_and_the_original_finishes(
    folder: Path, server: FakeResend
) -> None:
    original, clone = folder / "original", folder / "clone"
    original.mkdir()
    with opened(original) as db:
        add_subscribers(db, PEOPLE)
    with begin(original, server.url) as process:
        wait_for_accepted(original, 5)
        copy_of(original, clone)
        with opened(clone) as db:
            before = db.query("SELECT * FROM deliveries")
        refused = another(clone, server.url)
        out, _ = process.communicate(timeout=60)
    assert refused["kind"] == "CopiedStoreError"
    assert json.loads(out)["accepted"] == PEOPLE
    assert set(server.ledger.recipients.values()) == {1}
    with opened(clone) as db:
        assert db.query("SELECT * FROM deliveries") == before


def test_a_second_process_on_the_same_machine_is_refused_by_the_lock_and_let_in_after_a_kill(
    folder: Path, server: FakeResend
) -> None:
    with opened(folder) as db:
        add_subscribers(db, PEOPLE)
    with begin(folder, server.url) as process:
        wait_for_accepted(folder, 5)
        with opened(folder) as db, pytest.raises(NewsletterError, match=f"by process {process.pid}"):
            resume(make_desk(folder, db=db), 1)
        process.kill()
        process.communicate()
    # The kernel let go of the lock; nobody waits for a lease on the machine itself.
    assert another(folder, server.url)["accepted"] == PEOPLE
    assert set(server.ledger.recipients.values()) == {1}


def test_a_machine_that_slept_past_its_lease_neither_sends_nor_records_when_it_wakes_up(
    folder: Path, server: FakeResend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One store, two machines: the locks of one mean nothing to the other, so the lease and the epoch decide."""
    with opened(folder) as db:
        add_subscribers(db, PEOPLE)
    locks = folder / "locks"
    with begin(folder, server.url, machine="laptop", lease=LEASE) as sleeper:
        wait_for_accepted(folder, 5)
        os.kill(sleeper.pid, signal.SIGSTOP)
        with opened(folder) as db:
            desk = make_desk(folder, through_resend(server.url), db=db)
            desk.state_dir = locks
            with monkeypatch.context() as patch:
                patch.setattr("socket.gethostname", lambda: "desktop")
                patch.setattr(lease, "_kernel", lambda: "")
                # While the lease lives, nobody else may.
                with pytest.raises(NewsletterError, match="before a reboot: laptop:") as early:
                    resume(desk, 1)
            assert "try again in" in early.value.hint
            lives_until = desk.ledger.get(1).lease_until
        assert lives_until is not None
        time.sleep(max(0.0, (lives_until - datetime.now(UTC)).total_seconds()) + 0.1)
        finished = another(folder, server.url, machine="desktop", locks=str(locks), lease=LEASE)
        assert (finished["state"], finished["accepted"]) == ("sent", PEOPLE)
        mailed, calls = server.ledger.recipients, len(server.calls)
        with opened(folder) as db:
            settled = db.query("SELECT * FROM deliveries"), db.query("SELECT * FROM sends")
        os.kill(sleeper.pid, signal.SIGCONT)
        out, _ = sleeper.communicate(timeout=60)
    assert json.loads(out)["kind"] == "FencedError"
    # A call that was on its way when it fell asleep may have arrived; nothing was begun after that.
    assert len(server.calls) - calls <= 1
    assert server.ledger.recipients == mailed
    assert set(mailed.values()) == {1}
    with opened(folder) as db:
        assert (db.query("SELECT * FROM deliveries"), db.query("SELECT * FROM sends")) == settled


def test_containers_share_a_kernel_and_its_locks_machines_of_one_name_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = lease.owner_name()
    assert lease.same_machine(owner)
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "another-container")
        assert lease.same_machine(owner)
    monkeypatch.setattr(lease, "_kernel", lambda: "0badcafe")
    assert not lease.same_machine(owner)
    # Where a kernel has no name, as on macOS, the machine's has to do.
    monkeypatch.setattr(lease, "_kernel", lambda: "")
    assert lease.same_machine(owner)
    assert lease.same_machine(lease.owner_name())
    assert not lease.same_machine("elsewhere:1:x")
