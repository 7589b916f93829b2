"""The doctor at a mail server: it connects, logs in and leaves; no mail is sent, and no password is shown."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from newsletter.app import Workspace, open_workspace
from newsletter.checks.setup.line import Area, Line, Status
from newsletter.cli.doctor_questions import Asked, examine
from tests.fakes.smtp import FakeSmtp, make_certificate
from tests.providers.test_smtp_servers import Inbox, free_port

PASSWORD = "a-password-nobody-may-see"


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Workspace]:
    monkeypatch.delenv("NEWSLETTER_HOME", raising=False)

    def make(port: int, more: str = "") -> Workspace:
        (tmp_path / "newsletter.toml").write_text(
            f'from = "ada@ada.dev"\n[provider]\nname = "smtp"\nhost = "localhost"\nport = {port}\n{more}'
        )
        return open_workspace(tmp_path)

    return make


def login(workspace: Workspace) -> Line:
    asked = Asked("", (), frozenset([Area.PROVIDER]), offline=False, nameserver=("", 53), seconds=4)
    [line] = examine(workspace, asked)
    assert PASSWORD not in repr(line)
    return line


def test_a_server_others_wrote_is_greeted_and_gets_no_mail(notes: Callable[..., Workspace]) -> None:
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        line = login(notes(controller.port))
    finally:
        controller.stop()
    assert (line.id, line.status) == ("provider.login", Status.OK)
    assert "clear text, without a login" in line.answer
    assert inbox.received == []


def test_a_login_goes_through_tls_and_a_wrong_password_fails(
    notes: Callable[..., Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    monkeypatch.setenv("NEWSLETTER_SMTP_PASSWORD", PASSWORD)
    with FakeSmtp(certificate=certificate, users={"ada": PASSWORD}) as server:
        workspace = notes(server.port, 'starttls = true\nusername = "ada"\n')
        good = login(workspace)
        assert (good.status, good.answer) == (Status.OK, "STARTTLS, logged in as ada")
        server.users["ada"] = "another"
        bad = login(workspace)
        assert bad.status is Status.FAIL
        assert "NEWSLETTER_SMTP_PASSWORD" in bad.advice
        monkeypatch.delenv("SSL_CERT_FILE")
        assert "certificate" in login(workspace).answer
        assert server.messages == []


def test_a_closed_port_fails_and_silence_is_unknown(notes: Callable[..., Workspace]) -> None:
    assert login(notes(free_port())).status is Status.FAIL
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert login(notes(silent.getsockname()[1])).status is Status.UNKNOWN
