"""How does a reader leave, for good and with one press? The unsubscribe link, the mail program's one-click, and Undo.

Reading these addresses changes nothing, whoever reads them. What acts is the body that a mail program
sends on its reader's behalf (RFC 8058), or the one that only a pressed button makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.audience import leaving
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.leaving import Leave
from newsletter.errors import StoreError
from newsletter.store.base import Transaction, utc_moment, utc_text
from newsletter.web.body import Fields, read_form
from newsletter.web.errors import note
from newsletter.web.service import Service

_T = TypeVar("_T")

_UNDO_SECONDS: Final = 30 * 60
_LONGEST_AGENT: Final = 300
_LONGEST_REASON: Final = 500

REASONS: Final = (
    ("often", "Too many emails"),
    ("unlike", "Not what I expected"),
    ("irrelevant", "Not relevant to me any more"),
    ("never", "I never signed up"),
    ("other", "Something else"),
)


def routes(service: Service) -> list[BaseRoute]:
    """The addresses of leaving."""
    pages = LeavePages(service)
    return [
        Route("/u", pages.without_token, methods=["GET"]),
        Route("/u/{token}", pages.link, methods=["GET", "POST"]),
        Route("/left/undo", pages.undo, methods=["POST"]),
        Route("/left/reason", pages.reason, methods=["POST"]),
    ]


class LeavePages:
    """The pages of leaving.

    Args:
        service: what a request needs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._source = service.address("/u")

    async def without_token(self, _: Request) -> Response:
        """Where an issue read in the browser leads: nobody's link is on a page that everybody can read."""
        return self._service.pages.message(
            "The link is in your mail",
            "Every issue ends with “Unsubscribe”: the link there is yours alone, and one press is enough.",
            "Or answer any issue and say that you want to leave.",
        )

    async def link(self, request: Request) -> Response:
        """The address in every mail: shows one big button when read, and takes off the list when posted to.

        Reading doesn't even look the reader up: it works while the store is away.
        """
        posted = await read_form(request) if request.method == "POST" else None
        number = self._service.signer.read_unsubscribe(request.path_params["token"])
        if number is None:
            return self._unknown()
        if posted is None:
            return self._service.pages.page("leave.html", action=request.url.path)
        return await self._leave(request, number, posted)

    async def _leave(self, request: Request, number: int, fields: Fields) -> Response:
        one_click = any(
            name.strip().lower() == "list-unsubscribe" and value.strip().lower() == "one-click"
            for name, value in fields.multi_items()
        )
        if not one_click and "leave" not in fields:
            # A form that a script sent off, without its button: the same question again.
            return self._service.pages.page("leave.html", 400, action=request.url.path)
        wish = self._wish(request, number, "one-click (RFC 8058)" if one_click else "button on the page")
        if one_click:
            await self._write_or_spool(
                request, wish, partial(leaving.leave, self._service.audience, wish=wish)
            )
            return PlainTextResponse("You are unsubscribed.\n")
        since = utc_text(_earlier(wish.at))
        left = await self._write_or_spool(
            request, wish, partial(leaving.leave_undoably, self._service.audience, wish=wish, since=since)
        )
        return self._out(number, left or 0)

    async def undo(self, request: Request) -> Response:
        """Put back who left a moment ago."""
        fields = await read_form(request)
        proof = self._proof(fields.get("proof", ""))
        if proof is None or "undo" not in fields:
            return self._too_late()
        event = ConsentEvent(
            "resubscribed",
            self._now(),
            self._service.address("/left/undo"),
            "subscriber",
            ip=self._service.client_address(request),
            user_agent=_agent(request),
            detail="undone right after leaving",
        )
        back = await self._service.write(
            partial(leaving.undo, self._service.audience, subscriber_id=proof[0], left=proof[1], event=event)
        )
        if not back:
            return self._too_late()
        return self._service.pages.message(
            "You’re back", "It is undone: the next issue comes to you as before."
        )

    async def reason(self, request: Request) -> Response:
        """Keep why somebody left, if they care to say."""
        fields = await read_form(request)
        proof = self._proof(fields.get("proof", ""))
        chosen = dict(REASONS).get(fields.get("reason", ""), "")
        words = " ".join(fields.get("words", "").split())[:_LONGEST_REASON]
        if proof is None:
            return self._too_late()
        said = ": ".join(part for part in (chosen, words) if part)
        if said:
            await self._service.write(
                partial(
                    leaving.give_reason,
                    subscriber_id=proof[0],
                    left=proof[1],
                    reason=said,
                    at=self._now(),
                    source=self._service.address("/left/reason"),
                )
            )
        return self._service.pages.message("Thank you", "That helps. You’re out, and it stays so.")

    # Parts --------------------------------------------------------------------------------------

    def _now(self) -> str:
        return utc_text(self._service.clock.now())

    def _wish(self, request: Request, number: int, way: str) -> Leave:
        return Leave(
            number, self._now(), self._source, self._service.client_address(request), _agent(request), way
        )

    async def _write_or_spool(
        self, request: Request, wish: Leave, work: Callable[[Transaction], _T]
    ) -> _T | None:
        """Write it down in the store, or where that can't be done soon, in the spool.

        Raises:
            StoreError: neither can be written.
        """
        try:
            return await self._service.write(work)
        except StoreError as error:
            note(request.scope, error)
        try:
            await asyncio.to_thread(self._service.workspace.spool.append, [wish])
        except OSError as error:
            note(request.scope, error)
            raise StoreError("neither the store nor the spool can be written") from None
        return None

    def _proof(self, token: str) -> tuple[int, int] | None:
        return self._service.signer.read_left(token, self._service.clock.now().timestamp())

    def _out(self, number: int, left: int) -> Response:
        until = int(self._service.clock.now().timestamp()) + _UNDO_SECONDS
        return self._service.pages.page(
            "left.html",
            proof=self._service.signer.left(number, left, until) if left else "",
            undo=f"{self._service.root}/left/undo",
            reason=f"{self._service.root}/left/reason",
            reasons=REASONS,
        )

    def _too_late(self) -> Response:
        return self._service.pages.message(
            "That can’t be done any more",
            "It was possible for half an hour after leaving, and once. If you’d like the issues again, sign up again.",
            status=400,
        )

    def _unknown(self) -> Response:
        return self._service.pages.message(
            "This link isn’t complete",
            "It names nobody on our list: some mail programs cut long links off. Open it again from the mail, or copy all of it.",
            "You can also press your mail program’s own Unsubscribe, or answer the mail and say so.",
            status=404,
        )


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")[:_LONGEST_AGENT]


def _earlier(at: str) -> datetime:
    return utc_moment(at) - timedelta(seconds=_UNDO_SECONDS)
