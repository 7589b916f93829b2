"""How does a frozen audience get its mail? Claim, send, record, in that order, until nothing is left.

One thread writes to the store. Each of its turns is one transaction: everything that was finished
is recorded, and what can be sent next is claimed. Only after the commit do the sender threads get
what was claimed. Whatever kills this process leaves rows that say what may have left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from queue import Empty
from typing import Final, assert_never

from newsletter.clock import Clock
from newsletter.errors import StoreError
from newsletter.model.delivery import DeliveryState, SendState
from newsletter.model.message import OutcomeKind
from newsletter.providers.base import Provider
from newsletter.send.claiming import Claims, Turn
from newsletter.send.gate import Gate
from newsletter.send.limits import Limits
from newsletter.send.messages import MessageSource
from newsletter.send.quota import Quota
from newsletter.send.recovery import Inquiry, investigate, write_down
from newsletter.send.replays import Replays
from newsletter.send.retry import Pause, uncounted_wait
from newsletter.send.senders import Job, Report, Senders, Step
from newsletter.send.settlement import settlement
from newsletter.store import deliveries
from newsletter.store.base import Database, Transaction
from newsletter.store.send_records import FencedError, Tally

LEASE_SECONDS: Final = 120.0
# A process that slept past this much of its lease lets nothing more leave.
_LEASE_MARGIN: Final = 20.0
# How soon a pause or a cancel from another terminal is noticed while nothing else happens.
_LONGEST_WAIT: Final = 1.0
_IDLE_STEP: Final = 0.25
# So long a finished batch may wait for others, to be recorded with them.
_GROUPING: Final = 0.02
_RECORDING_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended.

    Attributes:
        state: of the send, as the store has it now.
        note: why it is paused, or empty.
        hint: what to do about that, or empty.
        interrupted: whether a signal stopped it.
        again: see `Pause.again`.
    """

    state: SendState
    tally: Tally
    note: str = ""
    hint: str = ""
    interrupted: bool = False
    again: float = 0.0


