"""The writer: one commit for all who wait, one mistake for who made it, and no waiting for a store that is away."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from newsletter.errors import StoreError
from newsletter.store.base import Transaction
from newsletter.store.sqlite import SqliteDatabase
from newsletter.web import writer as writing
from newsletter.web.writer import Writer
from tests.waiting import finish


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(tmp_path / "newsletter.db") as opened:
        yield opened


def keep(key: str) -> Callable[[Transaction], str]:
    def work(tx: Transaction) -> str:
        tx.execute("INSERT INTO meta (key, value) VALUES (?, 'x')", (key,))
        return key

    return work


def kept(database: SqliteDatabase) -> set[str]:
    return {key for (key,) in database.query("SELECT key FROM meta WHERE value = 'x'")}


def held_up(writer: Writer) -> threading.Event:
    """Keeps the writer busy until the event is set, so that a group gathers behind it."""
    begun, go = threading.Event(), threading.Event()

    def wait(_: Transaction) -> None:
        begun.set()
        go.wait(120)

    writer.submit(wait)
    assert begun.wait(120)
    return go


def test_one_mistake_undoes_its_own_work_alone(database: SqliteDatabase) -> None:
    writer = Writer(database)
    go = held_up(writer)

    def mistaken(tx: Transaction) -> None:
        keep("mistaken")(tx)
        msg = "a mistake"
        raise RuntimeError(msg)

    first, wrong, last = writer.submit(keep("first")), writer.submit(mistaken), writer.submit(keep("last"))
    go.set()
    assert (first.result(60), last.result(60)) == ("first", "last")
    with pytest.raises(RuntimeError, match="a mistake"):
        wrong.result(60)
    writer.close()
    assert kept(database) == {"first", "last"}


def test_all_who_wait_share_one_commit(database: SqliteDatabase) -> None:
    writer = Writer(database)
    go = held_up(writer)
    futures = [writer.submit(keep(str(number))) for number in range(50)]
    began: list[str] = []
    database._connection.set_trace_callback(
        lambda sql: began.append(sql) if sql.startswith("BEGIN") else None
    )
    go.set()
    assert [future.result(60) for future in futures] == [str(number) for number in range(50)]
    writer.close()
    assert len(began) == 1


def test_a_store_that_is_held_fails_all_at_once_and_the_end_doesnt_wait(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.store.sqlite._BUSY_SECONDS", 0.3)
    monkeypatch.setattr(writing, "_LARGEST_GROUP", 5)
    tries = 0
    write = database.write

    def counting() -> AbstractContextManager[Any]:
        nonlocal tries
        tries += 1
        return write()

    monkeypatch.setattr(database, "write", counting)
    writer = Writer(database)
    holder = sqlite3.connect(database.path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    futures = [writer.submit(keep(str(number))) for number in range(200)]
    writer.close()
    assert tries <= 2, "not once for each of forty groups"
    for future in futures:
        with pytest.raises(StoreError):
            future.result(0)
    with pytest.raises(StoreError, match="too busy"):
        writer.submit(keep("late"))
    holder.close()


def test_whoever_gave_up_is_sure_that_nothing_was_written(database: SqliteDatabase) -> None:
    writer = Writer(database)
    go = held_up(writer)

    async def impatient() -> None:
        with pytest.raises(StoreError, match="can't be written now"):
            await writer.write(keep("given up"), patience=0.01)

    async def patient() -> str:
        written = asyncio.create_task(writer.write(keep("waited for"), patience=3600))
        await asyncio.sleep(0)
        go.set()
        return await written

    finish(impatient())
    assert finish(patient()) == "waited for"
    writer.close()
    assert kept(database) == {"waited for"}


def test_what_was_begun_is_waited_for_however_long_it_takes(database: SqliteDatabase) -> None:
    writer = Writer(database)
    begun, go = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> str:
        begun.set()
        go.wait(120)
        return keep("slow")(tx)

    async def main() -> str:
        written = asyncio.create_task(writer.write(slow, patience=2))
        await asyncio.to_thread(begun.wait, 120)
        asyncio.get_running_loop().call_later(2.2, go.set)
        return await written

    assert finish(main()) == "slow"
    writer.close()
    assert kept(database) == {"slow"}


def test_what_was_handed_over_is_written_before_it_ends(database: SqliteDatabase) -> None:
    writer = Writer(database)
    go = held_up(writer)
    future = writer.submit(keep("last"))
    go.set()
    writer.close()
    assert future.result(0) == "last"
    assert kept(database) == {"last"}


def test_a_queue_too_long_is_refused(database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LONGEST_QUEUE", 3)
    writer = Writer(database)
    go = held_up(writer)
    for number in range(3):
        writer.submit(keep(str(number)))
    with pytest.raises(StoreError, match="too busy"):
        writer.submit(keep("one too many"))
    go.set()
    writer.close()
    assert kept(database) == {"0", "1", "2"}


def test_whoever_hands_over_while_it_ends_is_not_left_waiting(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, found = threading.Event(), queue.SimpleQueue[Future[str]]()

    class Slow(queue.SimpleQueue[Any]):
        def qsize(self) -> int:
            looking.set()
            time.sleep(0.2)  # between the look whether it is closed and the handing over
            return 0

    monkeypatch.setattr(writing, "SimpleQueue", Slow)
    writer = Writer(database)
    late = threading.Thread(target=lambda: found.put(writer.submit(keep("late"))))
    late.start()
    assert looking.wait(20)
    writer.close()
    late.join()
    assert found.get(timeout=60).result(60) == "late"
