"""The receiving side of drawn sends: it does with each call as it is told, dies with its caller's process, and keeps its own record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.base import (
    Batch,
    BatchResult,
    Capabilities,
    ContentForm,
    Hold,
    HttpProvider,
    Provider,
    Request,
    Response,
)
from tests.fakes.ledger import Fault
from tests.fakes.resend import FakeResend
from tests.send.mortal import Life
from tests.send.receivers import unpaced

BATCH: Final = 3
# What the receiving side does with a call, and how the fake of an API is told to do the same.
ANSWERS: Final[Mapping[str, Fault | None]] = {
    "all accepted": None,
    "accepted, the answer lost": Fault("POST", "accept-close", times=1),
    "lost before it was taken": Fault("POST", "close", times=1),
    "half accepted, the answer lost": Fault("POST", "accept-500", times=1),
    "accepted, one not mentioned": Fault("POST", "short", times=1),
    "accepted, in another order": Fault("POST", "malformed", times=1),
    "one refused": None,
    "one put off": None,
    "too busy": Fault("POST", "429", times=1, headers={"retry-after": "1"}),
    "a wrong key": Fault("POST", "401", times=1),
    "accepted, then a defect": Fault("POST", "accept-reset", times=1),
}


class Sink:
    """A provider in this process that does as it is told, and keeps its own record."""

    name = "sink"

    def __init__(self, *, look_up: bool) -> None:
        self.capabilities = Capabilities(ContentForm.MIME, max_batch=BATCH, connections=1, look_up=look_up)
        self.record: list[str] = []  # delivery ids, as accepted
        self.answers: list[str] = []
        self.life = Life(None)

    def tell(self, answers: Sequence[str]) -> None:
        self.answers = list(answers)

    def provider(self, life: Life) -> Provider:
        self.life = life
        return self

    def session(self) -> Sink:
        return self

    def close(self) -> None:
        """Nothing is open."""

    def look_up(self, delivery_ids: Sequence[str]) -> Mapping[str, Outcome]:
        self.life.point()
        taken = set(self.record)
        return {
            i: Outcome(i, OutcomeKind.ACCEPTED if i in taken else OutcomeKind.DEFERRED) for i in delivery_ids
        }

    def send(self, batch: Batch) -> BatchResult:
        self.life.point()
        result = self._answer(self.answers.pop(0) if self.answers else "all accepted", batch.messages)
        self.life.point()
        return result

    def _answer(self, how: str, messages: Sequence[Message]) -> BatchResult:
        ids = [message.delivery_id for message in messages]
        one = ids[len(ids) // 2]
        match how:
            case "lost before it was taken":
                return _each(ids, OutcomeKind.UNKNOWN)
            case "half accepted, the answer lost":
                self.record += ids[: len(ids) // 2]
                return _each(ids, OutcomeKind.UNKNOWN)
            case "too busy":
                return _each(ids, OutcomeKind.DEFERRED, Hold("busy", retry_after=5.0))
            case "a wrong key":
                return _each(ids, OutcomeKind.DEFERRED, Hold("wrong key", "mend it"))
            case "one refused" | "one put off":
                self.record += [i for i in ids if i != one]
                kind = OutcomeKind.REJECTED if how == "one refused" else OutcomeKind.DEFERRED
                return BatchResult(
                    [Outcome(i, kind if i == one else OutcomeKind.ACCEPTED, reason="it said so") for i in ids]
                )
            case _:
                pass
        self.record += ids
        match how:
            case "accepted, the answer lost":
                return _each(ids, OutcomeKind.UNKNOWN)
            case "accepted, one not mentioned":
                return _each(ids[:-1], OutcomeKind.ACCEPTED)
            case "accepted, in another order":
                return _each(ids[::-1], OutcomeKind.ACCEPTED)
            case "accepted, then a defect":
                raise ZeroDivisionError
            case _:
                pass
        return _each(ids, OutcomeKind.ACCEPTED)


def _each(ids: Sequence[str], kind: OutcomeKind, hold: Hold | None = None) -> BatchResult:
    return BatchResult([Outcome(i, kind, reason="it said so") for i in ids], hold)


class Api:
    """A real HTTP provider with idempotency keys, through the real transport, to its fake."""

    name = "resend"

    def __init__(self, server: FakeResend) -> None:
        self._server, self._before = server, len(server.ledger.entries)
        self._server.faults.clear()

    @property
    def record(self) -> list[str]:
        return [str(entry["delivery_id"]) for entry in self._server.ledger.entries[self._before :]]

    def tell(self, answers: Sequence[str]) -> None:
        self._server.faults.clear()
        for fault in map(ANSWERS.get, answers):
            if fault is not None:
                self._server.faults.add(fault)

    def provider(self, life: Life) -> Provider:
        provider = unpaced(self._server.options())(self.name, "")
        assert isinstance(provider, HttpProvider)
        return MortalApi(provider, life)


class MortalApi:
    """A real HTTP provider, as one process uses it."""

    def __init__(self, provider: HttpProvider, life: Life) -> None:
        self._provider, self._life = provider, life
        self.name, self.capabilities = provider.name, provider.capabilities

    def build_request(self, batch: Batch) -> Request:
        self._life.point()
        return self._provider.build_request(batch)

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        self._life.point()
        return self._provider.parse_response(batch, response)
