"""How does the service do? `/metrics` for Prometheus, `/readyz` for whoever routes requests to it.

The text is written by hand (https://prometheus.io/docs/instrumenting/exposition_formats/): a dozen
metrics are less than the client library around them. Numbers from the store are read on a connection
of their own and kept for some seconds, so that no scrape holds up a page.
"""

from __future__ import annotations

import asyncio
import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter import __version__
from newsletter.errors import StoreError
from newsletter.model.delivery import DeliveryState
from newsletter.web.client import ProxyTrust
from newsletter.web.errors import RETRY_SECONDS, note
from newsletter.web.observe import Answered
from newsletter.web.service import Service
from newsletter.web.tally import HELD_BACK, WAITING, WEBHOOK_CALLS, Name, Sheet

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_LIMITS: Final = (*map(str, _BUCKETS), "+Inf")
_REQUESTS: Final = "newsletter_http_requests_total"
_DURATION: Final = "newsletter_http_request_duration_seconds"
_COUNTERS: Final = (
    (_REQUESTS, "Requests answered.", ("method", "route", "status")),
    (WEBHOOK_CALLS, "Calls of providers, by what came of them.", ("provider", "result")),
    (HELD_BACK, "Signups that came to nothing, by the limit they were over.", ("limit",)),
)
_BELIEVES_NOBODY: Final = ProxyTrust(())
_OF_PROXIES: Final = ("x-forwarded-for", "forwarded", "x-real-ip", "via")
_KEPT_SECONDS: Final = 10.0
# A transaction that writes nothing is committed on a full disk, too.
_LEAST_ROOM: Final = 1024 * 1024
_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_OPEN_DELIVERIES: Final = (
    "SELECT d.state, count(*) FROM sends n JOIN deliveries d ON d.send_id = n.id "
    "WHERE n.state IN ('freezing', 'sending', 'paused') GROUP BY d.state"
)
_COUNTS: Final = (
    (
        "newsletter_subscribers",
        "People by status.",
        ("status",),
        "SELECT status, count(*) FROM subscribers GROUP BY status",
    ),
    ("newsletter_sends", "Sends by state.", ("state",), "SELECT state, count(*) FROM sends GROUP BY state"),
    (
        "newsletter_open_deliveries",
        "Deliveries of sends that are under way or paused, by state (model.delivery.DeliveryState).",
        ("state",),
        _OPEN_DELIVERIES,
    ),
    (
        "newsletter_schedules",
        "Scheduled sends by state.",
        ("state",),
        "SELECT state, count(*) FROM schedules GROUP BY state",
    ),
    (
        "newsletter_mails",
        "Confirmations and other single mails by kind and state.",
        ("kind", "state"),
        "SELECT kind, state, count(*) FROM outgoing GROUP BY kind, state",
    ),
    (
        "newsletter_join_requests_waiting",
        "What forms brought and nobody has looked at.",
        (),
        "SELECT count(*) FROM join_requests",
    ),
    (
        "newsletter_events_waiting",
        "Reports of providers that wait to be applied; held ones wait for a person.",
        ("provider", "held"),
        "SELECT provider, held, count(*) FROM events WHERE applied_at = '' GROUP BY provider, held",
    ),
    (
        "newsletter_events",
        "Reports of providers that are kept, by type.",
        ("provider", "type"),
        "SELECT provider, type, count(*) FROM events GROUP BY provider, type",
    ),
)


class RequestCounts:
    """Counts requests and their durations, by route.

    Args:
        sheet: where to.
    """

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet

    def __call__(self, answered: Answered) -> None:
        """Count one."""
        self._sheet.add((_REQUESTS, answered.method, answered.route, str(answered.status)))
        # A count for each bucket, the last for what is slower than all, and the sum.
        limit = bisect_left(_BUCKETS, answered.seconds)
        self._sheet.add((_DURATION, answered.route, _LIMITS[limit]))
        self._sheet.add((_DURATION, answered.route, "sum"), answered.seconds)


def counted(total: Mapping[Name, float]) -> Iterator[str]:
    """What the processes counted, as text."""
    for name, words, labels in _COUNTERS:
        yield _head(name, "counter", words)
        for (_, *values), number in _named(total, name):
            yield _sample(name, tuple(zip(labels, values, strict=True)), int(number))
    yield _head(_DURATION, "histogram", "From the request's head to the end of the answer.")
    for route in sorted({route for (_, route, _), _ in _named(total, _DURATION)}):
        below: float = 0
        for limit in _LIMITS:
            below += total.get((_DURATION, route, limit), 0)
            yield _sample(f"{_DURATION}_bucket", (("route", route), ("le", limit)), int(below))
        yield _sample(f"{_DURATION}_sum", (("route", route),), total.get((_DURATION, route, "sum"), 0))
        yield _sample(f"{_DURATION}_count", (("route", route),), int(below))


