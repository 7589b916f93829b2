"""Which address does what? The routes of all parts of the service, in one ASGI application."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.errors import StoreError
from newsletter.web import api, archive, confirm, leave, preferences, signup, view
from newsletter.web.access_log import AccessLog
from newsletter.web.below import Below
from newsletter.web.clicks import Clicks
from newsletter.web.errors import ErrorPages, note
from newsletter.web.mailer import Mailer
from newsletter.web.metrics import Metrics, RequestCounts
from newsletter.web.observe import Answered, Observe
from newsletter.web.protect import Protect
from newsletter.web.retention import forget_in_time
from newsletter.web.search import Search
from newsletter.web.service import Service
from newsletter.web.webhooks import Reports

_SPOOL_SECONDS: Final = 2.0
_NOTE_SECONDS: Final = 1.0


def make_app(service: Service) -> Starlette:
    """The application. What runs beside it begins and ends with it; the service is closed at its end."""
    reports = Reports(service)
    mailer = Mailer(service)
    search = Search(service)

    async def healthz(_: Request) -> Response:
        service.database.query("SELECT 1")
        return PlainTextResponse("ok\n")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        beside = [
            asyncio.create_task(_carry_out_leaves(service)),
            asyncio.create_task(reports.run()),
            asyncio.create_task(forget_in_time(service)),
            asyncio.create_task(_note_waiting(service)),
        ]
        mailer.start()
        try:
            yield
        finally:
            await asyncio.to_thread(mailer.stop)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await asyncio.to_thread(search.close)
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
        *Clicks(service).routes(),
        *Metrics(service).routes(),
        *search.routes(),
        *api.routes(service, mailer),
        *archive.routes(service, [page for page in view.routes(service) if isinstance(page, Route)]),
    ]
    errors = ErrorPages(service.pages)
    observers: list[Callable[[Answered], None]] = [RequestCounts(service.sheet)]
    if service.settings.access_log:
        observers.append(AccessLog(sys.stdout, service.clock))
    app = Starlette(
        routes=routes,
        middleware=[
            *([Middleware(Below, root=service.root)] if service.root else []),
            Middleware(Observe, observers=observers),
            Middleware(Protect, errors=errors),
        ],
        exception_handlers=errors.handlers(),
        lifespan=lifespan,
    )
    # A redirect would repeat a token in one more log.
    app.router.redirect_slashes = False
    app.state.service = service
    app.state.reports = reports
    app.state.mailer = mailer
    return app


async def _note_waiting(service: Service) -> None:
    """Whoever asks another process for the numbers is told how busy this one is."""
    while True:
        service.note_waiting()
        await asyncio.sleep(_NOTE_SECONDS)


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
