"""What did a benchmark find, and is that what was asked for? Rows of one table, as the README shows it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        work: what was done.
        found: the figure, with its unit.
        target: what was asked for; empty where nothing was.
        met: whether it is; None where nothing was asked for.
    """

    work: str
    found: str
    target: str = ""
    met: bool | None = None


def at_least(work: str, ratio: float, target: float, peer: str) -> Row:
    """A speed as a multiple of a peer's."""
    found = f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"
    return Row(work, f"{found} × {peer}", f"≥ {target:g} ×", ratio >= target)


def at_most(work: str, value: float, target: float, unit: str) -> Row:
    """A cost."""
    return Row(work, f"{value:,.1f} {unit}", f"≤ {target:g} {unit}", value <= target)


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    verdict = {True: "met", False: "**missed**", None: ""}
    lines = [f"| {row.work} | {row.found} | {row.target} | {verdict[row.met]} |" for row in rows]
    return "\n".join(["| Work | Measured | Target | |", "|---|---|---|---|", *lines])


def add_option(parser: argparse.ArgumentParser) -> None:
    """The option by which one benchmark hands its rows to another that collects them."""
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)


def report(rows: Sequence[Row], file: Path | None) -> None:
    """Print the rows, or hand them over to whoever asked for them in `file`."""
    if file is None:
        print(f"\n{markdown(rows)}")
        return
    with file.open("a", encoding="utf-8") as out:
        out.writelines(json.dumps(asdict(row)) + "\n" for row in rows)


def collected(file: Path) -> list[Row]:
    """What was handed over in `file`."""
    return [Row(**json.loads(line)) for line in file.read_text("utf-8").splitlines()]
