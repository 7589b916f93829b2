"""`newsletter eval`: how often `ask` finds the passage that answers, on questions whose answer is known."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.export_targets import refuse_own_files
from newsletter.cli.output import counted, from_here, paint, print_json
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.site.evaluation import Case, Evaluation, Judged
    from newsletter.site.passage import Passage

app = typer.Typer()

_FILE: Final = "eval.jsonl"
_EASY: Final = "These are easy: each question's own words stand above the passage to be found. Paraphrase them to measure more."
# How many of what was found instead are named.
_INSTEAD: Final = 3


@app.command("eval")
def evaluate_(
    file: Path | None = typer.Argument(
        None,
        metavar="FILE",
        help=f"Questions and anchors, as JSONL, CSV or TSV; issues/{_FILE} unless given.",
    ),
    questions: bool = typer.Option(
        False, "--questions", help="Take the questions that the archive asks itself, instead of a file."
    ),
    out: Path | None = typer.Option(
        None, "--out", metavar="FILE", help="With --questions: write them to a file, to be paraphrased."
    ),
    at: str = typer.Option(
        "1,3,5,10", "--k", metavar="NUMBERS", help="How many of the first passages count."
    ),
    drafts: bool = typer.Option(False, "--drafts", help="Search what isn't published as well."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Measure retrieval: recall among the first passages, and the rank of the first that answers.

    A line of the file is {"question": "…", "anchors": ["slug#concept"]}; without anchors nothing should answer it.
    An anchor that no passage has is named, and leaves with 1.

    Example: newsletter eval
    Example: newsletter eval --questions --out issues/eval.jsonl
    """
    from newsletter.cli.archive_index import current_index
    from newsletter.site.evaluation import cases_as_jsonl, evaluate, questions_asked, read_cases
    from newsletter.site.retrieval import Retriever
    from newsletter.site.whole_files import write_whole

    depths = _depths(at)
    _refuse_contradictions(file, out, questions=questions)
    workspace = open_workspace()
    if out is not None:
        refuse_own_files(workspace, (out,))
    path = None if questions else _file(workspace, file)
    cases = read_cases(path) if path is not None else []
    with current_index(workspace, drafts=drafts) as index:
        passages = index.passages()
        if questions:
            cases = questions_asked(passages)
        done = evaluate(Retriever(index, workspace.settings.language), passages, cases, max(depths))
    if out is not None:
        write_whole({out: cases_as_jsonl(cases)})
    where = str(from_here(path)) if path is not None else "the archive's own questions"
    if as_json:
        print_json(_as_json(where, done, depths))
    else:
        _print(where, done, depths, passages)
        if questions and cases:
            print(_EASY)
        if out is not None:
            print(f"{counted(len(cases), 'question')} written to {out}")
        if not passages:
            print(
                "nothing is published yet" + ("" if drafts else "; --drafts takes what was not sent"),
                file=sys.stderr,
            )
    if done.unknown:
        raise typer.Exit(1)


def _refuse_contradictions(file: Path | None, out: Path | None, *, questions: bool) -> None:
    if questions and file is not None:
        raise UsageError(
            "there is a file, and --questions takes the archive's own", hint="leave out one of them"
        )
    if out is not None and not questions:
        raise UsageError("--out writes the archive's own questions", hint="add --questions")
    if out is not None and out.exists():
        raise UsageError(
            f"{out} is there already", hint="name another file: yours may be paraphrased by hand"
        )


def _depths(at: str) -> list[int]:
    numbers = re.split(r"[\s,]+", at.strip())
    if not all(re.fullmatch(r"[1-9]\d{0,2}", number) for number in numbers):
        raise UsageError(f"--k {at} is no list of numbers from 1 to 999", hint="write it as --k 1,3,5,10")
    return sorted(set(map(int, numbers)))


def _file(workspace: Workspace, file: Path | None) -> Path:
    path = file if file is not None else workspace.issues_dir / _FILE
    if not path.is_file():
        raise UsageError(
            f"there are no questions in {from_here(path)}",
            hint=f"make a first file: newsletter eval --questions --out {from_here(workspace.issues_dir / _FILE)}",
        )
    return path


def _print(where: str, done: Evaluation, depths: Sequence[int], passages: Sequence[Passage]) -> None:
    from newsletter.cli.terminal_text import printable

    number = len(done.answerable)
    beside = f", {len(done.others)} that nothing answers" if done.others else ""
    print(f"{where}: {counted(number, 'question')}{beside}, {counted(len(passages), 'passage')}")
    if number:
        print(f"\n{'among the first':>16}  recall  questions answered")
        for depth in depths:
            print(f"{depth:>16}  {done.recall(depth):>6.3f}  {done.hits(depth):>18.3f}")
        print(f"\nmean reciprocal rank {done.mrr:.3f}")
    if done.turned_away:
        print(f"turned away although there is an answer: {done.turned_away} of {number}")
    if done.others:
        print(
            f"turned away because there is none: {done.rightly_turned_away} of {len(done.others)} "
            f"(precision {done.silence_precision:.3f}, recall {done.silence_recall:.3f})"
        )
    for judged in done.answerable:
        if not judged.rank:
            print(f"\n{_missed(judged, max(depths))}")
    for case, anchor in done.unknown:
        print(
            f"{_place(where, case)}: {paint('no passage', 31)} has the anchor {printable(anchor)}",
            file=sys.stderr,
        )


def _missed(judged: Judged, depth: int) -> str:
    from newsletter.cli.terminal_text import printable

    instead = "".join(f"\n  found     {id_}" for id_ in judged.found[:_INSTEAD]) or "\n  found     nothing"
    expected = "".join(f"\n  expected  {id_}" for id_ in judged.expected)
    return f"not among the first {depth}: {paint(printable(judged.case.question), 1)}{expected}{instead}"


def _place(where: str, case: Case) -> str:
    return f"{where}:{case.line}" if case.line else where


def _as_json(where: str, done: Evaluation, depths: Sequence[int]) -> dict[str, Any]:
    return {
        "questions": where,
        "answerable": len(done.answerable),
        "unanswerable": len(done.others),
        "recall": {str(depth): round(done.recall(depth), 4) for depth in depths},
        "answered": {str(depth): round(done.hits(depth), 4) for depth in depths},
        "mrr": round(done.mrr, 4),
        "turned_away": {
            "answerable": done.turned_away,
            "unanswerable": done.rightly_turned_away,
            "precision": round(done.silence_precision, 4),
            "recall": round(done.silence_recall, 4),
        },
        "cases": [
            {
                "question": judged.case.question,
                "expected": list(judged.expected),
                "rank": judged.rank or None,
                "found": list(judged.found),
                "answered": judged.answered,
            }
            for judged in (*done.answerable, *done.others)
        ],
        "unknown_anchors": [
            {"line": case.line, "question": case.question, "anchor": anchor} for case, anchor in done.unknown
        ],
    }
