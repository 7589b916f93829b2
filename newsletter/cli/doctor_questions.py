"""What does the doctor ask of one newsletter? Its settings, secrets and files turned into questions, asked side by side."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from newsletter.app import Workspace
from newsletter.audience.keys import KEY_VARIABLE, read_ring
from newsletter.checks.setup import machine_lines as machine
from newsletter.checks.setup.domain import domain_questions
from newsletter.checks.setup.line import Area, Line, Status
from newsletter.checks.setup.provider_lines import judge_diagnosis
from newsletter.checks.setup.reputation_lines import judge_reputation
from newsletter.checks.setup.resolver import DnsResolver
from newsletter.checks.setup.rounds import Question, ask_all
from newsletter.checks.setup.senders import sender_of
from newsletter.checks.setup.service_lines import judge_address, judge_certificate, judge_service
from newsletter.checks.setup.subject import Identity
from newsletter.checks.setup.web import Outside
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.delivery import Recipient
from newsletter.providers.base import HttpProvider, Provider
from newsletter.providers.diagnosis import Diagnosable, Diagnosis
from newsletter.render.idn import ascii_domain
from newsletter.render.list_headers import list_unsubscribe

# What is left of the time for a question's answer to be judged.
_SPARE: Final = 0.3
# A subscriber's number that is never given: SQLite counts from 1.
_NOBODY: Final = 0
_NO_WAY: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for.

    Attributes:
        domain: instead of that of `from`; empty for that.
        selectors: to look up as well.
        areas: to look at.
        offline: whether to ask nothing that needs a network.
        nameserver: its address, or empty, and its port.
        seconds: for all of it.
    """

    domain: str
    selectors: tuple[str, ...]
    areas: frozenset[Area]
    offline: bool
    nameserver: tuple[str, int]
    seconds: float


def examine(
    workspace: Workspace, asked: Asked, told: Callable[[int, int], None] = lambda _done, _all: None
) -> list[Line]:
    """All lines, in the order they are shown; `told` hears now and then how many questions are answered, and of how many."""
    return _Examination(workspace, asked).lines(told)


