"""What is due, and what becomes of it? One look at the schedules: begin, go on with, put off or hold each.

A schedule is claimed by becoming a send. A send that its process left behind is gone on with, one that
waits for a provider or the network is tried again ever later, and whatever a person would want to look
at first (hours late, a list that isn't the one it was, settings that don't work) is held and said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from newsletter.errors import NewsletterError, StoreError, UsageError
from newsletter.model.delivery import SendState
from newsletter.send.engine import Ending
from newsletter.send.lease import holder, same_machine
from newsletter.send.origin import CopiedStoreError
from newsletter.send.run import Desk, resume, try_out
from newsletter.send.schedule import until
from newsletter.store.schedules import Schedule, Schedules, ScheduleState
from newsletter.store.send_records import FencedError, SendRecord, Tally

# Seconds until a send that was put off is tried again; after the last a person has to.
AGAIN: Final = (300.0, 600.0, 1200.0, 2400.0, 3600.0, 3600.0)
# A time further away than anything is put off comes from a clock that was wrong.
_FURTHEST: Final = timedelta(hours=25)
_UNDER_WAY: Final = (SendState.FREEZING, SendState.SENDING)


class Became(StrEnum):
    """What one look made of a schedule."""

    SENT = "sent"
    CANCELLED = "cancelled"  # by somebody else, while it was being sent
    HELD = "held"  # nothing of it leaves before a person says so
    PAUSED = "paused"  # some of it may have left; a person has to look
    PUT_OFF = "put off"  # gone on with by itself, later
    STOPPED = "stopped"  # this process was asked to stop; the next one goes on


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a schedule, and why.

    Attributes:
        ending: of its send, where it came to that.
        note: why it isn't sent, or empty.
        hint: what to do about that, or empty.
        again_at: when it is gone on with by itself.
    """

    schedule: Schedule
    became: Became
    ending: Ending | None = None
    note: str = ""
    hint: str = ""
    again_at: datetime | None = None


