"""Was the promise kept? Compares what the receiving side wrote down with what our ledger says about everybody.

The judge knows neither the engine nor a test: tests, the planted bugs and the soak all ask it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from newsletter.model.delivery import DeliveryState
from newsletter.store.base import Database

# What a delivery may be when nobody is at work any more and nothing is left to do.
SETTLED = frozenset(
    {DeliveryState.ACCEPTED, DeliveryState.REJECTED, DeliveryState.SKIPPED, DeliveryState.UNKNOWN}
)
_NOT_YET = frozenset({DeliveryState.PENDING, DeliveryState.DEFERRED})
_NEVER = frozenset({DeliveryState.REJECTED, DeliveryState.SKIPPED})


@dataclass(frozen=True)
class Books:
    """Both sides' records of one send.

    Attributes:
        mailed: how often the receiving side accepted a message for each address.
        states: what our ledger says, by address.
        audience: who was to get it.
        gone: who had left before anything for them was under way, so that nothing may have been sent.
    """

    mailed: Counter[str]
    states: Mapping[str, DeliveryState]
    audience: Collection[str]
    gone: Collection[str] = ()


def verdict(books: Books, *, finished: bool = True) -> list[str]:
    """Every breach of the promise, a sentence each; none where it was kept.

    Args:
        books: what to judge.
        finished: the send ended by itself, so that nothing may be left to do.
    """
    found = [f"{email} was mailed {count} times" for email, count in books.mailed.items() if count > 1]
    audience = set(books.audience)
    found += [f"{email} was mailed and is not of the audience" for email in books.mailed.keys() - audience]
    found += [f"{email} is not in the ledger" for email in audience - books.states.keys()]
    found += [f"{email} is in the ledger and not of the audience" for email in books.states.keys() - audience]
    found += [f"{email} was mailed after leaving" for email in books.mailed.keys() & set(books.gone)]
    for email, state in books.states.items():
        mailed = bool(books.mailed[email])
        if finished and state not in SETTLED:
            found.append(f"{email} was left {state.name.lower()} by a send that ended")
        if state is DeliveryState.ACCEPTED and not mailed:
            found.append(f"{email} was lost silently: accepted by our ledger alone")
        elif state in _NEVER and mailed:
            found.append(f"{email} was mailed, and is {state.name.lower()} in the ledger")
        elif state in _NOT_YET and mailed:
            found.append(f"{email} was mailed, and is {state.name.lower()}: would be mailed again")
    return found


def states_of(db: Database, send_id: int) -> dict[str, DeliveryState]:
    """What the ledger says about everybody of a send; whoever was erased goes by their number."""
    rows = db.query(
        "SELECT coalesce(s.email, 'erased ' || d.subscriber_id), d.state FROM deliveries d "
        "LEFT JOIN subscribers s ON s.id = d.subscriber_id WHERE d.send_id = ?",
        (send_id,),
    )
    return {email: DeliveryState(state) for email, state in rows}
