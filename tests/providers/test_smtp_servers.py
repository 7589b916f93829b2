"""SMTP against a server others wrote: aiosmtpd. Postfix's smtp-sink is the peer of benchmarks/smtp.py."""

from __future__ import annotations

import socket
from typing import Any

from aiosmtpd.controller import Controller

from newsletter.model.message import OutcomeKind
from newsletter.providers.base import Batch, BatchResult, ProviderOptions
from newsletter.providers.smtp import SmtpProvider
from tests.providers.conftest import make_batch, make_message


class Inbox:
    """What aiosmtpd received; refuses one reader."""

    def __init__(self) -> None:
        self.received: list[tuple[str, list[str], bytes]] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        if address.startswith("reader3@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        self.received.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 OK: queued as A1"


def send(port: int, batch: Batch) -> BatchResult:
    options = ProviderOptions(name="smtp", host="127.0.0.1", port=port)
    session = SmtpProvider(options).session()
    try:
        return session.send(batch)
    finally:
        session.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_aiosmtpd_receives_every_byte_and_its_refusals_are_understood() -> None:
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)
    controller.start()
    try:
        odd = make_message(6, body=b".dot\r\n..dots\r\n.\r\nlast line without an end")
        batch = Batch("k", [*make_batch(5).messages, odd])
        result = send(controller.port, batch)
    finally:
        controller.stop()
    kinds = {o.delivery_id: o.kind for o in result.outcomes}
    assert kinds.pop("d-3") is OutcomeKind.REJECTED
    assert set(kinds.values()) == {OutcomeKind.ACCEPTED}
    assert inbox.received == [
        (m.sender, [m.recipient], m.mime if m.mime.endswith(b"\r\n") else m.mime + b"\r\n")
        for m in batch.messages
        if m.delivery_id != "d-3"
    ]