def tolerated(audience: int) -> range:
    """The audiences that may stand there at the hour where it was `audience` when it was scheduled.

    People join and leave meanwhile: a fifth of them, or twenty on a short list. More than that is
    rather a list that was imported twice, or lost.
    """
    slack = max(20, audience // 5)
    return range(max(1, audience - slack), audience + slack + 1)


def require_sendable(desk: Desk, schedule: Schedule) -> None:
    """Find out whether what was scheduled could be sent under the settings of now, before it becomes a send.

    Raises:
        NewsletterError: a setting or a key is wrong or missing, or the content is damaged.
    """
    content = Schedules(desk.db).content(schedule.id)
    try_out(desk, schedule.provider, content, schedule.content_hash)
    if schedule.sandbox != desk.sandbox:
        was, setting = ("in the sandbox", "true") if schedule.sandbox else ("for real", "false")
        raise UsageError(
            f"it was scheduled {was}, and the settings say otherwise now",
            hint=f"set `sandbox = {setting}` in `[provider]`, or schedule it again with --at",
        )


@dataclass(slots=True)
class DueSends:
    """One look at what is due.

    Args:
        desk: what sending needs.
        late: how long after its hour a schedule is still begun by itself.
        on_begin: told what is about to be sent, gone on with where it has a send already, and to how many.
    """

    desk: Desk
    late: timedelta
    on_begin: Callable[[Schedule, int], None] = lambda *_: None
    _began: datetime = field(init=False)

    @property
    def schedules(self) -> Schedules:
        """Those of the store."""
        return Schedules(self.desk.db)

    def look(self) -> Iterator[Result]:
        """Do what is due, each once, the oldest first; what somebody else is at is left to them.

        Raises:
            StoreError: the store can't be read or written; what is due stays due.
        """
        seen: set[int] = set()
        # Lateness is judged by when this look began: what fell due while an earlier issue was being sent isn't late.
        self._began = self.desk.clock.now()
        while not self.desk.stop.pressed:
            ready = [s for s in (*self.schedules.begun(), *self._due()) if s.id not in seen]
            if not ready:
                return
            seen.add(ready[0].id)
            result = self._go_on(ready[0]) if ready[0].send_id else self._begin(ready[0])
            if result is not None:
                yield result

    def next_time(self) -> datetime | None:
        """When something is due that isn't yet."""
        waiting = [s.due_at for s in self.schedules.open() if s.state is ScheduleState.WAITING]
        again = [s.retry_at for s in self.schedules.begun() if s.retry_at is not None]
        return min((*waiting, *again), default=None)

    def _due(self) -> list[Schedule]:
        return self.schedules.due(self.desk.clock.now())

    # At the hour --------------------------------------------------------------------------------

    def _begin(self, schedule: Schedule) -> Result | None:
        now = self.desk.clock.now()
        if self._began - schedule.due_at > self.late:
            ago = until(schedule.due_at, self._began).removesuffix(" ago")
            return self._hold(
                schedule,
                f"found {ago} after its hour: a send that late is not begun by itself",
                f"send it now: newsletter send {schedule.number} --now; or take it back: newsletter cancel {schedule.number}",
            )
        doubt = self.desk.origin.doubt()
        if doubt:
            return self._hold(
                schedule,
                f"{doubt}; what is scheduled here may have been sent since",
                f"if it was not: newsletter send {schedule.number} --now; else: newsletter cancel {schedule.number}",
            )
        ledger = self.desk.ledger
        if ledger.importing():
            return Result(
                schedule, Became.PUT_OFF, note="an import is being merged into the list; it goes right after"
            )
        refused = self._refused(schedule)
        if refused is not None:
            go_on = f"newsletter resume {schedule.number}"
            return self._hold(
                schedule,
                f"at its hour it could not be sent: {refused.message}",
                f"{refused.hint}; then: {go_on}".removeprefix("; "),
            )
        if self.schedules.sent_since(schedule):
            return self._hold(
                schedule,
                "it was sent by hand since it was scheduled",
                f"newsletter resume {schedule.number} sends it to whoever was not reached",
            )
        count = ledger.count_audience(schedule.slug, schedule.tag)
        if count not in tolerated(schedule.audience):
            return self._hold(
                schedule,
                f"it would reach {count:,}, and {schedule.audience:,} when it was scheduled",
                f"look at the list; then: newsletter send {schedule.number} --now --expect-count {count}",
            )
        try:
            send_id = self.schedules.begin(schedule, now)
        except StoreError:
            raise
        except NewsletterError as error:
            return self._hold(schedule, error.message, error.hint)
        if not send_id:
            return None
        self.on_begin(schedule, count)
        return self._send(self.schedules.get(schedule.id))

    def _hold(self, schedule: Schedule, note: str, hint: str) -> Result | None:
        if not self.schedules.hold(schedule, note, hint):
            return None
        return Result(self.schedules.get(schedule.id), Became.HELD, note=note, hint=hint)

    def _refused(self, schedule: Schedule) -> NewsletterError | None:
        """Why it could not be sent under the settings of now, found before it becomes a send."""
        try:
            require_sendable(self.desk, schedule)
        except StoreError:
            raise
        except NewsletterError as error:
            return error
        return None

    # A send that is there -----------------------------------------------------------------------

    def _go_on(self, schedule: Schedule) -> Result | None:
        """Go on with a send that nobody is at and that may go on by itself; None where there is nothing to do."""
        record = self._record(schedule)
        if record is None:
            return self._given_back(schedule, "its send was forgotten before anything had left", "")
        now = self.desk.clock.now()
        if schedule.retry_at is not None:
            if now < schedule.retry_at <= now + _FURTHEST:
                return None
        elif record.state not in _UNDER_WAY:
            return None
        if self._somebody_is_at(record, now):
            return None
        signs = (record.created_at, record.lease_until, schedule.retry_at)
        last_sign = max(sign for sign in signs if sign is not None)
        if self._began - last_sign > self.late:
            ago = until(last_sign, self._began).removesuffix(" ago")
            return self._give_up(
                schedule, record, f"found interrupted {ago} ago: a send that old isn't gone on with by itself"
            )
        self.on_begin(schedule, self.desk.ledger.tally(record.id).open)
        return self._send(schedule)

    def _somebody_is_at(self, record: SendRecord, now: datetime) -> bool:
        if holder(self.desk.state_dir, record.id):
            return True
        elsewhere = bool(record.lease_owner) and not same_machine(record.lease_owner)
        return elsewhere and record.lease_until is not None and now < record.lease_until <= now + _FURTHEST

    def _send(self, schedule: Schedule) -> Result | None:
        before = self.desk.ledger.tally(schedule.send_id)
        try:
            ending = resume(self.desk, schedule.send_id)
        except FencedError:
            return None
        except StoreError:
            if self._record(schedule) is not None:
                raise
            return None
        except CopiedStoreError as error:
            return self._give_up(schedule, self.desk.ledger.get(schedule.send_id), error.message, error.hint)
        except NewsletterError as error:
            record = self._record(schedule)
            if record is None:
                return self._given_back(schedule, error.message, error.hint)
            if self._somebody_is_at(record, self.desk.clock.now()):
                return None
            return self._put_off(schedule, record, error.message, error.hint, tries=schedule.tries)
        return self._ended(schedule, ending, before)

    def _ended(self, schedule: Schedule, ending: Ending, before: Tally) -> Result:
        # Told to stop when all was done already, it still was sent.
        if ending.state is SendState.SENT:
            return Result(schedule, Became.SENT, ending)
        if ending.state is SendState.CANCELLED:
            return Result(schedule, Became.CANCELLED, ending)
        if ending.interrupted:
            self.schedules.retry(schedule, self.desk.clock.now(), schedule.tries)
            return Result(schedule, Became.STOPPED, ending)
        if ending.again:
            tries = 0 if ending.tally.accepted > before.accepted else schedule.tries
            record = self.desk.ledger.get(schedule.send_id)
            put_off = self._put_off(
                schedule, record, ending.note, ending.hint, tries=tries, least=ending.again
            )
            return replace(put_off, ending=ending)
        self.schedules.forget_retry(schedule.send_id)
        return Result(schedule, Became.PAUSED, ending, ending.note, ending.hint)

    def _put_off(
        self,
        schedule: Schedule,
        record: SendRecord,
        note: str,
        hint: str,
        *,
        tries: int,
        least: float = 0.0,
    ) -> Result:
        """Have it gone on with later, or by a person where that was done often enough."""
        if tries >= len(AGAIN):
            return self._give_up(schedule, record, f"{note} ({tries + 1} times)", hint)
        wait = min(max(least, AGAIN[tries]), _FURTHEST.total_seconds())
        at = self.desk.clock.now() + timedelta(seconds=wait)
        self.schedules.retry(schedule, at, tries + 1)
        return Result(schedule, Became.PUT_OFF, None, note, hint, at)

    def _give_up(self, schedule: Schedule, record: SendRecord, note: str, hint: str = "") -> Result:
        """Leave it to a person: a send of which nothing can have left becomes a held schedule again."""
        ledger = self.desk.ledger
        go_on = f"newsletter resume {schedule.number}"
        hint = "; then: ".join(filter(None, (hint, go_on)))
        if record.state is SendState.FREEZING:
            ledger.discard(record.id, record.epoch)
            if self._record(schedule) is None:
                return self._given_back(schedule, note, hint)
        self.schedules.forget_retry(record.id)
        ledger.change_state(
            record.id, SendState.PAUSED, [SendState.SENDING], note=note, now=self.desk.clock.now()
        )
        return Result(schedule, Became.PAUSED, None, note, hint)

    def _given_back(self, schedule: Schedule, note: str, hint: str) -> Result:
        self.schedules.give_back(
            schedule, note, hint := hint or f"newsletter send {schedule.number} --now sends it"
        )
        return Result(self.schedules.get(schedule.id), Became.HELD, note=note, hint=hint)

    def _record(self, schedule: Schedule) -> SendRecord | None:
        """The send it became, unless that is gone."""
        return next((r for r in self.desk.ledger.sends(schedule.slug) if r.id == schedule.send_id), None)
