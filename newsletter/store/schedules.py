"""What is to be sent, and when? The schedules, each claimed once.

A schedule whose hour has come becomes a send in one transaction: whoever makes it so has claimed it,
and from then on the send speaks for itself. Nothing lies between that a crash could leave open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from newsletter.errors import NewsletterError, StoreError
from newsletter.store.base import Database, Row, Transaction, utc_moment, utc_text
from newsletter.store.send_records import NewSend
from newsletter.store.sends import insert_send

_COLUMNS: Final = (
    "id, slug, number, title, state, due_at, zone, content_hash, source, source_hash, provider, tag, "
    "sandbox, audience, after_send, send_id, tries, retry_at, note, hint, created_at"
)


class ScheduleState(StrEnum):
    """Where a schedule stands."""

    WAITING = "waiting"
    HELD = "held"  # its hour may come and nothing leaves: a person decides
    BEGUN = "begun"  # it has become a send
    CANCELLED = "cancelled"


OPEN: Final = (ScheduleState.WAITING, ScheduleState.HELD)


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """What is written down when an issue is scheduled.

    Attributes:
        send: frozen content and where it goes.
        due_at: the moment.
        zone: the zone it was said in.
        source: the issue's file, as seen from the newsletter's folder.
        source_hash: SHA-256 of that file.
        audience: how many it would reach now.
        sandbox: whether the provider was to deliver nothing.
    """

    send: NewSend
    due_at: datetime
    zone: str
    source: str
    source_hash: str
    audience: int
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule without its content.

    Attributes:
        sandbox: whether the provider was to deliver nothing.
        audience: how many it would have reached when it was scheduled.
        after_send: id of the last send there was then, or 0.
        send_id: the send that came of it, or 0.
        tries: how often that send was put off by itself.
        retry_at: when it is gone on with by itself.
        note: why it is held, or empty.
        hint: what to do about that, or empty.
    """

    id: int
    slug: str
    number: int
    title: str
    state: ScheduleState
    due_at: datetime
    zone: str
    content_hash: str
    source: str
    source_hash: str
    provider: str
    tag: str
    sandbox: bool
    audience: int
    after_send: int
    send_id: int
    tries: int
    retry_at: datetime | None
    note: str
    hint: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Schedules:
    """The statements about schedules; every change names the states it starts from."""

    db: Database

    def add(self, new: NewSchedule, now: datetime, *, replaced: int = 0) -> int:
        """Write a schedule down, instead of the one called `replaced`; returns its id.

        Raises:
            NewsletterError: the issue was scheduled or its send begun by somebody a moment ago.
        """
        slug = new.send.slug
        with self.db.write() as tx:
            self._change(tx, replaced, ScheduleState.CANCELLED, OPEN)
            if tx.query("SELECT 1 FROM schedules WHERE slug = ? AND state IN ('waiting', 'held')", (slug,)):
                raise NewsletterError(
                    f"`{slug}` was scheduled a moment ago by somebody else", hint=f"newsletter status {slug}"
                )
            if tx.query(
                "SELECT 1 FROM sends WHERE slug = ? AND state IN ('freezing', 'sending', 'paused')", (slug,)
            ):
                raise NewsletterError(f"`{slug}` is being sent", hint=f"newsletter status {slug}")
            return tx.insert(
                "INSERT INTO schedules (slug, number, title, state, due_at, zone, content, content_hash, source,"
                " source_hash, provider, tag, sandbox, audience, after_send, created_at) VALUES"
                " (?, ?, ?, 'waiting', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                " (SELECT coalesce(max(id), 0) FROM sends WHERE slug = ?), ?)",
                (
                    slug,
                    new.send.number,
                    new.send.title,
                    utc_text(new.due_at),
                    new.zone,
                    new.send.content,
                    new.send.content_hash,
                    new.source,
                    new.source_hash,
                    new.send.provider,
                    new.send.tag,
                    int(new.sandbox),
                    new.audience,
                    slug,
                    utc_text(now),
                ),
            )

    # Reading ------------------------------------------------------------------------------------

    def get(self, schedule_id: int) -> Schedule:
        """One schedule by its id.

        Raises:
            StoreError: it is gone.
        """
        found = self._select("id = ?", (schedule_id,))
        if not found:
            raise StoreError(f"schedule {schedule_id} is not in the store")
        return found[0]

    def open(self) -> list[Schedule]:
        """What waits or is held, by its hour."""
        return self._select("state IN ('waiting', 'held') ORDER BY due_at, id")

    def open_of(self, slug: str) -> Schedule | None:
        """What waits or is held of one issue."""
        return next((schedule for schedule in self.open() if schedule.slug == slug), None)

    def open_named(self, name: str) -> Schedule | None:
        """The same by a number, a slug or the file it was read from; the file may be gone."""
        number = int(name) if name.isascii() and name.isdigit() else -1
        return next(
            (s for s in self.open() if s.number == number or name in (s.slug, s.source)),
            None,
        )

    def due(self, now: datetime) -> list[Schedule]:
        """What waits and whose hour has come, the oldest first."""
        return self._select("state = 'waiting' AND due_at <= ? ORDER BY due_at, id", (utc_text(now),))

    def begun(self) -> list[Schedule]:
        """What became a send that isn't finished, or that is gone because it never began."""
        return self._select(
            "state = 'begun' AND NOT EXISTS (SELECT 1 FROM sends n WHERE n.id = schedules.send_id "
            "AND n.state IN ('sent', 'cancelled')) ORDER BY due_at, id"
        )

    def of_send(self, send_id: int) -> Schedule | None:
        """The schedule a send came of."""
        found = self._select("state = 'begun' AND send_id = ?", (send_id,))
        return found[0] if found else None

    def content(self, schedule_id: int) -> bytes:
        """What was frozen when it was scheduled."""
        [(content,)] = self.db.query("SELECT content FROM schedules WHERE id = ?", (schedule_id,))
        return bytes(content)

    def sent_since(self, schedule: Schedule) -> int:
        """The send of the same issue that somebody began since it was scheduled and that reached somebody, or 0."""
        rows = self.db.query(
            "SELECT n.id FROM sends n WHERE n.slug = ? AND n.id > ? AND EXISTS (SELECT 1 FROM deliveries d"
            " WHERE d.send_id = n.id AND d.state IN (1, 2, 3, 5)) ORDER BY n.id DESC LIMIT 1",
            (schedule.slug, schedule.after_send),
        )
        return int(rows[0][0]) if rows else 0

    # Changing -----------------------------------------------------------------------------------

    def begin(self, schedule: Schedule, now: datetime) -> int:
        """Let it become a send, in state freezing; returns the send's id.

        0 where it isn't any more what it was when `schedule` was read: begun, paused or taken back since.

        Raises:
            NewsletterError: a send of the issue is under way.
        """
        with self.db.write() as tx:
            rows = tx.query(
                "SELECT content FROM schedules WHERE id = ? AND state = ?",
                (schedule.id, schedule.state.value),
            )
            if not rows or schedule.state not in OPEN:
                return 0
            new = NewSend(
                schedule.slug,
                schedule.number,
                schedule.title,
                bytes(rows[0][0]),
                schedule.content_hash,
                schedule.provider,
                schedule.tag,
            )
            send_id = insert_send(tx, new, now)
            tx.execute(
                "UPDATE schedules SET state = 'begun', send_id = ?, note = '', hint = '' WHERE id = ?",
                (send_id, schedule.id),
            )
            return send_id

    def hold(self, schedule: Schedule, note: str, hint: str = "") -> bool:
        """Keep a waiting schedule from being sent by itself; false where it doesn't wait any more."""
        with self.db.write() as tx:
            return self._change(
                tx, schedule.id, ScheduleState.HELD, [ScheduleState.WAITING], note=note, hint=hint
            )

    def give_back(self, schedule: Schedule, note: str, hint: str = "") -> bool:
        """Hold a schedule whose send is gone: it was forgotten before anything had left."""
        with self.db.write() as tx:
            return bool(
                tx.execute(
                    "UPDATE schedules SET state = 'held', send_id = NULL, retry_at = '', note = ?, hint = ? "
                    "WHERE id = ? AND state = 'begun' "
                    "AND NOT EXISTS (SELECT 1 FROM sends n WHERE n.id = schedules.send_id)",
                    (note, hint, schedule.id),
                )
            )

    def release(self, schedule: Schedule) -> bool:
        """Let a held schedule wait for its hour again."""
        with self.db.write() as tx:
            return self._change(tx, schedule.id, ScheduleState.WAITING, [ScheduleState.HELD])

    def cancel(self, schedule: Schedule) -> bool:
        """Take a schedule back; false where it has become a send."""
        with self.db.write() as tx:
            return self._change(tx, schedule.id, ScheduleState.CANCELLED, OPEN)

    def retry(self, schedule: Schedule, at: datetime, tries: int) -> None:
        """Go on with the send that came of it at `at`, by itself."""
        with self.db.write() as tx:
            tx.execute(
                "UPDATE schedules SET retry_at = ?, tries = ? WHERE id = ?",
                (utc_text(at), tries, schedule.id),
            )

    def forget_retry(self, send_id: int) -> None:
        """Never go on by itself with the send that came of a schedule: a person said so, or it is over."""
        with self.db.write() as tx:
            tx.execute("UPDATE schedules SET retry_at = '' WHERE send_id = ?", (send_id,))

    # Parts --------------------------------------------------------------------------------------

    def _select(self, where: str, parameters: Sequence[object] = ()) -> list[Schedule]:
        rows = self.db.query(f"SELECT {_COLUMNS} FROM schedules WHERE {where}", parameters)
        return [_schedule(row) for row in rows]

    @staticmethod
    def _change(
        tx: Transaction,
        schedule_id: int,
        to: ScheduleState,
        allowed: Sequence[ScheduleState],
        *,
        note: str = "",
        hint: str = "",
    ) -> bool:
        marks = ", ".join("?" * len(allowed))
        return bool(
            tx.execute(
                f"UPDATE schedules SET state = ?, note = ?, hint = ? WHERE id = ? AND state IN ({marks})",
                (to.value, note, hint, schedule_id, *(state.value for state in allowed)),
            )
        )


def _schedule(row: Row) -> Schedule:
    (number_id, slug, number, title, state, due_at, zone, content_hash, source, source_hash) = row[:10]
    (provider, tag, sandbox, audience, after_send, send_id, tries, retry_at, note, hint, created) = row[10:]
    return Schedule(
        id=number_id,
        slug=slug,
        number=number,
        title=title,
        state=ScheduleState(state),
        due_at=utc_moment(due_at),
        zone=zone,
        content_hash=content_hash,
        source=source,
        source_hash=source_hash,
        provider=provider,
        tag=tag,
        sandbox=bool(sandbox),
        audience=audience,
        after_send=after_send,
        send_id=send_id or 0,
        tries=tries,
        retry_at=utc_moment(retry_at) if retry_at else None,
        note=note,
        hint=hint,
        created_at=utc_moment(created),
    )
