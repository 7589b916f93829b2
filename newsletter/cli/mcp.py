"""`newsletter mcp`: the archive for programs that speak the Model Context Protocol, over standard input and output."""

from __future__ import annotations

import sys

import typer

from newsletter.app import open_workspace
from newsletter.errors import UsageError
from newsletter.interrupts import end_server, told_on_signals

app = typer.Typer()


@app.command("mcp")
def mcp_(
    drafts: bool = typer.Option(False, "--drafts", help="Offer what isn't published as well."),
) -> None:
    """Offer the archive to an assistant: search, get and cite, read-only (Model Context Protocol, stdio).

    It needs the extra `mcp`. An assistant starts it itself; in its settings write the command `newsletter`, the
    argument `mcp`, and the newsletter's folder as NEWSLETTER_HOME in the environment.

    Example: newsletter mcp
    """
    try:
        from newsletter.cli.mcp_server import archive_server
    except ImportError as error:
        raise UsageError(
            f"the MCP server needs the package `mcp` ({error})", hint='pip install "newsletter-toolkit[mcp]"'
        ) from None
    from newsletter.cli.archive_index import current_index, refuse_where_no_archive_is
    from newsletter.site.archive_tools import ArchiveTools

    workspace = open_workspace()
    refuse_where_no_archive_is(workspace)
    settings = workspace.settings
    tools = ArchiveTools(settings.name, settings.language, lambda: current_index(workspace, drafts=drafts))
    if sys.stdin.isatty():
        print("waiting for a program that speaks MCP on standard input; Ctrl-C ends it", file=sys.stderr)
    # What it writes is the index, which a crash leaves whole; the thread that reads standard input would outlive an exception.
    with told_on_signals(end_server):
        archive_server(settings.name, tools).run("stdio")
