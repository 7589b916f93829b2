"""How does somebody join by a form? They ask, a mail asks back, and only their press there puts them on the list.

Each step is part of a transaction of the caller's. A request is first only written down
(`receive`), and looked at later (`admit`): the form's answer can't depend on who is on the list.
Somebody who left stays suppressed until the press, whoever types their address into the form.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256

from newsletter.audience import consent
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.membership import Audience
from newsletter.audience.suppression import LEFT
from newsletter.model.subscriber import Subscriber, SubscriberStatus
from newsletter.store import outgoing
from newsletter.store import subscribers as people
from newsletter.store.base import Database, Transaction, utc_moment, utc_text
from newsletter.store.outgoing import Mail, MailKind

LINK_LIFETIME = timedelta(days=7)
# A form is not asked again on somebody's behalf within this time, whatever limits the web has.
QUIET = timedelta(hours=24)
_TOKEN_BYTES = 16  # 128 bits
_ASKING = (MailKind.CONFIRMATION, MailKind.REMINDER, MailKind.ALREADY)
# A form can be filled in by anybody: these are brought back by the operator alone (`subscribers add --resubscribe`).
_FORM_CANNOT_LIFT = frozenset({"complained", "manual"})
# After these, a link that was mailed before is void; after a bounce it is not: the press shows that mail arrives.
_VOIDING = ("unsubscribed", "complained", "erased")
DISPOSABLE = "disposable"


@dataclass(frozen=True, slots=True)
class Consent:
    """The words a person agrees to.

    Attributes:
        text: as they are shown beside the button.
    """

    text: str

    @property
    def version(self) -> str:
        """SHA-256 of the text: names it in the consent record."""
        return sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What a form brought; nothing of it but the address ever gets into a mail.

    Attributes:
        email: as it was typed.
        match_key: see `audience.addresses`.
        at: UTC, as `utc_text` writes it.
        source: the page the form stands on, as far as the browser says so.
        ip: of the request.
        user_agent: of the request.
        form_id: which form.
        text_version: the words shown; see `Consent`.
        disposable: whether the domain gives out addresses to be thrown away.
        held_back: why nothing comes of it, such as the limit it is over; empty where something may.
    """

    email: str
    match_key: str
    at: str
    source: str = ""
    ip: str = ""
    user_agent: str = ""
    form_id: str = ""
    text_version: str = ""
    disposable: bool = False
    held_back: str = ""

    def holding_back(self, reason: str) -> JoinRequest:
        """The same, with nothing to come of it because of `reason`."""
        return replace(self, held_back=reason)


class Admission(Enum):
    """What came of a request."""

    ASKED = auto()  # a confirmation is queued
    ALREADY = auto()  # on the list; a mail says so
    JOINED = auto()  # on the list now: single opt-in
    HELD_BACK = auto()  # over a limit, or not a person's
    REFUSED = auto()  # reported an issue as spam, or the operator shut them out


