"""What does every answer carry, and what does nobody ever see? Headers for all, and a page instead of a traceback."""

from __future__ import annotations

from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.web.errors import ErrorPages

# No script is inline and no asset is somebody else's.
POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A route that wants another value sets its own.
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY.encode()),
    # `no-referrer` would make the Origin of our own forms `null`.
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
)


class Protect:
    """ASGI middleware around the whole application.

    Args:
        app: the application.
        errors: draws the page of a defect.
    """

    def __init__(self, app: ASGIApp, errors: ErrorPages) -> None:
        self._app = app
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = message["headers"]
                present = {name for name, _ in given}
                message["headers"] = [*given, *(header for header in _HEADERS if header[0] not in present)]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception as error:
            if started:
                raise  # half an answer can't be taken back: the connection is closed
            await self._errors.defect(scope, error)(scope, receive, sent)
