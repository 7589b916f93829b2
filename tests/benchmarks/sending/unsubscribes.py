"""How long does somebody who leaves wait while an issue is being sent?

    .venv/bin/python -m tests.benchmarks.sending.unsubscribes [--million]

Another process unsubscribes readers one after the other, each a transaction with `synchronous=FULL`: first
alone, then beside a send to everybody, from the freezing of the audience to the last record.
"""

from __future__ import annotations

import argparse
import json
import random
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from newsletter.audience.membership import Audience
from newsletter.audience.suppression import Suppressions
from newsletter.clock import SystemClock
from newsletter.errors import StoreError
from newsletter.store.sqlite import SqliteDatabase
from tests.benchmarks.sending.cases import Case, send
from tests.benchmarks.sending.loopback import ROOT, fill, http_sink, module
from tests.benchmarks.sending.table import Row, add_option, at_most, report

_ALONE_SECONDS = 3.0
# Between one and the next: a few dozen a second, more than the mail of a large list brings.
_PAUSE = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--million", action="store_true", help="1,000,000 recipients")
    parser.add_argument("--leave", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=1, help=argparse.SUPPRESS)
    add_option(parser)
    options = parser.parse_args()
    count = 1_000_000 if options.million else 400_000
    if options.leave:
        _leave(options.leave, count, options.seed)
        return
    with http_sink() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "newsletter.db", count)
        extra = ["--million"] if options.million else []
        with _leaving(folder, 1, extra) as alone:
            time.sleep(_ALONE_SECONDS)
            quiet, _ = _ended(alone)
        with _leaving(folder, 2, extra) as beside:
            sent = send(folder, url, Case())
            busy, errors = _ended(beside)
    tally = sent.ending.tally
    assert tally.accepted + tally.skipped == tally.total, sent.ending
    print(f"{count:,} readers, a send of {sent.took.wall:.1f} s; {tally.skipped} left after they were frozen")
    for title, spans in (("alone", quiet), ("beside the send", busy)):
        print(
            f"  {title:<16}{len(spans):>6} unsubscribes  median {_at(spans, 0.5):6.1f} ms"
            f"  p99 {_at(spans, 0.99):6.1f} ms  max {max(spans):6.1f} ms"
        )
    work = f"{len(busy)} unsubscribes from another process beside a send"
    rows = [
        Row(f"{work}: lock errors", str(errors), "0", errors == 0),
        at_most(f"{work}: p99", _at(busy, 0.99), 100, "ms"),
        at_most(f"{work}: longest", max(busy), 500, "ms"),
    ]
    report(rows, options.rows)


def _leaving(folder: Path, seed: int, extra: list[str]) -> subprocess.Popen[str]:
    """A process that unsubscribes readers; it has begun."""
    process = subprocess.Popen(
        module("unsubscribes", "--leave", str(folder / "newsletter.db"), "--seed", str(seed), *extra),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _ended(process: subprocess.Popen[str]) -> tuple[list[float], int]:
    """The milliseconds each unsubscribe took, and how many failed."""
    out, _ = process.communicate("")
    found = json.loads(out)
    return found["spans"], found["errors"]


def _at(spans: list[float], share: float) -> float:
    return sorted(spans)[min(len(spans) - 1, int(len(spans) * share))]


def _leave(path: Path, count: int, seed: int) -> None:
    """Unsubscribe readers in a random order until standard input is closed."""
    spans: list[float] = []
    errors = 0
    with SqliteDatabase(path) as db:
        audience = Audience(db, Suppressions(db, b"a key of benchmarks, long enough"), SystemClock())
        print("ready", flush=True)
        for number in random.Random(seed).sample(range(count), 50_000):
            start = time.perf_counter()
            try:
                audience.unsubscribe(f"reader{number}@example.org", source="benchmark", actor="subscriber")
            except StoreError as error:
                errors += 1
                print(error.message, file=sys.stderr)
            spans.append((time.perf_counter() - start) * 1e3)
            if select.select([sys.stdin], [], [], _PAUSE)[0]:
                break
    print(json.dumps({"spans": spans, "errors": errors}))


if __name__ == "__main__":
    main()
