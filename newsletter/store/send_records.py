"""What the ledger of sends speaks in: records of sends, tallies, claims and settlements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from newsletter.errors import NewsletterError
from newsletter.model.delivery import DeliveryState, SendState


class FencedError(NewsletterError):
    """Another process has taken this send over; what this one still wanted to record is not recorded."""


@dataclass(frozen=True, slots=True)
class SendRecord:
    """One send of one issue, without its content.

    Attributes:
        tag: the segment, empty for everyone.
        frozen_to: highest subscriber id written down so far.
        audience: deliveries frozen.
        epoch: grows each time a process takes the send over.
        lease_owner: `host:pid:nonce` of the process that holds or held it.
        lease_until: until when that holds without being renewed.
        note: why it is paused.
        sandbox: the provider checked everything and delivered nothing: it reached nobody.
    """

    id: int
    slug: str
    number: int
    title: str
    state: SendState
    content_hash: str
    provider: str
    tag: str
    frozen_to: int
    audience: int
    epoch: int
    lease_owner: str
    lease_until: datetime | None
    note: str
    created_at: datetime | None
    finished_at: datetime | None
    sandbox: bool = False

    @property
    def unfinished(self) -> bool:
        """Whether something is left to do by itself."""
        return self.state in (SendState.FREEZING, SendState.SENDING, SendState.PAUSED)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many deliveries stand where; the numbers sum to the frozen audience."""

    pending: int = 0
    claimed: int = 0
    accepted: int = 0
    rejected: int = 0
    deferred: int = 0
    unknown: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.as_dict().values())

    @property
    def open(self) -> int:
        """What a send still has to do by itself."""
        return self.pending + self.claimed + self.deferred

    def as_dict(self) -> dict[str, int]:
        """By the name of the state, in the order of the protocol."""
        return {name: getattr(self, name) for name in self.__slots__}


class Person(NamedTuple):
    """A claimed subscriber as the messages need them; a tuple, because a send makes a million of them.

    Attributes:
        metadata: the stored JSON object, unparsed.
        attempts: how often this delivery was claimed, this time included.
    """

    subscriber_id: int
    email: str
    name: str
    metadata: str
    attempts: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """Recipients one process has committed to send to, in the order of their ids.

    Attributes:
        key: the idempotency key; random in part, so that a restored backup can't repeat one.
        at: when it was claimed, to the millisecond: the date of its messages, also when rebuilt.
        body_hash: what was committed before an earlier attempt left; empty before the first.
    """

    id: int
    key: str
    at: datetime
    people: tuple[Person, ...]
    body_hash: str = ""


@dataclass(slots=True)
class Claim:
    """What one look for work found.

    Attributes:
        batch: None where nobody of those looked at could be mailed.
        last_id: the highest subscriber id looked at; the next look starts behind it.
        looked_at: how many were looked at; 0 where nothing is left.
        skipped: how many had left since the audience was frozen.
        rejected: how many the provider can't reach.
    """

    batch: ClaimedBatch | None = None
    last_id: int = 0
    looked_at: int = 0
    skipped: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a delivery's row is to say after an attempt.

    Attributes:
        retry_at: when a deferred one is due, in UTC.
        uncounted: the attempt doesn't count against this recipient: nothing about it was tried.
    """

    subscriber_id: int
    state: DeliveryState
    provider_id: str = ""
    reason: str = ""
    retry_at: datetime | None = None
    uncounted: bool = False


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch some of whose deliveries were claimed by a process that is gone, or ended unknown.

    Attributes:
        id: 0 for those that are in doubt without ever having been claimed here: see `deliveries.doubt_open`.
        told: those of `claimed` that a webhook has shown to be accepted.
    """

    id: int
    key: str
    at: datetime
    body_hash: str
    size: int
    claimed: tuple[int, ...]
    unknown: tuple[int, ...]
    told: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class UnknownDelivery:
    """A delivery nobody can tell the end of."""

    send_id: int
    subscriber_id: int
    email: str
    reason: str
    claimed_at: str


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A delivery that is not known to have been accepted.

    Attributes:
        email: empty for somebody who was erased since.
    """

    subscriber_id: int
    email: str
    state: DeliveryState
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class NewSend:
    """What is frozen when a send starts."""

    slug: str
    number: int
    title: str
    content: bytes
    content_hash: str
    provider: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a claim goes by.

    Attributes:
        limit: at most so many recipients.
        at: now; becomes the date of the messages.
        with_tags: whether the content asks for a recipient's tags.
        unreachable: why the provider can't reach a non-ASCII address; empty where it can.
    """

    limit: int
    at: datetime
    with_tags: bool = False
    unreachable: Callable[[str], str] | None = None


def fenced(what: str) -> FencedError:
    """The error of a process that was replaced."""
    return FencedError(
        f"another process has taken over the send of {what}",
        hint="let it finish: newsletter status shows how far it is",
    )
