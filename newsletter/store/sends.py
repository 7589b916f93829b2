"""Which issue went to whom, and how far is it? The ledger of sends: freezing, reading, steering.

What a running send writes about its deliveries is in `deliveries`; both name the epoch of the
process that writes, so that one that was replaced writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from newsletter.clock import Clock, SystemClock
from newsletter.errors import NewsletterError, StoreError
from newsletter.model.delivery import SendState
from newsletter.store import deliveries
from newsletter.store.base import Database, Row, Transaction, utc_moment, utc_text
from newsletter.store.send_records import (
    NewSend,
    SendRecord,
    Tally,
    UnknownDelivery,
    fenced,
)

# Unsubscribes wait for at most one chunk: 50,000 rows keep the write lock for some 50 ms.
FREEZE_CHUNK: Final = 50_000
# Having one of these in an earlier send of the same issue means: it went out to them, or may have.
_REACHED: Final = "1, 2, 3, 5"

_SEND_COLUMNS: Final = (
    "id, slug, number, title, state, content_hash, provider, tag, frozen_to, audience, epoch, "
    "lease_owner, lease_until, note, created_at, finished_at, sandbox"
)


@dataclass(slots=True)
class SendLedger:
    """The ledger's statements; everything a running send writes goes through an epoch.

    Methods with a `tx` take part in the caller's transaction; the others open one of their own.
    """

    db: Database
    clock: Clock = field(default_factory=SystemClock)

    # Starting -----------------------------------------------------------------------------------

    def count_audience(self, slug: str, tag: str = "") -> int:
        """How many would be frozen now for this issue: active, not pausing, of the segment, not reached before."""
        with_sql, parameters = self._audience_filter(self._reaching(self.db, slug, 0), tag)
        [(count,)] = self.db.query(f"SELECT count(*) FROM subscribers s WHERE {with_sql}", parameters)
        return int(count)

    def count_non_ascii(self, slug: str, tag: str = "") -> int:
        """How many of `count_audience` have a letter outside ASCII before the `@` (RFC 6531)."""
        with_sql, parameters = self._audience_filter(self._reaching(self.db, slug, 0), tag)
        [(count,)] = self.db.query(
            # The last `@` has no other behind it: what stands before any of them is the mailbox.
            f"SELECT count(*) FROM subscribers s WHERE {with_sql} AND s.email GLOB '*[^ -~]*@*'",
            parameters,
        )
        return int(count)

    def importing(self) -> bool:
        """Whether an import is being merged, so that only a part of it is on the list."""
        return bool(self.db.query("SELECT 1 FROM imports WHERE finished_at = '' LIMIT 1"))

    def create(self, new: NewSend, now: datetime) -> int:
        """Write down the content; the audience follows in chunks. Returns the send's id.

        Raises:
            NewsletterError: an unfinished send of this issue exists: somebody was faster.
        """
        with self.db.write() as tx:
            return insert_send(tx, new, now)

    def take_over(
        self, send: SendRecord, owner: str, until: datetime, *, sender: str = "", sandbox: bool = False
    ) -> int:
        """Become the one process that may write to `send`; returns the new epoch.

        Args:
            send: as it was read.
            owner: see `SendRecord.lease_owner`.
            until: when the lease ends unless it is renewed.
            sender: the store that sends from now on, kept for `last_sender`; empty to keep none.
            sandbox: whether nothing is delivered; decided by the first process that takes it over.

        Raises:
            FencedError: another one did so since `send` was read.
        """
        with self.db.write() as tx:
            changed = tx.execute(
                "UPDATE sends SET epoch = epoch + 1, lease_owner = ?, lease_until = ?, "
                "sandbox = CASE WHEN epoch = 0 THEN ? ELSE sandbox END WHERE id = ? AND epoch = ?",
                (owner, utc_text(until), int(sandbox), send.id, send.epoch),
            )
            if changed and sender:
                self.keep_sender(tx, sender)
        if changed != 1:
            raise fenced(send.slug)
        return send.epoch + 1

    def freeze_chunk(
        self, send_id: int, epoch: int, until: datetime, chunk: int = FREEZE_CHUNK
    ) -> int | None:
        """Write down the next recipients; returns how many, or None when all are.

        Nobody reached by an earlier send of the same issue is written down again.
        """
        with self.db.write() as tx:
            deliveries.renew(tx, send_id, epoch, until)
            [(slug, tag, frozen_to)] = tx.query(
                "SELECT slug, tag, frozen_to FROM sends WHERE id = ?", (send_id,)
            )
            found = tx.query(
                "SELECT max(id) FROM (SELECT id FROM subscribers WHERE id > ? ORDER BY id LIMIT ?) AS chunk",
                (frozen_to, chunk),
            )
            upto = found[0][0]
            if upto is None:
                return None
            where, parameters = self._audience_filter(self._reaching(tx, slug, send_id), tag)
            added = tx.execute(
                "INSERT INTO deliveries (send_id, subscriber_id) "
                f"SELECT ?, s.id FROM subscribers s WHERE {where} AND s.id > ? AND s.id <= ? ORDER BY s.id",
                (send_id, *parameters, frozen_to, upto),
            )
            tx.execute(
                "UPDATE sends SET frozen_to = ?, audience = audience + ? WHERE id = ?", (upto, added, send_id)
            )
            return added

    def reached_anybody(self, send_id: int) -> bool:
        """Whether somebody got this send, or may have; nobody gets one to a sandbox."""
        return bool(
            self.db.query(
                "SELECT d.subscriber_id FROM sends n JOIN deliveries d ON d.send_id = n.id "
                f"WHERE n.id = ? AND n.sandbox = 0 AND d.state IN ({_REACHED}) ORDER BY 1 LIMIT 1",
                (send_id,),
            )
        )

    def reached_by(self, slug: str) -> bool:
        """Whether a send of this issue reached somebody, or may have."""
        return any(self.reached_anybody(send_id) for send_id in self._reaching(self.db, slug, 0))

    def count_frozen(self, send_id: int) -> int:
        """How many were written down."""
        [(counted,)] = self.db.query("SELECT count(*) FROM deliveries WHERE send_id = ?", (send_id,))
        return int(counted)

    def finish_freezing(self, send_id: int, epoch: int, until: datetime) -> int:
        """Count what was written down against the number kept; then sending may begin. Returns the audience.

        Raises:
            StoreError: the numbers differ; nothing was sent.
        """
        with self.db.write() as tx:
            deliveries.renew(tx, send_id, epoch, until)
            [(audience,)] = tx.query("SELECT audience FROM sends WHERE id = ?", (send_id,))
            [(counted,)] = tx.query("SELECT count(*) FROM deliveries WHERE send_id = ?", (send_id,))
            if counted != audience:
                raise StoreError(
                    f"the frozen audience has {counted} recipients, {audience} were written down",
                    hint="the store was changed from outside; cancel this send and start again",
                )
            tx.execute("UPDATE sends SET state = 'sending' WHERE id = ? AND state = 'freezing'", (send_id,))
            return int(audience)

    def discard(self, send_id: int, epoch: int) -> None:
        """Forget a send of which nothing has left: it never began."""
        with self.db.write() as tx:
            if tx.execute(
                "DELETE FROM sends WHERE id = ? AND epoch = ? AND NOT EXISTS "
                "(SELECT 1 FROM batches WHERE send_id = sends.id)",
                (send_id, epoch),
            ):
                tx.execute("DELETE FROM deliveries WHERE send_id = ?", (send_id,))

    # Reading ------------------------------------------------------------------------------------

    def last_sender(self) -> str:
        """What the last `take_over` was told about the store it sent from; empty where there was none."""
        return self._meta("last_sender")

    @staticmethod
    def keep_sender(tx: Transaction, sender: str) -> None:
        """Say which store sends from now on."""
        tx.execute(
            "INSERT INTO meta (key, value) VALUES ('last_sender', ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (sender,),
        )

    def store_id(self) -> str:
        """This store's name, the same in every copy of it."""
        return self._meta("store_id")

    def last_batch(self) -> int:
        """The number of the last batch claimed by any send; 0 where there was none."""
        [(last,)] = self.db.query("SELECT max(id) FROM batches")
        return int(last or 0)

    def _meta(self, key: str) -> str:
        rows = self.db.query("SELECT value FROM meta WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else ""

    def sends(self, slug: str = "") -> list[SendRecord]:
        """All sends, or those of one issue, oldest first."""
        if slug:
            rows = self.db.query(f"SELECT {_SEND_COLUMNS} FROM sends WHERE slug = ? ORDER BY id", (slug,))
        else:
            rows = self.db.query(f"SELECT {_SEND_COLUMNS} FROM sends ORDER BY id")
        return [_send(row) for row in rows]

    def sends_numbered(self, number: int) -> list[SendRecord]:
        """The sends of the issue with this number, oldest first."""
        rows = self.db.query(f"SELECT {_SEND_COLUMNS} FROM sends WHERE number = ? ORDER BY id", (number,))
        return [_send(row) for row in rows]

    def get(self, send_id: int) -> SendRecord:
        """One send by its id.

        Raises:
            StoreError: it is gone.
        """
        rows = self.db.query(f"SELECT {_SEND_COLUMNS} FROM sends WHERE id = ?", (send_id,))
        if not rows:
            raise StoreError(f"send {send_id} is not in the store")
        return _send(rows[0])

    def content(self, send_id: int) -> bytes:
        """What was frozen when the send started."""
        [(content,)] = self.db.query("SELECT content FROM sends WHERE id = ?", (send_id,))
        return bytes(content)

    def tally(self, send_id: int) -> Tally:
        """How many deliveries stand where."""
        return deliveries.tally(self.db, send_id)

    def unknown(self, slug: str) -> list[UnknownDelivery]:
        """Every delivery of this issue whose end nobody can tell."""
        rows = self.db.query(
            "SELECT d.send_id, d.subscriber_id, s.email, d.reason, b.first_claimed_at FROM sends n "
            "JOIN deliveries d ON d.send_id = n.id LEFT JOIN subscribers s ON s.id = d.subscriber_id "
            "LEFT JOIN batches b ON b.id = d.batch_id WHERE n.slug = ? AND d.state = 5 ORDER BY d.send_id, d.subscriber_id",
            (slug,),
        )
        return [
            UnknownDelivery(a, b, email or "", reason or "", at or "") for a, b, email, reason, at in rows
        ]

    # From another process -----------------------------------------------------------------------

    def change_state(
        self, send_id: int, wanted: SendState, allowed: Sequence[SendState], *, note: str = "", now: datetime
    ) -> bool:
        """Move a send to `wanted` if it is in one of `allowed`; a running engine sees it at its next turn."""
        marks = ", ".join("?" * len(allowed))
        finished = utc_text(now) if wanted is SendState.CANCELLED else ""
        with self.db.write() as tx:
            return bool(
                tx.execute(
                    f"UPDATE sends SET state = ?, note = ?, finished_at = ? WHERE id = ? AND state IN ({marks})",
                    (wanted.value, note, finished, send_id, *(state.value for state in allowed)),
                )
            )

    # Parts --------------------------------------------------------------------------------------

    @staticmethod
    def _reaching(source: Database | Transaction, slug: str, send_id: int) -> list[int]:
        """Other sends of the same issue that went out to people."""
        return [
            int(row[0])
            for row in source.query(
                "SELECT id FROM sends WHERE slug = ? AND id <> ? AND sandbox = 0", (slug, send_id)
            )
        ]

    def _audience_filter(self, earlier: Sequence[int], tag: str) -> tuple[str, list[object]]:
        clauses = ["s.status = 'active'", "(s.paused_until = '' OR s.paused_until <= ?)"]
        parameters: list[object] = [utc_text(self.clock.now())]
        if tag:
            clauses.append(
                "EXISTS (SELECT 1 FROM subscriber_tags t WHERE t.subscriber_id = s.id AND t.tag = ?)"
            )
            parameters.append(tag)
        for other in earlier:
            clauses.append(
                "NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.send_id = ? AND e.subscriber_id = s.id "
                f"AND e.state IN ({_REACHED}))"
            )
            parameters.append(other)
        return " AND ".join(clauses), parameters


def insert_send(tx: Transaction, new: NewSend, now: datetime) -> int:
    """Write a send down in the caller's transaction; see `SendLedger.create`."""
    if tx.query(
        "SELECT id FROM sends WHERE slug = ? AND state IN ('freezing', 'sending', 'paused')", (new.slug,)
    ):
        raise NewsletterError(
            f"a send of `{new.slug}` is under way already",
            hint=f"newsletter status {new.slug}, or newsletter resume {new.slug}",
        )
    return tx.insert(
        "INSERT INTO sends (slug, number, title, state, content, content_hash, provider, tag, created_at)"
        " VALUES (?, ?, ?, 'freezing', ?, ?, ?, ?, ?)",
        (
            new.slug,
            new.number,
            new.title,
            new.content,
            new.content_hash,
            new.provider,
            new.tag,
            utc_text(now),
        ),
    )


def _send(row: Row) -> SendRecord:
    (number_id, slug, number, title, state, content_hash, provider, tag, frozen_to, audience, epoch) = row[
        :11
    ]
    owner, until, note, created, finished, sandbox = row[11:]
    return SendRecord(
        id=number_id,
        slug=slug,
        number=number,
        title=title,
        state=SendState(state),
        content_hash=content_hash,
        provider=provider,
        tag=tag,
        frozen_to=frozen_to,
        audience=audience,
        epoch=epoch,
        lease_owner=owner,
        lease_until=_moment(until),
        note=note,
        created_at=_moment(created),
        finished_at=_moment(finished),
        sandbox=bool(sandbox),
    )


def _moment(text: str) -> datetime | None:
    return utc_moment(text) if text else None
