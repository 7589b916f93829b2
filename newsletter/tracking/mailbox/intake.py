"""What does a mail move? Only a delivery of ours, and only what the mail proves to be about it.

A bounce is correlated before anything is suppressed: by the tag of the envelope address, our Message-ID or
our header in what it returns, all of them keyed. An address alone moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Final, Protocol

from newsletter.audience import leaving
from newsletter.audience.addresses import parse_address
from newsletter.audience.leaving import Leave
from newsletter.audience.membership import Audience
from newsletter.errors import NewsletterError
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.store import events as kept
from newsletter.store.base import Database, Transaction, utc_text
from newsletter.tracking.apply import CHUNK, Applier
from newsletter.tracking.mailbox.mime import read_mail
from newsletter.tracking.mailbox.read import read
from newsletter.tracking.mailbox.reading import Kind, Reading, Report

PROVIDER: Final = "mailbox"
_EVENTS: Final = {
    Kind.BOUNCE: EventType.BOUNCED,
    Kind.DELAYED: EventType.DEFERRED,
    Kind.DELIVERED: EventType.DELIVERED,
    Kind.COMPLAINT: EventType.COMPLAINED,
    Kind.UNSUBSCRIBE: EventType.UNSUBSCRIBED,
    Kind.OUT_OF_OFFICE: EventType.AUTORESPONDED,
    Kind.AUTOREPLY: EventType.AUTORESPONDED,
    Kind.CHALLENGE: EventType.AUTORESPONDED,
    Kind.RECEIPT: EventType.AUTORESPONDED,
}
# About the message itself: what they return proves which it was. The others answer one.
_REPORTS: Final = (Kind.BOUNCE, Kind.DELAYED, Kind.DELIVERED, Kind.COMPLAINT)


_OURS: Final = True
_STAYS: Final = False


class Tokens(Protocol):
    """Makes and reads the tokens that ride along; see `audience.tokens.TokenSigner`."""

    def delivery(self, send_id: int, subscriber_id: int) -> str:
        """The id of a delivery."""
        ...

    def read_delivery(self, token: str) -> tuple[int, int] | None:
        """The send and the subscriber, or None where the id is not ours."""
        ...

    def read_unsubscribe(self, token: str) -> int | None:
        """The subscriber's id, or None where the token is not ours."""
        ...


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a mail.

    Attributes:
        ours: whether it is dealt with; else it stays where it is, for a person.
        result: in a few words: `hard bounce`, `complaint`, `unsubscribed`, `not ours: soft bounce`.
        address: whom it is about, as far as that is known; never taken for proof.
        why: the reason it gives, or why nothing was done.
        new: False where the same mail was dealt with before.
    """

    reading: Reading
    ours: bool
    result: str
    address: str = ""
    why: str = ""
    new: bool = True


@dataclass(frozen=True, slots=True)
class _Meaning:
    settled: Settled
    event: Event | None = None
    wish: Leave | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes mails in.

    Attributes:
        audience: the list.
        tokens: reads what rode along.
        applier: applies reports to deliveries and people.
        unsubscribe_address: where mail to leave comes to; for the record.
    """

    audience: Audience
    tokens: Tokens
    applier: Applier
    unsubscribe_address: str = ""

    def look(self, source: Database, mails: Sequence[bytes]) -> list[Settled]:
        """What `take` would come to; nothing is changed."""
        return [self._meaning(source, data).settled for data in mails]

    def take(self, tx: Transaction, mails: Sequence[bytes]) -> list[Settled]:
        """Carry out what `mails` mean, inside a transaction of the caller's; the same mail again changes nothing."""
        settled: list[Settled] = []
        now = self.audience.clock.now()
        for data in mails:
            meaning = self._meaning(tx, data)
            new = True
            if meaning.event is not None:
                new = kept.keep(tx, [meaning.event], now) > 0
                if new and meaning.wish is not None:
                    self._carry_out(tx, meaning.event, meaning.wish)
            one = meaning.settled
            settled.append(Settled(one.reading, one.ours, one.result, one.address, one.why, new))
        while self.applier.apply(tx).looked_at >= CHUNK:
            pass
        return settled

    def _carry_out(self, tx: Transaction, event: Event, wish: Leave) -> None:
        left = leaving.leave(self.audience, tx, wish)
        [(number,)] = tx.query(
            "SELECT id FROM events WHERE provider = ? AND event_id = ?", (event.provider, event.event_id)
        )
        kept.settle(tx, number, "unsubscribed" if left else "noted", wish.at)

    def _meaning(self, source: Database | Transaction, data: bytes) -> _Meaning:
        reading = read(data)
        # Servers differ in line ends; the mail is the same.
        digest = sha256(data.replace(b"\r\n", b"\n").strip()).hexdigest()[:40]
        return (
            self._leaving(source, reading, digest)
            or self._report(source, reading, digest, _date(data))
            or _Meaning(_for_a_person(reading))
        )

    def _leaving(self, source: Database | Transaction, reading: Reading, digest: str) -> _Meaning | None:
        """A wish to leave: by the address it was sent to, or in words, in answer to a mail of ours, by its reader."""
        if reading.kind in _REPORTS:
            return None
        numbers = [
            number for token in reading.leaving if (number := self.tokens.read_unsubscribe(token)) is not None
        ]
        way = "mail to the address in List-Unsubscribe (RFC 2369)"
        if not numbers and reading.wish and reading.kind in (Kind.UNSUBSCRIBE, Kind.OTHER):
            way = "answered an issue with the wish to leave"
            delivery = self._first_of_ours(reading.answered)
            if delivery and _same(_email_of(source, delivery[1]), reading.sender):
                numbers = [delivery[1]]
        if not numbers:
            return None
        now = utc_text(self.audience.clock.now())
        page = f"mailto:{self.unsubscribe_address}" if self.unsubscribe_address else "mail"
        wish = Leave(numbers[0], now, page, detail=way)
        event = Event(PROVIDER, EventType.UNSUBSCRIBED, digest, None, reason=way)
        settled = Settled(reading, _OURS, "unsubscribed", address=_email_of(source, numbers[0]), why=way)
        return _Meaning(settled, event, wish)

    def _report(
        self, source: Database | Transaction, reading: Reading, digest: str, at: datetime | None
    ) -> _Meaning | None:
        if reading.kind not in _EVENTS or (reading.kind is Kind.UNSUBSCRIBE and not reading.reports):
            return None  # a wish in words: what it quotes proves nothing about who wrote it
        answers = reading.kind not in _REPORTS
        delivery = self._first_of_ours(reading.deliveries + (reading.answered if answers else ()))
        if delivery is None:
            return None
        sends = source.query(
            "SELECT n.provider FROM deliveries d JOIN sends n ON n.id = d.send_id "
            "WHERE d.send_id = ? AND d.subscriber_id = ?",
            delivery,
        )
        if not sends:
            return None  # a test, or of a store that is no more
        email = _email_of(source, delivery[1])
        report = _about(reading.reports, email)
        bounce_class = BounceClass.NONE
        why = reading.rule
        if reading.kind is Kind.BOUNCE:
            assert report is not None
            bounce_class, why = report.verdict.bounce_class, report.diagnostic or report.verdict.rule
            if bounce_class is BounceClass.HARD and not _same_person(report, email):
                # Whom they forward their mail to is gone; they themselves may be there.
                bounce_class = BounceClass.SOFT
                why = f"{report.final or report.address}, which isn't the address we wrote to: {why}"
        event = Event(
            provider=sends[0][0],
            type=_EVENTS[reading.kind],
            event_id=f"{PROVIDER}:{digest}",
            at=at,
            recipient=email,
            delivery_id=self.tokens.delivery(*delivery),
            bounce_class=bounce_class,
            reason=why[:500],
        )
        return _Meaning(Settled(reading, _OURS, _said(reading, bounce_class), email, why[:500]), event)

    def _first_of_ours(self, tokens: Sequence[str]) -> tuple[int, int] | None:
        return next(
            (found for token in tokens if (found := self.tokens.read_delivery(token)) is not None), None
        )


