"""`newsletter serve`: the public pages where people join and leave."""

from __future__ import annotations

import sys

import typer

from newsletter.app import open_workspace
from newsletter.errors import UsageError

app = typer.Typer()


@app.command()
def serve(
    host: str = typer.Option("", "--host", help="The address to listen on; 127.0.0.1 behind a proxy."),
    port: int | None = typer.Option(
        None, "--port", min=0, max=65535, help="The port to listen on; 0 for any."
    ),
    workers: int = typer.Option(1, "--workers", min=1, max=64, help="Processes that answer, on one port."),
) -> None:
    """Serve the public pages: joining, confirming, leaving, preferences, webhooks.

    Ctrl-C or SIGTERM ends it when what was begun is finished.

    Example: newsletter serve --host 127.0.0.1 --port 8080
    """
    from newsletter.web.server import serve as run

    workspace = open_workspace()
    settings = workspace.settings
    if not settings.from_:
        # Without this a folder that is no newsletter would get a store and a key, and serve them.
        raise UsageError(
            f"{workspace.home} has no newsletter to serve: no sender is set",
            hint="go to its folder, or make one: newsletter init DIR",
        )
    table = settings.web

    def told(address: str) -> None:
        # What is asked for may be read by a program: the access log has the standard output to itself.
        print(f"{settings.name} is served on {address}; Ctrl-C ends it", file=sys.stderr, flush=True)
        if settings.base_url:
            print(f"Links in its mails lead to {settings.base_url}", file=sys.stderr, flush=True)

    run(workspace, host or table.host, table.port if port is None else port, workers, told=told)
