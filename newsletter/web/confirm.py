"""Is it really you? The link of the confirmation mail shows one button, and only its press puts anybody on the list."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from newsletter.audience.joining import Evidence, LinkState
from newsletter.web.body import read_form
from newsletter.web.mailer import Mailer
from newsletter.web.service import Service
from newsletter.web.signup import PATH as JOIN


def routes(service: Service, mailer: Mailer) -> list[BaseRoute]:
    """The address of confirming."""
    pages = ConfirmPages(service, mailer)
    return [Route("/confirm/{token}", pages.confirm, methods=["GET", "POST"])]


class ConfirmPages:
    """The page behind a confirmation mail.

    Args:
        service: what a request needs.
        mailer: knows the rules, and sends the welcome.
    """

    def __init__(self, service: Service, mailer: Mailer) -> None:
        self._service = service
        self._mailer = mailer

    async def confirm(self, request: Request) -> Response:
        """GET shows, the press acts. A script that submits the form presses no button, and so sends no `confirm`."""
        posted = await read_form(request) if request.method == "POST" else None
        token = request.path_params["token"]
        joining, now = self._mailer.joining, self._service.clock.now()
        if posted is None or posted.get("confirm") != "yes":
            state, words = joining.look(self._service.database, token, now)
            if state is LinkState.OPEN:
                status = 200 if posted is None else 400
                return self._service.pages.page(
                    "confirm.html", status, action=request.url.path, consent=words
                )
            return self._answer(state)
        evidence = Evidence(
            # Without the token: the record is exported and read.
            self._service.address("/confirm"),
            ip=self._service.client_address(request),
            user_agent=request.headers.get("user-agent", "")[:300],
        )
        state = await self._service.write(partial(joining.confirm, token=token, evidence=evidence, now=now))
        self._mailer.wake()
        return self._answer(state)

    def _answer(self, state: LinkState) -> Response:
        match state:
            case LinkState.OPEN | LinkState.CONFIRMED:
                return self._service.pages.page("confirmed.html", already=state is LinkState.CONFIRMED)
            case LinkState.OVER:
                return self._service.pages.page(
                    "message.html",
                    410,
                    heading="This link has had its time",
                    paragraphs=[
                        "It works for seven days, and not any more once somebody has left. You can ask for a fresh one."
                    ],
                    link=self._service.root + JOIN,
                    link_text="Ask again",
                )
            case LinkState.UNKNOWN:
                return self._service.pages.page(
                    "message.html",
                    404,
                    heading="This link isn’t complete",
                    paragraphs=[
                        "It is none of ours, or has been gone for long. Open it again from the mail, or copy all of it."
                    ],
                    link=self._service.root + JOIN,
                    link_text="Join",
                )
