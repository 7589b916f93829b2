"""`newsletter export dataset`: the archive as examples for fine-tuning a chat model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from newsletter.app import open_workspace
from newsletter.cli.export_targets import refuse_own_files
from newsletter.cli.output import counted, print_json
from newsletter.cli.published import DRAFTS, published_or_exit, say_what_is_left_out
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.site.dataset import Dataset, Example

# Fewer are refused by OpenAI; the others are what its guide, and ours, call a beginning.
_FEWEST, _FEW = 10, 200
_METHOD: Final = (
    "estimated: a quarter of the bytes, at least the pieces cl100k_base cuts the text into beforehand, "
    "3 around each message and 3 before the answer"
)
_ADVICE: Final = (
    "A format or a tone takes some hundred consistent examples, a task with many edge cases thousands. "
    'Facts belong in retrieval, where they can be cited and corrected: newsletter ask "your question"'
)


def add_to(app: typer.Typer) -> None:
    """Make the command part of `newsletter export`."""
    app.command("dataset")(dataset)


def dataset(
    out: Path = typer.Option(
        ...,
        "--out",
        metavar="DIR",
        help="The folder for train.jsonl, validation.jsonl and report.json.",
    ),
    share: float = typer.Option(
        0.1,
        "--validation",
        min=0.01,
        max=0.9,
        help="The share of issues and guides that are held out to measure with.",
    ),
    drafts: bool = DRAFTS,
    as_json: bool = typer.Option(False, "--json", help="Print the report as JSON."),
) -> None:
    """Write examples for fine-tuning a chat model: notes and the section made of them, questions and answers.

    They teach format and tone. An issue is in one of the two files as a whole, always in the same one.

    Example: newsletter export dataset --out dataset
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", hint="name a folder for --out")
    workspace = open_workspace()
    files = [out / name for name in ("train.jsonl", "validation.jsonl", "report.json")]
    refuse_own_files(workspace, files)
    published = published_or_exit(workspace, drafts=drafts)
    from newsletter.cli.output import json_text
    from newsletter.site.dataset import as_jsonl, make_dataset
    from newsletter.site.whole_files import write_whole

    settings = workspace.settings
    made = make_dataset(published.issues, published.guides, settings.publication, settings.kinds, share)
    report = _report(made)
    texts = (as_jsonl(made.train), as_jsonl(made.validation), json_text(report) + "\n")
    write_whole(dict(zip(files, texts, strict=True)))
    if as_json:
        print_json({"out": str(out), **report})
        return
    for name, examples in (("train.jsonl", made.train), ("validation.jsonl", made.validation)):
        pages = len({example.page for example in examples})
        print(
            f"{out / name}: {counted(len(examples), 'example')} from {counted(pages, 'page')}, "
            f"about {sum(example.tokens for example in examples):,} tokens"
        )
    if made.copies:
        print(
            f"left out because another one says the same: {counted(len(made.copies), 'example')} (report.json)"
        )
    print(report["verdict"])
    print(_ADVICE)
    say_what_is_left_out(published, drafts=drafts)


def _report(made: Dataset) -> dict[str, Any]:
    return {
        "train": _part(made.train),
        "validation": _part(made.validation),
        "tokens": _METHOD,
        "copies": [
            {"id": example.id, "of": original.id, "exact": copy.exact}
            for example, original, copy in made.copies
        ],
        "verdict": _verdict(len(made.train)),
        "advice": _ADVICE,
    }


def _part(examples: Sequence[Example]) -> dict[str, Any]:
    return {
        "examples": len(examples),
        "tokens": sum(example.tokens for example in examples),
        "longest": max((example.tokens for example in examples), default=0),
        "tasks": {task: sum(example.task == task for example in examples) for task in ("section", "answer")},
        "pages": sorted({example.page for example in examples}),
        "ids": [example.id for example in examples],
    }


def _verdict(number: int) -> str:
    if not number:
        return "There are no examples to learn from."
    there = f"{counted(number, 'example')} to learn from"
    if number < _FEWEST:
        return f"{there}: too few for any fine-tune (OpenAI takes {_FEWEST} or more). Show them to the model in its prompt instead."
    if number < _FEW:
        return f"{there}: few. Try the best ten of them in a prompt first, and measure both against validation.jsonl."
    return f"{there}: enough to see whether it helps. Measure against a prompt with ten of them, on validation.jsonl."
