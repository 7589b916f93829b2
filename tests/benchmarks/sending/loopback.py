"""Where do the messages of a benchmark go, to whom, and what did it take? Sinks on loopback, a list, time and CPU."""

from __future__ import annotations

import argparse
import contextlib
import hmac
import os
import resource
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from newsletter.store.sqlite import SqliteDatabase

ROOT = Path(__file__).parents[3]


@dataclass
class Measure:
    """What a stretch of work took: seconds, and CPU seconds of this process alone."""

    wall: float = 0.0
    cpu: float = 0.0

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu

    def line(self, name: str, count: int) -> str:
        """In words: how many a second, and CPU for each."""
        return f"  {name:<34}{count / self.wall:>12,.0f} /s{self.wall:>9.2f} s{self.cpu / count * 1e6:>9.2f} µs CPU each"


def slowness() -> float:
    """How many times longer this machine takes for an HMAC just now than the one the targets were set on.

    A target in microseconds means nothing where others share the cores; that machine took 1.94 for
    `hmac.new(...).hexdigest()` of a short text.
    """
    spans = []
    for _ in range(9):
        start = time.thread_time()
        for number in range(2000):
            hmac.new(b"a key of benchmarks", b"%d" % number, "sha256").hexdigest()
        spans.append((time.thread_time() - start) / 2000 * 1e6)
    return statistics.median(spans) / 1.94


def peak_mb() -> float:
    """The most memory this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fill(path: Path, count: int) -> None:
    """A list of `count` readers, written around the ledger: this is not what is measured."""
    SqliteDatabase(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            "INSERT INTO subscribers (email, match_key, name, status, created_at, updated_at)"
            " VALUES (?, ?, ?, 'active', '2026-01-01T00:00:00.000Z', '')",
            ((f"reader{n}@example.org", f"reader{n}@example.org", f"Reader {n}") for n in range(count)),
        )


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a benchmark of this folder; its working folder has to be `ROOT`."""
    return [sys.executable, "-m", f"tests.benchmarks.sending.{name}", *arguments]


@contextmanager
def http_sink(latency: float = 0.0) -> Iterator[str]:
    """A server in a process of its own that accepts whatever is posted, after `latency` seconds; its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    number = listener.fileno()
    os.set_inheritable(number, True)
    process = subprocess.Popen(
        module("loopback", "--serve", str(number), "--latency", str(latency)), pass_fds=[number], cwd=ROOT
    )
    with listener:
        port = listener.getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _serve(listener: socket.socket, latency: float) -> None:
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


def smtp_tools() -> bool:
    """Whether Postfix's own test programs are here."""
    return bool(shutil.which("smtp-sink") and shutil.which("smtp-source"))


@contextmanager
def smtp_sink() -> Iterator[int]:
    """A running smtp-sink; its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []  # it refuses to run as root
    process = subprocess.Popen(["smtp-sink", *user, "-4", f"127.0.0.1:{port}", "256"])
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", type=int, required=True)
    parser.add_argument("--latency", type=float, required=True)
    options = parser.parse_args()
    _serve(socket.socket(fileno=options.serve), options.latency)
