"""`newsletter subscribers import | export`: people from a file and into one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from newsletter.cli.output import counted, print_error, print_json
from newsletter.cli.people import JSON, STATUS, TAG, opened_audience, people_filter, status_named
from newsletter.cli.progress_bar import ProgressBar
from newsletter.errors import NewsletterError, UsageError

if TYPE_CHECKING:
    from newsletter.audience.membership import Audience
    from newsletter.audience.transfer import ImportResult

_STDIN = Path("/dev/stdin")


def add_to(app: typer.Typer) -> None:
    """Make the commands part of `newsletter subscribers`."""
    app.command("import")(import_)
    app.command("export")(export)


def import_(
    file: Path = typer.Argument(
        ..., metavar="FILE", help="A CSV file with a header line; - for standard input."
    ),
    map_: list[str] = typer.Option(
        [], "--map", metavar="WHAT=COLUMN", help='Name a column: --map email="Your column".'
    ),
    status: str = typer.Option(
        "", "--status", metavar="STATUS", help="Of rows that name none; active unless you say so."
    ),
    tag: list[str] = typer.Option([], "--tag", metavar="TAG", help="A tag for every row; repeat for more."),
    consent: str = typer.Option(
        "", "--consent", metavar="TEXT", help="How these people agreed, for the consent record."
    ),
    raw: bool = typer.Option(False, "--raw", help="The file was exported with --raw."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Count, change nothing."),
    json_: bool = JSON,
) -> None:
    """Bring in the people of a CSV file; all of it, or nothing. Running it again changes nothing more.

    Nobody who left comes back; rows marked unsubscribed, bounced or complained are taken as such.
    Rows that can't be used are put into a file of their own, with line and reason.

    Example: newsletter subscribers import list.csv --map email="E-mail (work)" --tag beta --dry-run
    """
    from newsletter.audience.columns import clean_tags, clean_text
    from newsletter.audience.transfer import ImportOptions, import_csv

    options = ImportOptions(
        mapping=dict(map(_mapping, map_)),
        status=status_named(status),
        tags=clean_tags(tag),
        raw=raw,
        dry_run=dry_run,
        attestation=clean_text(consent),
    )
    with opened_audience() as audience, ProgressBar() as report:
        try:
            result = import_csv(audience, _STDIN if str(file) == "-" else file, options, report)
        except KeyboardInterrupt:
            _explain_interruption(audience)
            raise typer.Exit(130) from None
    _print_import(result, dry_run=dry_run, json_=json_)


def export(
    out: Path | None = typer.Option(None, "--out", help="The file to write; standard output if none."),
    format_: str = typer.Option("csv", "--format", metavar="FORMAT", help="csv or jsonl."),
    status: str = STATUS,
    tag: str = TAG,
    raw: bool = typer.Option(
        False, "--raw", help="Leave cells as they are; by default a spreadsheet can't be made to run one."
    ),
) -> None:
    """Write people to a file that `import`, spreadsheets and other products read.

    Example: newsletter subscribers export --status active --out active.csv
    """
    if format_ not in {"csv", "jsonl"}:
        raise UsageError(f"there is no format `{format_}`", hint="it is csv or jsonl")
    which = people_filter(status, tag, "", 0)
    form: Literal["csv", "jsonl"] = "csv" if format_ == "csv" else "jsonl"
    with opened_audience() as audience, ProgressBar() as report:
        from newsletter.audience.export import export_file, export_stream

        if out is None or str(out) == "-":
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr] # it is a text file
            export_stream(audience.database, which, sys.stdout, form, raw=raw)
            return
        number = export_file(audience.database, which, out, form, raw=raw, progress=report)
    print(f"{counted(number, 'person', 'people')} written to {out}", file=sys.stderr)


def _mapping(text: str) -> tuple[str, str]:
    what, equals, column = text.partition("=")
    if not equals or not column:
        raise UsageError(f"--map {text} names no column", hint='write it as --map email="Your column"')
    return what.strip().lower(), column


def _print_import(result: ImportResult, *, dry_run: bool, json_: bool) -> None:
    counts = result.counts
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    if json_:
        print_json(
            {
                "added": counts.added,
                "updated": counts.updated,
                "unchanged": counts.unchanged,
                "suppressed": counts.suppressed,
                "rejected": counts.rejected,
                "errors_file": counts.errors_file or None,
            }
        )
        return
    if dry_run:
        print("this is what would happen; nothing is changed")
    for label in ("added", "updated", "unchanged", "suppressed", "rejected"):
        print(f"{label:11}{getattr(counts, label):>12,}")
    if counts.errors_file:
        print(f"rejected rows, with line and reason: {counts.errors_file}")


def _explain_interruption(audience: Audience) -> None:
    from newsletter.store.imports import pending_imports

    try:
        merging = pending_imports(audience.database)
    except NewsletterError:
        merging = []
    if merging:
        print_error("interrupted while merging", "the rest is merged as soon as any command opens the list")
    else:
        print_error("interrupted; nothing was imported", "")
