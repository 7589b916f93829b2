"""Who may look at the preview? Only a browser on this machine that was given its address.

The server listens on 127.0.0.1 alone, answers only to its own names (a rebound DNS name is
refused), only below a path with a random token, only to GET, and never to another site's page.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.errors import UsageError
from newsletter.preview.studio import Studio, Viewer
from newsletter.preview.variants import Scheme, Variant
from newsletter.preview.watch import Watcher

HOST = "127.0.0.1"
STATIC = Path(__file__).parent / "static"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The email may style itself and show pictures, and nothing else; the sandbox holds in a tab of its own too.
_EMAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https: http:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin"
)
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
        if scope["method"] not in {"GET", "HEAD"}:
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


def make_app(studio: Studio) -> Starlette:
    """The studio's pages, unguarded: `Guard` stands before them."""
    static = {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in _TYPES}

    def page(_: Request) -> Response:
        return Response(
            static["studio.html"], media_type="text/html", headers={"content-security-policy": _PAGE_POLICY}
        )

    def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in static:
            return PlainTextResponse("There is no such file.\n", 404)
        return Response(static[name], media_type=_TYPES[Path(name).suffix])

    def email(request: Request) -> Response:
        frame = studio.frame(request.path_params["key"], _variant(request))
        headers = {"content-security-policy": _EMAIL_POLICY}
        if frame is None:
            return Response("<!doctype html><title>No picture yet</title><body>", 404, headers, "text/html")
        return Response(frame.whole, media_type="text/html", headers=headers)

    def eml(request: Request) -> Response:
        key = request.path_params["key"]
        picture = studio.picture(key)
        if picture is None:
            return PlainTextResponse("There is no such issue, or it can't be rendered.\n", 404)
        # A type no browser renders, and a name made of the file's own: letters, digits and dashes.
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in key)
        return Response(
            picture.message.raw,
            media_type="application/octet-stream",
            headers={"content-disposition": f'attachment; filename="{safe}.eml"'},
        )

    def image(request: Request) -> Response:
        found = studio.image(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such image.\n", 404)
        # SVG can hold script: opened by itself it gets a policy that runs none.
        headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
        headers["cache-control"] = "private, max-age=3600"  # the name holds the content's hash
        return Response(found.data, media_type=found.media_type, headers=headers)

    def events(request: Request) -> Response:
        stream = _events(studio, request.query_params.get("issue", ""), _variant(request))
        return StreamingResponse(stream, media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/static/{name}", asset),
            Route("/email/{key}", email),
            Route("/message/{key}", eml),
            Route("/images/{name}", image),
            Route("/events", events),
        ]
    )


async def _events(studio: Studio, key: str, variant: Variant) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def push(event: bytes | None) -> None:
        # The loop may have ended while a build was under way.
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, event)

    viewer = Viewer(key, variant, push)
    joining = loop.run_in_executor(None, studio.join, viewer)
    try:
        yield b"retry: 500\n\n"
        while (event := await queue.get()) is not None:
            yield event
    finally:
        studio.leave(viewer)
        joining.cancel()


def _variant(request: Request) -> Variant:
    try:
        scheme = Scheme(request.query_params.get("scheme", "light"))
    except ValueError:
        scheme = Scheme.LIGHT
    return Variant(scheme, request.query_params.get("images", "on") != "off")


class _Server(uvicorn.Server):
    """A uvicorn that sends the pages away when told to stop: an open event stream would hold it up."""

    def __init__(self, config: uvicorn.Config, studio: Studio) -> None:
        super().__init__(config)
        self._studio = studio

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._studio.close()
        super().handle_exit(sig, frame)


class PreviewServer:
    """A running preview: the socket, the studio and the watcher.

    Args:
        studio: what is shown.
        watcher: what tells of changes.
        port: 0 for any free one.

    Raises:
        UsageError: the port is taken or may not be used.
    """

    def __init__(self, studio: Studio, watcher: Watcher, port: int = 0) -> None:
        self._studio = studio
        self._watcher = watcher
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(16)
        guard = Guard(make_app(studio), self.port, self.token)
        config = uvicorn.Config(
            guard,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,
            ws="none",
        )
        self._server = _Server(config, studio)

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    def url_of(self, key: str) -> str:
        """The address that opens one issue."""
        return f"{self.url}#/{key}/email" if key else self.url

    def run(self) -> None:
        """Serve until interrupted or stopped."""
        self._watcher.start()
        indexer = threading.Thread(target=self._studio.check_all, name="check-all", daemon=True)
        indexer.start()
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._studio.close()
            self._watcher.stop()
            self._socket.close()

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._studio.close()
        self._server.should_exit = True

    @property
    def started(self) -> bool:
        """Whether it answers yet."""
        return self._server.started


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"port {port} on {HOST} can't be used: {reason}",
            hint="another program may listen there; leave --port out to take any free one",
        ) from None
    return listener
