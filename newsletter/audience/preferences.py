"""What may a reader choose: their name, topics, and a pause? And how do they prove it is them: by a fresh link."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from newsletter.audience import consent
from newsletter.audience.columns import clean_text
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.tokens import TokenSigner
from newsletter.model.subscriber import Subscriber
from newsletter.store import subscribers as people
from newsletter.store.base import Database, Transaction, utc_moment, utc_text

LINK_LIFETIME = timedelta(hours=1)
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Preferences:
    """What is kept about a person and theirs to choose.

    Attributes:
        subscriber: the person.
        paused_until: no issue is begun for them before; None for no pause.
    """

    subscriber: Subscriber
    paused_until: datetime | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose.

    Attributes:
        name: display name, or empty.
        topics: those of the offered ones they want.
        pause: from now on; zero ends one, None leaves it as it is.
    """

    name: str
    topics: frozenset[str]
    pause: timedelta | None


def fresh_link(signer: TokenSigner, base_url: str, subscriber_id: int, now: datetime) -> str:
    """The address of a person's preferences, for a mail to them: it works for an hour, and for one change.

    Args:
        signer: signs it.
        base_url: of the public service, without a trailing slash.
        subscriber_id: who.
        now: when the mail is written.
    """
    return f"{base_url}/preferences/{fresh_token(signer, subscriber_id, now + LINK_LIFETIME)}"


def fresh_token(signer: TokenSigner, subscriber_id: int, until: datetime) -> str:
    """A token that opens and changes a person's preferences once, until then."""
    return signer.manage(subscriber_id, int(until.timestamp()), new_serial())


def new_serial() -> int:
    """What makes a link one of a kind."""
    return secrets.randbits(62)


def read(source: Database | Transaction, subscriber_id: int, now: datetime) -> Preferences | None:
    """What is kept; None where there is nobody of this number (any more)."""
    person = people.find(source, id=subscriber_id)
    if person is None:
        return None
    [(text,)] = source.query("SELECT paused_until FROM subscribers WHERE id = ?", (subscriber_id,))
    until = utc_moment(text) if text else None
    return Preferences(person, until if until is not None and until > now else None)


def is_spent(source: Database | Transaction, serial: int) -> bool:
    """Whether something was changed by this link."""
    return bool(source.query("SELECT 1 FROM spent_links WHERE serial = ?", (serial,)))


def spend(tx: Transaction, serial: int, until: int, now: datetime) -> bool:
    """Use a link up; False where it was used before. Links that have ended since are forgotten."""
    tx.execute("DELETE FROM spent_links WHERE until < ?", (int(now.timestamp()),))
    sql = "INSERT INTO spent_links (serial, until) VALUES (?, ?) ON CONFLICT DO NOTHING"
    return tx.execute(sql, (serial, until)) > 0


def save(
    tx: Transaction,
    subscriber_id: int,
    choice: Choice,
    *,
    offered: Sequence[str],
    now: datetime,
    event: ConsentEvent,
) -> bool:
    """Keep what a person chose; False where there is nobody of this number (any more).

    Args:
        tx: the transaction.
        subscriber_id: who.
        choice: what they chose.
        offered: the tags they could choose among; all others stay as they are.
        now: when.
        event: what is recorded of it; its detail is filled in here, with the name left out.
    """
    before = people.find(tx, id=subscriber_id)
    if before is None:
        return False
    at = utc_text(now)
    people.set_name(tx, subscriber_id, clean_text(choice.name)[:LONGEST_NAME], at)
    wanted = [tag for tag in offered if tag in choice.topics]
    unwanted = [tag for tag in offered if tag not in choice.topics]
    people.add_tags(tx, subscriber_id, wanted)
    people.remove_tags(tx, subscriber_id, unwanted)
    said = _changes(before.tags, wanted, unwanted)
    if choice.pause is not None:
        until = utc_text(now + choice.pause) if choice.pause else ""
        tx.execute("UPDATE subscribers SET paused_until = ? WHERE id = ?", (until, subscriber_id))
        said.append(f"paused until {until[:10]}" if until else "pause ended")
    if said:
        consent.record(tx, subscriber_id, replace(event, detail="; ".join(said)))
    return True


def _changes(before: Collection[str], wanted: Sequence[str], unwanted: Sequence[str]) -> list[str]:
    added = ", ".join(tag for tag in wanted if tag not in before)
    removed = ", ".join(tag for tag in unwanted if tag in before)
    return [
        *([f"topics added: {added}"] if added else []),
        *([f"topics removed: {removed}"] if removed else []),
    ]
