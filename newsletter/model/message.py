"""One recipient's message as a provider gets it, and what the provider said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from newsletter.model.template import InlineImage, Slot, Template


class Message(NamedTuple):
    """A message ready to leave.

    A provider that takes MIME reads `mime`; one that takes fields reads the rest but `values`; one that takes
    values reads `values`, `subject` and `headers` beside the batch's `SharedContent`.

    A tuple, as is `Outcome`: a send makes a million of them, and a frozen dataclass takes four times as long.

    Attributes:
        delivery_id: ours; rides along as metadata and in a header.
        sender: bare envelope sender.
        recipient: bare address.
        mime: the whole message with CRLF line ends, DKIM-signed where configured; empty for field providers.
        from_header: `Name <address>` for field providers.
        reply_to: bare address or empty.
        subject: personalised, unencoded; empty beside a `SharedContent` that has one for all.
        headers: list headers and the like, in order, unencoded ASCII, without From, To, Subject, Date; beside
            a `SharedContent` only those that are this recipient's own.
        html_json: the HTML as JSON-escaped UTF-8 segments without the quotes, to be joined once per batch.
        text_json: the same for the text part.
        values: what fills `SharedContent.slots`, in their order, escaped for each slot's context already: the
            provider must put them in as they are.
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
    values: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class SharedContent:
    """What the messages of a send have in common, for a provider that puts the values in itself.

    Compared by identity: a provider translates it once into its own template language and keeps that.

    Attributes:
        sender: bare envelope sender.
        from_header: `Name <address>`.
        reply_to: bare address or empty.
        subject: the same for all; None where it differs: then each message has its own, whole.
        html: the HTML part; its slots are among `slots`.
        text: the text part; ditto.
        slots: the distinct slots of both parts, in the order of `Message.values`.
        headers: those that are the same for all, in order, unencoded ASCII.
        images: pictures the HTML refers to by `cid:`; empty where they are linked.
    """

    sender: str
    from_header: str
    reply_to: str
    subject: str | None
    html: Template
    text: Template
    slots: tuple[Slot, ...]
    headers: tuple[tuple[str, str], ...]
    images: tuple[InlineImage, ...] = ()


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
