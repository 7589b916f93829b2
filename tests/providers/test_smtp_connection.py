"""How the connection is protected, and what a user hears when it isn't: STARTTLS, TLS, logins, settings."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from newsletter.errors import UsageError
from newsletter.model.message import OutcomeKind
from newsletter.providers.base import BatchResult, ProviderOptions
from newsletter.providers.smtp import SmtpProvider, Timeouts, read_options
from newsletter.providers.smtp.options import Security
from tests.fakes.ledger import Fault
from tests.fakes.smtp import FakeSmtp, make_certificate
from tests.providers.conftest import make_batch

Start = Callable[..., FakeSmtp]
PATIENT = Timeouts(connect=60, reply=60, data_end=60)


def send(server: FakeSmtp, count: int = 3, host: str = "127.0.0.1", **settings: Any) -> BatchResult:
    options = ProviderOptions(name="smtp", host=host, port=server.port, **settings)
    session = SmtpProvider(options, timeouts=PATIENT).session()
    try:
        return session.send(make_batch(count))
    finally:
        session.close()


def delivered(result: BatchResult) -> bool:
    return all(outcome.kind is OutcomeKind.ACCEPTED for outcome in result.outcomes)


def held(result: BatchResult) -> tuple[str, str]:
    """Reason and hint of a hold that a person must end; everybody is deferred."""
    assert all(outcome.kind is OutcomeKind.DEFERRED for outcome in result.outcomes)
    assert len(result.outcomes) == 3
    assert result.hold is not None
    assert result.hold.retry_after is None
    return result.hold.reason, result.hold.hint


class TestTls:
    @pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "TLS"])
    def test_a_trusted_certificate_lets_mail_through(
        self,
        fake_smtp: Start,
        certificate: tuple[Path, Path],
        monkeypatch: pytest.MonkeyPatch,
        implicit: bool,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        server = fake_smtp(certificate=certificate, implicit_tls=implicit)
        assert delivered(send(server, 30, tls=implicit, starttls=not implicit))
        assert len(server.messages) == 30
        assert ("STARTTLS" in server.commands) is not implicit

    def test_large_texts_cross_tls_whole(
        self, fake_smtp: Start, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from newsletter.providers.base import Batch
        from tests.providers.conftest import make_message

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        server = fake_smtp(certificate=certificate)
        batch = Batch("k", [make_message(n, body=b"0123456789abcdef\r\n" * 20_000 * n) for n in (1, 2)])
        options = ProviderOptions(name="smtp", host="localhost", port=server.port, starttls=True)
        session = SmtpProvider(options, timeouts=PATIENT).session()
        assert delivered(session.send(batch))
        session.close()
        assert [m.data for m in server.messages] == [m.mime for m in batch.messages]

    @pytest.mark.parametrize("action", ["accept-close", "close"])
    def test_an_answer_lost_inside_tls_is_unknown_and_nothing_comes_twice(
        self, fake_smtp: Start, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, action: str
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        server = fake_smtp(certificate=certificate)
        server.faults.add(Fault("END", action, match="reader2@", times=1))
        result = send(server, 4, starttls=True)
        assert [o.kind.value for o in result.outcomes] == ["accepted", "unknown", "accepted", "accepted"]
        assert max(server.ledger.recipients.values()) == 1

    @pytest.mark.parametrize("implicit", [False, True], ids=["STARTTLS", "TLS"])
    def test_a_certificate_nobody_vouches_for_holds_the_send(
        self, fake_smtp: Start, certificate: tuple[Path, Path], implicit: bool
    ) -> None:
        server = fake_smtp(certificate=certificate, implicit_tls=implicit)
        reason, hint = held(send(server, tls=implicit, starttls=not implicit))
        assert "certificate" in reason
        assert "SSL_CERT_FILE" in hint
        assert not server.messages

    def test_a_certificate_for_another_name_holds_the_send(
        self, fake_smtp: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = make_certificate(tmp_path, "mail.example.com")
        monkeypatch.setenv("SSL_CERT_FILE", str(other[0]))
        server = fake_smtp(certificate=other)
        reason, hint = held(send(server, starttls=True))
        assert "127.0.0.1" in reason
        assert "certificate" in reason
        assert "provider.host" in hint
        assert not server.messages

    def test_tls_on_a_port_that_speaks_none_says_which_port_does(self, fake_smtp: Start) -> None:
        reason, hint = held(send(fake_smtp(), tls=True))
        assert "TLS" in reason
        assert "587" in hint

    def test_a_server_without_starttls_is_refused_where_it_is_required(self, fake_smtp: Start) -> None:
        server = fake_smtp()
        reason, hint = held(send(server, starttls=True))
        assert "STARTTLS" in reason
        assert "465" in hint
        assert not any(command.startswith("MAIL") for command in server.commands)


class TestLogin:
    @pytest.mark.parametrize("mechanisms", [("PLAIN",), ("LOGIN",), ("PLAIN", "LOGIN")])
    def test_the_login_goes_through_tls_first(
        self,
        fake_smtp: Start,
        certificate: tuple[Path, Path],
        monkeypatch: pytest.MonkeyPatch,
        mechanisms: tuple[str, ...],
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        server = fake_smtp(certificate=certificate, users={"news": "pass word"}, auth_mechanisms=mechanisms)
        assert delivered(send(server, starttls=True, username="news", secret=SecretStr("pass word")))
        assert server.commands.index("STARTTLS") < server.commands.index("AUTH …")

    def test_a_password_beyond_ascii_is_sent_as_utf8(self, fake_smtp: Start) -> None:
        server = fake_smtp(users={"zoë": "pässwörd"})
        assert delivered(send(server, username="zoë", secret=SecretStr("pässwörd")))

    def test_a_wrong_password_holds_the_send_and_names_the_variable(self, fake_smtp: Start) -> None:
        server = fake_smtp(users={"news": "right"})
        reason, hint = held(send(server, username="news", secret=SecretStr("wrong-secret")))
        assert "535" in reason
        assert "NEWSLETTER_SMTP_PASSWORD" in hint
        assert not server.messages

    @pytest.mark.parametrize("encode", [str, lambda s: base64.b64encode(s.encode()).decode()])
    def test_an_error_never_repeats_the_password(
        self, fake_smtp: Start, encode: Callable[[str], str]
    ) -> None:
        secret = "s3cret-word"
        server = fake_smtp(users={"news": "right"}, auth_mechanisms=("PLAIN",))
        server.faults.add(Fault("AUTH", f"535 5.7.8 {encode(secret)} is wrong for news"))
        result = send(server, username="news", secret=SecretStr(secret))
        assert encode(secret) not in repr(result)

    def test_a_login_that_fails_for_now_is_tried_again(self, fake_smtp: Start) -> None:
        server = fake_smtp(users={"news": "right"})
        server.faults.add(Fault("AUTH", "454 4.7.0 try later"))
        result = send(server, username="news", secret=SecretStr("right"))
        assert result.hold is not None
        assert result.hold.retry_after

    def test_a_server_without_logins_says_so(self, fake_smtp: Start) -> None:
        reason, _ = held(send(fake_smtp(), username="news", secret=SecretStr("x")))
        assert "login" in reason

    def test_an_unknown_mechanism_says_what_is_offered(self, fake_smtp: Start) -> None:
        server = fake_smtp(users={"news": "x"}, auth_mechanisms=("XOAUTH2",))
        reason, hint = held(send(server, username="news", secret=SecretStr("x")))
        assert "XOAUTH2" in reason
        assert "app password" in hint

    def test_a_server_that_wants_a_login_nobody_configured_holds_the_send(self, fake_smtp: Start) -> None:
        _, hint = held(send(fake_smtp(users={"news": "right"})))
        assert "NEWSLETTER_SMTP_PASSWORD" in hint


SECRET = SecretStr("x")


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "security", "port"),
        [
            ({"host": "smtp.example.com"}, Security.STARTTLS, 587),
            ({"host": "smtp.example.com", "username": "u", "secret": SECRET}, Security.STARTTLS, 587),
            ({"host": "smtp.example.com", "port": 465}, Security.TLS, 465),
            ({"host": "smtp.example.com", "tls": True}, Security.TLS, 465),
            ({"host": "smtp.example.com", "tls": True, "port": 2465}, Security.TLS, 2465),
            ({"host": "smtp.example.com", "port": 465, "starttls": True}, Security.STARTTLS, 465),
            ({"host": "relay.example.com", "starttls": False}, Security.CLEAR, 587),
            ({"host": "localhost"}, Security.CLEAR, 25),
            ({"host": "127.0.0.1", "username": "u", "secret": SECRET}, Security.CLEAR, 587),
            ({"host": "[::1]"}, Security.CLEAR, 25),
            ({"host": "::1", "starttls": True}, Security.STARTTLS, 25),
            ({"host": "localhost.example.com"}, Security.STARTTLS, 587),
        ],
    )
    def test_the_rule_for_protection_and_port(
        self, settings: dict[str, Any], security: Security, port: int
    ) -> None:
        found = read_options(ProviderOptions(name="smtp", **settings))
        assert (found.security, found.port) == (security, port)

    @pytest.mark.parametrize(
        ("settings", "names"),
        [
            ({}, "provider.host"),
            ({"host": "https://smtp.example.com"}, "host name"),
            ({"host": "x" * 70 + ".example.com"}, "can't be a host name"),
            ({"host": "smtp..example.com"}, "can't be a host name"),
            ({"host": "smtp.example.com", "tls": True, "starttls": True}, "contradict"),
            ({"host": "smtp.example.com", "username": "u"}, "NEWSLETTER_SMTP_PASSWORD"),
            (
                {"host": "smtp.example.com", "username": "u", "secret": SECRET, "starttls": False},
                "clear text",
            ),
        ],
    )
    def test_settings_that_cannot_work_are_refused(self, settings: dict[str, Any], names: str) -> None:
        with pytest.raises(UsageError, match=names) as caught:
            SmtpProvider(ProviderOptions(name="smtp", **settings))
        assert caught.value.hint