class LinkState(Enum):
    """What a mailed link is good for."""

    OPEN = auto()
    CONFIRMED = auto()  # was pressed, and the person is on the list
    OVER = auto()  # expired, or the person left after it was asked for
    UNKNOWN = auto()  # never ours


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who pressed: address of the page, network address and browser."""

    source: str
    ip: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """An open request, for the operator to see."""

    requested_at: str
    expires_at: str
    reminded_at: str
    form_id: str


@dataclass(frozen=True, slots=True)
class Joining:
    """Joining, by the rules of one newsletter.

    Attributes:
        audience: the list.
        consent: the words in force.
        double_opt_in: whether a press in a mail is needed; who left needs one in any case.
        reminder_after: how long after a request a reminder is mailed; None for never.
        welcomes: tells whether a welcome is mailed after joining.
    """

    audience: Audience
    consent: Consent
    double_opt_in: bool = True
    reminder_after: timedelta | None = timedelta(days=3)
    welcomes: Callable[[], bool] = lambda: False

    def receive(self, tx: Transaction, request: JoinRequest) -> None:
        """Write a request down, and the words it agrees to. Nobody is looked up: every request costs the same."""
        tx.execute(
            "INSERT INTO consent_texts (version, text, first_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (self.consent.version, self.consent.text, request.at),
        )
        tx.execute(
            "INSERT INTO join_requests (email, match_key, at, source, ip, user_agent, form_id, text_version,"
            " disposable, held_back) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            tuple(asdict(request).values()),
        )

    def take(self, tx: Transaction, limit: int) -> list[JoinRequest]:
        """The oldest requests that were received, taken out of the store: what is done about them is in `tx` too."""
        rows = tx.query(
            "SELECT id, email, match_key, at, source, ip, user_agent, form_id, text_version, disposable,"
            " held_back FROM join_requests ORDER BY id LIMIT ?",
            (limit,),
        )
        if rows:
            tx.execute("DELETE FROM join_requests WHERE id <= ?", (rows[-1][0],))
        return [JoinRequest(*(*row[1:9], bool(row[9]), row[10])) for row in rows]

    def admit(self, tx: Transaction, request: JoinRequest) -> Admission:
        """Do what a request asks for, as far as a form may ask for it."""
        if request.held_back:
            return Admission.HELD_BACK
        known = people.find(tx, match_key=request.match_key)
        reason = self.audience.suppressions.reason(tx, request.match_key)
        if reason in _FORM_CANNOT_LIFT or (known is not None and known.status is SubscriberStatus.COMPLAINED):
            return Admission.REFUSED
        now = utc_moment(request.at)
        if known is not None and outgoing.queued_since(tx, _ASKING, known.id, now - QUIET):
            return Admission.HELD_BACK
        if known is not None and known.status is SubscriberStatus.ACTIVE:
            outgoing.enqueue(tx, MailKind.ALREADY, known.id, at=now)
            return Admission.ALREADY
        had_left = bool(reason) or (known is not None and known.status in LEFT)
        number = known.id if known is not None else self._put_down(tx, request)
        if not self.double_opt_in and not had_left:
            self._join_at_once(tx, number, request)
            return Admission.JOINED
        self._ask(tx, number, request, made_here=known is None, had_left=had_left)
        outgoing.enqueue(tx, MailKind.CONFIRMATION, number, at=now)
        return Admission.ASKED

    def _put_down(self, tx: Transaction, request: JoinRequest) -> int:
        return people.insert(
            tx,
            email=request.email,
            match_key=request.match_key,
            status=SubscriberStatus.PENDING,
            at=request.at,
            metadata={DISPOSABLE: "yes"} if request.disposable else None,
        )

    def _join_at_once(self, tx: Transaction, number: int, request: JoinRequest) -> None:
        people.set_status(tx, number, SubscriberStatus.ACTIVE, request.at)
        consent.record(tx, number, _event("added", request, "single opt-in"))
        tx.execute("DELETE FROM joinings WHERE subscriber_id = ?", (number,))
        if self.welcomes():
            outgoing.enqueue(tx, MailKind.WELCOME, number, at=utc_moment(request.at))

    def _ask(
        self, tx: Transaction, number: int, request: JoinRequest, *, made_here: bool, had_left: bool
    ) -> None:
        event = consent.record(tx, number, _event("requested", request, ""))
        tx.execute(
            "INSERT INTO joinings (subscriber_id, event_id, text_version, form_id, made_here, had_left,"
            " requested_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (subscriber_id) DO UPDATE SET event_id = excluded.event_id,"
            " text_version = excluded.text_version, form_id = excluded.form_id,"
            " had_left = excluded.had_left, requested_at = excluded.requested_at,"
            " expires_at = excluded.expires_at",
            (
                number,
                event,
                request.text_version,
                request.form_id,
                made_here,
                had_left,
                request.at,
                utc_text(utc_moment(request.at) + LINK_LIFETIME),
            ),
        )

    def mint(self, tx: Transaction, mail: Mail, message_id: str) -> str | None:
        """A link's token for a mail that is about to leave; None where there is nothing left to confirm.

        128 random bits, of which the store keeps the SHA-256: a copied database confirms nobody.
        """
        rows = tx.query(
            "SELECT event_id, text_version, form_id, expires_at FROM joinings WHERE subscriber_id = ?",
            (mail.subscriber_id,),
        )
        if not rows or self._left_since(tx, mail.subscriber_id, rows[0][0]):
            return None
        event, version, form, expires = rows[0]
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        tx.execute(
            "INSERT INTO confirmations (token_hash, subscriber_id, event_id, text_version, form_id,"
            " message_id, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (_hash(token), mail.subscriber_id, event, version, form, message_id, expires),
        )
        return token

    def rename_message(self, tx: Transaction, ours: str, theirs: str) -> None:
        """Note the provider's own id of a mail, where it doesn't keep our Message-ID."""
        tx.execute("UPDATE confirmations SET message_id = ? WHERE message_id = ?", (theirs, ours))

    def look(self, source: Database | Transaction, token: str, now: datetime) -> tuple[LinkState, str]:
        """What a link is good for, and the words its press agrees to; changes nothing."""
        rows = source.query(
            "SELECT c.subscriber_id, c.event_id, c.expires_at, c.spent_at, t.text, s.status "
            "FROM confirmations c JOIN subscribers s ON s.id = c.subscriber_id "
            "LEFT JOIN consent_texts t ON t.version = c.text_version WHERE c.token_hash = ?",
            (_hash(token),),
        )
        if not rows:
            return LinkState.UNKNOWN, ""
        number, event, expires, spent, text, status = rows[0]
        if spent:
            on_the_list = status == SubscriberStatus.ACTIVE
            return (LinkState.CONFIRMED if on_the_list else LinkState.OVER), ""
        if expires <= utc_text(now) or self._left_since(source, number, event):
            return LinkState.OVER, ""
        return LinkState.OPEN, text or ""

    def confirm(self, tx: Transaction, token: str, evidence: Evidence, now: datetime) -> LinkState:
        """The press: puts the person on the list, lifts a suppression, records the consent. OPEN means: it just did.

        A repeat finds it CONFIRMED.
        """
        state, _ = self.look(tx, token, now)
        if state is not LinkState.OPEN:
            return state
        [(number, version, form, message_id, key, before)] = tx.query(
            "SELECT c.subscriber_id, c.text_version, c.form_id, c.message_id, s.match_key, s.status "
            "FROM confirmations c JOIN subscribers s ON s.id = c.subscriber_id WHERE c.token_hash = ?",
            (_hash(token),),
        )
        at = utc_text(now)
        suppressed = self.audience.suppressions.reason(tx, key)
        self.audience.suppressions.remove(tx, key)
        people.set_status(tx, number, SubscriberStatus.ACTIVE, at)
        event = ConsentEvent(
            "resubscribed" if suppressed or before in LEFT else "confirmed",
            at,
            evidence.source,
            "subscriber",
            ip=evidence.ip,
            user_agent=evidence.user_agent,
            form_id=form,
            text_version=version,
            message_id=message_id,
        )
        consent.record(tx, number, event)
        tx.execute(
            "UPDATE confirmations SET spent_at = ? WHERE subscriber_id = ? AND spent_at = ''", (at, number)
        )
        tx.execute("DELETE FROM joinings WHERE subscriber_id = ?", (number,))
        if before != SubscriberStatus.ACTIVE and self.welcomes():
            outgoing.enqueue(tx, MailKind.WELCOME, number, at=now)
        return LinkState.OPEN

    def _left_since(self, source: Database | Transaction, number: int, event: int) -> bool:
        return bool(
            source.query(
                "SELECT 1 FROM consent_events WHERE subscriber_id = ? AND id > ? AND action IN (?, ?, ?) LIMIT 1",
                (number, event, *_VOIDING),
            )
        )

    def remind(
        self, tx: Transaction, now: datetime, limit: int, may_be_mailed: Callable[[str], bool]
    ) -> Sequence[int]:
        """Queue one reminder for each who was sent a confirmation and hasn't pressed; returns whom.

        Who had left before is never reminded, nor anybody within a day of another mail.

        Args:
            tx: the transaction.
            now: what time it is.
            limit: at most so many.
            may_be_mailed: asked for each match key; a mailbox may have several, and counts as one.
        """
        if self.reminder_after is None:
            return []
        rows = tx.query(
            "SELECT j.subscriber_id, s.match_key FROM joinings j JOIN subscribers s ON s.id = j.subscriber_id "
            "WHERE j.reminded_at = '' AND j.had_left = 0 AND s.status = 'pending' "
            "AND j.requested_at <= ? AND j.expires_at > ? AND EXISTS (SELECT 1 FROM outgoing o"
            " WHERE o.subscriber_id = j.subscriber_id AND o.kind = 'confirmation' AND o.state = 'sent') "
            "LIMIT ?",
            (utc_text(now - self.reminder_after), utc_text(now), limit),
        )
        reminded = [
            int(number)
            for number, key in rows
            if not outgoing.queued_since(tx, _ASKING, number, now - QUIET) and may_be_mailed(key)
        ]
        for number in reminded:
            outgoing.enqueue(tx, MailKind.REMINDER, number, at=now)
            tx.execute("UPDATE joinings SET reminded_at = ? WHERE subscriber_id = ?", (utc_text(now), number))
        return reminded

    def expire(self, tx: Transaction, now: datetime, limit: int) -> int:
        """Forget requests nobody confirmed; returns how many. Who was on no list before is on none after."""
        at = utc_text(now)
        rows = tx.query(
            "SELECT j.subscriber_id, j.made_here, s.status FROM joinings j "
            "JOIN subscribers s ON s.id = j.subscriber_id WHERE j.expires_at <= ? LIMIT ?",
            (at, limit),
        )
        for number, made_here, status in rows:
            tx.execute("DELETE FROM joinings WHERE subscriber_id = ?", (number,))
            if made_here and status == SubscriberStatus.PENDING:
                people.delete(tx, number)
            consent.record(tx, number, ConsentEvent("expired", at, "serve", "operator"))
        # A spent link says "already confirmed" for as long as it could have been pressed.
        tx.execute("DELETE FROM confirmations WHERE expires_at <= ?", (utc_text(now - LINK_LIFETIME),))
        return len(rows)


def pending(source: Database | Transaction, person: Subscriber) -> Pending | None:
    """The open request of a person; None where there is none."""
    rows = source.query(
        "SELECT requested_at, expires_at, reminded_at, form_id FROM joinings WHERE subscriber_id = ?",
        (person.id,),
    )
    return Pending(*rows[0]) if rows else None


def consent_text(source: Database | Transaction, version: str) -> str:
    """The words that `version` names; empty where they aren't known."""
    rows = source.query("SELECT text FROM consent_texts WHERE version = ?", (version,))
    return str(rows[0][0]) if rows else ""


def _event(action: str, request: JoinRequest, detail: str) -> ConsentEvent:
    return ConsentEvent(
        action,
        request.at,
        request.source,
        "subscriber",
        ip=request.ip,
        user_agent=request.user_agent,
        form_id=request.form_id,
        text_version=request.text_version,
        detail=detail,
    )


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
