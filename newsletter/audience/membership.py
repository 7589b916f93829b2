"""Joining, leaving, being tagged, being forgotten: each one transaction, with its entry in the consent record.

Whoever suppresses an address sets the person's status in the same transaction, and the other way
round; so whether somebody may be mailed is read from the status alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from newsletter.audience import consent
from newsletter.audience.addresses import Address, parse_address
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.suppression import LEFT, Suppressions
from newsletter.clock import Clock
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.subscriber import Subscriber, SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.store.base import Transaction, utc_text
from newsletter.store.sqlite import SqliteDatabase


class Outcome(StrEnum):
    """What adding a person came to."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    RESUBSCRIBED = "resubscribed"


@dataclass(frozen=True, slots=True)
class Audience:
    """The list, with what is needed to change it rightly.

    Attributes:
        database: the store.
        suppressions: who must not be mailed.
        clock: what time it is.
    """

    database: SqliteDatabase
    suppressions: Suppressions
    clock: Clock

    def get(self, email: str) -> Subscriber:
        """The person with this address, however it is spelled.

        Raises:
            AddressError: it isn't an address.
            NewsletterError: nobody on the list has it.
        """
        address = parse_address(email)
        found = people.find(self.database, match_key=address.match_key)
        if found is None:
            raise NewsletterError(
                f"{address.email} is not on the list",
                hint="look for a part of it: newsletter subscribers list --search PART",
            )
        return found

    def add(
        self,
        email: str,
        *,
        name: str = "",
        tags: Sequence[str] = (),
        source: str = "cli",
        resubscribe: str = "",
    ) -> tuple[Subscriber, Outcome]:
        """Put a person on the list by the operator's hand, active at once.

        Args:
            email: their address.
            name: display name; empty leaves a known one as it is.
            tags: added to those they have.
            source: where the operator did it.
            resubscribe: how somebody who left asked to come back, for the record; empty refuses them.

        Raises:
            AddressError: it isn't an address.
            NewsletterError: the person left, and `resubscribe` is empty.
        """
        address = parse_address(email)
        event = ConsentEvent("added", utc_text(self.clock.now()), source, "operator")
        with self.database.write() as tx:
            return self.put(tx, address, event, name=name, tags=tags, resubscribe=resubscribe)

    def put(
        self,
        tx: Transaction,
        address: Address,
        event: ConsentEvent,
        *,
        name: str = "",
        tags: Sequence[str] = (),
        resubscribe: str = "",
    ) -> tuple[Subscriber, Outcome]:
        """`add` inside a transaction of the caller's; `event` is what is recorded where the person is new.

        Raises:
            NewsletterError: the person left, and `resubscribe` is empty.
        """
        at = event.at
        known = people.find(tx, match_key=address.match_key)
        reason = known.status.value if known is not None and known.status in LEFT else ""
        reason = reason or self.suppressions.reason(tx, address.match_key)
        outcome = Outcome.UPDATED
        if reason:
            _refuse(address.email, reason, resubscribe)
            self.suppressions.remove(tx, address.match_key)
            event = replace(event, action="resubscribed", detail=resubscribe)
            outcome = Outcome.RESUBSCRIBED
        if known is None:
            number = people.insert(
                tx,
                email=address.email,
                match_key=address.match_key,
                status=SubscriberStatus.ACTIVE,
                at=at,
                name=name,
            )
            people.add_tags(tx, number, tags)
            outcome = Outcome.RESUBSCRIBED if reason else Outcome.ADDED
        else:
            number = known.id
            changed = people.set_status(tx, number, SubscriberStatus.ACTIVE, at)
            changed |= bool(name) and people.set_name(tx, number, name, at)
            changed |= people.add_tags(tx, number, tags) > 0
            if not changed:
                return known, Outcome.UNCHANGED
        if known is None or known.status is not SubscriberStatus.ACTIVE:
            consent.record(tx, number, event)
        found = people.find(tx, id=number)
        assert found is not None
        return found, outcome

    def tag(self, emails: Sequence[str], *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> int:
        """Give and take tags, for all of `emails` or for none; returns how many tags changed.

        Raises:
            AddressError: one isn't an address.
            NewsletterError: one isn't on the list.
        """
        numbers = [self.get(email).id for email in emails]
        with self.database.write() as tx:
            return sum(
                people.remove_tags(tx, number, remove) + people.add_tags(tx, number, add)
                for number in numbers
            )

    def unsubscribe(self, email: str, *, source: str = "cli", actor: str = "operator") -> bool:
        """Take a person off the list; False where they had left before. See `leave`.

        Raises:
            AddressError: it isn't an address.
            NewsletterError: nobody on the list has it.
        """
        event = ConsentEvent(SubscriberStatus.UNSUBSCRIBED, utc_text(self.clock.now()), source, actor)
        number = self.get(email).id
        with self.database.write() as tx:
            return self.leave(tx, number, SubscriberStatus.UNSUBSCRIBED, event)

    def leave(
        self, tx: Transaction, subscriber_id: int, status: SubscriberStatus, event: ConsentEvent
    ) -> bool:
        """Suppress a person inside a transaction of the caller's; False where they had left before, or are unknown.

        A complaint replaces an earlier bounce or unsubscription; nothing else replaces anything.

        Args:
            tx: the transaction.
            subscriber_id: who.
            status: unsubscribed, bounced or complained.
            event: what is recorded of it.
        """
        rows = tx.query("SELECT match_key, status FROM subscribers WHERE id = ?", (subscriber_id,))
        if not rows:
            return False
        [(key, before)] = rows
        if before == status or (before in LEFT and status is not SubscriberStatus.COMPLAINED):
            return False
        people.set_status(tx, subscriber_id, status, event.at)
        self.suppressions.add(tx, key, status.value, event.at)
        consent.record(tx, subscriber_id, event)
        return True

    def erase(self, email: str, *, source: str = "cli") -> int:
        """Forget a person (GDPR Art. 17); returns the number that is left of them.

        The keyed hash of the address stays, so that no import brings them back, and the record of
        what they consented to, under a bare number.

        Raises:
            AddressError: it isn't an address.
            NewsletterError: nobody on the list has it.
        """
        number = self.get(email).id
        event = ConsentEvent("erased", utc_text(self.clock.now()), source, "operator")
        with self.database.write() as tx:
            self.forget(tx, number, event)
        self.database.checkpoint()
        return number

    def forget(self, tx: Transaction, subscriber_id: int, event: ConsentEvent) -> bool:
        """Erase a person inside a transaction of the caller's, who checkpoints after it; False where nobody has the number.

        Args:
            tx: the transaction.
            subscriber_id: who.
            event: what is recorded of it; its detail, the keyed hash, is filled in here.
        """
        rows = tx.query("SELECT match_key FROM subscribers WHERE id = ?", (subscriber_id,))
        if not rows:
            return False
        [(key,)] = rows
        # The row points to the import that brought the person; the record stands without it.
        history = consent.history(tx, subscriber_id)
        brought = [entry for entry in history if entry.source.startswith("import:")][:1]
        people.delete(tx, subscriber_id)
        for entry in brought:
            consent.record(tx, subscriber_id, replace(entry, detail=""))
        self.suppressions.add(tx, key, "erased", event.at)
        digest = self.suppressions.address_hmac(key).hex()
        consent.record(tx, subscriber_id, replace(event, detail=f"hmac:{digest}"))
        return True


def _refuse(email: str, reason: str, resubscribe: str) -> None:
    if resubscribe:
        return
    said = {
        "unsubscribed": "unsubscribed",
        "bounced": "was suspended: mail to it bounced",
        "complained": "reported an issue as spam",
        "erased": "was erased at their request",
    }.get(reason, f"is suppressed ({reason})")
    raise UsageError(
        f"{email} {said}, and isn't brought back by being added again",
        hint='if they asked to come back, say how: --resubscribe "by email on 2026-01-06"',
    )
