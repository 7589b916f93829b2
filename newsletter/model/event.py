"""What a provider reports after it took a message: delivered, bounced, opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """What happened, in the vocabulary most libraries share; what nobody knows is kept as unknown."""

    QUEUED = "queued"
    SENT = "sent"
    REJECTED = "rejected"  # never tried: suppressed, invalid
    FAILED = "failed"  # the provider's own error
    BOUNCED = "bounced"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    AUTORESPONDED = "autoresponded"
    OPENED = "opened"
    CLICKED = "clicked"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    SUBSCRIBED = "subscribed"
    UNKNOWN = "unknown"


class BounceClass(StrEnum):
    """How final a bounce is."""

    HARD = "hard"  # the mailbox isn't there
    SOFT = "soft"  # full, slow, for now
    BLOCK = "block"  # about the sender or the content, not the mailbox
    NONE = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One report about one message.

    Attributes:
        event_id: the provider's own, or a digest of the report where it has none: the same report has the same.
        at: when it happened, by the provider's clock.
        recipient: bare address, or empty.
        message_id: the provider's id of the message, as `Outcome.provider_id` has it, or empty.
        delivery_id: ours, where it rode along; else empty.
        reason: the provider's or the receiving server's words.
        url: of a click.
        raw: the report as it was parsed.
    """

    provider: str
    type: EventType
    event_id: str
    at: datetime | None
    recipient: str = ""
    message_id: str = ""
    delivery_id: str = ""
    bounce_class: BounceClass = BounceClass.NONE
    reason: str = ""
    url: str = ""
    user_agent: str = ""
    raw: Any = field(default=None, repr=False)
