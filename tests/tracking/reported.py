"""Sends that have left, and reports about them, over a real store."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from newsletter.audience.membership import Audience
from newsletter.audience.suppression import Suppressions
from newsletter.audience.tokens import TokenSigner
from newsletter.clock import FakeClock
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.send.reconcile import settle_events
from newsletter.store import events as kept
from newsletter.store.sqlite import SqliteDatabase
from newsletter.tracking.apply import Applied, Applier, Rules

KEY = b"a-key-of-tests-sixteen-and-more-bytes-long"
SIGNER = TokenSigner(KEY)
AT = "2026-01-06T08:00:00.000Z"


class Desk:
    """A list of `r1@example.org`, …, whose numbers are those in the address."""

    def __init__(self, folder: Path, people: int = 3, rules: Rules | None = None) -> None:
        self.clock = FakeClock()
        self.db = SqliteDatabase(folder / "newsletter.db")
        self.audience = Audience(self.db, Suppressions(self.db, KEY), self.clock)
        self.applier = Applier(self.audience, SIGNER, settle_events, rules or Rules())
        self._serial = 0
        with self.db.write() as tx:
            tx.executemany(
                "INSERT INTO subscribers (id, email, match_key, status, created_at) VALUES (?, ?, ?, 'active', ?)",
                [(n, f"R{n}@Example.org", f"r{n}@example.org", AT) for n in range(1, people + 1)],
            )

    def send(self, provider: str = "resend", *, state: int = 2, people: int = 3, ids: str = "") -> int:
        """A send to everybody, all of its deliveries in `state`; returns its number."""
        with self.db.write() as tx:
            send_id = tx.insert(
                "INSERT INTO sends (slug, number, title, state, content, content_hash, provider, audience, created_at)"
                " VALUES ('hello', 1, 'Hello', 'sent', '', '', ?, ?, ?)",
                (provider, people, AT),
            )
            batch = tx.insert(
                "INSERT INTO batches (send_id, epoch, key, first_claimed_at, size, provider_ids) VALUES (?, 1, 'k', ?, ?, ?)",
                (send_id, AT, people, ids),
            )
            tx.executemany(
                "INSERT INTO deliveries (send_id, subscriber_id, state, batch_id) VALUES (?, ?, ?, ?)",
                [(send_id, n, state, batch) for n in range(1, people + 1)],
            )
        return send_id

    def event(
        self,
        kind: EventType,
        send_id: int = 1,
        number: int = 1,
        bounce: BounceClass = BounceClass.NONE,
        **changes: Any,
    ) -> Event:
        """A report about a delivery, which names it by our id."""
        self._serial += 1
        fields: dict[str, Any] = {
            "provider": "resend",
            "event_id": f"e{self._serial}",
            "at": self.clock.now(),
            "delivery_id": SIGNER.delivery(send_id, number),
            **changes,
        }
        return Event(type=kind, bounce_class=bounce, **fields)

    def tell(self, *events: Event, received: datetime | None = None) -> Applied:
        """Keep reports and apply all that waits; what the last turn came to."""
        with self.db.write() as tx:
            kept.keep(tx, events, received or self.clock.now())
        total = Applied()
        while True:
            with self.db.write() as tx:
                turn = self.applier.apply(tx)
            total.looked_at += turn.looked_at
            total.results += turn.results
            total.tripped += turn.tripped
            if not turn.looked_at:
                return total

    def status(self, number: int = 1) -> str:
        [(status,)] = self.db.query("SELECT status FROM subscribers WHERE id = ?", (number,))
        return str(status)

    def states(self) -> list[tuple[int, ...]]:
        return self.db.query("SELECT send_id, subscriber_id, standing, seen FROM tracking ORDER BY 1, 2")

    def everything(self) -> list[Any]:
        """All that a report may change but the report itself."""
        names = (
            "subscribers",
            "consent_events",
            "suppressions",
            "deliveries",
            "tracking",
            "sends",
            "event_holds",
        )
        return [self.db.query(f"SELECT * FROM {name} ORDER BY 1, 2") for name in names]
