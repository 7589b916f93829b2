"""How does the author look at the built site? The same files `newsletter serve` would show, on this machine alone.

A page that is open is shown anew when the site was built anew. The script that asks for it is added while a page is sent:
no file of the site has it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.app.http_server import Server
from newsletter.interrupts import told_on_signals
from newsletter.web.archive import Archive

_BUILT: Final = "/-/built"
_SCRIPT: Final = "/-/follow.js"
_FOLLOWING: Final = f"""\
const shown = document.currentScript.dataset.built;
const look = async () => {{
  try {{
    const answer = await fetch("{_BUILT}");
    const built = await answer.text();
    if (answer.ok && built && built !== shown) return location.reload();
  }} catch {{
    // Nothing is served now; it may be again.
  }}
  setTimeout(look, document.hidden ? 2000 : 500);
}};
setTimeout(look, 500);
"""
_NEW: Final = {"cache-control": "no-store"}
# A page with the script must not be taken for the file: it says which build it was sent of.
_OF_THE_FILE: Final = frozenset((b"content-length", b"etag", b"last-modified", b"cache-control"))
_UNWANTED: Final = frozenset((b"accept-encoding", b"if-none-match", b"if-modified-since"))


def site_app(folder: Path, base_url: str) -> Starlette:
    """The files of a site, below the path its address has."""
    archive = Archive(folder)

    async def built(_: Request) -> Response:
        return PlainTextResponse(await asyncio.to_thread(_which, folder), headers=_NEW)

    async def script(_: Request) -> Response:
        return Response(_FOLLOWING, media_type="text/javascript", headers=_NEW)

    following = [Route(_BUILT, built, methods=["GET"]), Route(_SCRIPT, script, methods=["GET"])]
    files = Route("/{page:path}", archive.page, methods=["GET"])
    root = urlsplit(base_url).path.rstrip("/")
    if root:
        home = Route("/", lambda _: RedirectResponse(f"{root}/"), methods=["GET"])
        app = Starlette(routes=[*following, Mount(root, routes=[files]), home])
    else:
        app = Starlette(routes=[*following, files])
    app.add_middleware(_Followed, folder=folder)
    return app


def _which(folder: Path) -> str:
    """Tells one build from the next: the folder is another, and so is the time of the mark in it."""
    try:
        found = folder.stat()
    except OSError:  # between the two renames of a system that can't swap
        return ""
    return f"{found.st_ino}-{found.st_mtime_ns}"


class _Followed:
    """Adds the script to every page.

    Args:
        app: what answers.
        folder: of the site.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app, self._folder = app, folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as `app` does, a page of HTML with the script at its end."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        headers = [pair for pair in scope["headers"] if pair[0] not in _UNWANTED]
        # Asked before the page is read: one that a build replaces in between is shown anew.
        shown = await asyncio.to_thread(_which, self._folder)
        end = f'<script src="{_SCRIPT}" data-built="{shown}"></script>\n</body>'.encode()
        start: Message | None = None
        body = b""

        async def changed(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                if not dict(message["headers"]).get(b"content-type", b"").startswith(b"text/html"):
                    await send(message)
                else:
                    start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                before, found, after = body.rpartition(b"</body>")
                page = before + end + after if found else body
                kept = [pair for pair in start["headers"] if pair[0] not in _OF_THE_FILE]
                kept += [(b"content-length", b"%d" % len(page)), (b"cache-control", b"no-store")]
                await send({**start, "headers": kept})
                await send({"type": "http.response.body", "body": page})

        await self._app({**scope, "headers": headers}, receive, changed)


def serve_folder(
    listening: socket.socket, folder: Path, base_url: str, host: str, told: Callable[[str], None]
) -> None:
    """Show a site until Ctrl-C.

    Args:
        listening: where it is asked for; a build may take a while, and whoever asks meanwhile waits for it.
        folder: of the site.
        base_url: whose path its addresses have.
        host: what `listening` is called.
        told: called with the site's address.
    """
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
        told(f"http://{shown}:{listening.getsockname()[1]}{urlsplit(base_url).path.rstrip('/')}/")
        server.run(sockets=[listening])
