"""Who does the sending? A few threads, each with a session of its own; they build, send and report, and write nothing down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from queue import SimpleQueue

from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import Batch, BatchResult, Provider, Request, Session, SessionProvider
from newsletter.send.gate import Gate
from newsletter.send.messages import Made
from newsletter.send.retry import Decision
from newsletter.send.transport import HttpSession, body_hash, unknown
from newsletter.send.workbench import Workbench
from newsletter.store.send_records import ClaimedBatch


@dataclass(slots=True)
class Job:
    """A claimed batch on its way through a sender thread.

    Attributes:
        batch: the messages, once they are built.
        request: the HTTP call, once it is built.
        uncertain: an earlier attempt under the same key may have been accepted: only an
            acceptance settles it.
        replays: how often it was sent again under the same key by this process.
        last: what the attempt before came to.
        refused: whom no message can be written to; see `Made`.
    """

    claimed: ClaimedBatch
    batch: Batch | None = None
    request: Request | None = None
    uncertain: bool = False
    replays: int = 0
    last: list[Outcome] = field(default_factory=list)
    refused: tuple[tuple[int, str], ...] = ()


class Step(Enum):
    """How far a sender thread came with a job."""

    BUILT = auto()  # its hash must be committed before it may leave
    CHANGED = auto()  # an earlier attempt's bytes can't be rebuilt: it must not leave again
    UNSENT = auto()  # nothing left: there was a reason to stop
    DONE = auto()
    BROKEN = auto()  # a defect of ours: `error` says which


@dataclass(slots=True)
class Report:
    """What a sender thread says about a job.

    Attributes:
        body_hash: of what it built.
        result: what the provider said.
        outcomes: what to write down of it, in the order of the job's people.
        decision: what the whole send does because of it.
        error: a defect of ours.
    """

    job: Job
    step: Step
    body_hash: str = ""
    result: BatchResult = field(default_factory=lambda: BatchResult([]))
    outcomes: list[Outcome] = field(default_factory=list)
    decision: Decision = None
    error: BaseException | None = None


class Senders:
    """The sender threads of one send.

    Args:
        provider: what they talk to.
        connections: how many there are.
        maker: makes what builds messages, for one thread.
        gate: lets calls leave.
    """

    def __init__(
        self,
        provider: Provider,
        connections: int,
        maker: Callable[[], Callable[[ClaimedBatch], Made]],
        gate: Gate,
    ) -> None:
        self._provider = provider
        self._maker = maker
        self._gate = gate
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.workbench = Workbench()
        # None only wakes the coordinator.
        self.reports: SimpleQueue[Report | None] = SimpleQueue()
        # Daemons: a second Ctrl-C must not wait for a server that is silent.
        self._threads = [
            threading.Thread(target=self._work, name=f"sender-{number}", daemon=True)
            for number in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Have `job` done by the next free thread; a report follows in any case."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Let nothing more leave; what is being sent is finished, the rest is reported unsent."""
        self._gate.stop()

    def close(self) -> None:
        """End the threads, their jobs done."""
        self._gate.wake()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        session: Session | None = None
        make: Callable[[ClaimedBatch], Made] | None = None
        for job in iter(self._jobs.get, None):
            try:
                session = session or open_session(self._provider)
                make = make or self._maker()
                report = self._do(session, make, job)
            except BaseException as error:  # noqa: BLE001 - a thread that dies silently would hang the send
                report = Report(job, Step.BROKEN, outcomes=_lost(job, str(error)), error=error)
            self.reports.put(report)
        if session is not None:
            session.close()

    def _do(self, session: Session, make: Callable[[ClaimedBatch], Made], job: Job) -> Report:
        if self._gate.stopped:
            return _unsent(job)
        if job.batch is None:
            with self.workbench.building():
                built = self._build(session, make, job)
            if built is not None:
                return built
        assert job.batch is not None
        call = self._gate.enter(len(job.batch.messages))
        if call is None:
            return _unsent(job)
        try:
            if job.request is not None and isinstance(session, HttpSession):
                result = session.call(job.batch, job.request)
            else:
                result = session.send(job.batch)
        except Exception as error:  # noqa: BLE001 - a session's defect must not make a sent message look unsent
            result = unknown(job.batch, f"{self._provider.name} failed: {type(error).__name__}: {error}")
        decision = self._gate.leave(call, result, repeated=job.uncertain)
        return Report(job, Step.DONE, result=result, outcomes=outcomes_of(job, result), decision=decision)

    def _build(self, session: Session, make: Callable[[ClaimedBatch], Made], job: Job) -> Report | None:
        """Make what is to leave; a report where it must not leave now."""
        made = make(job.claimed)
        job.batch, job.refused = made.batch, made.refused
        if not made.batch.messages:
            return Report(job, Step.DONE, outcomes=outcomes_of(job, BatchResult([])))
        if not isinstance(session, HttpSession):
            return None
        job.request = session.prepare(job.batch)
        if not self._provider.capabilities.idempotency_ttl:
            return None
        digest = body_hash(job.request)
        if not job.claimed.body_hash:
            return Report(job, Step.BUILT, body_hash=digest)
        if job.claimed.body_hash != digest:
            return Report(job, Step.CHANGED, outcomes=_lost(job, "its content is not the same any more"))
        return None


def open_session(provider: Provider) -> Session:
    """A session for one thread, whatever kind of provider it is."""
    return provider.session() if isinstance(provider, SessionProvider) else HttpSession(provider)


def outcomes_of(job: Job, result: BatchResult) -> list[Outcome]:
    """The outcome of each of a job's people, in their order.

    One that isn't mentioned is unknown. Where an earlier attempt may have been accepted, this
    attempt's being refused or put off says nothing about that one: only an answer that accepts
    some of the batch is about the batch as it was first taken.
    """
    assert job.batch is not None
    ids = [message.delivery_id for message in job.batch.messages]
    outcomes = list(result.outcomes)
    if len(outcomes) != len(ids) or any(o.delivery_id != i for o, i in zip(outcomes, ids, strict=True)):
        found = {outcome.delivery_id: outcome for outcome in result.outcomes}
        outcomes = [
            found.get(i) or Outcome(i, OutcomeKind.UNKNOWN, reason="the provider's answer doesn't mention it")
            for i in ids
        ]
    if job.uncertain and not any(outcome.kind is OutcomeKind.ACCEPTED for outcome in outcomes):
        outcomes = [Outcome(o.delivery_id, OutcomeKind.UNKNOWN, reason=o.reason) for o in outcomes]
    for position, reason in job.refused:
        outcomes.insert(position, Outcome("", OutcomeKind.REJECTED, reason=reason))
    return outcomes


def _unsent(job: Job) -> Report:
    return Report(job, Step.UNSENT, outcomes=_lost(job, "the send was stopped before it was asked about"))


def _lost(job: Job, reason: str) -> list[Outcome]:
    """For a job whose earlier attempt may have been accepted: nobody can tell."""
    return [Outcome("", OutcomeKind.UNKNOWN, reason=reason) for _ in job.claimed.people]
