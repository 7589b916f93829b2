"""The proof's checks as functions: each stages one kind of trouble in this process and lets the judge speak.

The tests call them on the engine as it is, `test_planted_bugs.py` on one with a mistake planted in it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from newsletter.audience.consent import ConsentEvent
from newsletter.audience.membership import Audience
from newsletter.audience.suppression import Suppressions
from newsletter.clock import Clock, FakeClock
from newsletter.model.delivery import DeliveryState, SendState
from newsletter.model.subscriber import SubscriberStatus
from newsletter.send.run import Desk, Wishes, resume, start
from newsletter.store.base import utc_text
from newsletter.store.send_records import FencedError, Tally
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.ledger import Fault
from tests.send.desk import HastyClock, add_subscribers, in_memory, make_desk, new_send
from tests.send.judge import Books, states_of, verdict
from tests.send.receivers import Receiver, open_receiver, unpaced

PEOPLE: Final = 30
AUDIENCE: Final = [f"r{n}@example.org" for n in range(1, PEOPLE + 1)]
SKIPPED: Final = DeliveryState.SKIPPED
# A plan that doesn't come to an end is a finding too.
_RESUMES: Final = 12


@dataclass
class Stage:
    """Thirty people, one provider, its fake."""

    folder: Path
    db: SqliteDatabase
    receiver: Receiver
    provider: str
    keys: bool = True
    clock: Clock = field(default_factory=HastyClock)

    def desk(self, *, batch: int = 5, connections: int = 2, db: SqliteDatabase | None = None) -> Desk:
        """What sends; another one is another process."""
        return make_desk(
            self.folder,
            unpaced(self.receiver.options(), keys=self.keys),
            db=db or self.db,
            clock=self.clock,
            wishes=Wishes(batch=batch, connections=connections),
        )

    def to_the_end(self, desk: Desk) -> SendState:
        """Send, and resume until it ends by itself."""
        ending = start(desk, new_send(provider=self.provider))
        for _ in range(_RESUMES):
            if ending.state is SendState.SENT:
                break
            ending = resume(desk, 1)
        return ending.state

    def breaches(self, *, gone: Sequence[str] = ()) -> list[str]:
        """What the judge says."""
        finished = self.db.query("SELECT state FROM sends WHERE id = 1") == [("sent",)]
        books = Books(self.receiver.mailed, states_of(self.db, 1), AUDIENCE, gone)
        faults = self.receiver.faults
        unmade = [
            fault for fault, seen in zip(faults._faults, faults._seen, strict=True) if seen <= fault.after
        ]
        return [
            *([f"nothing was tried: {unmade}"] if unmade else []),
            *([] if finished else ["the send never ended"]),
            *verdict(books, finished=finished),
        ]


@contextmanager
def staged(provider: str, *faults: Fault, keys: bool = True) -> Iterator[Stage]:
    """A stage, its fake told to do `faults`."""
    with in_memory() as folder, SqliteDatabase(folder / "newsletter.db") as db:
        add_subscribers(db, PEOPLE)
        receiver = open_receiver(provider, folder)
        for fault in faults:
            receiver.faults.add(fault)
        try:
            yield Stage(folder, db, receiver, provider, keys)
        finally:
            receiver.close()


def lost_answers(provider: str, *, keys: bool = True) -> list[str]:
    """Batches are accepted and the answers never arrive, or say nothing that can be read."""
    if provider == "smtp":
        faults = [Fault("END", "accept-close", after=after, times=1) for after in (2, 9, 10, 17)]
    else:
        spoilt = ("accept-close", "malformed", "accept-500", "short")
        faults = [Fault("POST", how, times=1) for how in spoilt]
    with staged(provider, *faults, keys=keys) as stage:
        stage.to_the_end(stage.desk(batch=3))
        return stage.breaches()


def swallowed_requests(provider: str, *, keys: bool = True) -> list[str]:
    """Connections break before anything is accepted, now and then."""
    at = "END" if provider == "smtp" else "POST"
    with staged(
        provider, *(Fault(at, "close", after=after, times=1) for after in (1, 4)), keys=keys
    ) as stage:
        stage.to_the_end(stage.desk())
        return stage.breaches()


def refusals() -> list[str]:
    """A few addresses are refused in the middle of batches whose others are accepted."""
    faults = [Fault("RCPT", "550 5.1.1 no such user", match=f"<r{n}@") for n in (3, 12, 13, 30)]
    with staged("smtp", *faults) as stage:
        stage.to_the_end(stage.desk())
        return stage.breaches()


def leavers(provider: str = "smtp") -> list[str]:
    """Half of the audience leaves after the first batches: some unsubscribe, some bounce, some are erased."""
    with staged(provider) as stage:
        desk, gone = stage.desk(batch=2), list[str]()
        desk.on_turn = lambda tally: gone.extend(leave(stage)) if tally.accepted >= 4 and not gone else None
        stage.to_the_end(desk)
        states = states_of(stage.db, 1)
        # Whoever was erased has no address any more to judge by, except that nothing may have come there.
        erased = {email for email in gone if email not in states}
        books = Books(
            stage.receiver.mailed,
            {email: state for email, state in states.items() if email in AUDIENCE}
            | dict.fromkeys(erased, SKIPPED),
            AUDIENCE,
            gone,
        )
        return ([] if gone else ["it was over before anybody left"]) + verdict(books)


def leave(stage: Stage) -> list[str]:
    """Take everybody from r16 on off the list, from another connection; those of whom nothing was under way."""
    with SqliteDatabase(stage.folder / "newsletter.db") as other:
        audience = Audience(other, Suppressions(other, b"secret"), stage.clock)
        idle = other.query(
            "SELECT s.email FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id "
            "WHERE d.state IN (0, 4) AND s.id > 15"
        )
        for number, (email,) in enumerate(idle):
            if number % 3 == 0:
                audience.erase(email)
            elif number % 3 == 1:
                audience.unsubscribe(email)
            else:
                at = utc_text(stage.clock.now())
                with other.write() as tx:
                    person = audience.get(email)
                    event = ConsentEvent("bounced", at, "webhook", "provider")
                    audience.leave(tx, person.id, SubscriberStatus.BOUNCED, event)
        return [email for (email,) in idle]


def a_sleeper_and_its_heir() -> list[str]:
    """A process sleeps past its lease between claiming and sending; it wakes up while another is sending the rest."""
    with staged("resend") as stage:
        clock = stage.clock = FakeClock()
        sleeper, handed, woken = stage.desk(), threading.Event(), threading.Event()
        heirs: list[threading.Thread] = []

        def wait_for_it(tally: Tally) -> None:
            if tally.accepted >= 10:
                handed.set()
                woken.wait(20)

        def inherit() -> None:
            with SqliteDatabase(stage.folder / "newsletter.db") as other:
                heir = stage.desk(batch=4, db=other)
                # As on another machine: the lock of this one says nothing.
                heir.state_dir = stage.folder / "elsewhere"
                heir.on_turn = wait_for_it
                with contextlib.suppress(FencedError):
                    resume(heir, 1)
                handed.set()

        def sleep(tally: Tally) -> None:
            if tally.claimed and not heirs:
                clock.sleep(3600)
                heirs.append(threading.Thread(target=inherit))
                heirs[0].start()
                handed.wait(20)

        sleeper.on_turn = sleep
        with contextlib.suppress(FencedError):
            start(sleeper, new_send(provider="resend"))
        woken.set()
        heirs[0].join()
        return stage.breaches()
