"""Which address of the API does what, and how is a call taken apart and answered?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from newsletter.errors import StoreError
from newsletter.store import api_keys
from newsletter.web.api.access import Doorman
from newsletter.web.api.bodies import Join, Lookup, TagChange
from newsletter.web.api.document import openapi
from newsletter.web.api.operations import Operations
from newsletter.web.api.problems import ProblemError, from_http, from_validation
from newsletter.web.body import read_body
from newsletter.web.errors import RETRY_SECONDS, note
from newsletter.web.limits import SignupLimits
from newsletter.web.mailer import Mailer
from newsletter.web.service import Service

_BODY_BYTES: Final = 16 * 1024
_DAY: Final = "public, max-age=3600"

Handler = Callable[[Request], Awaitable[Response]]


def routes(service: Service, mailer: Mailer) -> list[BaseRoute]:
    """The addresses of the API."""
    limits = SignupLimits(service.workspace.secret_key, service.settings.signups_per_hour)
    do = Operations(service, mailer, limits)
    doorman = Doorman(service)
    read, write, bring = api_keys.Scope.READ, api_keys.Scope.WRITE, api_keys.Scope.IMPORT

    async def join(request: Request) -> Response:
        key = await doorman.admit(request, write, bring)
        return _json(await do.join(key, await _read(request, Join)))

    async def lookup(request: Request) -> Response:
        key = await doorman.admit(request, read)
        return _json(await do.lookup(key, await _read(request, Lookup)))

    async def show(request: Request) -> Response:
        key = await doorman.admit(request, read)
        return _json(await do.show(key, request.path_params["id"]))

    async def tag(request: Request) -> Response:
        key = await doorman.admit(request, write)
        return _json(await do.tag(key, request.path_params["id"], await _read(request, TagChange)))

    async def unsubscribe(request: Request) -> Response:
        key = await doorman.admit(request, write)
        return _json(await do.unsubscribe(key, request.path_params["id"]))

    document = openapi(service.workspace.settings.name, service.address(""))

    async def description(_: Request) -> Response:
        return JSONResponse(document, headers={"cache-control": _DAY})

    async def page(_: Request) -> Response:
        return service.pages.page("api.html", document=document)

    async def unknown(_: Request) -> Response:
        raise ProblemError(404)

    return [
        Route("/api", _Resource({"GET": page})),
        Route("/api/openapi.json", _Resource({"GET": description})),
        Route("/api/subscribers", _Resource({"POST": join})),
        Route("/api/subscribers/lookup", _Resource({"POST": lookup})),
        Route("/api/subscribers/{id}", _Resource({"GET": show})),
        Route("/api/subscribers/{id}/tags", _Resource({"POST": tag})),
        Route("/api/subscribers/{id}/unsubscribe", _Resource({"POST": unsubscribe})),
        Route("/api/{rest:path}", _Resource({}, otherwise=unknown)),
    ]


@dataclass(frozen=True)
class _Resource:
    """One address: its methods, and a problem document for whatever else is tried.

    Attributes:
        methods: what each does; HEAD is GET without the body.
        otherwise: answers every method, where nothing is here.
    """

    methods: Mapping[str, Handler]
    otherwise: Handler | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        handler = self.methods.get(method, self.otherwise or self._refuse)
        try:
            return await handler(request)
        except ProblemError as problem:
            return problem.answer()
        except HTTPException as error:
            return from_http(error).answer()
        except ValidationError as error:
            return from_validation(error).answer()
        except StoreError as error:
            note(request.scope, error)
            return ProblemError(503, headers={"retry-after": str(RETRY_SECONDS)}).answer()
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a program gets a problem document, whatever we did wrong
            note(request.scope, error)
            return ProblemError(500).answer()

    async def _refuse(self, _: Request) -> Response:
        allowed = {*self.methods, *(["HEAD"] if "GET" in self.methods else [])}
        raise ProblemError(405, headers={"allow": ", ".join(sorted(allowed))})


async def _read(request: Request, model: type[Any]) -> Any:
    """The body, as the operation takes it.

    Raises:
        ProblemError: 415 where it isn't JSON.
        HTTPException: see `read_body`.
        ValidationError: it isn't what the operation takes.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError(415, "send the body as application/json", headers={"accept": "application/json"})
    return model.model_validate_json(await read_body(request, _BODY_BYTES))


def _json(result: tuple[int, BaseModel]) -> Response:
    status, body = result
    return JSONResponse(body.model_dump(mode="json"), status)
