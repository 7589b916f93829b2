"""`newsletter serve`: the public pages where people join and leave."""

from __future__ import annotations

import typer

from newsletter.app import open_workspace

app = typer.Typer()


@app.command()
def serve(
    host: str = typer.Option("", "--host", help="The address to listen on; 127.0.0.1 behind a proxy."),
    port: int = typer.Option(0, "--port", min=0, max=65535, help="The port to listen on."),
    workers: int = typer.Option(
        1, "--workers", min=1, max=64, help="Processes that answer, on the one port."
    ),
) -> None:
    """Serve the public pages: joining, confirming, leaving, preferences, webhooks.

    Ctrl-C or SIGTERM ends it when what was begun is finished.

    Example: newsletter serve --host 127.0.0.1 --port 8080
    """
    from newsletter.web.server import serve as run

    workspace = open_workspace()
    table = workspace.settings.web
    run(workspace, host or table.host, port or table.port, workers)