class _Examination:
    """One run.

    Args:
        workspace: the newsletter.
        asked: what to look at.
    """

    def __init__(self, workspace: Workspace, asked: Asked) -> None:
        self._workspace = workspace
        self._asked = asked
        self._dates: dict[str, tuple[str, datetime]] = {}
        self._told: tuple[str, ...] = ()
        self._has_told = threading.Event()
        self._audience = machine.count_active(workspace.database_path)

    def lines(self, told: Callable[[int, int], None]) -> list[Line]:
        """Ask everything; the clock is judged last, by what the answers say."""
        areas, seconds = self._asked.areas, self._asked.seconds
        online = not self._asked.offline
        identity, trouble = self._identity()
        questions: list[Question] = []
        if Area.DNS in areas and online and identity is not None:
            resolver = DnsResolver(seconds - _SPARE, *self._asked.nameserver)
            questions += domain_questions(identity, resolver, self._selectors)
        provider_asked = Area.PROVIDER in areas and online and identity is not None
        if provider_asked and identity is not None:
            questions.append(("provider.key", lambda: self._ask_provider(identity)))
        else:
            self._has_told.set()
        if Area.PROVIDER in areas:
            questions.append(("provider.reputation", self._judge_last_issue))
        if Area.SERVICE in areas:
            questions += self._service_questions(online=online)
        if Area.MACHINE in areas:
            questions += self._machine_questions()
        found = [line for line in trouble if line.area in areas] + ask_all(questions, seconds, told)
        if Area.MACHINE in areas:
            clock = self._workspace.clock.now()
            found.append(
                machine.judge_clock(
                    dict(self._dates), machine.written_at(self._workspace.database_path), clock
                )
            )
        order = {area: number for number, area in enumerate(Area)}
        return sorted(found, key=lambda line: order[line.area])

    def _identity(self) -> tuple[Identity | None, list[Line]]:
        """Who sends, and what is wrong with the settings that say so."""
        settings = self._workspace.settings
        publication, table = settings.publication, settings.provider
        mailbox, _, named = publication.from_email.rpartition("@")
        trouble: list[Line] = []
        domain = self._asked.domain or _ascii(named)
        if not domain:
            said = f"`{named}` can't be looked up in the DNS" if named else "there is no `from`"
            advice = (
                'write from = "Name <you@your-domain>" into newsletter.toml, or name a domain: --domain D'
            )
            status = Status.WARN if table.name == "outbox" else Status.FAIL
            return None, [Line("dns.from", Area.DNS, status, "the domain of `from`", said, advice)]
        own = Identity(
            domain=domain,
            provider=table.name,
            mailbox=mailbox,
            provider_domain="" if self._asked.domain else _ascii(table.domain),
            envelope=_ascii(table.bounce_address.rpartition("@")[2]) if table.name == "smtp" else "",
            reply=_ascii(publication.reply_to.rpartition("@")[2].strip("> ")),
            dkim_domain=_ascii(table.dkim_domain),
            selectors=self._asked.selectors,
            smtp_host=table.host.strip("[] ") if table.name == "smtp" else "",
            audience=self._audience,
        )
        if not table.dkim_selector:
            return own, trouble
        own = replace(own, selectors=(table.dkim_selector.lower(), *own.selectors))
        try:
            signer = self._workspace.dkim()
        except UsageError as error:
            trouble.append(
                Line("dns.dkim.key", Area.DNS, Status.FAIL, "our own DKIM key", error.message, error.hint)
            )
            return own, trouble
        assert signer is not None
        kind = signer.algorithm.partition("-")[0]
        own = replace(
            own,
            own_key=signer.public_key,
            own_selector=signer.selector.lower(),
            own_key_kind=kind,
            dkim_domain=signer.domain,
        )
        return own, trouble

    def _selectors(self) -> tuple[str, ...]:
        """Those the provider names, waited for no longer than half of the time."""
        self._has_told.wait(self._asked.seconds / 2)
        return self._told

    def _ask_provider(self, identity: Identity) -> list[Line]:
        try:
            return self._provider_lines(identity)
        finally:
            self._has_told.set()

    def _provider_lines(self, identity: Identity) -> list[Line]:
        name = self._workspace.settings.provider.name
        try:
            provider = self._workspace.provider()
        except UsageError as error:
            return [
                Line("provider.settings", Area.PROVIDER, Status.FAIL, "[provider]", error.message, error.hint)
            ]
        if name == "outbox":
            said = "the outbox: mails are written into a folder, and nothing leaves"
            advice = "name a provider under [provider] when you want to send"
            return [
                Line(
                    "provider.name", Area.PROVIDER, Status.OK, "[provider] name", said, advice, optional=True
                )
            ]
        if name == "smtp":
            return [self._log_in(provider)]
        sender = sender_of(identity)
        title = sender.title if sender is not None else name
        if not isinstance(provider, Diagnosable) or not isinstance(provider, HttpProvider):
            said = f"{title} has no call that tells without sending"
            return [Line("provider.key", Area.PROVIDER, Status.UNKNOWN, f"the key for {title}", said)]
        domain = identity.provider_domain or identity.domain
        try:
            found = self._diagnose(provider, domain)
        except NewsletterError as error:
            return [
                Line(
                    "provider.key",
                    Area.PROVIDER,
                    Status.UNKNOWN,
                    f"the key for {title}",
                    error.message,
                    error.hint,
                )
            ]
        self._told = found.selectors
        lines = judge_diagnosis(title, domain, found)
        if self._workspace.settings.provider.sandbox:
            said = f"`sandbox = true`: {title} checks everything and delivers nothing"
            advice = "take it out of [provider] before you send for real"
            lines.append(
                Line("provider.sandbox", Area.PROVIDER, Status.WARN, "[provider] sandbox", said, advice)
            )
        return lines

    def _diagnose(self, provider: HttpProvider, domain: str) -> Diagnosis:
        """Ask until the provider's answers say enough.

        Raises:
            NewsletterError: no answer came.
        """
        import httpx

        from newsletter.send.transport import HttpSession

        assert isinstance(provider, Diagnosable)
        session = HttpSession(provider, httpx.Timeout(max(0.5, self._asked.seconds / 2)))
        try:
            questions = provider.diagnose(domain)
            request = next(questions)
            while True:
                response = session.ask(request)
                self._tell_date(provider.name, response.headers.get("date", ""))
                request = questions.send(response)
        except StopIteration as end:
            found: Diagnosis = end.value
            return found
        finally:
            session.close()

    def _log_in(self, provider: Provider) -> Line:
        from newsletter.providers.smtp import SmtpProvider, Timeouts
        from newsletter.providers.smtp.connect import Unreachable

        assert isinstance(provider, SmtpProvider)
        seconds = max(0.5, self._asked.seconds / 2)
        table = self._workspace.settings.provider
        asked = f"a connection to {table.host}, and a login; no mail"
        try:
            said = provider.try_login(Timeouts(connect=seconds, reply=seconds))
        except Unreachable as failure:
            # No way there, or too busy now, is no verdict on the settings; a refusal is.
            no_way = isinstance(failure.__context__, OSError) and (
                isinstance(failure.__context__, TimeoutError | socket.gaierror)
                or failure.__context__.errno in _NO_WAY
            )
            unknown = no_way or failure.crowded or failure.hold.retry_after is not None
            status = Status.UNKNOWN if unknown else Status.FAIL
            return Line(
                "provider.login", Area.PROVIDER, status, asked, failure.hold.reason, failure.hold.hint
            )
        return Line("provider.login", Area.PROVIDER, Status.OK, asked, said)

    def _judge_last_issue(self) -> list[Line]:
        """One line about the issue sent last; none where nothing was sent, or the store isn't one to read now."""
        if not machine.is_current(self._workspace.database_path):
            return []
        from newsletter.store.sqlite import SqliteDatabase
        from newsletter.tracking.report import issues_sent, report_of

        with suppress(NewsletterError), SqliteDatabase(self._workspace.database_path) as database:
            for slug in issues_sent(database)[-1:]:
                report = report_of(database, slug)
                if report is not None and report.accepted:
                    return [judge_reputation(slug, report.accepted, report.complained, report.hard)]
        return []

    def _tell_date(self, who: str, header: str) -> None:
        if header:
            self._dates.setdefault(who, (header, self._workspace.clock.now()))

    def _service_questions(self, *, online: bool) -> list[Question]:
        settings = self._workspace.settings
        base = settings.publication.base_url
        needed = settings.provider.name != "outbox"
        questions: list[Question] = [("service.headers", lambda: [self._judge_header(base, needed=needed)])]
        if not base or not online:
            return questions
        if Identity(base.partition("://")[2].partition("/")[0].partition(":")[0], "").reserved and not needed:
            return questions
        outside = Outside(max(0.5, self._asked.seconds / 3))
        now = self._workspace.clock.now()
        return [
            *questions,
            ("service.certificate", lambda: judge_certificate(base, outside, now)),
            ("service.reached", lambda: judge_service(base, outside, self._probe(), self._tell_date)),
        ]

    def _judge_header(self, base: str, *, needed: bool) -> Line:
        """What the code that writes our messages makes of `base_url`."""
        if not base:
            return judge_address(base, one_click=False, needed=needed, header="")
        token = self._probe() or "x" * 19
        nobody = Recipient("", _NOBODY, "", {"unsubscribe_url": f"{base}/u/{token}"})
        try:
            value, one_click = list_unsubscribe(nobody)
        except NewsletterError as error:
            return Line(
                "service.headers", Area.SERVICE, Status.FAIL, "List-Unsubscribe", error.message, error.hint
            )
        return judge_address(base, one_click=one_click, needed=needed, header=value.replace(token, "…"))

    def _probe(self) -> str:
        """An unsubscribe token for nobody; empty where there is no key yet: asking for one must not make it."""
        if not self._workspace.secrets.get(KEY_VARIABLE) and not self._workspace.key_file.exists():
            return ""
        with suppress(NewsletterError, OSError):
            return self._workspace.signer.unsubscribe(_NOBODY)
        return ""

    def _machine_questions(self) -> list[Question]:
        workspace = self._workspace
        seconds = max(0.5, self._asked.seconds / 2)
        private = (workspace.key_file, workspace.database_path, workspace.home / ".env")
        keeps = workspace.settings.provider.name == "outbox"
        now = workspace.clock.now()

        def one(judge: Callable[[], Line]) -> Callable[[], list[Line]]:
            return lambda: [judge()]

        return [
            ("machine.store", lambda: machine.judge_store(workspace.database_path, seconds)),
            ("machine.secret_key", one(self._judge_key)),
            ("machine.permissions", one(lambda: machine.judge_permissions(private))),
            (
                "machine.disk",
                one(lambda: machine.judge_disk(workspace.home, self._audience, keeps_mails=keeps)),
            ),
            ("machine.python", machine.judge_python),
            ("machine.timezone", one(lambda: machine.judge_time_zone(workspace.settings.timezone, now))),
        ]

    def _judge_key(self) -> Line:
        """Whether links in mails can be made and read; looked at without making a key."""
        workspace = self._workspace

        def line(status: Status, answer: str, advice: str = "", *, optional: bool = False) -> Line:
            return Line(
                "machine.secret_key",
                Area.MACHINE,
                status,
                "the secret key of links",
                answer,
                advice,
                optional=optional,
            )

        named = workspace.secrets.get(KEY_VARIABLE)
        try:
            if named is not None:
                return line(Status.OK, f"{len(workspace.keys)} in {KEY_VARIABLE}")
            if not workspace.key_file.exists():
                if machine.is_ours(workspace.database_path):
                    said = f"{workspace.key_file} is gone, and the store was made with it"
                    return line(
                        Status.FAIL,
                        said,
                        "restore it from a backup: links in mails already sent depend on it",
                    )
                return line(Status.OK, "not there yet; the first command that needs it makes it")
            count = len(read_ring(workspace.key_file))
        except (NewsletterError, OSError) as error:
            return line(Status.FAIL, str(error), getattr(error, "hint", ""))
        return line(
            Status.OK,
            f"{count} in {workspace.key_file.name}",
            f"keep a copy of {workspace.key_file} and of the store elsewhere; neither can be made anew",
            optional=True,
        )


def _ascii(domain: str) -> str:
    if not domain:
        return ""
    with suppress(NewsletterError):
        return ascii_domain(domain.lower().rstrip("."))
    return ""
