"""Who opened an issue, or followed a link? Asked only where `[tracking]` switches it on; the links always lead on.

Where a link leads is read from the frozen content of its send. The address holds the delivery's id, which
nobody can make, and the number of a link of that issue: there is nothing to redirect to but what was written.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.errors import NewsletterError, StoreError
from newsletter.render.tracked import links_of
from newsletter.send.frozen import thaw
from newsletter.store import hits
from newsletter.web.errors import note
from newsletter.web.service import Service

# A picture of one transparent pixel.
_GIF: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
_HEADERS: Final = {"referrer-policy": "no-referrer"}
_MOST_SENDS: Final = 32

Sent = tuple[float, Mapping[int, str]]


class Clicks:
    """Counts opens and clicks.

    Args:
        service: the running service.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sent: OrderedDict[int, Sent | None] = OrderedDict()

    def routes(self) -> list[BaseRoute]:
        """`/c/{id}` leads on, `/o/{id}` is the picture."""
        return [Route("/c/{id}", self._follow), Route("/o/{id}", self._open)]

    async def _follow(self, request: Request) -> Response:
        token, _, number = request.path_params["id"].rpartition(".")
        delivery = self._service.signer.read_delivery(token)
        sent = await self._of(delivery[0]) if delivery else None
        link = int(number) if number.isascii() and number.isdigit() and len(number) < 5 else -1
        if delivery is None or sent is None or link not in sent[1]:
            raise HTTPException(404)
        if request.method == "GET" and self._service.workspace.settings.tracking.clicks:
            await self._record(request, delivery, link, sent[0])
        return RedirectResponse(sent[1][link], 302, _HEADERS)

    async def _open(self, request: Request) -> Response:
        token = request.path_params["id"].removesuffix(".gif")
        delivery = self._service.signer.read_delivery(token)
        if delivery and request.method == "GET" and self._service.workspace.settings.tracking.opens:
            sent = await self._of(delivery[0])
            if sent is not None:
                await self._record(request, delivery, hits.OPEN, sent[0])
        return Response(_GIF, media_type="image/gif")

    async def _of(self, send_id: int) -> Sent | None:
        """When a send began, and where its links lead."""
        if send_id not in self._sent:
            self._sent[send_id] = await asyncio.to_thread(self._read, send_id)
            while len(self._sent) > _MOST_SENDS:
                self._sent.popitem(last=False)
        return self._sent[send_id]

    def _read(self, send_id: int) -> Sent | None:
        database = self._service.database
        begun = hits.begun_at(database, send_id)
        if begun is None:
            return None
        [(content, content_hash)] = database.query(
            "SELECT content, content_hash FROM sends WHERE id = ?", (send_id,)
        )
        try:
            return begun, links_of(thaw(content, content_hash).compiled)
        except NewsletterError as error:
            note({}, error)
            return None

    async def _record(self, request: Request, delivery: tuple[int, int], link: int, begun: float) -> None:
        """Write a hit down; a reader isn't kept waiting for long for a store that can't be written."""
        now = self._service.clock.now()
        days = timedelta(days=self._service.workspace.settings.tracking.keep_days)
        if now.timestamp() - begun > days.total_seconds():
            return  # only counts are left of who it was
        work = partial(hits.record, delivery=delivery, link=link, at=int(now.timestamp()))
        try:
            await self._service.write(work)
        except StoreError as error:
            note(request.scope, error)
