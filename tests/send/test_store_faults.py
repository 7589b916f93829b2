"""The store fails in the middle of a send: a clean stop, and a resume that doubles and loses nobody."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from newsletter.errors import StoreError
from newsletter.model.delivery import SendState
from newsletter.send.run import Wishes, resume, start
from newsletter.store.send_records import Tally
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.resend import FakeResend
from tests.send.desk import (
    HastyClock,
    add_subscribers,
    make_desk,
    new_send,
    outbox_at,
    outbox_recipients,
    through_resend,
)
from tests.send.judge import Books, states_of, verdict

PEOPLE = 400
# Holds a store and its log, which grows to some 4 MB before it is folded in.
DISK_BYTES = 12 * 1024 * 1024
Fault = Callable[[SqliteDatabase, Path], AbstractContextManager[None]]


@contextmanager
def full_disk(db: SqliteDatabase, folder: Path) -> Iterator[None]:
    """The database can't grow by a page."""
    [(pages,)] = db.query("PRAGMA page_count")
    db.query(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        db.query("PRAGMA max_page_count = 1073741823")


@contextmanager
def file_size_limit(db: SqliteDatabase, folder: Path) -> Iterator[None]:
    """The write-ahead log can't grow by a byte (EFBIG, as a quota gives)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (folder / "newsletter.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def locked(db: SqliteDatabase, folder: Path) -> Iterator[None]:
    """Another process holds the write lock longer than anybody waits."""
    other = sqlite3.connect(folder / "newsletter.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.parametrize("fault", [full_disk, file_size_limit, locked])
@pytest.mark.parametrize("keys", [True, False], ids=["with keys", "without keys"])
def test_a_store_that_fails_stops_the_send_and_a_resume_finishes_it(
    folder: Path, fault: Fault, keys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.store.sqlite._BUSY_SECONDS", 0.2)
    with ExitStack() as stack:
        server = stack.enter_context(FakeResend())
        db = stack.enter_context(SqliteDatabase(folder / "newsletter.db"))
        add_subscribers(db, PEOPLE)
        provider = through_resend(server.url, ttl=None if keys else 0, batch=2)
        desk = make_desk(folder, provider, db=db, clock=HastyClock(), wishes=Wishes(connections=2))
        trouble = stack.enter_context(ExitStack())
        began: list[int] = []

        def fail(tally: Tally) -> None:
            if tally.accepted >= 20 and not began:
                began.append(tally.accepted)
                trouble.enter_context(fault(db, folder))

        desk.on_turn = fail
        with pytest.raises(StoreError):
            start(desk, new_send(provider="resend"))
        trouble.close()
        stopped = desk.ledger.tally(1)
        assert stopped.total == PEOPLE
        assert 20 <= stopped.accepted < PEOPLE
        assert stopped.pending > 0
        desk.on_turn = lambda _: None
        ending = resume(desk, 1)
        assert ending.state is SendState.SENT
        mailed = server.ledger.recipients
        assert set(mailed.values()) == {1}
        if keys:
            assert ending.tally == Tally(accepted=PEOPLE)
        # Without keys what had left unrecorded is unknown; everybody else has it for certain.
        assert ending.tally.accepted + ending.tally.unknown == PEOPLE
        assert len(mailed) + ending.tally.unknown >= PEOPLE
        assert ending.tally.unknown <= 8


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with twelve megabytes, which only root can mount."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "small-disk", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def fill(disk: Path) -> Path:
    """Take all the room there is; removing the file gives it back."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
    return filler


def test_a_disk_that_is_full_under_the_store_stops_the_send_and_room_lets_it_go_on(small_disk: Path) -> None:
    with FakeResend() as server, SqliteDatabase(small_disk / "newsletter.db") as db:
        add_subscribers(db, PEOPLE)
        provider = through_resend(server.url, ttl=0, batch=2)
        desk = make_desk(small_disk, provider, db=db, clock=HastyClock(), wishes=Wishes(connections=2))
        filler: list[Path] = []
        desk.on_turn = lambda tally: (
            filler.append(fill(small_disk)) if not filler and tally.accepted >= 20 else None
        )
        with pytest.raises(StoreError, match="disk is full") as stopped:
            start(desk, new_send(provider="resend"))
        assert "make room" in stopped.value.hint
        filler[0].unlink()
        desk.on_turn = lambda _: None
        assert resume(desk, 1).state is SendState.SENT
        audience = [f"r{n}@example.org" for n in range(1, PEOPLE + 1)]
        assert verdict(Books(server.ledger.recipients, states_of(db, 1), audience)) == []


def test_a_disk_that_is_full_under_the_outbox_puts_the_rest_off_and_room_lets_it_go_on(
    small_disk: Path, folder: Path
) -> None:
    with SqliteDatabase(folder / "newsletter.db") as db:
        add_subscribers(db, PEOPLE)
        desk = make_desk(folder, outbox_at(small_disk), db=db, clock=HastyClock(), wishes=Wishes(batch=5))
        filler: list[Path] = []
        desk.on_turn = lambda tally: (
            filler.append(fill(small_disk)) if not filler and tally.accepted >= 20 else None
        )
        ending = start(desk, new_send())
        assert ending.state is SendState.PAUSED
        assert "No space left" in ending.note
        assert ending.hint == "make room on the disk"
        assert ending.tally.unknown == ending.tally.claimed == 0
        filler[0].unlink()
        desk.on_turn = lambda _: None
        assert resume(desk, 1).tally == Tally(accepted=PEOPLE)
        assert sorted(Counter(outbox_recipients(small_disk)).values()) == [1] * PEOPLE


def test_a_store_that_another_process_keeps_locked_for_a_while_is_waited_for(folder: Path) -> None:
    """Another process writes for half a second at a time: the send takes longer, and nothing else."""
    with SqliteDatabase(folder / "newsletter.db") as db:
        add_subscribers(db, 50)
        hold = (
            "import sqlite3, sys, time\n"
            "other = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n"
            "for turn in range(3):\n"
            "    other.execute('BEGIN IMMEDIATE')\n"
            "    if not turn: print('held', flush=True)\n"
            "    time.sleep(0.5)\n"
            "    other.execute('ROLLBACK')\n"
            "    time.sleep(0.05)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", hold, str(folder / "newsletter.db")], stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            ending = start(make_desk(folder, db=db, wishes=Wishes(batch=5)), new_send())
        assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=50))
        assert sorted(Counter(outbox_recipients(folder)).values()) == [1] * 50
