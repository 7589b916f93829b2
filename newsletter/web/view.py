"""What did the issue say? A sent issue as a page: what was frozen when it was sent, with nobody's data in it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.model.template import InlineImage
from newsletter.render.escape import fill
from newsletter.send.frozen import thaw
from newsletter.store.base import utc_moment
from newsletter.store.sends import SendLedger
from newsletter.web.service import Service

# The page is the mail itself: its styles are inline, and its author's pictures may be anywhere.
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_MINUTES: Final = "public, max-age=600"
_YEAR: Final = "public, max-age=31536000, immutable"
_KEPT: Final = 4
_LISTED: Final = 50
_BEGUN: Final = "('sending', 'paused', 'sent', 'cancelled')"


@dataclass(frozen=True, slots=True)
class _Shown:
    html: str
    images: dict[str, InlineImage]


def routes(service: Service) -> list[BaseRoute]:
    """The addresses of sent issues. Those outside `/view/` are the site's own, where one is served: its files come first."""
    pages = ViewPages(service)
    return [
        Route("/", pages.home, methods=["GET"]),
        Route("/favicon.ico", pages.no_icon, methods=["GET"]),
        Route("/view/{issue}", pages.show, methods=["GET"]),
        Route("/view/{issue}/{name}", pages.picture, methods=["GET"]),
        Route("/{issue}/", pages.show, methods=["GET"]),
    ]


class ViewPages:
    """The pages of sent issues.

    Args:
        service: what a request needs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        # What was frozen never changes: the few issues people read now needn't be parsed for each of them.
        self._kept = lru_cache(maxsize=_KEPT)(self._thaw)

    async def no_icon(self, _: Request) -> Response:
        """A browser asks for one by itself on pages that name none, such as an issue's."""
        return Response(status_code=204, headers={"cache-control": "public, max-age=86400"})

    async def home(self, _: Request) -> Response:
        """What the newsletter is, and what was sent: the address that every mail names as its archive."""
        return self._service.pages.page(
            "home.html", issues=await asyncio.to_thread(self._latest), join=f"{self._service.root}/join"
        )

    def _latest(self) -> list[tuple[str, str, str]]:
        database = self._service.database
        ledger, found, seen = SendLedger(database), list[tuple[str, str, str]](), set[str]()
        rows = database.query(
            "SELECT id, slug, title, created_at FROM sends "  # noqa: S608 - a constant
            f"WHERE sandbox = 0 AND state IN {_BEGUN} ORDER BY id DESC LIMIT ?",
            (_LISTED,),
        )
        for send_id, slug, title, at in rows:
            if slug not in seen and ledger.reached_anybody(send_id):
                seen.add(slug)
                day = utc_moment(at)
                found.append((title, f"{self._service.root}/view/{quote(slug)}", f"{day.day} {day:%B %Y}"))
        return found

    async def show(self, request: Request) -> Response:
        """The issue of this slug, or of this send's number."""
        shown = await asyncio.to_thread(self._find, request.path_params["issue"])
        headers = {"content-security-policy": _POLICY, "cache-control": _MINUTES}
        return HTMLResponse(shown.html, headers=headers)

    async def picture(self, request: Request) -> Response:
        """A picture that travelled with it."""
        shown = await asyncio.to_thread(self._find, request.path_params["issue"])
        image = shown.images.get(request.path_params["name"])
        if image is None or not image.media_type.startswith("image/"):
            raise HTTPException(404)
        return Response(image.data, media_type=image.media_type, headers={"cache-control": _YEAR})

    def _find(self, named: str) -> _Shown:
        """What was sent under this name last.

        Raises:
            HTTPException: 404: nothing was, or it has reached nobody yet.
        """
        database = self._service.database
        ledger = SendLedger(database)
        sql = f"SELECT id FROM sends WHERE sandbox = 0 AND state IN {_BEGUN} AND"  # noqa: S608 - a constant
        rows = database.query(f"{sql} slug = ? ORDER BY id DESC", (named,))
        if not rows and named.isascii() and named.isdigit() and len(named) < 19:
            rows = database.query(f"{sql} id = ?", (int(named),))
        for (send_id,) in rows:
            if ledger.reached_anybody(send_id):
                return self._kept(send_id)
        raise HTTPException(404)

    def _thaw(self, send_id: int) -> _Shown:
        ledger = SendLedger(self._service.database)
        frozen = thaw(ledger.content(send_id), ledger.get(send_id).content_hash)
        # A page has no reader of its own: these say where the reader's own links are.
        values = {
            "unsubscribe_url": self._service.address("/u"),
            "preferences_url": self._service.address("/p"),
        }
        html = "".join(
            part if isinstance(part, str) else fill(part, values.get(part.field))
            for part in frozen.compiled.html.parts
        )
        images = {image.filename: image for image in frozen.compiled.images}
        by_id = {image.content_id: image.filename for image in frozen.compiled.images}

        root = self._service.root

        def address(found: re.Match[str]) -> str:
            name = by_id.get(found[2])
            return f'{found[1]}"{root}/view/{send_id}/{name}"' if name else found[0]

        return _Shown(re.sub(r'(\bsrc=)"cid:([^"]+)"', address, html), images)
