"""How fast is a send with its whole ledger, against posting the same bodies and nothing else, and against senders as one first writes them?

    .venv/bin/python -m tests.benchmarks.sending.over_http values [--million]

    values   1,000 a call, some 250 bytes of values for each recipient; the other side answers at once
    distant  the same on 10 connections to another side that answers after 100 ms
    full     100 a call, 30 KB of HTML and text for each recipient, as Resend takes it

The sink is a process of its own on loopback. CPU time is that of the sender's process alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.sending.cases import Case, Sent, issue, send
from tests.benchmarks.sending.loopback import Measure, fill, http_sink, slowness
from tests.benchmarks.sending.peers import naive, post, prebuilt, templated
from tests.benchmarks.sending.table import Row, add_option, at_least, at_most, report

CASES = {
    "values": Case(),
    "distant": Case(connections=10, latency=0.1),
    "full": Case(values=False, batch=100),
}
# A call of 100 ms is so much slower than ours that fewer would measure the start and the end.
COUNTS = {"values": 100_000, "distant": 400_000, "full": 50_000}
_PER_BATCH, _PER_ROW, _TEMPLATED = 20_000, 2_000, 4_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--million", action="store_true", help="1,000,000 recipients")
    add_option(parser)
    options = parser.parse_args()
    case = CASES[options.case]
    count = 1_000_000 if options.million else COUNTS[options.case]
    with http_sink(case.latency) as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "newsletter.db", count)
        sent = send(folder, url, case)
        assert sent.ending.tally.accepted == count, sent.ending
        calls, body = count // case.batch, sent.build()
        # Thrice, as it is short; after the send, whose memory it must not be added to.
        floors = [post(url, prebuilt(body), calls, case.connections) for _ in range(1 if case.latency else 3)]
        floor = sorted(floors, key=lambda measure: measure.wall)[len(floors) // 2]
        delay = f", answered after {case.latency * 1000:.0f} ms" if case.latency else ""
        print(
            f"{options.case}: {count:,} recipients, {case.batch:,} a call of {len(body) / 1024:,.0f} KB,"
            f" {case.connections} connections{delay}"
        )
        print(sent.took.line("send, its ledger on disk (FULL)", count))
        print(floor.line("httpx, bodies built before", count))
        rows = {"values": _values, "distant": _distant, "full": _full}[options.case]
        report(rows(folder, url, count, sent, floor), options.rows)


def _values(folder: Path, url: str, count: int, sent: Sent, floor: Measure) -> list[Row]:
    work, case = f"{count:,} recipients, 1,000 a call", CASES["values"]
    path = folder / "newsletter.db"
    speeds = []
    for commit_rows, some, unit in ((False, _PER_BATCH, "batch"), (True, _PER_ROW, "row")):
        peer = naive(path, url, some, case.batch, case.connections, commit_rows=commit_rows)
        print(peer.line(f"naive, a commit a {unit}", some))
        speeds.append(some / peer.wall)
    ours, (after, before) = count / sent.took.wall, sent.database
    slower, each = slowness(), sent.took.cpu / count * 1e6
    print(f"  {sent.turns} commits for {count // case.batch} batches")
    return [
        Row(work, f"{sent.took.wall:.1f} s, {ours:,.0f}/s, {each:.1f} µs CPU each"),
        at_most(
            f"{work}: CPU of a recipient, were an HMAC not {slower:.1f} × as slow here",
            each / slower,
            12,
            "µs",
        ),
        at_least(work, floor.wall / sent.took.wall, 0.12, "prebuilt httpx, no ledger"),
        at_least(work, ours / speeds[0], 2.5, "naive sender, a commit a batch"),
        at_least(work, ours / speeds[1], 2.5, "naive sender, a commit a row"),
        at_most(f"{work}: peak memory", sent.peak, 100, "MB"),
        Row(f"{work}: database", f"{after / 1e6:,.0f} MB, of which the list {before / 1e6:,.0f} MB"),
    ]


def _distant(_folder: Path, _url: str, count: int, sent: Sent, floor: Measure) -> list[Row]:
    work = f"{count:,} recipients, 1,000 a call, 10 connections, answers after 100 ms"
    return [at_least(work, floor.wall / sent.took.wall, 0.90, "prebuilt httpx")]


def _full(_folder: Path, url: str, count: int, sent: Sent, floor: Measure) -> list[Row]:
    work, case = f"{count:,} recipients, 100 whole bodies a call", CASES["full"]
    compiled = issue(300)

    def source(parts: tuple[object, ...]) -> str:
        words = {"subscriber.name": "{{ name }}"}
        return "".join(
            p if isinstance(p, str) else words.get(getattr(p, "field", ""), "{{ url }}") for p in parts
        )

    build: Callable[[int], bytes] = templated(
        source(compiled.html.parts), source(compiled.text.parts), case.batch
    )
    peer = post(url, build, _TEMPLATED // case.batch, case.connections)
    print(peer.line("Jinja and json, no ledger", _TEMPLATED))
    built = {name: _cpu(make) for name, make in (("ours", sent.build), ("theirs", lambda: build(0)))}
    each = [f"{built[name] / case.batch * 1e6:.0f}" for name in ("ours", "theirs")]
    print(f"  building alone: {each[0]} µs CPU each, with Jinja and json {each[1]}")
    return [
        at_least(work, floor.wall / sent.took.wall, 0.70, "prebuilt httpx, no ledger"),
        at_least(f"{work}: building them", built["theirs"] / built["ours"], 5, "Jinja and json"),
        Row(
            work,
            f"{count / sent.took.wall / (_TEMPLATED / peer.wall):.1f} × Jinja, json and httpx, no ledger",
        ),
    ]


def _cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this thread, median of 15."""
    spans = []
    for _ in range(15):
        start = time.thread_time()
        work()
        spans.append(time.thread_time() - start)
    return statistics.median(spans)


if __name__ == "__main__":
    main()
