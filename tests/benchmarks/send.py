"""How fast is a send with its whole ledger, against posting the same bodies and nothing else?

    python tests/benchmarks/send.py                  the cases below, 100,000 recipients each
    python tests/benchmarks/send.py --million        1,000,000
    python tests/benchmarks/send.py --case values    one of them; --keys: with idempotency keys

A sink process on loopback answers at once or after 100 ms. For each case two figures of one run: the
engine (freeze, claim with `synchronous=FULL`, build, send, record), then `httpx` posting bodies of the
same size that were built before, with as many connections. CPU time is that of this process alone.

    values   1,000 a batch, some 150 bytes of values for each recipient, as for a stored template
    full     100 a batch, 30 KB of HTML and text for each recipient, written as Resend takes it
    distant  as values, on 10 connections to a sink that takes 100 ms
    distant-full   as full, on 10 connections to a sink that takes 100 ms
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from typing import Self

import httpx
from pydantic import SecretStr

from newsletter.model.message import Outcome, OutcomeKind
from newsletter.model.template import CompiledIssue, Context, Slot, Template
from newsletter.providers.base import (
    Batch,
    BatchResult,
    Capabilities,
    ContentForm,
    ProviderOptions,
    Request,
    Response,
)
from newsletter.providers.resend import ResendProvider
from newsletter.send.frozen import Frozen, freeze, frozen_hash
from newsletter.send.run import Wishes, start
from newsletter.store.send_records import ClaimedBatch, NewSend, Person
from newsletter.store.sqlite import SqliteDatabase
from tests.send.desk import COMPILED, PUBLICATION, make_desk

_LONG = "Retrieval is a matter of taste, and of &lt;b&gt;recall&lt;/b&gt; measured on your own questions. "
FULL = CompiledIssue(
    subject=COMPILED.subject,
    html=Template(
        (
            "<p>Dear ",
            Slot("subscriber.name", "reader", Context.HTML),
            f"</p><p>{_LONG * 270}</p>",
            *COMPILED.html.parts,
        )
    ),
    text=Template((_LONG * 45,)),
    images=(),
    web_url="",
)


@dataclass(frozen=True)
class Case:
    """One comparison."""

    compiled: CompiledIssue
    batch: int
    connections: int = 4
    latency: float = 0.0


CASES = {
    "values": Case(COMPILED, 1000),
    "full": Case(FULL, 100),
    "distant": Case(COMPILED, 1000, 10, 0.1),
    "distant-full": Case(FULL, 100, 10, 0.1),
}


def serve(listener: socket.socket, latency: float) -> None:
    """Read requests whole and say yes after `latency` seconds, until killed."""

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
            if latency:
                time.sleep(latency)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(connection,), daemon=True).start()


class ValuesProvider:
    """A provider that keeps the template and takes a recipient's values: some 300 bytes each."""

    name = "sink"

    def __init__(self, url: str, case: Case, ttl: int) -> None:
        self._url = url
        self.capabilities = Capabilities(
            ContentForm.FIELDS, max_batch=case.batch, connections=case.connections, idempotency_ttl=ttl
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
        return all_accepted(batch, response)


class BodiesProvider(ResendProvider):
    """Writes whole bodies as for Resend; the sink doesn't answer as Resend does."""

    def __init__(self, url: str, case: Case, ttl: int) -> None:
        super().__init__(ProviderOptions("resend", base_url=url, secret=SecretStr("re_sink")))
        changed = replace(
            self.capabilities,
            max_batch=case.batch,
            connections=case.connections,
            idempotency_ttl=ttl,
            calls_per_second=0.0,
        )
        vars(self)["capabilities"] = changed

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        return all_accepted(batch, response)


def all_accepted(batch: Batch, response: Response) -> BatchResult:
    assert response.status == 200
    accepted = OutcomeKind.ACCEPTED
    return BatchResult([Outcome(m.delivery_id, accepted, m.delivery_id) for m in batch.messages])


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
    parser.add_argument("--case", choices=CASES)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--keys", action="store_true", help="as a provider with idempotency keys")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--latency", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        serve(socket.socket(fileno=options.serve), options.latency)
    count = 1_000_000 if options.million else 100_000
    if not options.case:
        for name in CASES:
            # A process each: the peak of memory is that of one case.
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--case", name], check=True)
        return
    case = CASES[options.case]
    if options.connections:
        case = replace(case, connections=options.connections)
    with sink(case.latency) as url, tempfile.TemporaryDirectory() as folder:
        print(f"{options.case}: ", end="")
        measure(Path(folder), url, count, case, 3600 if options.keys else 0)


@contextmanager
def sink(latency: float) -> Iterator[str]:
    """A sink in a process of its own; its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    number = listener.fileno()
    os.set_inheritable(number, True)
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(number), "--latency", str(latency)], pass_fds=[number]
    )
    with listener:
        port = listener.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def measure(folder: Path, url: str, count: int, case: Case, ttl: int) -> None:
    fill(folder / "newsletter.db", count)
    provider = (BodiesProvider if case.compiled is FULL else ValuesProvider)(url, case, ttl)
    frozen = Frozen(case.compiled, PUBLICATION)
    content = freeze(frozen)
    new = NewSend("hello", 1, "Hello", content, frozen_hash(content), "sink")
    with SqliteDatabase(folder / "newsletter.db") as db:
        desk = make_desk(folder, provider, db=db, wishes=Wishes(connections=case.connections))
        gc.collect()
        turns = 0

        def on_turn(_: object) -> None:
            nonlocal turns
            turns += 1

        desk.on_turn = on_turn
        with Measure() as engine:
            ending = start(desk, new, expect=count)
        assert ending.tally.accepted == count, ending
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        make = desk.source(frozen, provider, 1).maker()
        people = tuple(
            Person(n, f"reader{n}@example.org", f"Reader {n}", "{}", 1)
            for n in range(count - case.batch, count)
        )
        made = make(ClaimedBatch(1, "key", datetime.now(UTC), people))
        body = b"".join(provider.build_request(made.batch).body)
    calls = count // case.batch
    # Different bytes objects, but few: what is compared is sending, not remembering.
    floor = post_prebuilt(url, [body[:-1] + b" " * n + b"]" for n in range(8)], calls, case.connections)
    distance = f"{case.latency * 1000:.0f} ms" if case.latency else "no latency"
    print(
        f"{count:,} recipients, {case.batch:,} a batch of {len(body) / 1024:,.0f} KB,"
        f" {case.connections} connections, {distance}"
    )
    print(engine.line("send, ledger on disk (FULL)", count))
    print(floor.line("httpx, bodies built before", count))
    print(f"ratio to prebuilt httpx: {floor.wall / engine.wall:.3f} wall, {floor.cpu / engine.cpu:.3f} CPU")
    print(f"peak RSS {peak:.0f} MB, {turns} commits for {calls} batches\n")


if __name__ == "__main__":
    main()
