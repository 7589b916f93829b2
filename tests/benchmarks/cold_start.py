"""How long until a command does something, against typer alone in the same run?

    .venv/bin/python tests/benchmarks/cold_start.py [--rounds 21]

Two peers: `python -c "import typer"`, and the least that typer can run, a command with one argument and one option
that prints a word (typer imports pydantic to read them). A check of files that are as they were at the last one says
again what that said; with a file touched between, all of it is made but the rendering. The commands take turns, all of them with their bytecode
compiled; medians of wall and CPU time, and of the CPU ratios round by round.
Targets: `--version` ≤ 1.2× the import, `check` of one issue ≤ 2×, and touched, like `status`, ≤ 1.25× the empty command,
by CPU time.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ISSUE = "issues/001-rag-or-fine-tuning.md"
NEWSLETTER = str(Path(sys.executable).parent / "newsletter")
EMPTY = """
import typer

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

@app.command()
def main(path: str = typer.Argument(""), format_: str = typer.Option("text", "--format")) -> None:
    print("done")

app()
"""


def once(command: list[str], cwd: Path, env: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of one run."""
    before, cpu_before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        time.perf_counter() - before,
        cpu.ru_utime + cpu.ru_stime - cpu_before.ru_utime - cpu_before.ru_stime,
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=21)
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        # As installed: compiled once, wherever the environment says that nothing is to be written.
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = str(home / "bytecode")
        (home / "empty.py").write_text(EMPTY)
        demo = [NEWSLETTER, "demo", "--dir", str(home / "demo")]
        subprocess.run(demo, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        commands = {
            'python -c "import typer"': [sys.executable, "-c", "import typer"],
            "an empty typer command": [sys.executable, str(home / "empty.py"), "path"],
            "newsletter --version": [NEWSLETTER, "--version"],
            "newsletter check ISSUE": [NEWSLETTER, "check", ISSUE],
            "the same, files touched": [NEWSLETTER, "check", ISSUE],
            "newsletter status 1": [NEWSLETTER, "status", "1"],
            "newsletter --help": [NEWSLETTER, "--help"],
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(rounds + 1):
            for name, command in commands.items():
                if "touched" in name:
                    # A minute ago, and another minute each time: what was said before doesn't hold.
                    changed = time.time_ns() - 60 * 10**9
                    os.utime(home / "demo" / ISSUE, ns=(changed, changed))
                times[name].append(once(command, home / "demo", env))
    # The first round compiles and warms the file cache, and counts for nothing.
    measured = {name: taken[1:] for name, taken in times.items()}
    peers = list(measured.values())[:2]
    print(f"{rounds} rounds, medians{'':10} wall ms   CPU ms   CPU × import typer   CPU × empty command")
    for name, taken in measured.items():
        wall, cpu = (statistics.median(run[i] for run in taken) * 1e3 for i in (0, 1))
        ratios = [
            statistics.median(run[1] / other[1] for run, other in zip(taken, peer, strict=True))
            for peer in peers
        ]
        print(f"{name:30} {wall:7.0f}  {cpu:7.0f}   {ratios[0]:18.2f}   {ratios[1]:19.2f}")


if __name__ == "__main__":
    main()
