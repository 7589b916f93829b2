"""Which address does what? The routes of all parts of the service, in one ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.errors import StoreError
from newsletter.web import confirm, leave, preferences, signup, view
from newsletter.web.errors import ErrorPages, note
from newsletter.web.mailer import Mailer
from newsletter.web.protect import Protect
from newsletter.web.service import Service
from newsletter.web.webhooks import Reports

_SPOOL_SECONDS: Final = 2.0


def make_app(service: Service) -> Starlette:
    """The application. What runs beside it begins and ends with it; the service is closed at its end."""
    reports = Reports(service)
    mailer = Mailer(service)

    async def healthz(_: Request) -> Response:
        service.database.query("SELECT 1")
        return PlainTextResponse("ok\n")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        beside = [asyncio.create_task(_carry_out_leaves(service)), asyncio.create_task(reports.run())]
        mailer.start()
        try:
            yield
        finally:
            await asyncio.to_thread(mailer.stop)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            service.close()

    routes: list[BaseRoute] = [
        # Tried in this order: what comes in storms first, what fits many addresses last.
        *leave.routes(service),
        Route("/healthz", healthz),
        *service.pages.routes(),
        *signup.routes(service, mailer),
        *confirm.routes(service, mailer),
        *preferences.routes(service),
        *reports.routes(),
        *view.routes(service),
    ]
    errors = ErrorPages(service.pages)
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Protect, errors=errors)],
        exception_handlers=errors.handlers(),
        lifespan=lifespan,
    )
    # A redirect would repeat a token in one more log.
    app.router.redirect_slashes = False
    app.state.service = service
    app.state.reports = reports
    app.state.mailer = mailer
    return app


async def _carry_out_leaves(service: Service) -> None:
    """Bring the wishes to leave that had to be spooled into the store, as soon as it can be written again."""
    spool = service.workspace.spool
    while True:
        await asyncio.sleep(_SPOOL_SECONDS)
        if not spool.waiting():
            continue
        try:
            await asyncio.to_thread(spool.carry_out, service.audience)
        except (StoreError, OSError) as error:
            note({}, error)
