"""What does checking a thousand issues cost? CPU against reading and parsing YAML alone, and against rendering.

    python tests/benchmarks/check.py [ISSUES]

The floor reads the same files and loads their front matter with PyYAML's C loader; the peer renders the same
files with Python-Markdown and the extensions an issue needs. The three take turns, so that a noisy machine
disturbs them alike; the medians of the rounds are compared. Last, the wall time of the command for one issue
is compared with that of `python -c "import typer"`, and of a Typer command that does nothing.
"""

from __future__ import annotations

import gc
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import markdown
import yaml

from newsletter.checks.run import check_files

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 5
STARTS = 15
# Typer itself imports pydantic as soon as a command has an argument to validate.
EMPTY_COMMAND = """
import typer
def main(path: str) -> None: pass
typer.run(main)
"""


def write_issues(folder: Path, count: int) -> list[Path]:
    """`count` issues of 1,200 words, made from this newsletter's own, each with its own number."""
    sources = [path.read_text("utf-8") for path in sorted((ROOT / "issues").glob("[0-9]*.md"))]
    images = folder / "images"
    # A link would lead out of the newsletter, which is a finding.
    shutil.copytree(ROOT / "issues" / "images", images)
    files = []
    for number in range(1, count + 1):
        text = sources[number % len(sources)]
        head, _, rest = text.partition("number: ")
        path = folder / f"{number:04}-issue.md"
        path.write_text(
            f"{head}number: {number}\nslug: issue-{number}\n{rest.partition(chr(10))[2]}", "utf-8"
        )
        files.append(path)
    return files


def floor(files: list[Path]) -> None:
    """Read each file and load its front matter."""
    for path in files:
        text = path.read_bytes().decode()
        yaml.load(text.split("---\n", 2)[1], Loader=yaml.CSafeLoader)


def peer(files: list[Path]) -> None:
    """Render each file with Python-Markdown."""
    renderer = markdown.Markdown(extensions=["tables", "fenced_code"])
    for path in files:
        renderer.reset().convert(path.read_text("utf-8").split("---\n", 2)[2])


def checked(files: list[Path]) -> None:
    """Check each file, and all of them against one another."""
    found = check_files(files)
    assert found == [], found[:3]


def cpu(work: Callable[[list[Path]], None], files: list[Path]) -> float:
    """CPU seconds of this process."""
    gc.collect()
    started = time.process_time()
    work(files)
    return time.process_time() - started


def wall(command: list[str], folder: Path) -> float:
    """Seconds a command takes."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_issues(folder, count)
        words = statistics.mean(len(path.read_text("utf-8").split()) for path in files[:10])
        few = files[: max(1, count // 20)]  # the peer is slow: a part of it is extrapolated
        times: dict[str, list[float]] = {"check": [], "floor": [], "peer": []}
        for _ in range(ROUNDS):
            times["floor"].append(cpu(floor, files))
            times["check"].append(cpu(checked, files))
            times["peer"].append(cpu(peer, few) * len(files) / len(few))
        median = {key: statistics.median(values) for key, values in times.items()}
        print(f"{count:,} issues of {words:,.0f} words, median of {ROUNDS} interleaved rounds, CPU")
        print(f"  check            {median['check']:.2f} s   {median['check'] / count * 1e3:.2f} ms an issue")
        print(
            f"  × floor          {median['check'] / median['floor']:.1f}   (read and YAML: {median['floor']:.2f} s)"
        )
        print(
            f"  × Markdown       {median['check'] / median['peer']:.3f}   (rendering: {median['peer']:.1f} s)"
        )

        report_start(folder, files[0])


def report_start(folder: Path, issue: Path) -> None:
    """The command's wall time beside that of the imports it can't do without."""
    binary = Path(sys.executable).parent
    python = str(binary / "python")
    commands = {
        "check of one issue": [str(binary / "newsletter"), "check", issue.name],
        "import typer": [python, "-c", "import typer"],
        "a Typer command that does nothing": [python, "-c", EMPTY_COMMAND, "-"],
        "import pydantic": [python, "-c", "import pydantic.main"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(STARTS):
        for name, command in commands.items():
            times[name].append(wall(command, folder))
    own = times.pop("check of one issue")
    print(f"newsletter check of one issue: {statistics.median(own) * 1e3:.0f} ms wall, median of {STARTS}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"  × {name:<34} {statistics.median(own) / median:.2f}   ({median * 1e3:.0f} ms)")


if __name__ == "__main__":
    main()
