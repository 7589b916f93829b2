"""What is behind the preview's addresses? Pages and parts of the studio, events, and the one thing that can be done there."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from newsletter.errors import NewsletterError
from newsletter.preview.events import explained
from newsletter.preview.guard import TEST_PATH
from newsletter.preview.pages import WebPages
from newsletter.preview.reader import offered_readers
from newsletter.preview.studio import Studio
from newsletter.preview.variants import Client, Scheme, Variant
from newsletter.preview.viewers import Push, Viewer

# Bytes: an address and an issue's name.
_LARGEST_POST = 4096
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
# The site's own scripts don't run here: its pages share an origin with the studio.
_SITE_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data: https: http:; font-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin"
)


def make_app(studio: Studio, pages: WebPages) -> Starlette:
    """The studio's pages, unguarded: `Guard` stands before them."""
    shown, actions = _Shown(studio, pages), _Actions(studio)
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

    def events(request: Request) -> Response:
        viewer = functools.partial(
            Viewer,
            request.query_params.get("issue", ""),
            _variant(request),
            reader=request.query_params.get("as", ""),
        )
        return StreamingResponse(_events(studio, viewer), media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/static/{name}", asset),
            Route("/email/{key}", shown.email),
            Route("/message/{key}", shown.eml),
            Route("/images/{name}", shown.image),
            Route("/web/{key}", shown.web),
            Route("/site/{scheme}/{key}/{name:path}", shown.site_file),
            Route("/readers", actions.readers),
            Route(TEST_PATH, actions.test, methods=["POST"]),
            Route("/events", events),
        ]
    )


class _Shown:
    """Answers with what an issue looks like."""

    def __init__(self, studio: Studio, pages: WebPages) -> None:
        self._studio, self._pages = studio, pages

    def email(self, request: Request) -> Response:
        reader = request.query_params.get("as", "")
        frame = self._studio.frame(request.path_params["key"], _variant(request), reader)
        headers = {"content-security-policy": _EMAIL_POLICY}
        if frame is None:
            return Response("<!doctype html><title>No picture yet</title><body>", 404, headers, "text/html")
        return Response(frame.whole, media_type="text/html", headers=headers)

    def eml(self, request: Request) -> Response:
        key = request.path_params["key"]
        picture = self._studio.picture(key, request.query_params.get("as", ""))
        if picture is None:
            return PlainTextResponse("There is no such issue, or it can't be rendered.\n", 404)
        # The HTML part alone is what other tools that look at mails ask for.
        html = request.query_params.get("part") == "html"
        # A type no browser renders, and a name made of the file's own: letters, digits and dashes.
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in key)
        return Response(
            picture.html.encode() if html else picture.message.raw,
            media_type="application/octet-stream",
            headers={"content-disposition": f'attachment; filename="{safe}.{"html" if html else "eml"}"'},
        )

    def image(self, request: Request) -> Response:
        found = self._studio.image(request.path_params["name"])
        if found is None:
            return PlainTextResponse("There is no such image.\n", 404)
        # SVG can hold script: opened by itself it gets a policy that runs none.
        headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
        headers["cache-control"] = "private, max-age=3600"  # the name holds the content's hash
        return Response(found.data, media_type=found.media_type, headers=headers)

    def web(self, request: Request) -> Response:
        found = self._pages.look(request.path_params["key"])
        if found is None:
            return PlainTextResponse("There is no such issue.\n", 404)
        # Escaped throughout: the name of a file may hold bytes that are no UTF-8.
        return Response(json.dumps(found), media_type="application/json")

    def site_file(self, request: Request) -> Response:
        given = request.path_params
        scheme = Scheme.DARK if given["scheme"] == Scheme.DARK else Scheme.LIGHT
        found = self._pages.file(given["key"], given["name"], scheme)
        headers = {"content-security-policy": _SITE_POLICY}
        if found is None:
            words = "<!doctype html><title>Not here</title><p>The preview has no such page.</p>"
            return Response(words, 404, headers, "text/html")
        return Response(found.content, media_type=found.media_type, headers=headers)


class _Actions:
    """Answers to what a page asks for beside pictures."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._sending = threading.Lock()

    def readers(self, request: Request) -> Response:
        try:
            found = offered_readers(self._studio.workspace, request.query_params.get("q", ""))
        except NewsletterError as error:
            return JSONResponse(explained(error), 400)
        return JSONResponse(found)

    async def test(self, request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > _LARGEST_POST:
                return PlainTextResponse("That is no address.\n", 413)
        try:
            asked = json.loads(body)
            key, address = str(asked["issue"]), str(asked["to"])
        except (ValueError, KeyError, TypeError):
            return PlainTextResponse("Name the issue and the address.\n", 400)
        return await run_in_threadpool(self._send, key, address)

    def _send(self, key: str, address: str) -> Response:
        # Two presses are two messages, one after the other.
        with self._sending:
            try:
                trial = self._studio.send_trial(key, address)
            except NewsletterError as error:
                return JSONResponse(explained(error), 400)
        return JSONResponse(asdict(trial))


async def _events(studio: Studio, make: Callable[[Push], Viewer]) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def push(event: bytes | None) -> None:
        # The loop may have ended while a build was under way.
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, event)

    viewer = make(push)
    joining = loop.run_in_executor(None, studio.join, viewer)
    try:
        yield b"retry: 500\n\n"
        while (event := await queue.get()) is not None:
            yield event
    finally:
        studio.leave(viewer)
        joining.cancel()


def _variant(request: Request) -> Variant:
    """What the address says of how an email is looked at; what it says wrongly is as if it weren't said."""
    asked = request.query_params
    scheme, client = asked.get("scheme", ""), asked.get("client", "")
    return Variant(
        Scheme(scheme) if scheme in set(Scheme) else Scheme.LIGHT,
        asked.get("images", "on") != "off",
        Client(client) if client in set(Client) else Client.FULL,
    )
