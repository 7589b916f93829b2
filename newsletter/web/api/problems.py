"""What does a program get when something can't be done? A problem document (RFC 9457), whatever went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

_WORDS: Final[Mapping[int, str]] = {
    400: "the request can't be read",
    404: "there is nothing of this address",
    405: "this address doesn't take that method",
    408: "the body took too long to arrive",
    413: "the body is larger than this API takes",
    500: "that went wrong on our side; it has been noted",
    503: "this can't be written down now, and nothing was changed; try again in a moment",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a body.

    Attributes:
        pointer: where, as a JSON Pointer in a fragment (RFC 6901 §6).
        detail: what.
    """

    pointer: str
    detail: str


class ProblemError(Exception):
    """An answer that isn't what was asked for.

    Attributes:
        status: the HTTP status.
        detail: what happened, for the developer of the site.
        faults: what is wrong with which part of the body.
        headers: to be sent along.
    """

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.detail = detail or _WORDS.get(status, "")
        self.faults = tuple(faults)
        self.headers = headers

    def answer(self) -> Response:
        """The document."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.faults:
            body["errors"] = [{"pointer": fault.pointer, "detail": fault.detail} for fault in self.faults]
        return JSONResponse(body, self.status, self.headers, media_type="application/problem+json")


def from_http(error: HTTPException) -> ProblemError:
    """A refusal of the layers below, such as a body that is too long."""
    return ProblemError(error.status_code, headers=error.headers)


def from_validation(error: ValidationError) -> ProblemError:
    """A body that isn't what the operation takes. What was sent is not repeated."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(problem["type"] == "json_invalid" for problem in found):
        return ProblemError(400, "the body is not valid JSON")
    faults = [
        Fault("#" + "".join(f"/{_escaped(part)}" for part in problem["loc"]), _said(problem["msg"]))
        for problem in found[:20]
    ]
    return ProblemError(422, "the body is not what this operation takes", faults=faults)


def _escaped(part: str | int) -> str:
    # An unknown key is the sender's own text: cut, and made fit for a pointer.
    return str(part)[:100].replace("~", "~0").replace("/", "~1")


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