def _named(total: Mapping[Name, float], name: str) -> list[tuple[Name, float]]:
    return sorted((key, number) for key, number in total.items() if key[0] == name)


class Metrics:
    """The pages for machines that watch.

    Args:
        service: what a request needs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._networks = [ip_network(network) for network in service.settings.metrics_from]
        self._kept: tuple[float, list[str]] = (-_KEPT_SECONDS, [])
        self._reading = asyncio.Lock()

    def routes(self) -> list[BaseRoute]:
        """Their addresses."""
        return [Route("/metrics", self.metrics), Route("/readyz", self.readyz)]

    async def metrics(self, request: Request) -> Response:
        """The numbers; whoever isn't in `[web] metrics_from` finds nothing here."""
        if not self._may_read(request):
            raise HTTPException(404)
        async with self._reading:
            read_at, lines = self._kept
            if time.monotonic() - read_at >= _KEPT_SECONDS:
                lines = await asyncio.to_thread(self._from_store)
                self._kept = (time.monotonic(), lines)
        self._service.note_waiting()
        total = self._service.sheet.tally.total()
        text = "\n".join([*counted(total), *self._of_service(total), *lines, ""])
        return Response(text, headers={"content-type": _TYPE})

    async def readyz(self, request: Request) -> Response:
        """200 where the store can be written, 503 where not; `/healthz` only says that the process answers."""
        try:
            await self._service.write(lambda _: None)
            self._see_room()
        except (OSError, StoreError) as error:
            note(request.scope, error)
            headers = {"retry-after": str(RETRY_SECONDS)}
            return PlainTextResponse("the store can't be written\n", 503, headers)
        return PlainTextResponse("ready\n")

    def _see_room(self) -> None:
        room = os.statvfs(self._service.workspace.database_path)
        if room.f_bavail * room.f_frsize < _LEAST_ROOM:
            raise StoreError("the disk is full")

    def _may_read(self, request: Request) -> bool:
        client = self._service.client_address(request)
        if not client or not any(ip_address(client) in network for network in self._networks):
            return False
        # Behind a proxy nobody told us of, everybody on the internet would seem to be on this machine.
        forwarded = any(name in request.headers for name in _OF_PROXIES)
        return not forwarded or client != _BELIEVES_NOBODY.address(request)

    def _of_service(self, total: Mapping[Name, float]) -> Iterator[str]:
        yield from _metric(
            "newsletter_build_info", "The version that runs.", [((("version", __version__),), 1)]
        )
        started = [((), round(self._service.sheet.tally.began, 3))]
        yield from _metric("newsletter_process_start_time_seconds", "Since 1970.", started)
        waiting = [((), int(total.get((WAITING,), 0)))]
        yield from _metric(WAITING, "Changes that wait for the next commit.", waiting)
        spooled = [((), int(self._service.workspace.spool.waiting()))]
        yield from _metric("newsletter_leaves_spooled", "1 where unsubscribes wait for the store.", spooled)

    def _from_store(self) -> list[str]:
        lines: list[str] = []
        for name, words, labels, sql in _COUNTS:
            samples = []
            for *values, number in self._service.database.stream(sql):
                named = [
                    DeliveryState(value).name.lower() if sql is _OPEN_DELIVERIES else str(value)
                    for value in values
                ]
                samples.append((tuple(zip(labels, named, strict=True)), number))
            lines += _metric(name, words, samples)
        path = self._service.workspace.database_path
        sizes = [
            ((("file", kind),), os.stat(f"{path}{end}").st_size)  # noqa: PTH116 - a name with an ending glued on
            for kind, end in (("store", ""), ("log", "-wal"))
            if os.path.exists(f"{path}{end}")  # noqa: PTH110 - ditto
        ]
        return [*lines, *_metric("newsletter_store_bytes", "Size of the store's files.", sizes)]


def _head(name: str, kind: str, words: str) -> str:
    return f"# HELP {name} {words}\n# TYPE {name} {kind}"


def _metric(
    name: str, words: str, samples: Iterable[tuple[tuple[tuple[str, str], ...], float]]
) -> Iterator[str]:
    yield _head(name, "gauge", words)
    for labels, value in samples:
        yield _sample(name, labels, value)


def _sample(name: str, labels: tuple[tuple[str, str], ...], value: float) -> str:
    said = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    shown = f"{value:d}" if isinstance(value, int) else f"{value:.10g}"
    return f"{name}{{{said}}} {shown}" if said else f"{name} {shown}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
