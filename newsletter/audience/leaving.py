"""How does a reader leave by a link, come back within minutes, and say why? Each inside a transaction of the caller's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from newsletter.audience import consent
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.membership import Audience
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.store.base import Transaction

# Entries that say something about leaving and don't change whether somebody is on the list.
_REMARK: Final = "reason"
_UNCONFIRMED: Final = "had not confirmed yet"


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody's wish to leave, complete enough to be carried out later.

    Attributes:
        subscriber_id: who.
        at: UTC, when it was said, as `utc_text` writes it.
        source: the address of the page.
        ip: of the request.
        user_agent: of that request.
        detail: by which way.
    """

    subscriber_id: int
    at: str
    source: str
    ip: str = ""
    user_agent: str = ""
    detail: str = ""

    def event(self) -> ConsentEvent:
        """The entry of the consent record."""
        return ConsentEvent(
            SubscriberStatus.UNSUBSCRIBED,
            self.at,
            self.source,
            "subscriber",
            ip=self.ip,
            user_agent=self.user_agent,
            detail=self.detail,
        )


def leave(audience: Audience, tx: Transaction, wish: Leave) -> bool:
    """Carry out a wish to leave; False where there was nothing to do: it may come any number of times."""
    return audience.leave(tx, wish.subscriber_id, SubscriberStatus.UNSUBSCRIBED, wish.event())


def leave_late(audience: Audience, tx: Transaction, wish: Leave) -> bool:
    """Carry out a wish that had to wait; nothing is done where the person came back after they said it."""
    came_back = tx.query(
        "SELECT 1 FROM consent_events WHERE subscriber_id = ? AND at > ? "
        "AND action IN ('confirmed', 'resubscribed') LIMIT 1",
        (wish.subscriber_id, wish.at),
    )
    return False if came_back else leave(audience, tx, wish)


def leave_undoably(audience: Audience, tx: Transaction, wish: Leave, since: str) -> int:
    """Carry out a wish; returns the entry of the record that Undo may take back, or 0.

    There is none for who hadn't confirmed: Undo must not put anybody on a list they weren't on.

    Args:
        audience: the list.
        tx: the transaction.
        wish: who leaves.
        since: UTC; an earlier press of the same person counts from here on.
    """
    found = tx.query("SELECT status FROM subscribers WHERE id = ?", (wish.subscriber_id,))
    if found == [(SubscriberStatus.PENDING,)]:
        wish = replace(wish, detail=_UNCONFIRMED)
    leave(audience, tx, wish)
    last = _last_event(tx, wish.subscriber_id)
    if last is None:
        return 0
    number, action, at, actor, detail = last
    mine = action == SubscriberStatus.UNSUBSCRIBED and actor == "subscriber" and at >= since
    return number if mine and detail != _UNCONFIRMED else 0


def undo(audience: Audience, tx: Transaction, subscriber_id: int, left: int, event: ConsentEvent) -> bool:
    """Put a person back who left by the entry `left`; False where anything happened since.

    Args:
        audience: the list.
        tx: the transaction.
        subscriber_id: who.
        left: see `leave_undoably`.
        event: what is recorded of it.
    """
    rows = tx.query("SELECT match_key, status FROM subscribers WHERE id = ?", (subscriber_id,))
    last = _last_event(tx, subscriber_id)
    if not rows or last is None or last[0] != left or rows[0][1] != SubscriberStatus.UNSUBSCRIBED:
        return False
    audience.suppressions.remove(tx, rows[0][0])
    people.set_status(tx, subscriber_id, SubscriberStatus.ACTIVE, event.at)
    consent.record(tx, subscriber_id, event)
    return True


def give_reason(tx: Transaction, subscriber_id: int, left: int, *, reason: str, at: str, source: str) -> bool:
    """Add why somebody left, once for each time they do; False where it was said before or they came back."""
    last = _last_event(tx, subscriber_id)
    said = tx.query(
        "SELECT 1 FROM consent_events WHERE subscriber_id = ? AND action = ? AND id > ?",
        (subscriber_id, _REMARK, left),
    )
    if said or last is None or last[0] != left:
        return False
    consent.record(tx, subscriber_id, ConsentEvent(_REMARK, at, source, "subscriber", detail=reason))
    return True


def _last_event(tx: Transaction, subscriber_id: int) -> tuple[int, str, str, str, str] | None:
    rows = tx.query(
        "SELECT id, action, at, actor, detail FROM consent_events WHERE subscriber_id = ? AND action <> ? "
        "ORDER BY id DESC LIMIT 1",
        (subscriber_id, _REMARK),
    )
    if not rows:
        return None
    number, action, at, actor, detail = rows[0]
    return number, action, at, actor, detail
