"""What a diagram costs: drawn in a process of its own, read again, and left out; beside merman and dot by themselves.

    python tests/benchmarks/diagrams.py

CPU medians, those of child processes included, so that the ratios hold on a busy machine.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from newsletter.model.publication import Theme  # noqa: E402
from newsletter.render.diagrams.drawers import drawer  # noqa: E402
from newsletter.render.diagrams.drawing import draw  # noqa: E402
from newsletter.render.diagrams.look import look_of  # noqa: E402
from newsletter.render.diagrams.source import Language  # noqa: E402
from newsletter.render.fonts import FAMILY, REGULAR, SEMI_BOLD  # noqa: E402
from newsletter.render.images import COLUMN  # noqa: E402
from newsletter.render.workshop import Workshop  # noqa: E402

MERMAID = """\
%% alt: A query goes to two indexes, whose ranks are fused.
flowchart TD
  Q[Query] --> B[BM25 index]
  Q --> V[Vector index]
  B -->|top 50| F{Fuse ranks}
  V -->|top 50| F
  F --> C[(Cross-encoder)]
  C --> A([Answer with citations])
"""
DOT = '// alt: The same.\ndigraph { Q -> B; Q -> V; B -> F [label="top 50"]; V -> F [label="top 50"]; F -> C -> A }\n'
RUNS = 15


def spent() -> float:
    """Seconds of CPU so far, of this process and of those that it started and saw end."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def cpu(work: Callable[[], object], runs: int = RUNS) -> float:
    """Milliseconds of CPU that `work` takes, as the median of some runs."""
    spans = []
    for _ in range(runs):
        before = spent()
        work()
        spans.append(spent() - before)
    return statistics.median(spans) * 1000


def line(name: str, milliseconds: float, limit: float) -> None:
    print(f"{name:<44} {milliseconds:8.2f} ms   {milliseconds / limit:7.3f}×")


def bare_mermaid() -> None:
    """merman and resvg as they come, in a process that has them loaded."""
    import merman
    import resvg_py

    svg = merman.Merman().render_svg(MERMAID, '{"svg":{"pipeline":"resvg-safe"}}')
    fonts = [str(REGULAR), str(SEMI_BOLD)]
    resvg_py.svg_to_bytes(
        svg_string=svg, zoom=2, skip_system_fonts=True, font_files=fonts, font_family=FAMILY
    )


def bare_dot() -> None:
    """Graphviz as it comes, with the machine's fonts."""
    subprocess.run(["dot", "-Tpng", "-Gdpi=192"], input=DOT.encode(), capture_output=True, check=True)


def main() -> None:
    """Print the table."""
    look = look_of(Theme())
    cases: list[tuple[Language, str, Callable[[], None]]] = []
    if drawer("mermaid"):
        cases.append(("mermaid", MERMAID, bare_mermaid))
    if shutil.which("dot"):
        cases.append(("dot", DOT, bare_dot))
    for language, source, bare in cases:
        limit = cpu(bare)
        line(f"{language}: by itself", limit, limit)
        drawn = cpu(partial(draw, language, source, look, COLUMN))
        line(f"{language}: drawn, in a process of its own", drawn, limit)
        with tempfile.TemporaryDirectory() as folder:
            again = partial(Workshop(Path(folder), Theme(), COLUMN).draw, language, source)
            again()
            line(f"{language}: drawn before", cpu(again, 200), limit)


if __name__ == "__main__":
    main()
