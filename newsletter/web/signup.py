"""How does somebody ask to join? A page with one field, and a plain form that stands on any site and posts here.

Whatever is known of an address, the answer is the same, and so is what is done before it: the limits
are counted and the request is written down in one transaction. The mailer looks at it afterwards.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.audience.addresses import Address, AddressError, parse_address
from newsletter.audience.joining import JoinRequest
from newsletter.store.base import Transaction, utc_text
from newsletter.web.body import FORM_BYTES, Fields, parse_form, read_body
from newsletter.web.forms import HONEYPOT, TOKEN, WORK, FormGuard, Standing
from newsletter.web.limits import Limit, is_disposable
from newsletter.web.mailer import Mailer
from newsletter.web.service import Service

PATH: Final = "/join"
_FORM_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LONGEST_EMAIL: Final = 320
_SAID: Final = "If this address can join, a mail with one link is on its way."
_SAID_SINGLE: Final = "If this address can join, the next issue comes to it."
# Any site may post, and read the answer, which says nothing about anybody. No cookie is ever looked at.
# Our own form is for people to look at: its token is for no script of another site.
_CORS: Final = {"access-control-allow-origin": "*"}
_PREFLIGHT: Final = {
    **_CORS,
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "content-type, accept",
    "access-control-max-age": "86400",
}


def routes(service: Service, mailer: Mailer) -> list[BaseRoute]:
    """The addresses of signing up."""
    pages = SignupPages(service, mailer)
    return [
        Route(PATH, pages.join, methods=["GET", "POST", "OPTIONS"]),
        Route(f"{PATH}/embed", pages.snippet, methods=["GET"]),
        Route(pages.script_path, pages.script, methods=["GET"]),
    ]


@dataclass(frozen=True, slots=True)
class _Ask:
    """What a form said, once it is worth writing down."""

    address: Address
    standing: Standing
    trapped: bool


class SignupPages:
    """The pages of signing up.

    Args:
        service: what a request needs.
        mailer: looks at what was written down.
    """

    def __init__(self, service: Service, mailer: Mailer) -> None:
        self._service = service
        self._mailer = mailer
        secret = service.workspace.secret_key
        self._guard = FormGuard(secret, service.settings.proof_of_work)
        self._limits = mailer.limits
        self._words = mailer.joining.consent
        self._said = _SAID if service.settings.double_opt_in else _SAID_SINGLE
        self._script = service.pages.render("work.js", {}).encode()
        self.script_path = f"/static/work.{hashlib.sha256(self._script).hexdigest()[:12]}.js"

    async def join(self, request: Request) -> Response:
        """The form, and what it posts."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=_PREFLIGHT)
        if request.method != "POST":
            return self._form()
        fields = await _read(request)
        wants_json = "application/json" in request.headers.get("accept", "")
        asked = self._judge(fields)
        if isinstance(asked, str):
            return self._again(fields, wants_json=wants_json, problem=asked)
        if asked is None:
            return self._again(fields, wants_json=wants_json)
        now = self._service.clock.now()
        client = self._service.client_address(request)
        joining = JoinRequest(
            email=asked.address.email,
            match_key=asked.address.match_key,
            at=utc_text(now),
            source=self._source(request, asked.standing),
            ip=client,
            user_agent=request.headers.get("user-agent", "")[:300],
            form_id=_form_id(fields, asked.standing),
            text_version=self._words.version,
            disposable=is_disposable(asked.address.match_key),
            held_back=HONEYPOT if asked.trapped else "",
        )
        limits = self._limits.of(asked.address.match_key, client, vouched=asked.standing is Standing.FINE)
        await self._service.write(
            partial(self._write_down, joining=joining, limits=limits, now=now.timestamp())
        )
        self._mailer.wake()
        if wants_json:
            return JSONResponse({"ok": True, "message": self._said}, headers=_CORS)
        return self._service.pages.page("check-inbox.html", headers=_CORS)

    async def snippet(self, _: Request) -> Response:
        """The form to put on another site, as text to copy."""
        html = self._service.pages.render(
            "embed.html", {"action": self._service.address(PATH), "consent": self._words.text}
        )
        return PlainTextResponse(html)

    async def script(self, _: Request) -> Response:
        """What does the work in the browser; its name changes with its content."""
        return Response(
            self._script,
            media_type="text/javascript",
            headers={"cache-control": "public, max-age=31536000, immutable"},
        )

    # Parts --------------------------------------------------------------------------------------

    def _judge(self, fields: Fields) -> _Ask | str | None:
        """What a form asks for; what is wrong with its address; or None where it has to be pressed once more."""
        typed = fields.get("email", "").strip()
        try:
            address = parse_address(typed[:_LONGEST_EMAIL])
        except AddressError:
            return "This can’t be an email address. Write it as name@example.com."
        if not self._mailer.reaches(address.email):
            return (
                "Our mail can’t get to this address: the letters before the @ are ones it can’t carry. "
                "Please use one with plain letters there."
            )
        settings = self._service.settings
        if settings.disposable == "refuse" and is_disposable(address.match_key):
            return "Mail to this address would be gone tomorrow. Please use one you keep."
        token = fields.get(TOKEN, "")
        standing = self._guard.judge(token, self._service.clock.now().timestamp())
        elsewhere = standing is Standing.ABSENT and settings.embedded_forms and not self._guard.bits
        if standing is not Standing.FINE and not elsewhere:
            return None
        if not self._guard.worked(token, typed, fields.get(WORK, "")):
            return None
        return _Ask(address, standing, bool(fields.get(HONEYPOT)))

    def _write_down(
        self, tx: Transaction, *, joining: JoinRequest, limits: tuple[Limit, ...], now: float
    ) -> None:
        # What fell into the trap uses nothing up: else it would keep the address's owner from joining.
        over = self._limits.admit(tx, limits, now, charged=not joining.held_back)
        held_back = joining.held_back or over
        self._mailer.joining.receive(tx, joining.holding_back(held_back))

    def _form(
        self, status: int = 200, *, email: str = "", problem: str = "", again: bool = False
    ) -> Response:
        return self._service.pages.page(
            "signup.html",
            status,
            action=self._service.root + PATH,
            form_token=self._guard.token(self._service.clock.now().timestamp()),
            consent=self._words.text,
            email=email,
            problem=problem,
            again=again,
            work_bits=self._guard.bits,
            work_script=self._service.root + self.script_path,
        )

    def _again(self, fields: Fields, *, wants_json: bool, problem: str = "") -> Response:
        """The form once more: with what is wrong, or only to be pressed from here."""
        if wants_json:
            message = problem or "Please open the form on our own page and press the button there."
            body = {"ok": False, "message": message, "form": self._service.address(PATH)}
            return JSONResponse(body, 422 if problem else 409, headers=_CORS)
        typed = "".join(c for c in fields.get("email", "") if c.isprintable())[:_LONGEST_EMAIL]
        return self._form(422 if problem else 200, email=typed, problem=problem, again=not problem)

    def _source(self, request: Request, standing: Standing) -> str:
        """The page the form stands on: ours, or what the browser says, without the query."""
        if standing is Standing.FINE:
            return self._service.address(PATH)
        said = request.headers.get("referer") or request.headers.get("origin", "")
        try:
            parts = urlsplit(said)
        except ValueError:
            return "another site"
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            return "another site"
        return f"{parts.scheme}://{parts.netloc}{parts.path}"[:300]


async def _read(request: Request) -> Fields:
    """The fields of a form, or of a flat JSON object: a page's script sends either.

    Raises:
        HTTPException: see `web.body`.
    """
    body = await read_body(request, FORM_BYTES)
    content_type = request.headers.get("content-type", "")
    if not content_type.lower().startswith("application/json"):
        return parse_form(body, content_type)
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400) from None
    if not isinstance(values, dict):
        raise HTTPException(400)
    return Fields([(name, value) for name, value in values.items() if isinstance(value, str)])


def _form_id(fields: Fields, standing: Standing) -> str:
    named = fields.get("form", "")
    if _FORM_ID.fullmatch(named):
        return named
    return "join" if standing is Standing.FINE else "embedded"
