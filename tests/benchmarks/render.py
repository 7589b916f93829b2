"""What does rendering cost? CPU milliseconds of a whole issue, of one edit, and their ratio to bare Python-Markdown.

    .venv/bin/python tests/benchmarks/render.py [RUNS]

Goals: 20 ms for a 1,200-word issue, 4 ms after an edit to one section.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from markdown import Markdown

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from newsletter.model.issue import Issue  # noqa: E402 - the script is run from anywhere
from newsletter.render.dialect import stretches  # noqa: E402
from newsletter.render.highlight import highlight  # noqa: E402
from newsletter.render.inline_css import inlined  # noqa: E402
from newsletter.render.text import _written  # noqa: E402
from tests.render.rendering import read, renderer  # noqa: E402


def cpu_ms(work: Callable[[], object], runs: int) -> float:
    """Median CPU milliseconds of `work`, of this thread alone."""
    spans = []
    for _ in range(runs):
        start = time.thread_time()
        work()
        spans.append(time.thread_time() - start)
    return statistics.median(spans) * 1000


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    path = ROOT / "issues" / "001-rag-or-fine-tuning.md"
    source = path.read_text("utf-8").split("---\n", 2)[2]
    issue = read(path)
    shared = renderer(answer_in_email=True)
    first = shared.render(issue)
    numbers = itertools.count()

    def forget() -> None:
        for kept in (shared._pieces._kept, shared._bodies, shared._texts):
            kept.clear()
        _written.cache_clear()
        highlight.cache_clear()
        stretches.cache_clear()

    def whole() -> None:
        forget()
        shared.render(issue)

    def edited(section: int) -> Issue:
        old = issue.sections[section]
        body = replace(old.body, text=f"{old.body.text} Edit {next(numbers)}.")
        sections = list(issue.sections)
        sections[section] = old.model_copy(update={"body": body})
        return issue._replace(sections=tuple(sections))

    markdown = Markdown(extensions=["tables", "fenced_code", "footnotes"])

    def bare() -> None:
        markdown.reset()
        markdown.convert(source)

    bare_ms = cpu_ms(bare, runs)
    print(
        f"{path.name}: {len(source.split()):,} words, {len(first.html.encode()):,} bytes of HTML, CPU medians of {runs}"
    )
    print(f"{'bare Python-Markdown':34}{bare_ms:7.2f} ms   1.00×")
    whole_ms = cpu_ms(whole, runs)
    print(f"{'whole issue, HTML and text':34}{whole_ms:7.2f} ms  {whole_ms / bare_ms:5.2f}×  (goal 20 ms)")
    shared.render(issue)
    for at, section in enumerate(issue.sections):
        edit_ms = cpu_ms(lambda at=at: shared.render(edited(at)), runs)  # type: ignore[misc]
        print(
            f"{'after an edit to ' + section.kind:34}{edit_ms:7.2f} ms  {edit_ms / bare_ms:5.2f}×  (goal 4 ms)"
        )
    unchanged_ms = cpu_ms(lambda: shared.render(issue), runs)
    print(f"{'nothing changed':34}{unchanged_ms:7.2f} ms  {unchanged_ms / bare_ms:5.2f}×")
    css_ms = cpu_ms(lambda: inlined(first.html, shared._css), runs)
    print(f"{'of which css-inline':34}{css_ms:7.2f} ms  {css_ms / whole_ms:5.0%} of a whole issue")


if __name__ == "__main__":
    main()
