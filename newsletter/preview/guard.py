"""Who may look at the preview? Only a browser on this machine that was given its address.

The server listens on 127.0.0.1 alone, answers only to its own names (a rebound DNS name is
refused), only below a path with a random token, and never to another site's page. One thing can be
done there and not only read: a test message, by a POST that says it comes from our own page.
"""

from __future__ import annotations

import secrets

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The one address that takes a POST.
TEST_PATH = "/test"
_ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """Refuses every request that doesn't come from the page whose address we printed.

    Args:
        app: what is guarded.
        port: ours; it is part of the names we answer to.
        token: the first part of every path.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        names = ("127.0.0.1", "localhost")
        self._hosts = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())
        self._origins = {f"http://{host}" for host in self._hosts}
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request (ASGI)."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        prefix = f"/{self._token.decode()}"
        inner = {**scope, "path": scope["path"].removeprefix(prefix), "root_path": ""}
        await self._app(inner, receive, _with_headers(send))

    def _refusal(self, scope: Scope) -> Response | None:
        headers = dict(scope["headers"])
        # DNS rebinding: a hostile page's own name may point here, but its Host header says so.
        if headers.get(b"host", b"").decode("latin-1").lower() not in self._hosts:
            return PlainTextResponse("This server answers to 127.0.0.1 only.\n", 421)
        posted = scope["method"] == "POST" and scope["path"] == f"/{self._token.decode()}{TEST_PATH}"
        if scope["method"] not in {"GET", "HEAD"} and not posted:
            return PlainTextResponse("The preview can only be read.\n", 405, {"allow": "GET, HEAD"})
        given = scope["path"].lstrip("/").partition("/")[0].encode()
        if not secrets.compare_digest(given, self._token):
            return PlainTextResponse(
                "This address is not of a running preview. Use the one `newsletter preview` printed.\n", 403
            )
        origin = headers.get(b"origin", b"").decode("latin-1")
        site = headers.get(b"sec-fetch-site", b"none")
        if (origin and origin not in self._origins) or site not in {b"none", b"same-origin"}:
            return PlainTextResponse("Another site may not read the preview.\n", 403)
        if posted and (
            # A browser names the origin of every POST, and no other site's page may send JSON unasked (Fetch, "CORS-safelisted").
            origin not in self._origins
            or headers.get(b"content-type", b"").partition(b";")[0].strip() != b"application/json"
        ):
            return PlainTextResponse("Only the preview's own page may send a test.\n", 403)
        return None


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            have = {name for name, _ in message["headers"]}
            extra = {**_ALWAYS, "cache-control": "no-store"}
            message["headers"] = [
                *message["headers"],
                *((n.encode(), v.encode()) for n, v in extra.items() if n.encode() not in have),
            ]
        await send(message)

    return wrapped
