"""What is known of one message after the provider took it? Pure: the same reports give the same state, in any order.

Reports arrive late, twice and out of order. So a state never goes back: of what a message can come to, the
more final counts, and what a reader did is added up. That makes `next_state` a join (commutative,
associative, idempotent), which is all that "out of order and duplicates are harmless" means.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple, assert_never

from newsletter.model.event import BounceClass, Event, EventType


class Standing(IntEnum):
    """Where a message stands, the more final the higher. Numbers are stored: never renumber."""

    SILENT = 0  # nothing was heard of it
    SENT = 10  # on its way
    DEFERRED = 20  # the receiving server put it off; the provider goes on trying
    REFUSED = 30  # the provider itself never tried, or failed
    SOFT = 40  # it came back: full, slow, for now
    BLOCKED = 50  # it came back over the sender or the content, not over the mailbox
    DELIVERED = 60  # the receiving server took it, whatever was reported before
    HARD = 70  # the mailbox isn't there; a server that takes everything may say so only afterwards


class Seen(IntFlag):
    """What the reader did, as far as reported. Numbers are stored: never renumber."""

    NOTHING = 0
    OPENED = 1
    CLICKED = 2
    UNSUBSCRIBED = 4
    COMPLAINED = 8


class State(NamedTuple):
    """What is known of one delivery."""

    standing: Standing = Standing.SILENT
    seen: Seen = Seen.NOTHING


def next_state(state: State, event: Event) -> State:
    """The state after `event`; the same whether it is told once or twice, before or after others."""
    standing, seen = _meaning(event)
    return State(max(state.standing, standing), state.seen | seen)


def _meaning(event: Event) -> State:
    """What one report says by itself."""
    match event.type:
        case EventType.QUEUED | EventType.SENT:
            return State(Standing.SENT)
        case EventType.DEFERRED:
            return State(Standing.DEFERRED)
        case EventType.BOUNCED | EventType.REJECTED | EventType.FAILED:
            return State(_failure(event))
        case EventType.DELIVERED | EventType.AUTORESPONDED:
            return State(Standing.DELIVERED)
        case EventType.OPENED:
            return State(Standing.DELIVERED, Seen.OPENED)
        case EventType.CLICKED:
            return State(Standing.DELIVERED, Seen.CLICKED)
        case EventType.UNSUBSCRIBED:
            # By a button that some providers show before they deliver anything: it proves no delivery.
            return State(Standing.SILENT, Seen.UNSUBSCRIBED)
        case EventType.COMPLAINED:
            return State(Standing.DELIVERED, Seen.COMPLAINED)
        case EventType.SUBSCRIBED | EventType.UNKNOWN:
            return State()
        case _:
            assert_never(event.type)


def _failure(event: Event) -> Standing:
    match event.bounce_class:
        case BounceClass.HARD:
            # Also where the provider didn't try, because the mailbox is known to be gone.
            return Standing.HARD
        case BounceClass.SOFT:
            return Standing.SOFT
        case BounceClass.BLOCK:
            return Standing.BLOCKED
        case BounceClass.NONE:
            return Standing.SOFT if event.type is EventType.BOUNCED else Standing.REFUSED
        case _:
            assert_never(event.bounce_class)
