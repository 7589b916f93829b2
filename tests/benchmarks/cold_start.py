"""How long until a command does something, against `python -c "import typer"` in the same run?

    .venv/bin/python tests/benchmarks/cold_start.py [--rounds 21]

The commands take turns; medians of wall and CPU time, and the median of the ratios pair by pair.
Targets: `--version` ≤ 1.2×, `check` of one issue and `status` ≤ 2×.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEWSLETTER = str(Path(sys.executable).parent / "newsletter")


def once(command: list[str], cwd: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one run."""
    before, cpu_before = time.perf_counter(), os.times()
    subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    cpu = os.times()
    return (
        time.perf_counter() - before,
        cpu.children_user + cpu.children_system - cpu_before.children_user - cpu_before.children_system,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=21)
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        subprocess.run(
            [NEWSLETTER, "demo", "--dir", str(home / "demo")], stdout=subprocess.DEVNULL, check=True
        )
        commands = {
            'python -c "import typer"': [sys.executable, "-c", "import typer"],
            "newsletter --version": [NEWSLETTER, "--version"],
            "newsletter check ISSUE": [NEWSLETTER, "check", "issues/001-rag-or-fine-tuning.md"],
            "newsletter status 1": [NEWSLETTER, "status", "1"],
            "newsletter --help": [NEWSLETTER, "--help"],
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(rounds + 1):
            for name, command in commands.items():
                times[name].append(once(command, home / "demo"))
    (peer, peers), *_ = times.items()
    print(f"{rounds} rounds, medians{'':14} wall ms   CPU ms   wall × {peer}   CPU ×")
    for name, measured in times.items():
        # The first round warms the file cache and counts for nothing.
        wall, cpu = (statistics.median(m[i] for m in measured[1:]) * 1e3 for i in (0, 1))
        ratios = [
            statistics.median(m[i] / p[i] for m, p in zip(measured[1:], peers[1:], strict=True))
            for i in (0, 1)
        ]
        print(f"{name:36} {wall:7.0f}  {cpu:7.0f}   {ratios[0]:6.2f} {'':18} {ratios[1]:6.2f}")


if __name__ == "__main__":
    main()
