"""A model of the ledger against the real store: whatever happens in whatever order, the promises hold."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from newsletter.model.delivery import DeliveryState, SendState
from newsletter.store import deliveries
from newsletter.store.send_records import ClaimedBatch, FencedError, Settlement, Terms
from newsletter.store.sends import SendLedger
from newsletter.store.sqlite import SqliteDatabase
from tests.send.desk import add_subscribers, in_memory, new_send

NOW = datetime(2026, 1, 6, 9, 0, tzinfo=UTC)
PEOPLE = 30
FINAL = (DeliveryState.ACCEPTED, DeliveryState.REJECTED, DeliveryState.SKIPPED)
OUTCOMES = st.sampled_from(
    [DeliveryState.ACCEPTED, DeliveryState.REJECTED, DeliveryState.DEFERRED, DeliveryState.UNKNOWN]
)


class LedgerMachine(RuleBasedStateMachine):
    """Claims, answers, crashes, take-overs, people who leave and come back."""

    batches = Bundle("batches")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(in_memory())
        self.db = self.stack.enter_context(SqliteDatabase(folder / "newsletter.db"))
        self.ledger = SendLedger(self.db)
        self.now = NOW
        self.audience: set[int] = set()
        self.active: set[int] = set()
        self.left_process: dict[int, int] = {}  # how often the provider was really called for somebody
        self.model: dict[int, DeliveryState] = {}
        self.cursor = 0

    def teardown(self) -> None:
        self.stack.close()

    @initialize(inactive=st.sets(st.integers(1, PEOPLE), max_size=10), chunk=st.integers(1, 40))
    def begin(self, inactive: set[int], chunk: int) -> None:
        add_subscribers(self.db, PEOPLE)
        with self.db.write() as tx:
            for number in inactive:
                tx.execute("UPDATE subscribers SET status = 'bounced' WHERE id = ?", (number,))
        self.active = set(range(1, PEOPLE + 1)) - inactive
        self.audience = set(self.active)
        self.send_id = self.ledger.create(new_send(), self.now)
        self.take_over()
        while self.ledger.freeze_chunk(self.send_id, self.epoch, self.until, chunk) is not None:
            pass
        self.ledger.finish_freezing(self.send_id, self.epoch, self.until)
        self.model = dict.fromkeys(self.audience, DeliveryState.PENDING)

    @property
    def until(self) -> datetime:
        return self.now + timedelta(seconds=60)

    def take_over(self) -> None:
        self.epoch = self.ledger.take_over(self.ledger.get(self.send_id), "host:1:a", self.until)

    def claimed(self, batch: ClaimedBatch | None) -> list[ClaimedBatch]:
        if batch is None:
            return []
        ids = [person.subscriber_id for person in batch.people]
        assert ids == sorted(ids)
        for number in ids:
            assert number in self.active, "claimed somebody who may not be mailed"
            assert self.model[number] in (DeliveryState.PENDING, DeliveryState.DEFERRED)
            self.model[number] = DeliveryState.CLAIMED
        return [batch]

    def skip_the_gone(self, state: DeliveryState, looked_at: set[int]) -> None:
        for number in looked_at:
            if self.model[number] is state and number not in self.active:
                self.model[number] = DeliveryState.SKIPPED

    @rule(target=batches, limit=st.integers(1, 8))
    def claim(self, limit: int) -> object:
        pending = sorted(n for n, s in self.model.items() if s is DeliveryState.PENDING and n > self.cursor)
        with self.db.write() as tx:
            deliveries.renew(tx, self.send_id, self.epoch, self.until)
            found = deliveries.claim(tx, self.send_id, self.epoch, Terms(limit, self.now), after=self.cursor)
        assert found.looked_at == len(pending[:limit])
        self.skip_the_gone(DeliveryState.PENDING, set(pending[:limit]))
        self.cursor = found.last_id
        return multiple(*self.claimed(found.batch))

    @rule(target=batches, limit=st.integers(1, 8))
    def claim_due(self, limit: int) -> object:
        before = {n for n, s in self.model.items() if s is DeliveryState.DEFERRED}
        with self.db.write() as tx:
            deliveries.renew(tx, self.send_id, self.epoch, self.until)
            found = deliveries.claim_due(tx, self.send_id, self.epoch, Terms(limit, self.now))
            rows = tx.query("SELECT subscriber_id FROM deliveries WHERE state = 6")
        self.skip_the_gone(DeliveryState.DEFERRED, before & {row[0] for row in rows})
        return multiple(*self.claimed(found.batch))

    @rule(batch=consumes(batches), states=st.lists(OUTCOMES, min_size=8, max_size=8))
    def answer(self, batch: ClaimedBatch, states: list[DeliveryState]) -> None:
        """The provider was called; one that was replaced meanwhile records nothing."""
        chosen = dict(zip((p.subscriber_id for p in batch.people), states, strict=False))
        for number, state in chosen.items():
            if state in (DeliveryState.ACCEPTED, DeliveryState.UNKNOWN):
                self.left_process[number] = self.left_process.get(number, 0) + 1
        still_ours = {n for n in chosen if self.model[n] is DeliveryState.CLAIMED}
        with self.db.write() as tx:
            deliveries.renew(tx, self.send_id, self.epoch, self.until)
            if set(chosen.values()) == {DeliveryState.ACCEPTED}:
                deliveries.accept(tx, self.send_id, batch, [str(n) for n in chosen], self.now)
            else:
                due = self.now + timedelta(seconds=10)
                rows = [
                    Settlement(n, s, reason="r", retry_at=due if s is DeliveryState.DEFERRED else None)
                    for n, s in chosen.items()
                ]
                deliveries.settle(tx, self.send_id, batch.id, rows, self.now)
        for number in still_ours:
            self.model[number] = chosen[number]

    @rule(batch=consumes(batches))
    def give_back(self, batch: ClaimedBatch) -> None:
        with self.db.write() as tx:
            deliveries.renew(tx, self.send_id, self.epoch, self.until)
            deliveries.release(tx, self.send_id, batch, self.now)
        for person in batch.people:
            if self.model[person.subscriber_id] is DeliveryState.CLAIMED:
                self.model[person.subscriber_id] = DeliveryState.PENDING
        self.cursor = 0

    @rule()
    def crash_and_take_over(self) -> None:
        """What was claimed is unknown from now on; the dead one's answers come too late."""
        stale = self.epoch
        self.take_over()
        with contextlib.suppress(FencedError), self.db.write() as tx:
            deliveries.renew(tx, self.send_id, stale, self.until)
            raise AssertionError("a process that was replaced could write")
        left = deliveries.open_batches(self.db, self.send_id)
        with self.db.write() as tx:
            lost = [number for batch in left for number in batch.claimed]
            deliveries.mark(
                tx,
                self.send_id,
                lost,
                from_state=DeliveryState.CLAIMED,
                to_state=DeliveryState.UNKNOWN,
                reason="lost",
            )
        for number, state in self.model.items():
            if state is DeliveryState.CLAIMED:
                self.model[number] = DeliveryState.UNKNOWN
        self.cursor = 0

    @rule(number=st.integers(1, PEOPLE))
    def leave(self, number: int) -> None:
        with self.db.write() as tx:
            tx.execute("UPDATE subscribers SET status = 'unsubscribed' WHERE id = ?", (number,))
        self.active.discard(number)

    @rule(number=st.integers(1, PEOPLE))
    def come_back(self, number: int) -> None:
        with self.db.write() as tx:
            tx.execute("UPDATE subscribers SET status = 'active' WHERE id = ?", (number,))
        self.active.add(number)

    @rule(seconds=st.integers(1, 20))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(wanted=st.sampled_from([SendState.PAUSED, SendState.SENDING]))
    def pause_or_go_on(self, wanted: SendState) -> None:
        other = SendState.SENDING if wanted is SendState.PAUSED else SendState.PAUSED
        self.ledger.change_state(self.send_id, wanted, [other], now=self.now)

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        rows = self.db.query("SELECT subscriber_id, state FROM deliveries WHERE send_id = ?", (self.send_id,))
        assert {number: DeliveryState(state) for number, state in rows} == self.model

    @invariant()
    def the_counts_sum_to_the_audience(self) -> None:
        tally = self.ledger.tally(self.send_id)
        assert tally.total == len(self.audience) == self.ledger.get(self.send_id).audience

    @invariant()
    def nobody_left_twice(self) -> None:
        assert all(count == 1 for count in self.left_process.values())


class Growth(LedgerMachine):
    """What is settled stays settled: final counts only grow."""

    def __init__(self) -> None:
        super().__init__()
        self.settled: dict[int, DeliveryState] = {}

    @invariant()
    def what_is_final_stays(self) -> None:
        for number, state in self.settled.items():
            assert self.model[number] is state
        self.settled |= {n: s for n, s in self.model.items() if s in FINAL}


TestLedger = Growth.TestCase
TestLedger.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
