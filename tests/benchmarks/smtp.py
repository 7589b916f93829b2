"""How fast do our SMTP sessions fill Postfix's smtp-sink, next to its own smtp-source, nodemailer's pool and smtplib?

    .venv/bin/python tests/benchmarks/smtp.py [--messages 10000] [--rounds 3] [--profile]

All send messages of the same size into the same sink, in interleaved rounds; medians and ratios of one run
are printed. Needs `smtp-sink` and `smtp-source` (Debian: apt-get install postfix). Where `npm` is here,
nodemailer is installed into a temporary folder and takes part with the pool it recommends, 20 connections.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import shutil
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from newsletter.model.message import Message, OutcomeKind
from newsletter.providers.base import Batch, ProviderOptions
from newsletter.providers.smtp import SmtpProvider
from tests.benchmarks.sending.loopback import smtp_sink, smtp_tools
from tests.benchmarks.sending.table import Row, add_option, at_least, report

_SOURCE = "smtp-source -s 20"
_POOL = "nodemailer, pool of 20, raw"
_POOL_HTML = "nodemailer, pool of 20, html"
_SCRIPT = Path(__file__).parent / "sending" / "nodemailer_pool.cjs"


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


@contextmanager
def nodemailer() -> Iterator[Path | None]:
    """A folder where nodemailer is installed; None, and why, where it can't be."""
    if not (shutil.which("npm") and shutil.which("node")):
        print("without nodemailer: npm is missing")
        yield None
        return
    with tempfile.TemporaryDirectory() as name:
        install = [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--prefix",
            name,
            "nodemailer@latest",
        ]
        try:
            subprocess.run(install, check=True, timeout=120, stdout=subprocess.DEVNULL)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"without nodemailer: {error}")
            yield None
        else:
            package = json.loads((Path(name) / "node_modules/nodemailer/package.json").read_text("utf-8"))
            print(f"nodemailer {package['version']}")
            yield Path(name)


def with_nodemailer(folder: Path, port: int, count: int, size: int, form: str) -> float:
    """The seconds that nodemailer's sends took, its start left out."""
    command = ["node", str(_SCRIPT), str(folder), str(port), str(count), str(size), form]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who sends `sent` messages; `run` may return the seconds to count instead of all it took."""

    name: str
    sent: int
    run: Callable[[], float | None]


def contestants(port: int, folder: Path | None, size: int, count: int) -> list[Contestant]:
    """Who takes part; the slow ones send fewer."""
    messages = build(count, size)
    default, batch = SmtpProvider.capabilities.connections, SmtpProvider.capabilities.max_batch
    batches, few = cut(messages, batch), cut(messages[: count // 8], batch)
    slow = len(few) * batch
    found = [Contestant(_SOURCE, count, lambda: with_source(port, count, size))]
    found += [Contestant(_named(n), count, partial(ours, port, batches, n)) for n in sorted({1, default, 20})]
    if folder is not None:
        found += [
            Contestant(_POOL, slow, lambda: with_nodemailer(folder, port, slow, size, "raw")),
            Contestant(_POOL_HTML, slow, lambda: with_nodemailer(folder, port, slow, size, "html")),
        ]
    found.append(
        Contestant(f"smtplib, {default} connections", slow, lambda: with_smtplib(port, few, default))
    )
    return found


def _named(connections: int) -> str:
    return f"ours, {connections} connection{'s' if connections > 1 else ''}"


def measure(port: int, folder: Path | None, size: int, count: int, rounds: int) -> list[Row]:
    """One message size, interleaved."""
    here = contestants(port, folder, size, count)
    speeds: dict[str, list[float]] = {one.name: [] for one in here}
    cpu: dict[str, list[float]] = {one.name: [] for one in here}
    for _ in range(rounds):
        for one in here:
            wall, used = time.perf_counter(), time.process_time()
            said = one.run()
            cpu[one.name].append((time.process_time() - used) / one.sent * 1e6)
            speeds[one.name].append(one.sent / (said or time.perf_counter() - wall))
    speed = {name: statistics.median(found) for name, found in speeds.items()}
    print(f"\n{size // 1000} KB, {count} messages, {rounds} rounds, medians")
    for name, found in speed.items():
        outside = name == _SOURCE or name.startswith("nodemailer")
        own = "" if outside else f"{statistics.median(cpu[name]):8.0f} µs CPU a message"
        print(f"  {name:30}{found:10,.0f} messages/s  {found / speed[_SOURCE]:5.2f} ×{own}")
    chosen = speed[_named(SmtpProvider.capabilities.connections)]
    work = f"SMTP, messages of {size // 1000} KB, {chosen:,.0f}/s"
    rows = [at_least(work, chosen / speed[_SOURCE], 1.0, _SOURCE)]
    if _POOL in speed:
        rows.append(at_least(work, chosen / speed[_POOL], 4.0, _POOL))
    return rows


def profile(port: int, batches: list[Batch]) -> None:
    """Where one sender thread's time goes."""
    profiler = cProfile.Profile()
    profiler.runcall(_send_all, port, iter(batches))
    pstats.Stats(profiler).sort_stats("tottime").print_stats(14)


def main() -> int:
    """Measure; 2 where Postfix's programs are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="show where a single sender's time goes")
    add_option(parser)
    options = parser.parse_args()
    if not smtp_tools():
        print("smtp-sink and smtp-source are missing: apt-get install postfix (its daemon need not run)")
        return 2
    with smtp_sink() as port, nodemailer() as folder:
        if options.profile:
            profile(port, cut(build(options.messages // 4, 10_000), SmtpProvider.capabilities.max_batch))
            return 0
        rows = [
            row
            for size in (10_000, 40_000)
            for row in measure(port, folder, size, options.messages // (size // 10_000), options.rounds)
        ]
    report(rows, options.rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
