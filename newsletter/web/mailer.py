"""Who sends the single mails? One thread: it looks at what forms brought, mails what is queued, and has the queue tidied.

A mail is claimed and committed, then handed to the newsletter's own provider, then settled. A crash in
between leaves it claimed; whether it left is unknown, and it isn't sent again: the person can ask again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar, assert_never

from newsletter.audience.joining import Admission, Consent, Joining, JoinRequest
from newsletter.errors import NewsletterError, StoreError
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.model.subscriber import SubscriberStatus
from newsletter.providers.base import AsksForUtf8, BatchResult, ContentForm, Hold, Provider, Session
from newsletter.providers.registry import capabilities_of
from newsletter.render.headers import wire_address
from newsletter.render.single import SingleWriter
from newsletter.send.recipients import unreachable
from newsletter.send.senders import open_session
from newsletter.send.transport import unknown
from newsletter.store import outgoing
from newsletter.store.base import Transaction
from newsletter.store.outgoing import Mail, MailKind, MailState
from newsletter.web.errors import note
from newsletter.web.letters import Composer
from newsletter.web.limits import SignupLimits
from newsletter.web.service import Service
from newsletter.web.tidying import OUTBOX, Tidying

_LOG = logging.getLogger("newsletter.web.mailer")
# How often it looks by itself for what other processes queued.
_POLL_SECONDS: Final = 1.0
_AT_ONCE: Final = 100
# After a refusal that may pass, in minutes; then it is given up.
_RETRIES: Final = (1, 5, 15, 60, 180, 360, 720)
_FIRST_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(minutes=15)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A mail of ours to send, and the token of its link where it has one."""

    mail: Mail
    token: str = ""


@dataclass
class _Post:
    """What sends, once it could be made."""

    provider: Provider
    session: Session
    writer: SingleWriter

    @property
    def content(self) -> ContentForm:
        """What the provider takes."""
        return self.provider.capabilities.content


