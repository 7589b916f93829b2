"""Messages as the engine makes them, and servers to send them to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.base import Batch, BatchResult, HttpProvider, Response
from tests.fakes.resend import FakeResend
from tests.fakes.smtp import FakeSmtp, make_certificate


def make_message(number: int, *, recipient: str = "", sender: str = "", body: bytes = b"") -> Message:
    """A message as it is after rendering, in both forms."""
    name = recipient or f"reader{number}@example.com"
    unsubscribe = f"<https://news.example.com/u/token-{number}>"
    headers = (
        ("List-Unsubscribe", unsubscribe),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("X-Delivery-ID", f"d-{number}"),
    )
    head = "".join(f"{key}: {value}\r\n" for key, value in headers)
    text = body or f"Hello reader {number},\r\n\r\n=2Ea line that began with a dot\r\n".encode()
    mime = (
        f"From: News <news@example.com>\r\nTo: {name}\r\nSubject: Issue 1\r\n{head}"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    ).encode() + text
    return Message(
        delivery_id=f"d-{number}",
        sender=sender or f"bounce+{number}@example.com",
        recipient=name,
        mime=mime,
        from_header="News <news@example.com>",
        reply_to="editor@example.com",
        subject=f"Issue 1 for “reader {number}”",
        headers=headers,
        html_json=(b"<p>Hello ", json.dumps(f"rëader {number}", ensure_ascii=False).encode()[1:-1], b"</p>"),
        text_json=(b"Hello\\n", str(number).encode()),
    )


def make_batch(count: int, *, first: int = 1, key: str = "send-1/batch-1") -> Batch:
    """`count` messages to different readers."""
    return Batch(key, [make_message(number) for number in range(first, first + count)])


@pytest.fixture
def fake_smtp() -> Iterator[Callable[..., FakeSmtp]]:
    """Starts SMTP servers; stops them afterwards."""
    servers: list[FakeSmtp] = []

    def start(**settings: Any) -> FakeSmtp:
        server = FakeSmtp(**settings)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def fake_resend() -> Iterator[Callable[..., FakeResend]]:
    """Starts Resend servers; stops them afterwards."""
    servers: list[FakeResend] = []

    def start(**settings: Any) -> FakeResend:
        server = FakeResend(**settings)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


def call(provider: HttpProvider, batch: Batch) -> BatchResult:
    """One real HTTP call, as plain as possible; what never got an answer is unknown."""
    request = provider.build_request(batch)
    try:
        answer = httpx.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=b"".join(request.body),
            timeout=60,
            trust_env=False,
        )
    except httpx.TransportError as error:
        return BatchResult(
            [Outcome(m.delivery_id, OutcomeKind.UNKNOWN, reason=str(error)) for m in batch.messages]
        )
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return provider.parse_response(batch, Response(answer.status_code, headers, answer.content))
