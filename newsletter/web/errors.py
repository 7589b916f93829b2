"""What does a person see when something can't be done? One page for each kind of failure, in words that help."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from newsletter.errors import StoreError
from newsletter.web.pages import Pages

RETRY_SECONDS: Final = 10
_LOG = logging.getLogger("newsletter.web")

_WORDS: Final[Mapping[int, tuple[str, tuple[str, ...]]]] = {
    400: (
        "We couldn’t read that",
        ("What arrived isn’t what this page sends. Go back, open the page again and repeat the press.",),
    ),
    404: (
        "There is nothing here",
        (
            "The address may be cut off: some mail programs break long links. Open it again from the mail, or copy all of it.",
        ),
    ),
    405: (
        "That doesn’t work here",
        ("This page can’t be used in that way. Open it again from the link, and use the button on it.",),
    ),
    408: ("That took too long", ("The connection was too slow to finish. Please try again.",)),
    410: ("This link has had its time", ("Links like this end after a while, for your safety.",)),
    413: ("That is too much", ("More text arrived than fits here. Go back and shorten it.",)),
    429: (
        "A little slower, please",
        ("Many requests came from where you are. Wait a minute, then try again.",),
    ),
    500: (
        "That went wrong on our side",
        ("It isn’t your fault, and it has been noted. Please try again later.",),
    ),
    503: (
        "Busy for a moment",
        ("We can’t write this down right now, and nothing was changed. Please try again in a minute.",),
    ),
}


class ErrorPages:
    """Turns failures into answers.

    Args:
        pages: what draws them.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def answer(self, status: int, headers: Mapping[str, str] | None = None) -> Response:
        """The page of a status; of the nearest one of its class where it has none of its own."""
        known = status if status in _WORDS else 400 if status < 500 else 500
        heading, paragraphs = _WORDS[known]
        return self._pages.page(
            "error.html", status, headers, heading=heading, paragraphs=paragraphs, shown=status
        )

    def handlers(self) -> dict[Any, Any]:
        """What Starlette calls for which exception."""
        return {HTTPException: self._http, StoreError: self._store}

    async def _http(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return self.answer(error.status_code, error.headers)

    async def _store(self, request: Request, error: Exception) -> Response:
        note(request.scope, error)
        return self.answer(503, {"retry-after": str(RETRY_SECONDS)})

    def defect(self, scope: Mapping[str, Any], error: BaseException) -> Response:
        """The answer to a mistake of ours, which is noted; it works where even the page can't be drawn."""
        note(scope, error)
        try:
            return self.answer(500)
        except Exception as another:  # noqa: BLE001 - a broken template of the user's must not silence the answer
            note(scope, another)
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR.phrase, 500, media_type="text/plain")


def note(scope: Mapping[str, Any], error: BaseException) -> None:
    """Log a failure by its kind and place. Its words and the path may hold an address or a token: they stay out."""
    route = getattr(scope.get("route"), "path", "no route")
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    _LOG.error("%s %s: %s at %s", scope.get("method", ""), route, type(error).__name__, where)
