"""A model of whole sends: the real engine over the real store, with people, providers, clocks and operators at their worst.

Hypothesis draws what happens in which order, and what it draws never depends on how far a send came: threads
take turns as they like. A crash is an engine whose every further effect fails, in
all its threads; the next rule begins another one on the same store. The receiving side keeps its own record.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from newsletter.audience.consent import ConsentEvent
from newsletter.audience.membership import Audience
from newsletter.audience.suppression import Suppressions
from newsletter.clock import FakeClock
from newsletter.errors import UsageError
from newsletter.model.delivery import DeliveryState, SendState
from newsletter.model.event import Event, EventType
from newsletter.model.subscriber import SubscriberStatus
from newsletter.send.reconcile import decide, retry_failed, settle_from_events
from newsletter.send.run import Desk, Wishes, resume, start
from newsletter.store.base import utc_text
from newsletter.store.send_records import SendRecord, Tally
from newsletter.store.sends import SendLedger
from newsletter.store.sqlite import SqliteDatabase
from newsletter.store.undelivered import count_retryable
from tests.fakes.resend import FakeResend
from tests.send.desk import SIGNER, add_subscribers, in_memory, make_desk, new_send
from tests.send.judge import SETTLED, Books, verdict
from tests.send.mortal import Died, Life, MortalDatabase
from tests.send.told_receivers import ANSWERS, BATCH, Api, Sink

PEOPLE: Final = 12
SLUG: Final = "hello"
FINAL: Final = (DeliveryState.ACCEPTED, DeliveryState.REJECTED, DeliveryState.SKIPPED)


# What happens to people and to the send, between two turns of a running one or while none is at work.
PERSON: Final = st.sampled_from(range(1, PEOPLE + 3))
# What is said twice is drawn twice as often.
HAPPENINGS: Final = (
    "unsubscribed unsubscribed bounced complained erase erase come_back join report report pause stop "
    "cancel tomorrow years_ago"
)
EVENTS: Final = st.tuples(st.sampled_from(HAPPENINGS.split()), PERSON)
MEANWHILE: Final = st.dictionaries(st.sampled_from(range(1, 6)), EVENTS, max_size=4)
ANSWERED: Final = st.lists(st.sampled_from(sorted(ANSWERS)), max_size=4)


class SendMachine(RuleBasedStateMachine):
    """One issue, sent as often as it takes, by processes that die, to people who come and go.

    Attributes:
        server: the API of histories that send through one.
        breaches: what ended a history of this class, each time one ended before its time.
    """

    server: FakeResend
    breaches: ClassVar[list[Exception]]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder: Path = self.stack.enter_context(in_memory())
        # The other processes: the web service, the operator's terminal.
        self.db = self.stack.enter_context(SqliteDatabase(self.folder / "newsletter.db"))
        self.clock = FakeClock()
        self.people = Audience(self.db, Suppressions(self.db, b"secret"), self.clock)
        self.joined = PEOPLE
        self.frozen: dict[int, set[int]] = {}
        self.settled: dict[tuple[int, int], DeliveryState] = {}
        self.vouched: set[tuple[int, int]] = set()
        self.again: Counter[int] = Counter()  # how often the operator had somebody sent to again
        self.gone: dict[int, int] = {}  # who left, and how long the record was then
        self.desk: Desk | None = None

    def teardown(self) -> None:
        try:
            # Told what broke already, nobody asks how it would have ended.
            if sys.exception() is None:
                self.ends()
        finally:
            broken = sys.exception()
            if isinstance(broken, Exception) and not isinstance(broken, Flaky):
                self.breaches.append(broken)
            self.stack.close()

    @initialize(kind=st.sampled_from(["sink", "sink that can be asked", "resend"]))
    def begin(self, kind: str) -> None:
        add_subscribers(self.db, PEOPLE)
        self.sink: Sink | Api = (
            Api(self.server) if kind == "resend" else Sink(look_up=kind == "sink that can be asked")
        )

    # What is known ----------------------------------------------------------------------------------

    @property
    def sends(self) -> list[SendRecord]:
        return self.ledger.sends()

    @property
    def ledger(self) -> SendLedger:
        return SendLedger(self.db)

    def states(self, send_id: int) -> dict[int, DeliveryState]:
        rows = self.db.query("SELECT subscriber_id, state FROM deliveries WHERE send_id = ?", (send_id,))
        return {number: DeliveryState(state) for number, state in rows}

    def mailed(self) -> list[tuple[int, int]]:
        """The receiving side's record: sends and people, in the order of acceptance."""
        return [found for token in self.sink.record if (found := SIGNER.read_delivery(token))]

    def address(self, number: int) -> str:
        rows = self.db.query("SELECT email FROM subscribers WHERE id = ?", (number,))
        return str(rows[0][0]) if rows else ""

    # What a process does ----------------------------------------------------------------------------

    def work(self, life: Life, answers: Sequence[str], meanwhile: Mapping[int, Any]) -> None:
        """Start the send, or go on with it, in a process that lives as long as `life`."""
        self.sink.tell(answers)
        with MortalDatabase(self.folder / "newsletter.db") as db:
            db.life = life
            desk = self.desk = make_desk(
                self.folder,
                lambda *_: self.sink.provider(life),
                db=db,
                clock=self.clock,
                wishes=Wishes(batch=BATCH, connections=1),
            )
            turns = 0

            def turn(_: Tally) -> None:
                nonlocal turns
                turns += 1
                if turns in meanwhile:
                    self.happens(*meanwhile[turns])

            desk.on_turn = turn
            unfinished = [send for send in self.sends if send.unfinished]
            # Nobody is left to send to: said, and nothing is kept.
            with contextlib.suppress(Died, UsageError):
                if unfinished:
                    resume(desk, unfinished[-1].id)
                else:
                    start(desk, new_send(SLUG, self.sink.name))
        self.desk = None

    @rule(answers=ANSWERED, meanwhile=MEANWHILE)
    def a_life_among_troubles(self, answers: list[str], meanwhile: dict[int, Any]) -> None:
        self.work(Life(None), answers, meanwhile)

    @rule(answers=ANSWERED, points=st.sampled_from(range(1, 61)), meanwhile=MEANWHILE)
    def a_life_cut_short(self, answers: list[str], points: int, meanwhile: dict[int, Any]) -> None:
        """A whole send passes some fifty points."""
        self.work(Life(points), answers, meanwhile)

    @rule(points=st.sampled_from(range(30, 61)))
    def a_life_cut_short_while_it_sends(self, points: int) -> None:
        self.work(Life(points), [], {})

    # What happens to people and from other terminals ----------------------------------------------------

    @rule(event=EVENTS)
    def something_happens(self, event: tuple[str, int]) -> None:
        self.happens(*event)

    def happens(self, what: str, number: int) -> None:
        email = self.address(number)
        match what:
            case "unsubscribed" | "bounced" | "complained" if email:
                self.note_as_gone(number)
                event = ConsentEvent(what, utc_text(self.clock.now()), "test", "person")
                with self.db.write() as tx:
                    self.people.leave(tx, number, SubscriberStatus(what), event)
            case "erase" if email:
                self.note_as_gone(number)
                self.people.erase(email)
            case "come_back" if email:
                self.people.add(email, resubscribe="by email")
                self.gone.pop(number, None)
            case "join":
                self.joined += 1
                self.people.add(f"late{self.joined}@example.org")
            case "pause" | "cancel":
                wanted = SendState.PAUSED if what == "pause" else SendState.CANCELLED
                allowed = [SendState.SENDING, SendState.PAUSED, SendState.FREEZING]
                for send in self.sends:
                    if not (send.state is SendState.FREEZING and what == "pause"):
                        self.ledger.change_state(send.id, wanted, allowed, now=self.clock.now())
            case "stop" if self.desk is not None:
                self.desk.stop.press()
            case "report":
                self.report(number)
            case "tomorrow" | "years_ago":
                days = 1 if what == "tomorrow" else -800
                self.clock.set(self.clock.now() + timedelta(days=days))
            case _:
                pass  # nobody of that number, or no process to stop

    def note_as_gone(self, number: int) -> None:
        """From their leaving on nothing may be sent, but for what is under way in a living process."""
        under_way = any(self.states(send.id).get(number) is DeliveryState.CLAIMED for send in self.sends)
        if not (under_way and self.desk is not None):
            self.gone.setdefault(number, len(self.sink.record))

    def report(self, number: int) -> None:
        """A webhook tells what the provider knows."""
        taken = set(self.sink.record)
        tokens = [SIGNER.delivery(send.id, number) for send in self.sends]
        events = [
            Event(self.sink.name, EventType.DELIVERED, token, self.clock.now(), delivery_id=token)
            for token in tokens
            if token in taken
        ]
        settle_from_events(self.db, SIGNER, events)

    @rule(resend=st.booleans())
    def the_operator_decides(self, resend: bool) -> None:
        if not self.sends:
            return
        unknown = self.ledger.unknown(SLUG)
        decide(self.db, self.sends, unknown, resend=resend, now=self.clock.now())
        for delivery in unknown:
            if resend:
                self.again[delivery.subscriber_id] += 1
            else:
                self.vouched.add((delivery.send_id, delivery.subscriber_id))

    @rule()
    def the_refused_are_tried_again(self) -> None:
        """`newsletter resume --failed`."""
        if not self.sends or self.sends[-1].state is not SendState.SENT:
            return
        last = self.sends[-1]
        before = self.states(last.id)
        expect = count_retryable(self.db, last.id)
        assert retry_failed(self.db, self.folder, last, expect, self.clock.now()) == expect
        for number, state in self.states(last.id).items():
            assert before[number] is state or (before[number], state) == (
                DeliveryState.REJECTED,
                DeliveryState.PENDING,
            )
            if before[number] is not state:
                del self.settled[last.id, number]

    # What always holds --------------------------------------------------------------------------------

    @invariant()
    def the_states_sum_to_the_audience_which_never_changes(self) -> None:
        for send in self.sends:
            states = self.states(send.id)
            assert self.ledger.tally(send.id).total == len(states)
            if send.state is SendState.FREEZING or (send.audience != len(states) and not self.frozen):
                continue
            assert send.audience == len(states)
            assert self.frozen.setdefault(send.id, set(states)) == set(states)

    @invariant()
    def what_is_settled_stays(self) -> None:
        for (send_id, number), before in self.settled.items():
            assert self.states(send_id)[number] is before, f"{number} was {before.name}"
        for send in self.sends:
            self.settled |= {(send.id, n): s for n, s in self.states(send.id).items() if s in FINAL}

    @invariant()
    def nobody_is_mailed_twice_unless_the_operator_says_so(self) -> None:
        for number, count in Counter(number for _, number in self.mailed()).items():
            assert count <= 1 + self.again[number], f"{number} was mailed {count} times"

    @invariant()
    def nobody_is_mailed_after_leaving(self) -> None:
        record = self.mailed()
        for number, before in self.gone.items():
            assert number not in {who for _, who in record[before:]}, f"{number} was mailed after leaving"

    @invariant()
    def the_judge_agrees(self) -> None:
        for send in self.sends:
            self.judge(send, finished=send.state is SendState.SENT)

    def judge(self, send: SendRecord, *, finished: bool) -> None:
        mailed = {number for send_id, number in self.mailed() if send_id == send.id}
        # The operator's word counts for more than the record.
        mailed |= {number for send_id, number in self.vouched if send_id == send.id}
        states = {n: s for n, s in self.states(send.id).items() if not self.again[n]}
        judged = {number for number in mailed if not self.again[number]}
        books = Books(
            Counter(map(str, judged)), {str(n): s for n, s in states.items()}, [str(n) for n in states]
        )
        breaches = verdict(books, finished=finished)
        assert not breaches, breaches

    def ends(self) -> None:
        """Whatever happened, a few resumes without trouble bring every send to its end."""
        for _ in range(4):
            if not any(send.unfinished for send in self.sends):
                break
            self.work(Life(None), [], {})
        for send in self.sends:
            assert send.state in (SendState.SENT, SendState.CANCELLED), f"the send stays {send.state}"
            if send.state is SendState.SENT:
                assert set(self.states(send.id).values()) <= SETTLED
                self.judge(send, finished=True)


def tell(histories: settings) -> None:
    """Let so many histories happen.

    Threads take turns as they like: a history that broke the promise may keep it when Hypothesis has it told again, or
    break it at another step. Hypothesis then complains of the data, and forgets what was broken.

    Raises:
        AssertionError: the promise was broken, and how.
    """
    with FakeResend(keep=False) as receiver:

        class Machine(SendMachine):
            server = receiver
            breaches: ClassVar[list[Exception]] = []

        try:
            run_state_machine_as_test(Machine, settings=histories)
        except Flaky as complaint:
            if Machine.breaches:
                raise Machine.breaches[0] from complaint
            raise
