"""What if `base_url` has a path? The service answers below it, whether or not a proxy in front has taken it off."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_MOVED: Final = 308
_READING: Final = frozenset({"GET", "HEAD"})


class Below:
    """ASGI middleware around everything else: from here on the path has `root` at its beginning, and so have all links.

    Args:
        app: the application.
        root: the path of `base_url`, with a slash before it and none behind.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._there = f"{root}/".encode("ascii")
        # A server hands paths over decoded.
        self._root = unquote(root)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, root = scope["path"], self._root
        if path == root and scope["method"] in _READING:
            # Relative links of a page there would lead beside it.
            headers = [(b"location", self._there), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": _MOVED, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        if not path.startswith(f"{root}/"):
            path = root + path
        await self._app({**scope, "path": path, "root_path": root}, receive, send)
