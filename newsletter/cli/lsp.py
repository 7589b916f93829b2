"""`newsletter lsp`: the checker for editors."""

from __future__ import annotations

import sys

import typer

from newsletter.errors import UsageError
from newsletter.interrupts import end_server, told_on_signals

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command("lsp")
def lsp() -> None:
    """Serve an editor by the Language Server Protocol, over standard input and output.

    It tells findings while you write, completes keys, values and headings, and explains what is wrong
    on hover. Editors start it themselves: name it as the language server of Markdown files.

    Example: newsletter lsp
    """
    try:
        from newsletter.editor.server import make_server
    except ModuleNotFoundError as error:
        if error.name not in {"pygls", "lsprotocol"}:
            raise
        raise UsageError(
            "the language server needs pygls, which isn't installed",
            hint="pip install 'newsletter-toolkit[lsp]'",
        ) from None
    if sys.stdin.isatty():
        print("waiting for an editor on standard input; Ctrl-C ends it", file=sys.stderr)
    # It writes nothing that could be half done, and the thread that reads standard input would outlive an exception.
    with told_on_signals(end_server):
        make_server().start_io()
