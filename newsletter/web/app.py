"""Which address does what? The routes of all parts of the service, in one ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.web.service import Service


def make_app(service: Service) -> Starlette:
    """The application; whoever starts it closes the service after it."""

    async def healthz(_: Request) -> Response:
        service.database.query("SELECT 1")
        return PlainTextResponse("ok\n")

    routes: list[BaseRoute] = [Route("/healthz", healthz)]
    app = Starlette(routes=routes)
    app.state.service = service
    return app
