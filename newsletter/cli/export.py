"""`newsletter export`: the archive in the forms that other programs take."""

from __future__ import annotations

import typer

from newsletter.cli import export_corpus, export_dataset, export_questions

app = typer.Typer(
    name="export",
    help="Write the archive for other programs: passages, interview questions, training data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
export_corpus.add_to(app)
export_questions.add_to(app)
export_dataset.add_to(app)
