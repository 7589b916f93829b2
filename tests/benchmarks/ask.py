"""How well is a question answered from the shipped archive, and how well is it known that nothing answers?

    python tests/benchmarks/ask.py

Chooses the threshold of `newsletter ask` on two files of questions (issues/eval.jsonl, in readers' words, and
issues/eval-hard.jsonl, in other words than the passages and with others of the same field that nothing answers), and
reports on a third that nothing was chosen on, issues/eval-held-out.jsonl, as hard as the second. Both classes count
alike, however many questions each has.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from newsletter.app import open_workspace  # noqa: E402 - found above
from newsletter.site.evaluation import Case, evaluate, read_cases  # noqa: E402
from newsletter.site.index import SearchIndex  # noqa: E402
from newsletter.site.retrieval import ENOUGH, Retriever  # noqa: E402

# A passage that doesn't answer is seen through at once; what is withheld is never seen.
SILENCE_COSTS = 3
CHOSEN_ON = ("eval.jsonl", "eval-hard.jsonl")
REPORTED_ON = "eval-held-out.jsonl"


def cost(coverages: Sequence[tuple[float, bool]], enough: float) -> float:
    """Of a question: what it costs to be turned away from an answer, or given one that is none."""
    answerable = [coverage for coverage, answered in coverages if answered]
    others = [coverage for coverage, answered in coverages if not answered]
    silent = sum(coverage < enough for coverage in answerable) / len(answerable)
    wrong = sum(coverage >= enough for coverage in others) / len(others)
    return SILENCE_COSTS * silent + wrong


def choose(retriever: Retriever, cases: Sequence[Case]) -> None:
    coverages = [(retriever.retrieve(case.question).coverage, bool(case.anchors)) for case in cases]
    costs = {enough / 100: cost(coverages, enough / 100) for enough in range(51)}
    best = min(costs.values())
    cheapest = [enough for enough, each in costs.items() if each < best + 0.001]
    print(f"cost of a question, where silence costs {SILENCE_COSTS} wrong answers:")
    for enough in (0.0, 0.1, 0.14, 0.16, 0.18, 0.2, 0.22, 0.25, 0.3, 0.5):
        print(f"  threshold {enough:.2f}: {costs[enough]:.3f}")
    print(
        f"cheapest {cheapest[0]:.2f} to {cheapest[-1]:.2f} ({best:.3f}); shipped {ENOUGH} ({costs[ENOUGH]:.3f})"
    )


def main() -> None:
    files = open_workspace(ROOT).archive_files(drafts=True)
    with tempfile.TemporaryDirectory() as folder, SearchIndex(Path(folder, "search.db"), "en") as index:
        index.update(files)
        retriever = Retriever(index, "en")
        choose(retriever, [case for name in CHOSEN_ON for case in read_cases(ROOT / "issues" / name)])
        for name in (*CHOSEN_ON, REPORTED_ON):
            done = evaluate(retriever, index.passages(), read_cases(ROOT / "issues" / name), 10)
            recalls = ", ".join(f"@{k} {done.recall(k):.3f}" for k in (1, 3, 5, 10))
            print(f"{name}: {len(done.answerable)} answerable, {len(done.others)} not")
            print(f"  recall {recalls}; mean reciprocal rank {done.mrr:.3f}")
            print(
                f"  nothing answers: precision {done.silence_precision:.3f}, recall {done.silence_recall:.3f}"
            )


if __name__ == "__main__":
    main()
