"""What do providers tell us? `POST /hooks/{provider}`: verified, written down, answered; applied a moment later.

A call is read up to a limit, verified on its raw bytes, and kept before the 200. Whatever can't be kept now
is answered 503, and every provider tries again. What a report changes is decided by `newsletter.tracking`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from newsletter.errors import StoreError
from newsletter.model.event import Event, EventType
from newsletter.providers.base import Webhook
from newsletter.providers.registry import webhook_reader
from newsletter.providers.signatures import (
    TOKEN_HEADER,
    WebhookCall,
    WebhookRefusedError,
    WebhookSecrets,
    fingerprint,
)
from newsletter.send.reconcile import settle_events
from newsletter.store import events as kept
from newsletter.store.base import utc_text
from newsletter.tracking.apply import CHUNK, Applier, Rules
from newsletter.web.body import read_body
from newsletter.web.errors import note
from newsletter.web.service import Service
from newsletter.web.sns import Sns
from newsletter.web.tally import WEBHOOK_CALLS
from newsletter.web.webhook_secrets import secrets_of

# Batches of events come from these; the others post one at a time.
_BATCHED: Final = frozenset({"sendgrid", "sparkpost", "mailjet", "brevo", "mailtrap"})
_ONE: Final = 1024 * 1024
_MANY: Final = 10 * 1024 * 1024
# What a provider takes for "never again"; the others have no such status.
_NEVER_AGAIN: Final = {"postmark": 403, "mailgun": 406}
# From this size on, and where a certificate may have to be fetched, a call is read beside the other requests.
_LARGE: Final = 32 * 1024
_ROWS: Final = 500
_LONGEST_UNREADABLE: Final = 20_000
# More refused calls than this within a minute are no accident.
_MOST_REFUSED: Final = 60
_MINUTE: Final = 60.0
_IDLE_SECONDS: Final = 1.0
# SparkPost waits ten seconds for an answer, Amazon fifteen; whoever is told 503 comes again.
_PROVIDERS_PATIENCE: Final = 5.0
_LOG = logging.getLogger("newsletter.web")


class Reports:
    """Receives what providers report, and applies it.

    Args:
        service: the running service.
        sns: what Amazon's certificates are asked of.
    """

    def __init__(self, service: Service, sns: Sns | None = None) -> None:
        self._service = service
        self._sns = sns or Sns(service.clock)
        self._readers: dict[str, tuple[Webhook, WebhookSecrets]] = {}
        self._refused: dict[str, deque[float]] = {}
        self._news = asyncio.Event()
        table = service.workspace.settings.tracking
        self._rules = Rules(soft_bounces=table.soft_bounces, flood_percent=table.flood_percent)
        self._signer = service.signer

    def routes(self) -> list[BaseRoute]:
        """The address of each provider, with our token in it where one is needed."""
        return [
            Route("/hooks/{provider}", self._receive, methods=["POST"]),
            Route("/hooks/{provider}/{token}", self._receive, methods=["POST"]),
        ]

    async def _receive(self, request: Request) -> Response:
        provider: str = request.path_params["provider"]
        reader = self._reader(provider)
        if reader is None:
            return PlainTextResponse("there is no such webhook here\n", 404)
        body = await read_body(request, _MANY if provider in _BATCHED else _ONE)
        headers = {name.lower(): value for name, value in request.headers.items()}
        if "token" in request.path_params:
            headers[TOKEN_HEADER] = request.path_params["token"]
        call = WebhookCall(headers, body, self._service.clock.now())
        read = partial(self._read, provider, *reader, call)
        try:
            events = await asyncio.to_thread(read) if len(body) > _LARGE or provider == "ses" else read()
        except WebhookRefusedError as error:
            return await self._refuse(provider, error)
        # A report that is told twice is written once, so a part that was kept before a failure does no harm.
        for at in range(0, len(events), _ROWS):
            part = events[at : at + _ROWS]
            work = partial(kept.keep, events=part, received_at=call.now)
            await self._service.write(work, patience=_PROVIDERS_PATIENCE)
        self._service.sheet.add((WEBHOOK_CALLS, provider, "kept"))
        self._news.set()
        return PlainTextResponse("kept\n")

    def _reader(self, provider: str) -> tuple[Webhook, WebhookSecrets] | None:
        """What reads a provider's calls; None where it has no webhooks."""
        if self._signer is not self._service.signer:
            # Keys were rotated: the addresses of the old ones stay good, those of the new one are now.
            self._signer = self._service.signer
            self._readers.clear()
        if provider not in self._readers:
            made = webhook_reader(provider)
            if made is None:
                return None
            self._readers[provider] = (
                made,
                secrets_of(self._service.workspace, provider, self._sns.certificate),
            )
        return self._readers[provider]

    def _read(
        self, provider: str, reader: Webhook, secrets: WebhookSecrets, call: WebhookCall
    ) -> Sequence[Event]:
        """The events of a call.

        Raises:
            WebhookRefusedError: it isn't the provider's.
        """
        reader.verify_webhook(secrets, call)
        if provider == "ses":
            from newsletter.providers.ses.sns import confirmation_in

            if asked := confirmation_in(call.body):
                self._sns.confirm(asked)
        try:
            return reader.parse_webhook(call.headers, call.body)
        except ValueError:
            # It is theirs, so it isn't thrown away: they may write tomorrow what we can't read today.
            text = call.body[:_LONGEST_UNREADABLE].decode("utf-8", "replace")
            return [Event(provider, EventType.UNKNOWN, fingerprint(call.body), call.now, raw=text)]

    async def _refuse(self, provider: str, error: WebhookRefusedError) -> Response:
        """Answer a call that isn't believed; many of them are reported."""
        self._service.sheet.add((WEBHOOK_CALLS, provider, "refused"))
        lately = self._refused.setdefault(provider, deque())
        now = self._service.clock.monotonic()
        lately.append(now)
        while lately[0] <= now - _MINUTE:
            lately.popleft()
        if len(lately) == 1:
            _LOG.warning("a call in the name of %s was refused: %s", provider, error.message)
        elif len(lately) >= _MOST_REFUSED:
            _LOG.error("%d calls in the name of %s were refused within a minute", len(lately), provider)
            count, at = len(lately), utc_text(self._service.clock.now())
            lately.clear()
            await self._service.write(partial(kept.note_refused, provider=provider, count=count, at=at))
        # Where our own settings may be wrong the provider had better try again; a 403 would stop Postmark for good.
        status = _NEVER_AGAIN.get(provider, 400) if error.final else 401
        headers = {"www-authenticate": "Basic"} if status == 401 else None
        return PlainTextResponse(f"{error.message}\n", status, headers)

    async def run(self) -> None:
        """Apply what was kept, now and as it comes, until cancelled."""
        while True:
            self._news.clear()
            try:
                while await self._apply(CHUNK):
                    pass
            except StoreError:
                await asyncio.sleep(_IDLE_SECONDS)
                continue
            # Another worker, or a mailbox that was polled, may have kept something too.
            try:
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def _apply(self, limit: int) -> bool:
        """Apply a turn; whether there is more."""
        if not kept.any_waiting(self._service.database):
            return False
        applier = Applier(self._service.audience, self._service.signer, settle_events, self._rules)
        try:
            applied = await self._service.writer.write(partial(applier.apply, limit=limit))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - one report that we can't apply mustn't keep the others
            if limit > 1:
                for _ in range(limit):
                    await self._apply(1)
                return True
            note({}, error)
            number = await self._service.writer.write(applier.set_aside)
            _LOG.error("report %d can't be applied and is set aside", number)
            return True
        for provider, reason in applied.tripped:
            _LOG.error(
                "reports of %s suppress nobody until you decide: %s (newsletter webhooks)", provider, reason
            )
        return applied.looked_at == limit
