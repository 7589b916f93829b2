"""How is the API described to programs? An OpenAPI 3.1 document, its shapes taken from the code that reads and writes them."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from newsletter import __version__
from newsletter.store.api_keys import Scope
from newsletter.web.api.bodies import Asked, Join, Left, Lookup, Person, TagChange

_ABOUT = (
    "Ask people to join, look them up, tag them and take them off, from a site of your own. "
    "Make a key with `newsletter keys api create` and send it as `Authorization: Bearer nlk_…`, "
    "from your server, never from a browser. Errors are problem documents (RFC 9457)."
)
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}
_MODELS = (Join, Lookup, TagChange, Asked, Person, Left)
_REFUSALS = {
    400: "The body is not JSON.",
    401: "There is no key, or none that works.",
    403: "The key lacks the scope.",
    404: "There is nobody like that on the list.",
    409: "This person left: only their own press in a mail brings them back.",
    413: "The body is longer than 16 KiB.",
    415: "The body is not called application/json.",
    422: "The body is JSON, but not what the operation takes.",
    429: "Too many requests; Retry-After says when.",
    503: "The store can't be written now; Retry-After says when to try again.",
}
_ANY = (401, 403, 429, 503)
_WITH_BODY = (400, 413, 415, 422)


def openapi(name: str, server: str) -> dict[str, Any]:
    """The document.

    Args:
        name: of the newsletter.
        server: the service's public address; empty where it isn't known.
    """
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{name}: subscribers", "version": __version__, "description": _ABOUT},
        **({"servers": [{"url": server}]} if server else {}),
        "security": [{"key": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "nlk_…"}},
            "schemas": {**definitions["$defs"], "Problem": _PROBLEM},
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/api/subscribers": {
            "post": _operation(
                "join",
                "Ask somebody to join",
                "A mail asks them to confirm; the answer is the same whoever it is, and the limits of the form hold. "
                f"With `confirmed` they are on the list at once, which needs the scope {Scope.IMPORT}.",
                (Scope.WRITE, Scope.IMPORT),
                body="Join",
                answers={
                    200: ("They were on the list already.", "Person"),
                    201: ("They are on the list.", "Person"),
                    202: ("They are asked to confirm.", "Asked"),
                },
                refusals=(409,),
            )
        },
        "/api/subscribers/lookup": {
            "post": _operation(
                "lookup",
                "Find a person by address",
                "The address is in the body, because URLs end up in logs.",
                (Scope.READ,),
                body="Lookup",
                answers={200: ("The person.", "Person")},
                refusals=(404,),
            )
        },
        "/api/subscribers/{id}": {
            "get": _operation(
                "show",
                "Show a person",
                "",
                (Scope.READ,),
                answers={200: ("The person.", "Person")},
                refusals=(404,),
                by_id=True,
            )
        },
        "/api/subscribers/{id}/tags": {
            "post": _operation(
                "tag",
                "Give and take tags",
                "Doing it twice is fine; a tag in both lists is given.",
                (Scope.WRITE,),
                body="TagChange",
                answers={200: ("The person, with the tags they have now.", "Person")},
                refusals=(404,),
                by_id=True,
            )
        },
        "/api/subscribers/{id}/unsubscribe": {
            "post": _operation(
                "unsubscribe",
                "Take a person off the list",
                "For good; doing it twice is fine.",
                (Scope.WRITE,),
                answers={200: ("They are off.", "Left")},
                refusals=(404,),
                by_id=True,
            )
        },
    }


def _operation(
    name: str,
    summary: str,
    description: str,
    scopes: tuple[Scope, ...],
    *,
    answers: dict[int, tuple[str, str]],
    refusals: tuple[int, ...] = (),
    body: str = "",
    by_id: bool = False,
) -> dict[str, Any]:
    needed = f"Needs the scope {' or '.join(scopes)}."
    found: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "description": f"{description} {needed}".strip(),
    }
    if by_id:
        found["parameters"] = [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "schema": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
            }
        ]
    if body:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    statuses = sorted({*_ANY, *refusals, *(_WITH_BODY if body else ())})
    found["responses"] = {
        str(status): {"description": said, "content": {"application/json": {"schema": _ref(shape)}}}
        for status, (said, shape) in answers.items()
    } | {
        str(status): {
            "description": _REFUSALS[status],
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
        for status in statuses
    }
    return found


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
