"""What a provider is: declared capabilities, and either pure HTTP translation or a session of its own.

The engine owns pace, retry and the ledger. An HTTP provider is a few pure functions; the engine
does the HTTP. SMTP and the outbox speak for themselves through a `Session`, one per sender thread.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import SecretStr

from newsletter.model.event import Event
from newsletter.model.message import Message, Outcome, SharedContent
from newsletter.providers.signatures import WebhookCall, WebhookSecrets


class ContentForm(StrEnum):
    """What a provider wants of the engine for each recipient."""

    MIME = "mime"  # the whole message as bytes
    FIELDS = "fields"  # subject, HTML, text and headers apart, a body for each recipient
    VALUES = (
        "values"  # the content once a batch, with holes in the provider's own language, and values for each
    )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can and can't do; a missing one is an error when the send is planned.

    Attributes:
        content: what it is given.
        max_batch: recipients per call; 1 where a batch can't carry each recipient's own unsubscribe header.
        connections: sender threads that make sense unless configured.
        attachments: whether inline images can travel with a batch; otherwise they are linked.
        per_item_result: whether the answer names each recipient's own outcome.
        idempotency_ttl: seconds for which the same key with the same bytes may be replayed; 0 where there is none.
        look_up: whether `LookUp.look_up` can tell for certain what became of a delivery.
        lookup_by: what `Search.search` looks deliveries up by (`metadata`, `CustomID`); empty where it can't.
        non_ascii_mailbox: whether an address with a non-ASCII local part (RFC 6531) can be reached.
        non_ascii_if_offered: whether that depends on the server, which says so on each connection; where it
            doesn't offer it the session refuses the message.
        messages_per_second: the documented default rate; 0 where none is known.
        calls_per_second: the documented limit of calls, however many recipients each has; 0 where none is known.
        max_call_bytes: the largest body of one call; 0 where none is known.
        max_message_bytes: the largest single message, HTML and text together; 0 where none is known.
        notes: what somebody should know before each send, in whole sentences.
        rate_note: the same, where the settings have no rate of their own.
    """

    content: ContentForm
    max_batch: int
    connections: int = 4
    attachments: bool = True
    per_item_result: bool = True
    idempotency_ttl: int = 0
    look_up: bool = False
    non_ascii_mailbox: bool = False
    non_ascii_if_offered: bool = False
    messages_per_second: float = 0.0
    calls_per_second: float = 0.0
    max_call_bytes: int = 0
    max_message_bytes: int = 0
    lookup_by: str = ""
    notes: tuple[str, ...] = ()
    rate_note: str = ""

    @property
    def writes_to_non_ascii(self) -> bool:
        """Whether a message to a non-ASCII local part is to be tried."""
        return self.non_ascii_mailbox or self.non_ascii_if_offered


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """What `[provider]` and the environment say; each provider reads what concerns it.

    Attributes:
        base_url: instead of the provider's own address.
        region: `eu` and the like, or an AWS region.
        domain: the sending domain as the provider knows it, where it stands in the address of a call.
        stream: the message stream or the IP pool, where a provider has several.
        sandbox: the provider is asked to check everything and deliver nothing.
        secret: the API key or the SMTP password, or None; `id:secret` where a provider has two.
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
    region: str = ""
    domain: str = ""
    stream: str = ""
    sandbox: bool = False
    secret: SecretStr | None = None
    outbox_dir: Path = Path()
    send_name: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages that leave in one call.

    Attributes:
        key: stable for this set of messages; the idempotency key where the provider takes one.
        messages: at most `Capabilities.max_batch`.
        shared: what they have in common, for a provider that wants values; else None.
    """

    key: str
    messages: Sequence[Message]
    shared: SharedContent | None = None


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
class Allowance:
    """What the provider's own headers say about the calls it still takes.

    Attributes:
        remaining: calls that may still be made before `reset_after`.
        reset_after: seconds until the count begins anew.
    """

    remaining: int
    reset_after: float


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch: an outcome for each message, and perhaps a reason to hold the send.

    A message that `outcomes` doesn't mention is unknown.

    Attributes:
        allowance: what the answer's headers say about the pace; None where they say nothing.
    """

    outcomes: Sequence[Outcome]
    hold: Hold | None = None
    allowance: Allowance | None = None


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
class AsksForUtf8(Protocol):
    """A provider whose server says on each connection whether it reaches non-ASCII local parts."""

    def reaches_non_ascii(self) -> bool | None:
        """What the server said last; None before the first connection."""
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


@runtime_checkable
class Asynchronous(Protocol):
    """An HTTP provider that takes a batch first and checks it afterwards: its first answer says little."""

    def follow_up(self, batch: Batch, response: Response) -> Request | None:
        """Where to ask what became of `batch`, after `response`; None where that says it, or nothing more will."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """Deliveries of one batch whose answer was lost.

    Attributes:
        key: of the batch.
        at: when it was claimed; the messages are no older.
        recipients: the address of each delivery id.
    """

    key: str
    at: datetime
    recipients: Mapping[str, str]


@runtime_checkable
class Search(Protocol):
    """An HTTP provider that can be asked what it did with messages.

    Its indexes lag: who isn't found may have been accepted all the same, so only what is found counts.
    """

    def search(self, question: Question) -> Generator[Request, Response, Mapping[str, Outcome]]:
        """Ask: yields calls and is sent their answers; returns who was accepted or refused, by delivery id.

        Raises:
            NewsletterError: the provider won't say (a wrong key, a plan without this).
        """
        ...


@runtime_checkable
class Webhook(Protocol):
    """A provider that reports what became of its messages; its class alone will do: no key of the API is needed."""

    def verify_webhook(self, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call is the provider's own, from its raw bytes.

        Raises:
            WebhookRefusedError: it isn't, or not from now.
        """
        ...

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        """The events in one call; header names in lower case. Unknown ones have the type `unknown`.

        Raises:
            ValueError: this isn't what the provider sends.
        """
        ...


Provider = SessionProvider | HttpProvider
