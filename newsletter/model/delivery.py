"""One issue on its way to one person, and the send it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import NamedTuple


class DeliveryState(IntEnum):
    """Where one delivery stands. Numbers are stored: never renumber."""

    PENDING = 0  # in the frozen audience, not yet claimed
    CLAIMED = 1  # a process has committed that it is about to send it
    ACCEPTED = 2  # the provider took it
    REJECTED = 3  # the provider refused this recipient for good
    DEFERRED = 4  # provably not accepted; it will be tried again
    UNKNOWN = 5  # the answer was lost; never sent again by itself
    SKIPPED = 6  # left, was suppressed or erased after the audience was frozen


class SendState(StrEnum):
    """Where a whole send stands."""

    FREEZING = "freezing"  # the audience is being written down; nothing has left
    SENDING = "sending"
    PAUSED = "paused"
    SENT = "sent"  # nothing is left to do by itself
    CANCELLED = "cancelled"


class Recipient(NamedTuple):
    """What a message needs of the person it goes to; a tuple, because a send makes a million of them.

    Attributes:
        delivery_id: opaque, stable for one send and one subscriber; rides in headers and metadata.
        subscriber_id: the store's number.
        email: bare address.
        values: what fills the slots, by field name (`subscriber.name`, `unsubscribe_url`, …).
    """

    delivery_id: str
    subscriber_id: int
    email: str
    values: Mapping[str, str] = MappingProxyType({})
