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
from collections import Counter
from collections.abc import Iterable, Iterator
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

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_BELIEVES_NOBODY: Final = ProxyTrust(())
_OF_PROXIES: Final = ("x-forwarded-for", "forwarded", "x-real-ip", "via")
_KEPT_SECONDS: Final = 10.0
_READY_SECONDS: Final = 5.0
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
    """Counts requests and their durations, by route."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._durations: dict[str, list[float]] = {}

    def __call__(self, answered: Answered) -> None:
        """Count one."""
        self._requests[answered.method, answered.route, answered.status] += 1
        # A count for each bucket, one for what is slower than all, and the sum.
        row = self._durations.setdefault(answered.route, [0.0] * (len(_BUCKETS) + 2))
        row[bisect_left(_BUCKETS, answered.seconds)] += 1
        row[-1] += answered.seconds

    def lines(self) -> Iterator[str]:
        """The counts, as text."""
        name = "newsletter_http_requests_total"
        yield from _head(name, "counter", "Requests answered by this process.")
        for (method, route, status), number in sorted(self._requests.items()):
            yield _sample(name, (("method", method), ("route", route), ("status", str(status))), number)
        name = "newsletter_http_request_duration_seconds"
        yield from _head(name, "histogram", "From the request's head to the end of the answer.")
        for route, row in sorted(self._durations.items()):
            total: float = 0
            for limit, count in zip((*map(str, _BUCKETS), "+Inf"), row, strict=False):
                total += count
                yield _sample(f"{name}_bucket", (("route", route), ("le", limit)), total)
            yield _sample(f"{name}_sum", (("route", route),), row[-1])
            yield _sample(f"{name}_count", (("route", route),), total)


class Metrics:
    """The pages for machines that watch.

    Args:
        service: what a request needs.
        counts: of requests.
    """

    def __init__(self, service: Service, counts: RequestCounts) -> None:
        self._service = service
        self._counts = counts
        self._networks = [ip_network(network) for network in service.settings.metrics_from]
        self._started = time.time()
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
        text = "\n".join([*self._counts.lines(), *self._of_process(), *lines, ""])
        return Response(text, headers={"content-type": _TYPE})

    async def readyz(self, request: Request) -> Response:
        """200 where the store can be written, 503 where not; `/healthz` only says that the process answers."""
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._service.write(lambda _: None)
            self._see_room()
        except (OSError, StoreError, TimeoutError) as error:
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

    def _of_process(self) -> Iterator[str]:
        yield from _metric(
            "newsletter_build_info", "The version that runs.", [((("version", __version__),), 1)]
        )
        started = [((), round(self._started, 3))]
        yield from _metric("newsletter_process_start_time_seconds", "Since 1970.", started)
        waiting = [((), self._service.writer.waiting)]
        yield from _metric("newsletter_writes_waiting", "Changes that wait for the next commit.", waiting)
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


def _head(name: str, kind: str, words: str) -> Iterator[str]:
    yield f"# HELP {name} {words}"
    yield f"# TYPE {name} {kind}"


def _metric(
    name: str, words: str, samples: Iterable[tuple[tuple[tuple[str, str], ...], float]]
) -> Iterator[str]:
    yield from _head(name, "gauge", words)
    for labels, value in samples:
        yield _sample(name, labels, value)


def _sample(name: str, labels: tuple[tuple[str, str], ...], value: float) -> str:
    said = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    shown = f"{value:d}" if isinstance(value, int) else f"{value:.10g}"
    return f"{name}{{{said}}} {shown}" if said else f"{name} {shown}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
