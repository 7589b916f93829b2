"""How fast is a validated import beside the sqlite3 shell's own, and how long does anyone wait for it?

    .venv/bin/python tests/benchmarks/import_csv.py [--rows 1000000] [--rounds 3] [--tags]

Interleaved rounds in one run: the shell's `.import` into a table with a unique index (where the
shell is missing: Python's csv and executemany into the same table), and ours as a process of its
own. A second process asks for the write lock all the while and measures how long it was refused.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

TABLE = (
    "CREATE TABLE people (email TEXT, name TEXT, created_at TEXT{tags})",
    "CREATE UNIQUE INDEX people_email ON people (email)",
)

OURS = """
import os, resource, sys
from pathlib import Path
from newsletter.audience.membership import Audience
from newsletter.audience.suppression import Suppressions
from newsletter.audience.transfer import ImportOptions, import_csv
from newsletter.clock import SystemClock
from newsletter.store.sqlite import SqliteDatabase
path, store = map(Path, sys.argv[1:])
database = SqliteDatabase(store)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
audience = Audience(database, Suppressions(database, b"k" * 32), SystemClock())
counts = import_csv(audience, path, ImportOptions()).counts
print(counts.added, before // 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""

PLAIN = """
import csv, itertools, sqlite3, sys
connection = sqlite3.connect(sys.argv[2], isolation_level=None)
for statement in sys.argv[3:]:
    connection.execute(statement)
connection.execute("BEGIN")
with open(sys.argv[1], newline="") as stream:
    rows = csv.reader(stream)
    marks = ",".join("?" * len(next(rows)))
    connection.executemany(f"INSERT INTO people VALUES ({marks})", rows)
connection.execute("COMMIT")
"""


def write_csv(path: Path, rows: int, *, tags: bool) -> None:
    """A list as products export it: in order of joining, some big domains and a long tail."""
    rng = random.Random(20260106)
    first = ["ada", "bob", "carla", "dmitri", "eve", "farid", "grace", "hiro", "ines", "jan"]
    big = ["gmail.com", "outlook.com", "yahoo.com", "icloud.com", "gmx.de"]
    with path.open("w", encoding="utf-8") as stream:
        stream.write("email,name,created_at,tags\n" if tags else "email,name,created_at\n")
        for index in range(rows):
            one, two = rng.choice(first), rng.choice(first)
            domain = rng.choice(big) if rng.random() < 0.7 else f"mail{rng.randrange(20_000)}.example.org"
            number = index * 7919 % rows
            day = f"2024-{1 + index * 12 // rows:02}-{1 + index % 28:02}T08:{index % 60:02}:00Z"
            stream.write(f"{one}.{two}{number}@{domain},{one.title()} {two.title()},{day}")
            stream.write(f",{rng.choice(['', 'beta', 'beta;vip', 'vip'])}\n" if tags else "\n")


def timed(command: list[str]) -> tuple[float, float, str]:
    """Wall and CPU seconds of a process, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def peer(folder: Path, path: Path, *, tags: bool) -> tuple[float, float]:
    """The shell's import, or Python's where there is no shell."""
    store = folder / "peer.db"
    store.unlink(missing_ok=True)
    statements = [statement.format(tags=", tags TEXT" if tags else "") for statement in TABLE]
    shell = shutil.which("sqlite3")
    if shell is None:
        wall, cpu, _ = timed([sys.executable, "-c", PLAIN, str(path), str(store), *statements])
    else:
        wall, cpu, _ = timed([shell, str(store), *statements, f".import --csv --skip 1 {path} people"])
    return wall, cpu


def watch(store: Path, stop: Event, waits: multiprocessing.Queue[list[float]]) -> None:
    """Ask for the write lock every half millisecond; report how long each refusal lasted."""
    connection = sqlite3.connect(store, timeout=0, isolation_level=None)
    refused: list[float] = []
    since = 0.0
    while not stop.is_set():
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
            if since:
                refused.append(time.perf_counter() - since)
            since = 0.0
        except sqlite3.OperationalError:
            since = since or time.perf_counter()
        time.sleep(0.0005)
    waits.put(refused)


def ours(folder: Path, path: Path) -> tuple[float, float, int, int, int]:
    """Our import: wall and CPU seconds, rows, resident memory before and at its peak in MB."""
    store = folder / "newsletter.db"
    wall, cpu, said = timed([sys.executable, "-c", OURS, str(path), str(store)])
    added, before, peak = map(int, said.split())
    return wall, cpu, added, before, peak


def lock_holds(folder: Path, path: Path) -> list[float]:
    """How long another process was refused the write lock while we imported, in seconds each."""
    from newsletter.store.sqlite import SqliteDatabase

    store = folder / "newsletter.db"
    SqliteDatabase(store).close()
    stop = multiprocessing.Event()
    waits: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    watcher = multiprocessing.Process(target=watch, args=(store, stop, waits))
    watcher.start()
    ours(folder, path)
    stop.set()
    refused = waits.get()
    watcher.join()
    return refused


def cleared(folder: Path) -> Path:
    """An empty folder for a store."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tags", action="store_true", help="a column of tags as well")
    options = parser.parse_args()
    name = "sqlite3 .import" if shutil.which("sqlite3") else "csv + executemany"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path, tenth = folder / "list.csv", folder / "tenth.csv"
        write_csv(path, options.rows, tags=options.tags)
        write_csv(tenth, options.rows // 10, tags=options.tags)
        print(f"{options.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores")
        theirs, mine = [], []
        for _ in range(options.rounds):
            theirs.append(peer(folder, path, tags=options.tags))
            mine.append(ours(cleared(folder / "store"), path))
            assert mine[-1][2] == options.rows
            print(
                f"  {name} {theirs[-1][0]:6.2f} s ({theirs[-1][1]:.2f} CPU)"
                f"   ours {mine[-1][0]:6.2f} s ({mine[-1][1]:.2f} CPU)"
            )
        small = ours(cleared(folder / "store"), tenth)
        refused = lock_holds(cleared(folder / "store"), path)
    wall = statistics.median(row[0] for row in mine)
    ratios = [(a[0] / b[0], a[1] / b[1]) for a, b in zip(theirs, mine, strict=True)]
    print(f"validated import      {options.rows / wall:12,.0f} rows/s")
    print(f"x {name:19} {statistics.median(r[0] for r in ratios):12.2f} wall (goal >= 0.50)")
    print(f"x {name:19} {statistics.median(r[1] for r in ratios):12.2f} CPU")
    print(
        f"peak memory           {max(row[4] for row in mine):12,} MB ({small[4]} MB with a tenth of the rows, {mine[0][3]} before)"
    )
    print(
        f"longest write lock    {max(refused) * 1000:12.0f} ms (goal < 100; {len(refused)} refusals, "
        f"median {statistics.median(refused) * 1000:.0f} ms)"
    )


if __name__ == "__main__":
    main()
