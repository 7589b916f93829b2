"""`newsletter export questions`: the bank of interview questions as JSON, CSV, or cards for Anki."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import typer

from newsletter.app import open_workspace
from newsletter.cli.export_targets import refuse_own_files
from newsletter.cli.output import counted, print_json
from newsletter.cli.published import DRAFTS, published_or_exit, say_what_is_left_out
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.site.questions_export import Form

_ENDINGS: Final[dict[str, Form]] = {".json": "json", ".csv": "csv", ".tsv": "anki", ".txt": "anki"}
_NAMES: Final[dict[Form, str]] = {"json": "questions.json", "csv": "questions.csv", "anki": "questions.tsv"}


def add_to(app: typer.Typer) -> None:
    """Make the command part of `newsletter export`."""
    app.command("questions")(questions)


def questions(
    out: Path = typer.Option(
        ..., "--out", metavar="PATH", help="A file, or a folder for all forms; - for standard output."
    ),
    format_: str = typer.Option(
        "", "--format", metavar="FORMAT", help="json, csv or anki; by the file's ending unless given."
    ),
    drafts: bool = DRAFTS,
    as_json: bool = typer.Option(False, "--json", help="Print what was written as JSON."),
) -> None:
    """Write the interview questions of sent issues, each with answer, level, topics and address.

    Anki takes the file as it is (File, Import): a card that is there already gets the new words and keeps its schedule.

    Example: newsletter export questions --out questions.tsv
    Example: newsletter export questions --out bank/
    """
    chosen = _targets(out, format_)
    if as_json and str(out) == "-":
        raise UsageError(
            "--json prints what was written, and standard output gets the questions themselves",
            hint="leave out --json, or name a file for --out",
        )
    workspace = open_workspace()
    refuse_own_files(workspace, (path for path in chosen if str(path) != "-"))
    published = published_or_exit(workspace, drafts=drafts)
    from newsletter.site.questions_export import bank, questions_of
    from newsletter.site.whole_files import write_whole

    publication, site = workspace.settings.publication, workspace.settings.site
    found = questions_of(published.issues, publication.base_url)
    texts = {
        path: bank(found, form, publication, licence=site.licence, licence_url=site.licence_url)
        for path, form in chosen.items()
    }
    if str(out) == "-":
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr] # it is a text file
        sys.stdout.write(texts[out])
        return
    write_whole(texts)
    if as_json:
        levels = sorted({question.level for question in found} - {""})
        print_json(
            {
                "questions": len(found),
                "levels": {level: sum(question.level == level for question in found) for level in levels},
                "files": [{"path": str(path), "format": form} for path, form in chosen.items()],
            }
        )
        return
    print(f"{counted(len(found), 'question')} written to {', '.join(map(str, chosen))}")
    say_what_is_left_out(published, drafts=drafts)


def _targets(out: Path, format_: str) -> dict[Path, Form]:
    """Which file gets which form.

    Raises:
        UsageError: there is no such form, or nothing tells which one is wanted.
    """
    if format_ and format_ not in _NAMES:
        raise UsageError(f"there is no format `{format_}`", hint="it is json, csv or anki")
    wanted = cast("Form", format_)
    if str(out) == "-":
        if not format_:
            raise UsageError("standard output has no ending that tells the format", hint="add --format json")
        return {out: wanted}
    if out.is_dir() or (not out.suffix and not format_):
        return {out / name: form for form, name in _NAMES.items() if format_ in {"", form}}
    if format_:
        return {out: wanted}
    if out.suffix.lower() not in _ENDINGS:
        raise UsageError(
            f"{out} has an ending that tells no format",
            hint="end it with .json, .csv or .tsv, or add --format json, csv or anki",
        )
    return {out: _ENDINGS[out.suffix.lower()]}
