"""How fast do our SMTP sessions fill Postfix's smtp-sink, next to its own smtp-source and to smtplib?

    .venv/bin/python tests/benchmarks/smtp.py [--messages 20000] [--rounds 3] [--profile]

All send the same number of messages of the same size into the same sink, in interleaved rounds; medians and
ratios of one run are printed. Needs `smtp-sink` and `smtp-source` (Debian: apt-get install postfix).
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import os
import pstats
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

from newsletter.model.message import Message, OutcomeKind
from newsletter.providers.base import Batch, ProviderOptions
from newsletter.providers.smtp import SmtpProvider

_ENOUGH = 1.0  # the target: smtp-source with 20 sessions, by our default number of connections


def build(count: int, size: int) -> list[Message]:
    """Messages whose texts differ, of about `size` bytes, as quoted-printable makes them."""
    line = b"A line of text as quoted-printable leaves it, up to the width it allows=20=\r\n"
    body = line * (size // len(line))
    messages = []
    for number in range(count):
        address = f"reader{number}@example.com"
        head = (
            f"From: News <news@example.com>\r\nTo: {address}\r\nSubject: Issue {number}\r\n"
            f"List-Unsubscribe: <https://news.example.com/u/{number:032x}>\r\n\r\n"
        )
        messages.append(Message(f"d{number}", "bounce@example.com", address, mime=head.encode() + body))
    return messages


@contextlib.contextmanager
def sink() -> Iterator[int]:
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


def in_threads(count: int, batches: list[Batch], work: Callable[[Iterator[Batch]], None]) -> None:
    """Let `count` threads take batches from one pile."""
    lock, pile = threading.Lock(), iter(batches)

    def take() -> Iterator[Batch]:
        while True:
            with lock:
                batch = next(pile, None)
            if batch is None:
                return
            yield batch

    threads = [threading.Thread(target=work, args=(take(),)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def cut(messages: list[Message], size: int) -> list[Batch]:
    """The messages in batches of `size`."""
    return [Batch(f"b{start}", messages[start : start + size]) for start in range(0, len(messages), size)]


def _send_all(port: int, batches: Iterator[Batch]) -> None:
    session = SmtpProvider(ProviderOptions(name="smtp", host="127.0.0.1", port=port)).session()
    for batch in batches:
        result = session.send(batch)
        accepted = sum(outcome.kind is OutcomeKind.ACCEPTED for outcome in result.outcomes)
        if accepted != len(batch.messages):
            sys.exit(f"not everything was accepted: {result.hold or result.outcomes}")
    session.close()


def ours(port: int, batches: list[Batch], connections: int) -> None:
    """Send with our sessions, one per thread; every outcome is looked at."""
    in_threads(connections, batches, lambda mine: _send_all(port, mine))


def with_smtplib(port: int, batches: list[Batch], connections: int) -> None:
    """Send with the standard library, a kept connection per thread."""

    def work(mine: Iterator[Batch]) -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost") as client:
            for batch in mine:
                for message in batch.messages:
                    client.sendmail(message.sender, [message.recipient], message.mime)

    in_threads(connections, batches, work)


def with_source(port: int, count: int, size: int) -> None:
    """Postfix's own generator with 20 sessions that stay connected."""
    subprocess.run(
        ["smtp-source", "-4", "-d", "-s", "20", "-m", str(count), "-l", str(size), f"127.0.0.1:{port}"],
        check=True,
    )


def profile(port: int, batches: list[Batch]) -> None:
    """Where one sender thread's time goes."""
    profiler = cProfile.Profile()
    profiler.runcall(_send_all, port, iter(batches))
    pstats.Stats(profiler).sort_stats("tottime").print_stats(14)


def measure(port: int, size: int, count: int, rounds: int) -> bool:
    """One message size; whether the target was met."""
    messages = build(count, size)
    few = cut(messages[: count // 4], SmtpProvider.capabilities.max_batch)  # smtplib is slow enough
    batches = cut(messages, SmtpProvider.capabilities.max_batch)
    default = SmtpProvider.capabilities.connections
    runs: dict[str, tuple[int, Callable[[], None]]] = {
        "smtp-source -s 20": (count, lambda: with_source(port, count, size)),
        **{
            f"ours, {n} connection{'s' if n > 1 else ''}": (count, lambda n=n: ours(port, batches, n))  # type: ignore[misc]
            for n in sorted({1, 2, default, 8, 20})
        },
        f"smtplib, {default} connections": (len(few) * 25, lambda: with_smtplib(port, few, default)),
    }
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    cpu: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, (sent, run) in runs.items():
            wall, used = time.perf_counter(), time.process_time()
            run()
            cpu[name].append((time.process_time() - used) / sent * 1e6)
            speeds[name].append(sent / (time.perf_counter() - wall))
    peer = statistics.median(speeds["smtp-source -s 20"])
    print(f"\n{size // 1000} KB, {count} messages, {rounds} rounds, medians")
    for name, found in speeds.items():
        speed = statistics.median(found)
        own = "" if "source" in name else f"{statistics.median(cpu[name]):8.0f} µs CPU a message"
        print(f"  {name:24}{speed:10,.0f} messages/s  {speed / peer:5.2f} x{own}")
    chosen = statistics.median(speeds[f"ours, {default} connections"])
    return chosen >= _ENOUGH * peer


def main() -> int:
    """Measure; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="show where a single sender's time goes")
    options = parser.parse_args()
    if not (shutil.which("smtp-sink") and shutil.which("smtp-source")):
        print("smtp-sink and smtp-source are missing: apt-get install postfix (its daemon need not run)")
        return 2
    with sink() as port:
        if options.profile:
            profile(port, cut(build(options.messages // 4, 10_000), SmtpProvider.capabilities.max_batch))
            return 0
        met = [
            measure(port, size, options.messages // (size // 10_000), options.rounds)
            for size in (10_000, 40_000)
        ]
    print(f"\ntarget: at least {_ENOUGH:g} x smtp-source -s 20: {'met' if all(met) else 'MISSED'}")
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
