"""How does the author look at the built site? The same files `newsletter serve` would show, on this machine alone."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route

from newsletter.interrupts import told_on_signals
from newsletter.web.archive import Archive
from newsletter.web.server import Server


def site_app(folder: Path, base_url: str) -> Starlette:
    """The files of a site, below the path its address has."""
    archive = Archive(folder)
    files = Route("/{page:path}", archive.page, methods=["GET"])
    root = urlsplit(base_url).path.rstrip("/")
    if not root:
        return Starlette(routes=[files])
    return Starlette(
        routes=[
            Mount(root, routes=[files]),
            Route("/", lambda _: RedirectResponse(f"{root}/"), methods=["GET"]),
        ]
    )


def serve_folder(folder: Path, base_url: str, host: str, port: int, told: Callable[[str], None]) -> None:
    """Show a site until Ctrl-C; `told` is called with its address.

    Raises:
        OSError: the port is taken.
    """
    with socket.create_server((host, port)) as listening:
        bound = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        config = uvicorn.Config(
            site_app(folder, base_url),
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = Server(config)

        def end() -> None:
            server.should_exit = True

        with told_on_signals(end):
            told(f"http://{shown}:{bound}{urlsplit(base_url).path.rstrip('/')}/")
            server.run(sockets=[listening])