class Mailer:
    """The thread, and what it needs.

    Args:
        service: what requests get, too.

    Attributes:
        joining: the rules it admits by.
        limits: what forms and reminders may do to a mailbox.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._workspace = service.workspace
        welcome_file = self._workspace.issues_dir / "welcome.md"
        self.limits = SignupLimits(service.workspace.secret_key, service.settings.signups_per_hour)
        self.joining = make_joining(service, welcome_file)
        self._composer = Composer(self._workspace, welcome_file)
        self._utf8_offered: bool | None = None
        self._post: _Post | None = None
        self._paused_until: datetime | None = None
        self._pause = _FIRST_PAUSE
        self._tidying = Tidying(service, self.joining, self.limits)
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="web-mailer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the mail in hand and end; the writer has to run until then."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def reaches(self, email: str) -> bool:
        """Whether the provider can mail an address at all; asked of its spelling alone, whoever it belongs to."""
        capabilities = capabilities_of(self._workspace.settings.provider.name)
        if capabilities is None or capabilities.non_ascii_mailbox or not unreachable(email):
            return True
        # Until the mail server has said that it doesn't offer it.
        return capabilities.non_ascii_if_offered and self._utf8_offered is not False

    def wake(self) -> None:
        """Say that something was queued; may be called from any thread."""
        self._wake.set()

    def check(self) -> None:
        """Find now what would keep every mail from leaving.

        Raises:
            NewsletterError: the provider lacks a setting or a key, there is no sender, or the welcome can't be mailed.
        """
        post = self._make_post()
        post.session.close()
        post.writer.message_id("check")
        self._composer.check()

    # The thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self.check()
        except NewsletterError as error:
            # People must be able to leave all the same.
            _LOG.warning("no mail can leave as things are: %s%s", error.message, _with(error.hint))
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                busy = self.turn()
            except StoreError as error:
                _LOG.warning("the store can't be used now: %s", error.message)
                busy = False
            except Exception as error:  # noqa: BLE001 - a thread that dies would keep everybody waiting
                note({"method": "mailer"}, error)
                busy = False
            if not busy:
                self._close_session()
                self._wake.wait(_POLL_SECONDS)
        self._close_session()

    def turn(self) -> bool:
        """Do what is next; whether there was anything."""
        now = self._service.clock.now()
        self._tidying.tidy_when_due(now)
        admitted = self._admit()
        return self._send_next(now) or admitted

    def _write(self, work: Callable[[Transaction], _T]) -> _T:
        return self._service.writer.submit(work).result()

    def _admit(self) -> bool:
        """Look at what forms brought."""
        if not self._service.database.query("SELECT 1 FROM join_requests LIMIT 1"):
            return False
        # One request that can't be dealt with must not keep the others waiting.
        for at_once in (_AT_ONCE, 1):
            try:
                admitted = self._write(partial(self._admit_some, at_once=at_once))
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - see above
                note({"method": "mailer"}, error)
                continue
            for request, admission in admitted:
                if admission in (Admission.HELD_BACK, Admission.REFUSED):
                    self._tidying.came_to_nothing(request, request.held_back or admission.name.lower())
                elif request.disposable:
                    _LOG.warning(
                        "a signup from a disposable domain, %s", request.match_key.rpartition("@")[2]
                    )
            return True
        self._write(partial(self.joining.take, limit=1))
        return True

    def _admit_some(self, tx: Transaction, *, at_once: int) -> list[tuple[JoinRequest, Admission]]:
        requests = self.joining.take(tx, at_once)
        return [(request, self.joining.admit(tx, request)) for request in requests]

    # Sending ------------------------------------------------------------------------------------

    def _send_next(self, now: datetime) -> bool:
        if self._paused_until is not None and now < self._paused_until:
            return False
        number = outgoing.next_due(self._service.database, now)
        if number is None:
            return False
        try:
            post = self._post = self._post or self._make_post()
        except NewsletterError as error:
            self._hold(Hold(error.message, error.hint), now)
            return False
        claimed = self._write(partial(self._claim, number=number, writer=post.writer, now=now))
        if claimed is None:
            return True
        mail = claimed.mail
        ascii_only = not post.provider.capabilities.writes_to_non_ascii
        try:
            wire_address(mail.email, non_ascii_mailbox=not ascii_only)
        except NewsletterError as error:
            self._settle(mail, Outcome(mail.key, OutcomeKind.REJECTED, reason=error.message), now)
            return True
        try:
            batch = self._composer.batch(post.writer, post.content, mail, claimed.token, now)
        except NewsletterError as error:
            self._write(partial(_wait, mail_id=mail.id, due=now + _FIRST_PAUSE, reason=error.message))
            self._hold(Hold(error.message, error.hint), now)
            return False
        try:
            result = post.session.send(batch)
        except Exception as error:  # noqa: BLE001 - a session's defect must not make a sent mail look unsent
            note({"method": "mailer"}, error)
            result = unknown(batch, f"{post.provider.name} failed: {type(error).__name__}")
        if isinstance(post.provider, AsksForUtf8):
            offered = post.provider.reaches_non_ascii()
            self._utf8_offered = self._utf8_offered if offered is None else offered
        self._take_answer(mail, result, self._service.clock.now())
        return True

    def _claim(self, tx: Transaction, *, number: int, writer: SingleWriter, now: datetime) -> _Claimed | None:
        mail = outgoing.claim(tx, number, now)
        if mail is None:
            return None
        match mail.kind:
            case MailKind.CONFIRMATION | MailKind.REMINDER:
                token = self.joining.mint(tx, mail, writer.message_id(mail.key))
                if token is not None:
                    return _Claimed(mail, token)
                reason = "there is nothing left to confirm"
            case MailKind.ALREADY | MailKind.WELCOME:
                if mail.status == SubscriberStatus.ACTIVE:
                    return _Claimed(mail)
                reason = "the person has left"
            case MailKind.PREFERENCES:
                return _Claimed(mail)
            case _:
                assert_never(mail.kind)
        outgoing.settle(tx, mail.id, MailState.DROPPED, now, reason=reason)
        return None

    def _take_answer(self, mail: Mail, result: BatchResult, now: datetime) -> None:
        outcome = next(
            (outcome for outcome in result.outcomes if outcome.delivery_id == mail.key),
            Outcome(mail.key, OutcomeKind.UNKNOWN, reason="the provider's answer doesn't mention it"),
        )
        if result.hold is None:
            self._pause = _FIRST_PAUSE
        if outcome.kind is not OutcomeKind.DEFERRED:
            self._settle(mail, outcome, now)
        elif result.hold is not None:
            # Nothing is wrong with this one: it is the next again once the hold is over.
            self._write(partial(_wait, mail_id=mail.id, due=now, reason=result.hold.reason))
        elif mail.attempts <= len(_RETRIES):
            due = now + timedelta(minutes=_RETRIES[mail.attempts - 1])
            self._write(partial(_wait, mail_id=mail.id, due=due, reason=outcome.reason, counted=True))
        else:
            self._settle(mail, outcome._replace(kind=OutcomeKind.REJECTED), now)
        if result.hold is not None:
            self._hold(result.hold, now)

    def _settle(self, mail: Mail, outcome: Outcome, now: datetime) -> None:
        states = {OutcomeKind.ACCEPTED: MailState.SENT, OutcomeKind.REJECTED: MailState.REFUSED}
        state = states.get(outcome.kind, MailState.UNKNOWN)
        assert self._post is not None
        ours = self._post.writer.message_id(mail.key)
        theirs = "" if self._post.content is ContentForm.MIME else outcome.provider_id

        def settle(tx: Transaction) -> None:
            outgoing.settle(tx, mail.id, state, now, provider_id=outcome.provider_id, reason=outcome.reason)
            if theirs:
                self.joining.rename_message(tx, ours, theirs)

        self._write(settle)
        if state is not MailState.SENT:
            _LOG.warning(
                "%s mail %d is %s: %s", mail.kind.value, mail.id, state.value, _no_address(outcome.reason)
            )

    def _hold(self, hold: Hold, now: datetime) -> None:
        """Nothing leaves for a while."""
        wait = self._pause if hold.retry_after is None else timedelta(seconds=max(1.0, hold.retry_after))
        self._paused_until = now + wait
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        self._close_session()
        _LOG.warning(
            "single mails wait for %d seconds: %s%s",
            wait.total_seconds(),
            _no_address(hold.reason),
            _with(hold.hint),
        )

    def _make_post(self) -> _Post:
        provider = self._workspace.provider(send_name=OUTBOX, stream=self._workspace.settings.web.stream)
        capabilities = provider.capabilities
        signs = self._workspace.dkim() if provider.name == "smtp" else None
        writer = SingleWriter(
            self._workspace.settings.publication, signs, non_ascii_mailbox=capabilities.writes_to_non_ascii
        )
        return _Post(provider, open_session(provider), writer)

    def _close_session(self) -> None:
        """An idle connection is closed by the other side sooner or later, at the worst moment."""
        if self._post is not None:
            self._post.session.close()
            self._post = None


def make_joining(service: Service, welcome_file: Path) -> Joining:
    """The rules of joining that the settings name."""
    settings = service.workspace.settings
    days = settings.web.reminder_after_days
    return Joining(
        service.audience,
        Consent(settings.consent_words),
        double_opt_in=settings.web.double_opt_in,
        reminder_after=timedelta(days=days) if days else None,
        welcomes=welcome_file.is_file,
    )


def _wait(tx: Transaction, *, mail_id: int, due: datetime, reason: str, counted: bool = False) -> None:
    outgoing.put_off(tx, mail_id, due, reason, counted=counted)


def _with(hint: str) -> str:
    return f" ({hint})" if hint else ""


def _no_address(words: str) -> str:
    """A provider's words without what looks like an address: the log keeps none."""
    return " ".join("…" if "@" in word else word for word in words.split())
