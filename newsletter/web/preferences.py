"""What can a reader see, choose, take along and have erased? All of it by a link freshly mailed to their address.

The link in an issue travels with it when it is forwarded. So that one shows nothing and changes nothing:
it only mails the other, which works for an hour and, for changes, once.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from newsletter.audience import preferences, privacy
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.preferences import Choice, Preferences
from newsletter.errors import StoreError
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import outgoing
from newsletter.store import subscribers as people
from newsletter.store.base import Transaction, utc_text
from newsletter.store.outgoing import MailKind
from newsletter.web.body import Fields, read_form
from newsletter.web.service import Service

PAUSES: Final = (2, 4, 8)
# Whoever has a forwarded issue can have the reader mailed: no more than this.
_QUIET: Final = timedelta(minutes=10)
_MOST_A_DAY: Final = 4


def routes(service: Service) -> list[BaseRoute]:
    """The addresses of preferences."""
    pages = PreferencePages(service)
    both = ["GET", "POST"]
    return [
        Route("/p", pages.without_token, methods=["GET"]),
        Route("/p/{token}", pages.request_link, methods=both),
        Route("/preferences/{token}", pages.manage, methods=both),
        Route("/preferences/{token}/data.json", pages.export, methods=["GET"]),
        Route("/preferences/{token}/erase", pages.erase, methods=["POST"]),
    ]


@dataclass(frozen=True, slots=True)
class _Key:
    """What a fresh link says."""

    subscriber_id: int
    until: int
    serial: int


class PreferencePages:
    """The pages of preferences.

    Args:
        service: what a request needs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def without_token(self, _: Request) -> Response:
        """Where an issue read in the browser leads."""
        return self._service.pages.message(
            "The link is in your mail",
            "Every issue ends with “Change your preferences”: the link there is yours alone.",
        )

    async def request_link(self, request: Request) -> Response:
        """The link in an issue: offers to mail a fresh one, and mails it when the button is pressed."""
        posted = await read_form(request) if request.method == "POST" else None
        number = self._service.signer.read_preferences(request.path_params["token"])
        if number is None:
            return self._unknown()
        if posted is None or "mail" not in posted:
            status = 200 if posted is None else 400
            return self._service.pages.page("preferences-request.html", status, action=request.url.path)
        await self._service.write(partial(self._mail, subscriber_id=number))
        return self._service.pages.message(
            "Check your inbox",
            "If this address is still known here, a mail with a fresh link is on its way. It works for one hour.",
        )

    async def manage(self, request: Request) -> Response:
        """The fresh link: shows what is kept, and keeps what is chosen."""
        posted = await read_form(request) if request.method == "POST" else None
        key = self._read(request)
        if key is None:
            return self._ended()
        if posted is None or "save" not in posted:
            return self._form(key, saved=False) if posted is None else self._unread()
        choice = self._choice(posted)
        if choice is None:
            return self._unread()
        event = self._event(request, "preferences")
        if not await self._service.write(partial(self._save, key=key, choice=choice, event=event)):
            return self._used(key)
        # Who has just shown that it is them may go on, no longer than the link they came by.
        return self._form(_Key(key.subscriber_id, key.until, preferences.new_serial()), saved=True)

    async def export(self, request: Request) -> Response:
        """Everything kept about the person, as a file (GDPR Art. 15 and 20)."""
        key = self._read(request)
        if key is None:
            return self._ended()
        if preferences.is_spent(self._service.database, key.serial):
            return self._used(key)
        data = await asyncio.to_thread(privacy.export_data, self._service.database, key.subscriber_id)
        if data is None:
            return self._ended()
        return Response(
            json.dumps(data, ensure_ascii=False, indent=2) + "\n",
            media_type="application/json",
            headers={"content-disposition": 'attachment; filename="my-data.json"'},
        )

    async def erase(self, request: Request) -> Response:
        """Ask, and at the second press forget the person (GDPR Art. 17)."""
        fields = await read_form(request)
        key = self._read(request)
        if key is None:
            return self._ended()
        found = self._find(key)
        if found is None:
            return self._ended()
        if preferences.is_spent(self._service.database, key.serial):
            return self._used(key)
        match fields.get("erase"):
            case "ask":
                path = request.url.path
                return self._service.pages.page(
                    "erase.html", action=path, back=path.removesuffix("/erase"), email=found.subscriber.email
                )
            case "yes":
                return await self._erase(request, key)
            case _:
                return self._unread()

    # Parts --------------------------------------------------------------------------------------

    def _read(self, request: Request) -> _Key | None:
        now = self._service.clock.now().timestamp()
        found = self._service.signer.read_manage(request.path_params["token"], now)
        return _Key(*found) if found is not None else None

    def _find(self, key: _Key) -> Preferences | None:
        return preferences.read(self._service.database, key.subscriber_id, self._service.clock.now())

    def _event(self, request: Request, action: str) -> ConsentEvent:
        return ConsentEvent(
            action,
            utc_text(self._service.clock.now()),
            self._service.address("/preferences"),
            "subscriber",
            ip=self._service.client_address(request),
            user_agent=request.headers.get("user-agent", "")[:300],
        )

    def _mail(self, tx: Transaction, *, subscriber_id: int) -> None:
        now = self._service.clock.now()
        person = people.find(tx, id=subscriber_id)
        # Whoever called a mail of ours spam is sent no other, and a mailbox that isn't there would return it.
        if person is None or person.status in (SubscriberStatus.COMPLAINED, SubscriberStatus.BOUNCED):
            return
        written = partial(outgoing.queued_since, tx, [MailKind.PREFERENCES], subscriber_id)
        if not written(now - _QUIET) and written(now - timedelta(days=1)) < _MOST_A_DAY:
            outgoing.enqueue(tx, MailKind.PREFERENCES, subscriber_id, at=now)

    def _save(self, tx: Transaction, *, key: _Key, choice: Choice, event: ConsentEvent) -> bool:
        now = self._service.clock.now()
        return preferences.spend(tx, key.serial, key.until, now) and preferences.save(
            tx, key.subscriber_id, choice, offered=self._service.settings.topics, now=now, event=event
        )

    def _choice(self, fields: Fields) -> Choice | None:
        """What the form says; None where it can't have come from ours."""
        name = fields.get("name", "")
        topics = frozenset(fields.getlist("topic"))
        pause = fields.get("pause", "keep")
        weeks = {"keep": None, "0": timedelta(), **{str(n): timedelta(weeks=n) for n in PAUSES}}
        if (
            len(name) > preferences.LONGEST_NAME
            or pause not in weeks
            or topics - {*self._service.settings.topics}
        ):
            return None
        return Choice(name, topics, weeks[pause])

    def _form(self, key: _Key, *, saved: bool) -> Response:
        found = self._find(key)
        if found is None:
            return self._ended()
        if preferences.is_spent(self._service.database, key.serial):
            return self._used(key)
        token = self._service.signer.manage(key.subscriber_id, key.until, key.serial)
        path = f"{self._service.root}/preferences/{token}"
        person, until = found.subscriber, found.paused_until
        return self._service.pages.page(
            "preferences.html",
            action=path,
            export=f"{path}/data.json",
            erase=f"{path}/erase",
            leave=f"{self._service.root}/u/{self._service.signer.unsubscribe(key.subscriber_id)}",
            email=person.email,
            name=person.name,
            topics=[(tag, tag in person.tags) for tag in self._service.settings.topics],
            paused_until=f"{until.day} {until:%B %Y}" if until is not None else "",
            weeks=PAUSES,
            saved=saved,
            subscribed=person.status is SubscriberStatus.ACTIVE,
        )

    async def _erase(self, request: Request, key: _Key) -> Response:
        event = self._event(request, "erased")
        # The record keeps that it was asked for, and nothing more of who asked.
        event = replace(event, ip="", user_agent="")
        if not await self._service.write(partial(self._forget, key=key, event=event)):
            return self._used(key)
        await asyncio.to_thread(self._fold)
        return self._service.pages.message(
            "Erased",
            "You’re off the list, and what was kept about you is deleted. All that stays is the code that keeps you off.",
        )

    def _forget(self, tx: Transaction, *, key: _Key, event: ConsentEvent) -> bool:
        now = self._service.clock.now()
        return preferences.spend(tx, key.serial, key.until, now) and self._service.audience.forget(
            tx, key.subscriber_id, event
        )

    def _fold(self) -> None:
        """Overwrite what was erased in the log as well; where readers hold it now, a later checkpoint does."""
        with suppress(StoreError):
            self._service.audience.database.checkpoint()

    def _unknown(self) -> Response:
        return self._service.pages.message(
            "This link isn’t complete",
            "It names nobody on our list: some mail programs cut long links off. Open it again from the mail, or copy all of it.",
            status=404,
        )

    def _ended(self) -> Response:
        return self._service.pages.message(
            "This link has had its time",
            "For your safety it works for one hour. Every issue has a link, “Change your preferences”, that mails you a fresh one.",
            status=404,
        )

    def _used(self, key: _Key) -> Response:
        """Something was changed by this link: it doesn't open anything any more, but leads to the next."""
        again = self._service.signer.preferences(key.subscriber_id)
        return self._service.pages.page(
            "preferences-request.html", 410, action=f"{self._service.root}/p/{again}", used=True
        )

    def _unread(self) -> Response:
        return self._service.pages.message(
            "We couldn’t read that",
            "What arrived isn’t what this page sends, and nothing was changed. Go back, open it again from the mail and repeat it.",
            status=400,
        )
