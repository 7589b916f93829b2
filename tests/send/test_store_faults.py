"""The store fails in the middle of a send: a clean stop, and a resume that doubles and loses nobody."""

from __future__ import annotations

import resource
import sqlite3
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
from tests.send.desk import HastyClock, add_subscribers, make_desk, new_send, through_resend

PEOPLE = 400
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
