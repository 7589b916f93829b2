"""`newsletter export`: the archive in the forms that other programs take."""

from __future__ import annotations

import typer

from newsletter.cli import export_questions

app = typer.Typer(
    name="export",
    help="Write the archive for other programs: interview questions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
export_questions.add_to(app)
