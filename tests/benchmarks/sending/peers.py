"""What would somebody else's sender do? Bodies built before and nothing written down, a template engine for each, a ledger as one first thinks of it."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import httpx
from jinja2 import Environment

from tests.benchmarks.sending.loopback import Measure

_KEY = b"a key of benchmarks, long enough to be one"


def post(url: str, body: Callable[[int], bytes], calls: int, connections: int) -> Measure:
    """`calls` bodies through `httpx.Client`s, one a thread; nothing is written down."""
    jobs: SimpleQueue[int | None] = SimpleQueue()
    for number in [*range(calls), *([None] * connections)]:
        jobs.put(number)

    def work() -> None:
        with httpx.Client(trust_env=False) as client:
            for number in iter(jobs.get, None):
                client.post(url, content=body(number)).raise_for_status()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    with Measure() as measure:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return measure


def prebuilt(body: bytes) -> Callable[[int], bytes]:
    """The floor: bodies that were built before. Different objects, but few: what is compared is sending."""
    bodies = [body[:-1] + b" " * n + body[-1:] for n in range(8)]
    return lambda number: bodies[number % len(bodies)]


def templated(html: str, text: str, batch: int) -> Callable[[int], bytes]:
    """Both parts rendered by Jinja for each reader, with a keyed token, and the batch dumped as JSON."""
    environment = Environment(autoescape=True)
    html_template = environment.from_string(html)
    text_template = environment.from_string(text)

    def build(number: int) -> bytes:
        items = []
        for reader in range(number * batch, (number + 1) * batch):
            values = {"name": f"Reader {reader}", "url": f"https://notes.example.com/u/{_token(reader)}"}
            items.append(
                {
                    "from": "Notes <notes@example.com>",
                    "to": [f"reader{reader}@example.org"],
                    "subject": "Hybrid retrieval without the hype",
                    "html": html_template.render(values),
                    "text": text_template.render(values),
                    "headers": {"List-Unsubscribe": f"<{values['url']}>"},
                }
            )
        return json.dumps(items).encode()

    return build


def naive(path: Path, url: str, count: int, batch: int, connections: int, *, commit_rows: bool) -> Measure:
    """A sender as one first writes it, to the first `count` readers of the list at `path`.

    A text state with an index and a row for each reader, marked one by one; asynchronous httpx; `json=`;
    an HMAC each. The same journal and `synchronous` as ours, so that its promise on disk is the same.

    Args:
        commit_rows: commit after each row, so that a crash forgets no outcome; else once a batch.
    """
    with Measure() as measure:
        asyncio.run(_naive(path, url, count, batch, connections, commit_rows=commit_rows))
    return measure


def _token(reader: int) -> str:
    return hmac.new(_KEY, str(reader).encode(), "sha256").hexdigest()


async def _naive(
    path: Path, url: str, count: int, batch: int, connections: int, *, commit_rows: bool
) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("DROP TABLE IF EXISTS naive")
        db.execute(
            "CREATE TABLE naive (id INTEGER PRIMARY KEY, email TEXT, name TEXT, state TEXT, sent TEXT)"
        )
        db.execute("CREATE INDEX naive_state ON naive (state)")
        db.execute(
            "INSERT INTO naive SELECT id, email, name, 'pending', NULL FROM subscribers ORDER BY id LIMIT ?",
            (count,),
        )
        async with httpx.AsyncClient(trust_env=False) as client:

            async def work() -> None:
                while rows := _claimed(db, batch):
                    items = [_item(*row) for row in rows]
                    answer = await client.post(url, json={"subject": "Hybrid retrieval", "messages": items})
                    answer.raise_for_status()
                    _record(db, [row[0] for row in rows], commit_rows=commit_rows)

            await asyncio.gather(*(work() for _ in range(connections)))
        [left] = db.execute("SELECT count(*) FROM naive WHERE state <> 'sent'").fetchone()
        assert not left


def _item(reader: int, email: str, name: str) -> dict[str, object]:
    """What ours carries for each: the values, the header of one's own, the delivery's id; three keyed tokens."""
    leave = f"https://notes.example.com/u/{_token(reader)}"
    return {
        "to": email,
        "delivery_id": _token(-reader),
        "headers": {"List-Unsubscribe": f"<{leave}>"},
        "values": {
            "name": name,
            "unsubscribe_url": leave,
            "preferences_url": f"https://notes.example.com/p/{_token(reader + 1)}",
        },
    }


def _claimed(db: sqlite3.Connection, batch: int) -> list[tuple[int, str, str]]:
    db.execute("BEGIN IMMEDIATE")
    rows = db.execute(
        "SELECT id, email, name FROM naive WHERE state = 'pending' LIMIT ?", (batch,)
    ).fetchall()
    for row in rows:
        db.execute("UPDATE naive SET state = 'claimed' WHERE id = ?", (row[0],))
    db.execute("COMMIT")
    return rows


def _record(db: sqlite3.Connection, readers: list[int], *, commit_rows: bool) -> None:
    if not commit_rows:
        db.execute("BEGIN IMMEDIATE")
    for reader in readers:
        db.execute("UPDATE naive SET state = 'sent', sent = datetime('now') WHERE id = ?", (reader,))
    if not commit_rows:
        db.execute("COMMIT")
