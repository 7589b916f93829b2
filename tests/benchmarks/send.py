"""How fast is a send with its whole ledger, against posting the same bodies and nothing else?

    python tests/benchmarks/send.py             100,000 recipients, 1,000 a batch
    python tests/benchmarks/send.py --million   1,000,000

A sink process on loopback answers at once. Three figures of one run: the engine (freeze, claim with
`synchronous=FULL`, build, send, record), then `httpx` posting bodies that were built before, with the
same connections, then the ratio of the two. CPU time is that of this process alone.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from typing import Self

import httpx

from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import Batch, BatchResult, Capabilities, ContentForm, Request, Response
from newsletter.send.run import Wishes, start
from newsletter.store.send_records import ClaimedBatch, Person
from newsletter.store.sqlite import SqliteDatabase
from tests.send.desk import FROZEN, make_desk, new_send

BATCH = 1000


def serve(listener: socket.socket) -> None:
    """Read requests whole and say yes, until killed."""

    def converse(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray(4 * 1024 * 1024)
        view, held = memoryview(buffer), 0
        while True:
            while (end := buffer.find(b"\r\n\r\n", 0, held)) < 0:
                if not (got := connection.recv_into(view[held:])):
                    return
                held += got
            head = bytes(view[:end]).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            left = length - (held - end - 4)
            while left > 0:
                if not (got := connection.recv_into(view, min(left, len(view)))):
                    return
                left -= got
            held = 0
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(connection,), daemon=True).start()


class ValuesProvider:
    """A provider that keeps the template and takes a recipient's values: some 300 bytes each."""

    name = "sink"

    def __init__(self, url: str, connections: int, ttl: int) -> None:
        self._url = url
        self.capabilities = Capabilities(
            ContentForm.FIELDS, max_batch=BATCH, connections=connections, idempotency_ttl=ttl
        )

    def build_request(self, batch: Batch) -> Request:
        # The list is ours and plain ASCII: a splice, as any provider's adapter would do it.
        items = [
            f'["{m.recipient}","{m.subject}","{m.delivery_id}","{m.headers[0][1]}","{m.headers[1][1]}"]'
            for m in batch.messages
        ]
        body = f"[{','.join(items)}]".encode()
        return Request("POST", self._url, {"Idempotency-Key": batch.key}, [body])

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        assert response.status == 200
        return BatchResult(
            [Outcome(m.delivery_id, OutcomeKind.ACCEPTED, m.delivery_id) for m in batch.messages]
        )


@dataclass
class Measure:
    """What a stretch of work took."""

    wall: float = 0.0
    cpu: float = 0.0

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu

    def line(self, name: str, count: int) -> str:
        return f"{name:<28}{count / self.wall:>12,.0f} /s{self.wall:>9.2f} s{self.cpu / count * 1e6:>9.2f} µs CPU each"


def fill(path: Path, count: int) -> None:
    """A list of `count`, written around the ledger: this is not what is measured."""
    SqliteDatabase(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            "INSERT INTO subscribers (email, match_key, name, status, created_at, updated_at)"
            " VALUES (?, ?, ?, 'active', '', '')",
            ((f"reader{n}@example.org", f"reader{n}@example.org", f"Reader {n}") for n in range(count)),
        )
    connection.close()


def post_prebuilt(url: str, bodies: Sequence[bytes], calls: int, connections: int) -> Measure:
    """The floor: the same bodies in `httpx.Client`s, one a thread, and nothing written down."""
    jobs: SimpleQueue[bytes | None] = SimpleQueue()
    for number in range(calls):
        jobs.put(bodies[number % len(bodies)])
    for _ in range(connections):
        jobs.put(None)

    def work() -> None:
        with httpx.Client(trust_env=False) as client:
            for body in iter(jobs.get, None):
                client.post(url, content=body).raise_for_status()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    with Measure() as measure:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--keys", action="store_true", help="as a provider with idempotency keys")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(socket.socket(fileno=options.serve))
    count = 1_000_000 if options.million else 100_000

    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    os.set_inheritable(listener.fileno(), True)
    sink = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(listener.fileno())], pass_fds=[listener.fileno()]
    )
    listener.close()
    try:
        with tempfile.TemporaryDirectory() as name:
            measure(Path(name), url, count, options.connections, 3600 if options.keys else 0)
    finally:
        sink.kill()
        sink.wait()


def measure(folder: Path, url: str, count: int, connections: int, ttl: int) -> None:
    fill(folder / "newsletter.db", count)
    provider = ValuesProvider(url, connections, ttl)
    with SqliteDatabase(folder / "newsletter.db") as db:
        desk = make_desk(folder, provider, db=db, wishes=Wishes(connections=connections))
        gc.collect()
        turns = 0

        def on_turn(_: object) -> None:
            nonlocal turns
            turns += 1

        desk.on_turn = on_turn
        with Measure() as engine:
            ending = start(desk, new_send(provider="sink"), expect=count)
        assert ending.tally.accepted == count, ending
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        make = desk.source(FROZEN, provider, 1).maker()
        people = tuple(Person(n, f"reader{n}@example.org", f"Reader {n}", "{}", 1) for n in range(BATCH))
        body = provider.build_request(make(ClaimedBatch(1, "key", datetime.now(UTC), people)).batch).body[0]
    floor = post_prebuilt(url, [bytes(body) for _ in range(20)], count // BATCH, connections)
    print(f"{count:,} recipients, {BATCH:,} a batch of {len(body) / 1024:.0f} KB, {connections} connections")
    print(engine.line("send, ledger on disk (FULL)", count))
    print(floor.line("httpx, bodies built before", count))
    print(f"ratio to prebuilt httpx: {floor.wall / engine.wall:.3f} wall, {floor.cpu / engine.cpu:.3f} CPU")
    print(f"peak RSS {peak:.0f} MB, {turns} commits for {count // BATCH} batches")


if __name__ == "__main__":
    main()