class Engine:
    """One run over one send that this process holds.

    Args:
        db: the store.
        send_id: the send, in state sending.
        epoch: what `SendLedger.take_over` returned.
        on_turn: told the tally after every turn.
        on_wait: told why the whole send waits, in the provider's words, and for how many seconds.
        on_claimed: told the highest number of the batches that are about to leave, once they are committed.
    """

    def __init__(
        self,
        db: Database,
        send_id: int,
        epoch: int,
        *,
        provider: Provider,
        source: MessageSource,
        limits: Limits,
        clock: Clock,
        on_turn: Callable[[Tally], None] = lambda _: None,
        on_wait: Callable[[str, float], None] = lambda _reason, _seconds: None,
        on_claimed: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._db, self._send_id, self._epoch = db, send_id, epoch
        self._provider, self._source, self._limits, self._clock = provider, source, limits, clock
        self._on_turn, self._on_wait, self._on_claimed = on_turn, on_wait, on_claimed
        # Wall-clock time is read once: a clock that is set back or forth while we send moves nothing.
        self._wall, self._started = clock.now(), clock.monotonic()
        ttl = provider.capabilities.idempotency_ttl
        self._claims = Claims(
            send_id, epoch, limits, provider.capabilities, with_tags=source.recipients.with_tags
        )
        self._claims.not_before = self._started + limits.hold
        self._in_flight = 0
        self._replays = Replays(ttl)
        self._reports: list[Report] = []
        self._lease_until = self._started
        self._interrupted = False
        self._halted = False
        self._pause: Pause | None = None
        self._error: BaseException | None = None
        self._gate = Gate(limits, clock, self._may_send, replayable=bool(ttl))
        self._senders = Senders(provider, limits.connections, source.maker, self._gate)

    def stop(self) -> None:
        """Claim nothing more; what is being sent is finished and recorded. Safe in a signal handler."""
        self._interrupted = True
        self._senders.stop()
        self._senders.reports.put(None)

    def run(self) -> Ending:
        """Send until nothing is left, or there is a reason to stop.

        Raises:
            FencedError: another process took the send over.
            StoreError: the store can't be written; what had left is recorded if it could be.
        """
        try:
            self._recover()
            turn = self._turn()
            while not turn.ended:
                self._wait()
                turn = self._turn()
        except FencedError:
            raise
        except StoreError as error:
            self._pause = Pause(error.message, error.hint)
            self._rescue()
            raise
        finally:
            self._senders.stop()
            self._senders.close()
        if self._error is not None:
            raise self._error
        tally = deliveries.tally(self._db, self._send_id)
        pause = self._pause or Pause("", "")
        return Ending(turn.state, tally, turn.note, pause.hint, self._interrupted, pause.again)

    # Before the first turn ------------------------------------------------------------------------

    def _recover(self) -> None:
        """Settle what a process that died left behind, or send it again where that is safe."""
        left = deliveries.open_batches(self._db, self._send_id)
        inquiry = Inquiry(self._db, self._send_id, self._clock, self._keep_asking)
        findings = investigate(left, self._provider, self._source, self._now(), inquiry)
        with self._db.write() as tx:
            deliveries.renew(tx, self._send_id, self._epoch, self._lease_end())
            replays = write_down(tx, self._send_id, self._epoch, findings, self._source)
            deliveries.make_due(tx, self._send_id, self._now())
        # Counting a large audience takes a while: not under the write lock, which those who leave wait for.
        tally = deliveries.tally(self._db, self._send_id)
        self._lease_until = self._clock.monotonic() + LEASE_SECONDS - _LEASE_MARGIN
        if self._limits.daily_quota:
            self._claims.quota = Quota(
                self._db, self._provider.name, self._send_id, self._limits.daily_quota, self._now()
            )
        self._claims.counts.update({state: getattr(tally, state.name.lower()) for state in DeliveryState})
        for claimed in replays:
            self._senders.submit(Job(claimed, uncertain=True))
            self._in_flight += 1

    def _keep_asking(self) -> bool:
        """Keep the lease while the provider is asked; false once somebody wants to stop."""
        with self._db.write() as tx:
            deliveries.renew(tx, self._send_id, self._epoch, self._lease_end())
        return not self._interrupted

    # A turn ---------------------------------------------------------------------------------------

    def _turn(self) -> Turn:
        """Record what was finished, claim what comes next: one commit; then let the claimed go."""
        before = self._clock.monotonic()
        with self._senders.workbench.writing() as done, self._db.write() as tx:
            state, note = deliveries.renew(tx, self._send_id, self._epoch, self._lease_end())
            turn = self._claims.turn(state, note, self._in_flight)
            for report in self._reports:
                self._record(tx, report, turn)
            if state is SendState.SENDING and not self._stopping:
                self._claim(tx, turn)
            turn.due = deliveries.next_due(tx, self._send_id)
            self._end(tx, turn)
            done()
        self._lease_until = before + LEASE_SECONDS - _LEASE_MARGIN
        self._reports.clear()
        self._claims.committed(turn)
        self._in_flight = turn.busy
        if turn.state is not SendState.SENDING:
            # Paused or cancelled from another terminal: what waits for a connection stays here.
            self._halted = True
            self._senders.stop()
        if turn.jobs:
            self._on_claimed(max(job.claimed.id for job in turn.jobs))
        for job in turn.jobs:
            self._senders.submit(job)
        counts = self._claims.counts
        self._on_turn(Tally(**{state.name.lower(): counts[state] for state in DeliveryState}))
        return turn

    @property
    def _stopping(self) -> bool:
        return self._interrupted or self._halted or self._pause is not None or self._error is not None

    def _record(self, tx: Transaction, report: Report, turn: Turn) -> None:
        job = report.job
        match report.step:
            case Step.BUILT if not self._stopping and turn.state is SendState.SENDING:
                deliveries.keep_hash(tx, job.claimed.id, self._epoch, report.body_hash)
                job.claimed = replace(job.claimed, body_hash=report.body_hash)
                turn.jobs.append(job)
                return
            case Step.BUILT | Step.UNSENT | Step.BROKEN if not job.uncertain:
                deliveries.release(tx, self._send_id, job.claimed, self._now())
                turn.move(DeliveryState.PENDING, len(job.claimed.people))
                self._claims.give_back(job, len(job.claimed.people))
                turn.cursor, turn.swept = 0, False
            case Step.BUILT | Step.UNSENT | Step.BROKEN | Step.CHANGED | Step.DONE:
                self._settle(tx, report, turn)
            case _:
                assert_never(report.step)
        turn.settled += 1

    def _settle(self, tx: Transaction, report: Report, turn: Turn) -> None:
        """Write down each recipient's outcome: one statement where all were accepted."""
        claimed, outcomes, now = report.job.claimed, report.outcomes, self._now()
        if all(outcome.kind is OutcomeKind.ACCEPTED for outcome in outcomes):
            deliveries.accept(tx, self._send_id, claimed, [o.provider_id for o in outcomes], now)
            turn.move(DeliveryState.ACCEPTED, len(outcomes))
            return
        wait = uncounted_wait(report.result.outcomes, report.decision)
        rows = [
            settlement(person.subscriber_id, person.attempts, outcome, now, wait)
            for person, outcome in zip(claimed.people, outcomes, strict=True)
        ]
        for row in rows:
            turn.move(row.state, 1)
        self._claims.give_back(report.job, sum(row.state is DeliveryState.DEFERRED for row in rows))
        deliveries.settle(tx, self._send_id, claimed.id, rows, now)

    def _claim(self, tx: Transaction, turn: Turn) -> None:
        elapsed = self._clock.monotonic()
        if elapsed >= self._gate.closed_until:
            self._pause = self._claims.take(tx, turn, elapsed, self._now())

    def _end(self, tx: Transaction, turn: Turn) -> None:
        """Decide whether this was the last turn, and write down how the send ended."""
        if turn.busy:
            return
        if turn.state is not SendState.SENDING:
            turn.ended = True
        elif self._stopping:
            turn.ended, turn.state, turn.note = True, SendState.PAUSED, self._why()
        elif turn.swept and turn.due is None:
            if deliveries.any_pending(tx, self._send_id):
                self._claims.recount(tx, turn)
                return
            turn.ended, turn.state, turn.note = True, SendState.SENT, ""
        else:
            return
        deliveries.finish(tx, self._send_id, turn.state, turn.note, self._now())

    def _why(self) -> str:
        if self._error is not None:
            return f"stopped by a defect: {type(self._error).__name__}: {self._error}"
        return self._pause.reason if self._pause else "interrupted"

    # Between turns --------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Wait for a report, or for the time when something may be claimed or leave."""
        now = self._clock.monotonic()
        delay = min(_LONGEST_WAIT, max(0.0, self._next_chance(now) - now))
        handed_over = self._in_flight - len(self._replays)
        if handed_over and not self._gate.waits_for_time(min(handed_over, self._limits.connections)):
            with contextlib.suppress(Empty):
                self._receive(self._senders.reports.get(timeout=delay) if delay else None)
                # As long as no connection is idle, one commit does for several finished batches.
                spare = handed_over - self._limits.connections
                while self._reports and len(self._reports) <= spare and not self._stopping:
                    if self._reports[-1].step is not Step.DONE:
                        break
                    self._receive(self._senders.reports.get(timeout=_GROUPING))
        else:
            # Nothing is under way that could report: only time, a signal or another terminal changes that.
            if handed_over:
                delay = min(delay, self._gate.opens_in(now))
            while not self._stopping and (left := now + delay - self._clock.monotonic()) > 0:
                self._clock.sleep(min(left, _IDLE_STEP))
            self._gate.wake()
        with contextlib.suppress(Empty):
            while True:
                self._receive(self._senders.reports.get_nowait())
        self._send_again()

    def _next_chance(self, now: float) -> float:
        """When the next claim or replay may be possible, on the monotonic clock."""
        chance = min(self._replays.next_at, now + _LONGEST_WAIT)
        if self._in_flight < self._claims.room and not self._stopping:
            closed = self._gate.closed_until
            chance = min(chance, max(closed, self._claims.opening(now)))
            if (due := self._claims.due) is not None:
                wait = (due - self._now()).total_seconds()
                chance = min(chance, max(closed, self._claims.paced(now), now + wait))
        return chance

    def _receive(self, report: Report | None) -> None:
        """Take in a report: what it means for the whole send is known already, see `Gate.leave`."""
        if report is None:
            return
        if report.error is not None:
            self._error = self._error or report.error
            self._senders.stop()
        if isinstance(report.decision, Pause):
            self._pause = self._pause or report.decision
        elif report.decision is not None and report.result.hold is not None:
            self._on_wait(report.result.hold.reason, report.decision.seconds)
        now = self._clock.monotonic()
        if (
            report.step is Step.DONE
            and not self._stopping
            and self._replays.take(report, wall=self._now(), now=now, not_before=self._gate.closed_until)
        ):
            return
        self._reports.append(report)

    def _send_again(self) -> None:
        """Let the replays go whose time has come; when stopping, none may: their answer stays lost."""
        if self._stopping:
            self._gate.wake()
            self._reports += self._replays.give_up()
        for job in self._replays.due(self._clock.monotonic()):
            self._senders.submit(job)

    def _rescue(self) -> None:
        """The store failed: let nothing more leave, and try to record what had left."""
        self._senders.stop()
        self._send_again()
        while self._in_flight > len(self._reports):
            self._receive(self._senders.reports.get())
            self._send_again()
        for _ in range(_RECORDING_TRIES):
            self._clock.sleep(1.0)
            with contextlib.suppress(StoreError):
                self._turn()
                return

    # Time -----------------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return self._wall + timedelta(seconds=self._clock.monotonic() - self._started)

    def _lease_end(self) -> datetime:
        return self._now() + timedelta(seconds=LEASE_SECONDS)

    def _may_send(self) -> bool:
        return self._clock.monotonic() < self._lease_until