def _for_a_person(reading: Reading) -> Settled:
    """A mail that moves nothing."""
    report = reading.reports[0] if reading.reports else None
    if reading.kind is Kind.OTHER:
        return Settled(
            reading, _STAYS, "not a report", reading.sender, "a person's mail, or another newsletter's"
        )
    if reading.kind is Kind.UNSUBSCRIBE and not report:
        why = "it wants to leave, and nothing proves whose it is: newsletter subscribers unsubscribe ADDRESS"
        return Settled(reading, _STAYS, "wish without proof", reading.sender, why)
    bounce_class = report.verdict.bounce_class if report else BounceClass.NONE
    return Settled(
        reading,
        _STAYS,
        f"not ours: {_said(reading, bounce_class)}",
        report.address if report else reading.sender,
        "nothing in it proves that it is about a mail of ours",
    )


def _said(reading: Reading, bounce_class: BounceClass) -> str:
    if reading.kind is not Kind.BOUNCE:
        return reading.kind.value
    return "block" if bounce_class is BounceClass.BLOCK else f"{bounce_class.value} bounce"


def _about(reports: Sequence[Report], email: str) -> Report | None:
    """The report about the person, where several are in the mail; else the first."""
    return next((one for one in reports if _same_person(one, email)), reports[0] if reports else None)


def _same_person(report: Report, email: str) -> bool:
    """Whether it is about the address we wrote to. One that names no address is about the message's only one."""
    return not report.address or not email or _same(report.address, email)


def _same(one: str, other: str) -> bool:
    try:
        return bool(one and other) and parse_address(one).match_key == parse_address(other).match_key
    except NewsletterError:
        return one.casefold() == other.casefold()


def _email_of(source: Database | Transaction, subscriber_id: int) -> str:
    rows = source.query("SELECT email FROM subscribers WHERE id = ?", (subscriber_id,))
    return str(rows[0][0]) if rows else ""


def _date(data: bytes) -> datetime | None:
    """When it was written, by its own clock; None where it doesn't say, without a zone, or beyond any calendar."""
    try:
        at = parsedate_to_datetime(read_mail(data[:64_000]).get("date")[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo is not None and 1990 <= at.year <= 9000 else None
