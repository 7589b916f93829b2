"""One recipient's message as a provider gets it, and what the provider said."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Message(NamedTuple):
    """A message ready to leave. A provider that takes MIME reads `mime`; one that takes fields reads the rest.

    A tuple, as is `Outcome`: a send makes a million of them, and a frozen dataclass takes four times as long.

    Attributes:
        delivery_id: ours; rides along as metadata and in a header.
        sender: bare envelope sender.
        recipient: bare address.
        mime: the whole message with CRLF line ends, DKIM-signed where configured; empty for field providers.
        from_header: `Name <address>` for field providers.
        reply_to: bare address or empty.
        subject: personalised, unencoded.
        headers: list headers and the like, in order, unencoded ASCII, without From, To, Subject, Date.
        html_json: the HTML as JSON-escaped UTF-8 segments without the quotes, to be joined once per batch.
        text_json: the same for the text part.
    """

    delivery_id: str
    sender: str
    recipient: str
    mime: bytes = b""
    from_header: str = ""
    reply_to: str = ""
    subject: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    html_json: tuple[bytes, ...] = ()
    text_json: tuple[bytes, ...] = ()


class OutcomeKind(StrEnum):
    """What became of one message in one attempt."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # this recipient, for good
    DEFERRED = "deferred"  # provably not accepted; may be tried again
    UNKNOWN = "unknown"  # it may have been accepted


class Outcome(NamedTuple):
    """What the provider said about one message.

    Attributes:
        delivery_id: which message.
        kind: see `OutcomeKind`.
        provider_id: the provider's id of an accepted message, or empty.
        reason: the provider's words, or why the answer is not known.
    """

    delivery_id: str
    kind: OutcomeKind
    provider_id: str = ""
    reason: str = ""
