"""When the store is away: a wish to leave is kept in a file, answered 200, and carried out as soon as it can be."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from newsletter.app import open_workspace
from newsletter.audience import spool as spooling
from newsletter.audience.leaving import Leave
from newsletter.clock import FakeClock
from newsletter.store.base import utc_text
from newsletter.web import app as web_app
from tests.waiting import wait_for
from tests.web.conftest import Running

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@contextmanager
def held(database: Path) -> Iterator[sqlite3.Connection]:
    """Another process's write lock on the store."""
    connection = sqlite3.connect(database, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
    finally:
        connection.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.web.service.PATIENCE", 0.2)
    # Whoever waits for the lock itself waits without end.
    monkeypatch.setattr("newsletter.store.sqlite._BUSY_SECONDS", 3600.0)


def until_status(site: Running, reader: int, status: str) -> None:
    wait_for(lambda: site.status(reader) == status)


def test_while_the_store_is_locked_leaving_is_answered_and_done_later(
    site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_app, "_SPOOL_SECONDS", 3600.0)
    reader, other = site.add(), site.add("other@example.com")
    with held(site.workspace.database_path):
        answer = site.client.post(site.leave_path(reader), data=ONE_CLICK)
        assert (answer.status_code, answer.text) == (200, "You are unsubscribed.\n")
        page = site.client.post(site.leave_path(other), data={"leave": "yes"})
        assert page.status_code == 200
        assert "You’re out" in page.text
        assert "Undo" not in page.text, "what isn't done yet can't be undone"
        assert site.client.get(site.leave_path(reader)).status_code == 200
        assert site.client.get("/healthz").status_code == 200
        assert site.workspace.spool.waiting()
    # Any command that opens the store carries it out.
    with open_workspace(site.home).open_database():
        pass
    assert site.status(reader) == site.status(other) == "unsubscribed"
    assert not site.workspace.spool.waiting()
    left = site.history(reader)[-1]
    assert (left.action, left.actor, left.ip) == ("unsubscribed", "subscriber", "127.0.0.1")


def test_the_service_carries_it_out_by_itself(
    start: Callable[..., Running], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_app, "_SPOOL_SECONDS", 0.05)
    site = start(home)
    reader = site.add()
    site.workspace.spool.append([Leave(reader, utc_text(site.service.clock.now()), "https://x/u")])
    until_status(site, reader, "unsubscribed")


def test_a_page_that_needs_the_store_says_when_to_come_back(site: Running) -> None:
    reader = site.add()
    page = site.client.post(site.leave_path(reader), data={"leave": "yes"})
    proof = re.search(r'name="proof" value="([^"]+)"', page.text)
    assert proof is not None
    with held(site.workspace.database_path):
        answer = site.client.post("/left/undo", data={"proof": proof[1], "undo": "yes"})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "Busy for a moment" in answer.text
    assert site.status(reader) == "unsubscribed"


def test_while_the_store_is_locked_joining_is_refused_soon_and_nobody_else_waits(
    site: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(site.workspace.database_path) as lock:
        refused = site.client.post("/join", data={"email": "given-up@example.com"})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "nothing was changed" in refused.text
        monkeypatch.setattr("newsletter.web.service.PATIENCE", 3600.0)
        with ThreadPoolExecutor(1) as pool:
            patient = pool.submit(
                httpx.post, f"{site.url}/join", data={"email": "patient@example.com"}, timeout=120
            )
            wait_for(lambda: site.service.writer.waiting)
            for path in ("/join", "/healthz", "/u", "/confirm/x", "/metrics", "/search?q=x", "/api"):
                assert site.client.get(path).status_code in (200, 404), path
            assert not patient.done()
            lock.rollback()
            assert patient.result().status_code == 200
    wait_for(lambda: site.service.database.query("SELECT email FROM subscribers"))
    assert site.service.database.query("SELECT email FROM subscribers") == [("patient@example.com",)]


def test_a_store_that_cant_grow_is_no_reason_to_lose_a_wish(site: Running) -> None:
    readers = [site.add(f"r{number}@example.com") for number in range(60)]
    connection = site.service.audience.database._connection
    [(pages,)] = connection.execute("PRAGMA page_count").fetchall()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    # Fill what is free, so that the next row needs a new page.
    rows = [(f"filler {number}",) for number in range(1000)]
    with pytest.raises(sqlite3.OperationalError, match="full"):
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, 'y')", rows)
    answers = [site.client.post(site.leave_path(reader), data=ONE_CLICK) for reader in readers]
    assert {answer.status_code for answer in answers} == {200}
    assert site.workspace.spool.waiting()
    connection.execute("PRAGMA max_page_count = 1000000")
    with open_workspace(site.home).open_database():
        pass
    assert {site.status(reader) for reader in readers} == {"unsubscribed"}


def test_who_came_back_meanwhile_isnt_taken_off_by_an_old_wish(
    start: Callable[..., Running], home: Path
) -> None:
    clock = FakeClock()
    site = start(home, clock)
    reader = site.add()
    wish = Leave(reader, utc_text(clock.now()), "https://x/u")
    clock.sleep(60)
    audience = site.service.audience
    audience.unsubscribe("reader@example.com")
    audience.add("reader@example.com", resubscribe="asked by phone")
    site.workspace.spool.append([wish])
    assert site.workspace.spool.carry_out(audience) == 0
    assert site.status(reader) == "active"


def test_a_line_cut_short_by_a_crash_spoils_nothing(site: Running) -> None:
    readers = [site.add(f"r{number}@example.com") for number in range(3)]
    at = utc_text(site.service.clock.now())
    spool = site.workspace.spool
    spool.append([Leave(readers[0], at, "https://x/u")])
    path = site.workspace.state_dir / "spool" / "leaving.jsonl"
    with path.open("ab") as file:
        file.write(b'{"subscriber_id": 2, "at": "20')
    spool.append([Leave(readers[2], at, "https://x/u")])
    with path.open("ab") as file:
        file.write(b"\xff\x00 not a wish\n[1]\n{}\n")
    assert spool.carry_out(site.service.audience) == 2
    assert [site.status(reader) for reader in readers] == ["unsubscribed", "active", "unsubscribed"]


def test_what_was_taken_aside_before_a_crash_is_carried_out(site: Running) -> None:
    reader = site.add()
    at = utc_text(site.service.clock.now())
    site.workspace.spool.append([Leave(reader, at, "https://x/u")])
    folder = site.workspace.state_dir / "spool"
    (folder / "leaving.jsonl").rename(folder / "taken-0123.jsonl")
    assert site.workspace.spool.carry_out(site.service.audience) == 1
    assert site.workspace.spool.carry_out(site.service.audience) == 0
    assert not list(folder.glob("*.jsonl"))


def test_a_full_disk_gives_back_its_reserve(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = site.workspace.state_dir / "spool"
    reserve = folder / "reserve"
    before = reserve.stat().st_size
    assert before == spooling._RESERVE_BYTES
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if reserve.stat().st_size > before - 3 * spooling._PIECE_BYTES:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    site.workspace.spool.append([Leave(1, "2026-01-06T09:00:00.000Z", "https://x/u")])
    line = (folder / "leaving.jsonl").read_text("ascii").strip()
    assert json.loads(line)["subscriber_id"] == 1
    assert reserve.stat().st_size == before - 3 * spooling._PIECE_BYTES


def test_when_even_the_spool_cant_be_written_nobody_is_told_they_left(site: Running) -> None:
    reader = site.add()
    folder = site.workspace.state_dir / "spool"
    folder.rename(folder.with_name("gone"))
    folder.write_text("a file where the folder should be", "utf-8")
    with held(site.workspace.database_path):
        answer = site.client.post(site.leave_path(reader), data=ONE_CLICK)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
