"""Which single mails are to leave? A queue of confirmations, reminders, welcomes and links, each written down with its cause.

A mail is claimed and committed before it is handed over, so a crash in between leaves it claimed:
whether it left is then not known, and it isn't sent again.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from newsletter.store.base import Database, Transaction, utc_moment, utc_text


class MailKind(StrEnum):
    """What a mail is for."""

    CONFIRMATION = "confirmation"  # with the link that ends in joining
    REMINDER = "reminder"  # the same once more, some days later
    ALREADY = "already"  # somebody on the list filled in the form
    WELCOME = "welcome"  # after joining
    PREFERENCES = "preferences"  # with a fresh link to what is kept


class MailState(StrEnum):
    """What became of a mail."""

    WAITING = "waiting"
    CLAIMED = "claimed"  # about to be handed over
    SENT = "sent"  # the provider took it
    REFUSED = "refused"  # the provider won't take it
    UNKNOWN = "unknown"  # the answer was lost; never sent again by itself
    DROPPED = "dropped"  # its cause was gone before it left


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in the queue.

    Attributes:
        key: the delivery id; unique, URL-safe.
        attempts: how often it was claimed.
        email: the person's address.
        status: the person's.
        name: the person's, or empty.
    """

    id: int
    kind: MailKind
    subscriber_id: int
    key: str
    attempts: int
    email: str
    status: str
    name: str


def enqueue(tx: Transaction, kind: MailKind, subscriber_id: int, *, at: datetime) -> int:
    """Have a mail sent, once the transaction that causes it is committed; returns its number.

    One of the same kind that still waits is enough: its number is returned.
    """
    waiting = tx.query(
        "SELECT id FROM outgoing WHERE subscriber_id = ? AND kind = ? AND state = 'waiting'",
        (subscriber_id, kind.value),
    )
    if waiting:
        return int(waiting[0][0])
    now = utc_text(at)
    return tx.insert(
        "INSERT INTO outgoing (kind, subscriber_id, key, created_at, due_at) VALUES (?, ?, ?, ?, ?)",
        (kind.value, subscriber_id, f"mail-{secrets.token_hex(10)}", now, now),
    )


def queued_since(
    source: Database | Transaction, kinds: Sequence[MailKind], subscriber_id: int, since: datetime
) -> int:
    """How many mails of one of `kinds` a person was written at `since` or later, whatever became of them."""
    marks = ", ".join("?" * len(kinds))
    [(number,)] = source.query(
        f"SELECT count(*) FROM outgoing WHERE subscriber_id = ? AND created_at >= ? AND kind IN ({marks})",
        (subscriber_id, utc_text(since), *(kind.value for kind in kinds)),
    )
    return int(number)


def next_due(source: Database | Transaction, at: datetime) -> int | None:
    """The number of the mail that is to leave next; None where none is due."""
    rows = source.query(
        "SELECT id FROM outgoing WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at, id LIMIT 1",
        (utc_text(at),),
    )
    return int(rows[0][0]) if rows else None


def claim(tx: Transaction, mail_id: int, at: datetime) -> Mail | None:
    """Take a waiting mail for this process; None where another was faster.

    Nothing may be handed over before the transaction is committed.
    """
    taken = tx.execute(
        "UPDATE outgoing SET state = 'claimed', claimed_at = ?, attempts = attempts + 1 "
        "WHERE id = ? AND state = 'waiting'",
        (utc_text(at), mail_id),
    )
    if not taken:
        return None
    [(kind, subscriber_id, key, attempts, email, status, name)] = tx.query(
        "SELECT o.kind, o.subscriber_id, o.key, o.attempts, s.email, s.status, s.name "
        "FROM outgoing o JOIN subscribers s ON s.id = o.subscriber_id WHERE o.id = ?",
        (mail_id,),
    )
    return Mail(mail_id, MailKind(kind), subscriber_id, key, attempts, email, status, name)


def settle(
    tx: Transaction, mail_id: int, state: MailState, at: datetime, *, provider_id: str = "", reason: str = ""
) -> bool:
    """Write down what became of a claimed mail; False where it isn't claimed any more, or its person was erased."""
    return (
        tx.execute(
            "UPDATE outgoing SET state = ?, finished_at = ?, provider_id = ?, reason = ? "
            "WHERE id = ? AND state = 'claimed'",
            (state.value, utc_text(at), provider_id, reason, mail_id),
        )
        > 0
    )


def put_off(tx: Transaction, mail_id: int, due: datetime, reason: str, *, counted: bool = True) -> None:
    """Let a claimed mail, provably not accepted, wait until `due`; an attempt that isn't `counted` wasn't one."""
    tx.execute(
        "UPDATE outgoing SET state = 'waiting', due_at = ?, reason = ?, attempts = attempts - ? "
        "WHERE id = ? AND state = 'claimed'",
        (utc_text(due), reason, 0 if counted else 1, mail_id),
    )


def abandoned(source: Database | Transaction, before: datetime) -> list[tuple[int, str]]:
    """Number and key of each mail claimed before `before`: whoever claimed it is gone."""
    return source.query(
        "SELECT id, key FROM outgoing WHERE state = 'claimed' AND claimed_at < ?", (utc_text(before),)
    )


def purge(tx: Transaction, before: datetime) -> int:
    """Forget mails finished before `before`; returns how many there were."""
    return tx.execute(
        "DELETE FROM outgoing WHERE state NOT IN ('waiting', 'claimed') AND finished_at < ?",
        (utc_text(before),),
    )


def latest(
    source: Database | Transaction, subscriber_id: int
) -> tuple[MailKind, MailState, datetime, str] | None:
    """The last mail written for a person: kind, state, when, and the reason where there is one."""
    rows = source.query(
        "SELECT kind, state, created_at, reason FROM outgoing WHERE subscriber_id = ? ORDER BY id DESC LIMIT 1",
        (subscriber_id,),
    )
    return (MailKind(rows[0][0]), MailState(rows[0][1]), utc_moment(rows[0][2]), rows[0][3]) if rows else None
