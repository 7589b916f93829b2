"""What was answered, and how long did it take? Told to whoever counts or writes it down; paths as route templates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Anybody can send any method; what counts by method must not grow with them.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE"})
UNMATCHED: Final = "unmatched"
# Who went away before the answer was given one, in the numbers of nginx.
_GONE: Final = 499


class Answered(NamedTuple):
    """One request, without anything that names a person.

    Attributes:
        method: `other` where nobody ever heard of it.
        route: the template of its path; `unmatched` where there is none.
        seconds: from the request's head to the end of the answer.
        size: bytes of the body that was sent.
    """

    method: str
    route: str
    status: int
    seconds: float
    size: int


class Observe:
    """ASGI middleware around everything else.

    Args:
        app: the application.
        observers: told of each request once it is answered.
    """

    def __init__(self, app: ASGIApp, observers: Sequence[Callable[[Answered], None]]) -> None:
        self._app = app
        self._observers = observers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status, size = _GONE, 0

        async def sent(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = getattr(scope.get("route"), "path", UNMATCHED)
            answered = Answered(method, route, status, time.perf_counter() - began, size)
            for observer in self._observers:
                observer(answered)
