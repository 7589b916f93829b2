"""What a provider is: declared capabilities, and either pure HTTP translation or a session of its own.

The engine owns pace, retry and the ledger. An HTTP provider is three pure functions; the engine
does the HTTP. SMTP and the outbox speak for themselves through a `Session`, one per sender thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import SecretStr

from newsletter.model.message import Message, Outcome


class ContentForm(StrEnum):
    """What a provider wants of the engine for each recipient."""

    MIME = "mime"  # the whole message as bytes
    FIELDS = "fields"  # subject, HTML, text and headers apart


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can and can't do; a missing one is an error when the send is planned.

    Attributes:
        content: what it is given.
        max_batch: recipients per call.
        connections: sender threads that make sense unless configured.
        attachments: whether inline images can travel with a batch; otherwise they are linked.
        per_item_result: whether the answer names each recipient's own outcome.
        idempotency_ttl: seconds for which the same key with the same bytes may be replayed; 0 where there is none.
        look_up: whether `Session.look_up` can tell for certain what became of a delivery.
        non_ascii_mailbox: whether an address with a non-ASCII local part (RFC 6531) can be reached.
        messages_per_second: the documented default rate; 0 where none is known.
    """

    content: ContentForm
    max_batch: int
    connections: int = 4
    attachments: bool = True
    per_item_result: bool = True
    idempotency_ttl: int = 0
    look_up: bool = False
    non_ascii_mailbox: bool = False
    messages_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """What `[provider]` and the environment say; each provider reads what concerns it.

    Attributes:
        secret: the API key or the SMTP password, or None.
        outbox_dir: where the outbox provider writes.
        send_name: names this send's folder in the outbox; empty outside a send.
    """

    name: str
    base_url: str = ""
    host: str = ""
    port: int = 0
    username: str = ""
    starttls: bool | None = None
    tls: bool | None = None
    secret: SecretStr | None = None
    outbox_dir: Path = Path()
    send_name: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that leave in one call.

    Attributes:
        key: stable for this set of messages; the idempotency key where the provider takes one.
        messages: at most `Capabilities.max_batch`.
    """

    key: str
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Hold:
    """The whole send must pause: nothing about a single recipient is wrong.

    Attributes:
        reason: what happened, in the provider's words.
        hint: what the user must do; empty where waiting is enough.
        retry_after: seconds after which to go on by itself; None where a person must act
            (a wrong key, an unverified domain).
    """

    reason: str
    hint: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: an outcome for each message, and perhaps a reason to hold the send.

    A message that `outcomes` doesn't mention is unknown.
    """

    outcomes: Sequence[Outcome]
    hold: Hold | None = None


class Session(Protocol):
    """One sender thread's connection; used by one thread at a time."""

    def send(self, batch: Batch) -> BatchResult:
        """Try to send; never raises for what a network or a provider does."""
        ...

    def close(self) -> None:
        """Let go of the connection; quiet when it is gone already."""
        ...


@runtime_checkable
class SessionProvider(Protocol):
    """A provider with a transport of its own: SMTP, the outbox."""

    name: str
    capabilities: Capabilities

    def session(self) -> Session:
        """A new session; connecting may be left to the first `send`."""
        ...


@runtime_checkable
class LookUp(Protocol):
    """A provider that can tell for certain whether a delivery was accepted."""

    def look_up(self, delivery_ids: Sequence[str]) -> Mapping[str, Outcome]:
        """What became of each: accepted, or deferred where it was provably not accepted.

        One that can't be told is left out.
        """
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP call to make.

    Attributes:
        body: parts joined once when it is sent.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer, read whole."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""


@runtime_checkable
class HttpProvider(Protocol):
    """A provider behind an HTTP API: pure translation both ways."""

    name: str
    capabilities: Capabilities

    def build_request(self, batch: Batch) -> Request:
        """The call that sends `batch`; the same batch always gives the same bytes."""
        ...

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about each message."""
        ...


Provider = SessionProvider | HttpProvider
