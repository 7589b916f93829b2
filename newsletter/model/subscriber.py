"""A person on the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SubscriberStatus(StrEnum):
    """Whether a person may be mailed: only the active are."""

    PENDING = "pending"  # asked to join and has not confirmed
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"  # the mailbox doesn't exist
    COMPLAINED = "complained"  # pressed "this is spam"


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One row of the list.

    Attributes:
        id: the store's number; never reused.
        email: as the person wrote it.
        status: see `SubscriberStatus`.
        name: display name, or empty.
        tags: sorted.
        metadata: anything else an import or a form brought along, strings only.
        created_at: when the person joined, in UTC.
    """

    id: int
    email: str
    status: SubscriberStatus
    name: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
