"""Does a recipient of a large list cost more than one of a small list, in time or in memory?

    .venv/bin/python -m tests.benchmarks.sending.growth [--million]

The same send of values to 1,000, 10,000, 100,000 (and 1,000,000) readers, each in a process of its own.
Flat means: CPU and wall of each further recipient, and peak memory, from 100,000 to 1,000,000 (else from
10,000 to 100,000) grow by less than a fifth. What a send costs before its first recipient is the first line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks.sending.cases import Case, send
from tests.benchmarks.sending.loopback import ROOT, fill, http_sink, module
from tests.benchmarks.sending.table import Row, add_option, report

_FLAT = 1.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--million", action="store_true", help="up to 1,000,000 recipients")
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    add_option(parser)
    options = parser.parse_args()
    if options.size:
        print(json.dumps(_once(options.size)))
        return
    sizes = [10**power for power in range(3, 7 if options.million else 6)]
    print("recipients    wall µs each    CPU µs each    peak MB    database bytes each")
    found: list[dict[str, Any]] = []
    for size in sizes:
        done = subprocess.run(
            module("growth", "--size", str(size)), cwd=ROOT, check=True, capture_output=True, text=True
        )
        one = json.loads(done.stdout)
        found.append(one)
        each = [one[name] / size * 1e6 for name in ("wall", "cpu")]
        print(f"{size:>10,}{each[0]:>16.1f}{each[1]:>15.1f}{one['peak']:>11.0f}{one['bytes'] / size:>23.0f}")
    small, large = found[-2:]
    work = f"{sizes[-1]:,} recipients beside {sizes[-2]:,}"
    rows = [
        Row(f"{work}: {what}", f"{ratio:.2f} ×", f"flat: ≤ {_FLAT} ×", ratio <= _FLAT)
        for what, ratio in (
            ("CPU of each", large["cpu"] / small["cpu"] * sizes[-2] / sizes[-1]),
            ("wall of each", large["wall"] / small["wall"] * sizes[-2] / sizes[-1]),
            ("peak memory", large["peak"] / small["peak"]),
        )
    ]
    report(rows, options.rows)


def _once(size: int) -> dict[str, float]:
    with http_sink() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "newsletter.db", size)
        sent = send(folder, url, Case())
        assert sent.ending.tally.accepted == size, sent.ending
        after, before = sent.database
        return {"wall": sent.took.wall, "cpu": sent.took.cpu, "peak": sent.peak, "bytes": after - before}


if __name__ == "__main__":
    main()
