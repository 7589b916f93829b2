"""Is the mailbox's password safe on its way? Real servers on loopback, with certificates made for the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from newsletter.errors import NewsletterError, UsageError
from newsletter.tracking.mailbox.boxes import BoxOptions
from newsletter.tracking.mailbox.poll import open_box
from tests.fakes.mailboxes import PASSWORD, USER, Mailbox, imap, pop3
from tests.fakes.smtp import make_certificate

MAIL = b"Subject: Lunch?\r\nFrom: x@example.org\r\n\r\nAt one.\r\n"
SERVERS: dict[str, Callable[..., Mailbox]] = {"imap": imap, "pop3": pop3}
LOGINS = {"LOGIN", "AUTHENTICATE", "USER", "PASS"}

Certificates = dict[str, tuple[Path, Path]]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One for this machine, one for another name, one that nobody vouches for."""
    made = {"ours": "localhost", "of another": "mail.example.com", "unknown": "localhost"}
    return {
        name: make_certificate(tmp_path_factory.mktemp(name.replace(" ", "-")), host)
        for name, host in made.items()
    }


@pytest.fixture(autouse=True)
def _trust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificates: Certificates) -> None:
    bundle = tmp_path / "trusted.pem"
    trusted = (certificates["ours"][0], certificates["of another"][0])
    bundle.write_bytes(b"".join(path.read_bytes() for path in trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))


def options_of(server: Mailbox, protocol: str, *, starttls: bool = False) -> BoxOptions:
    """As the settings would say it of this server."""
    tls = None if starttls else True
    return BoxOptions(
        protocol, "127.0.0.1", server.port, USER, tls, starttls, password=SecretStr(PASSWORD), timeout=60
    )


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("way", ["implicit", "upgrade"])
def test_the_password_and_the_mails_travel_encrypted(
    protocol: str, way: str, certificates: Certificates
) -> None:
    with SERVERS[protocol](MAIL, tls=way, certificate=certificates["ours"]) as server:
        box = open_box(options_of(server, protocol, starttls=way == "upgrade"))
        [entry] = box.waiting()
        assert box.read(entry) == MAIL
        box.close()
        assert set(server.encrypted) >= {"FETCH" if protocol == "imap" else "RETR"}
        assert LOGINS & set(server.encrypted)
        in_clear = set(server.commands[: len(server.commands) - len(server.encrypted)])
        assert in_clear <= {"CAPABILITY", "CAPA", "STARTTLS", "STLS"}


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("way", ["implicit", "upgrade"])
@pytest.mark.parametrize("whose", ["of another", "unknown"])
def test_a_wrong_certificate_is_refused_before_the_password_is_sent(
    protocol: str, way: str, whose: str, certificates: Certificates
) -> None:
    with SERVERS[protocol](MAIL, tls=way, certificate=certificates[whose]) as server:
        with pytest.raises(NewsletterError, match=r"certificate of 127\.0\.0\.1 can't be trusted") as raised:
            open_box(options_of(server, protocol, starttls=way == "upgrade"))
        assert not LOGINS & set(server.commands)
    assert PASSWORD not in raised.value.message + raised.value.hint
    assert "SSL_CERT_FILE" in raised.value.hint


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_connection_that_isnt_upgraded_is_left_before_the_password_is_sent(protocol: str) -> None:
    with SERVERS[protocol](MAIL) as server:
        with pytest.raises(NewsletterError, match="doesn't offer STARTTLS"):
            open_box(options_of(server, protocol, starttls=True))
        assert not LOGINS & set(server.commands)


def test_a_session_that_somebody_else_has_opened_already_is_left(certificates: Certificates) -> None:
    with imap(MAIL, tls="upgrade", certificate=certificates["ours"]) as server:
        server.preauth = True
        with pytest.raises(NewsletterError, match="doesn't offer STARTTLS"):
            open_box(options_of(server, "imap", starttls=True))
        assert not {"FETCH", "SEARCH", "LOGIN"} & set(server.commands)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_tls_on_a_port_without_it_leads_to_the_right_setting(protocol: str) -> None:
    with SERVERS[protocol](MAIL) as server:
        with pytest.raises(NewsletterError, match="doesn't speak TLS there") as raised:
            open_box(options_of(server, protocol))
        assert not LOGINS & set(server.commands)
    assert "starttls = true" in raised.value.hint


def test_settings_that_contradict_each_other_are_named() -> None:
    options = BoxOptions("imap", "mail.example.com", user=USER, password=SecretStr(PASSWORD))
    with pytest.raises(UsageError, match="contradict"):
        open_box(replace(options, tls=True, starttls=True))
    with pytest.raises(UsageError, match="clear text"):
        open_box(replace(options, tls=False))


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_password_in_any_alphabet_lets_in(protocol: str) -> None:
    with SERVERS[protocol](MAIL) as server:
        server.password = "Grüße, 世界"
        box = open_box(replace(options_of(server, protocol), tls=False, password=SecretStr(server.password)))
        assert len(list(box.waiting())) == 1
        box.close()
