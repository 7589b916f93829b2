"""What does the provider say it did with messages whose answer was lost? Its search is run, within a time limit.

What is found counts; what isn't found proves nothing, for the providers' indexes lag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import httpx

from newsletter.clock import Clock
from newsletter.errors import NewsletterError
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.api import seconds_to_wait
from newsletter.providers.base import HttpProvider, Provider, Question, Request, Response, Search
from newsletter.send.transport import HttpSession
from newsletter.store import undelivered
from newsletter.store.base import Database
from newsletter.store.send_records import OpenBatch

# A question is asked again after a failure: it changes nothing at the provider.
_TRIES: Final = 3
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
# Many providers take a call for each delivery: what was found is kept at least every so many.
_AT_ONCE: Final = 100
# How often somebody who wants to stop, or whose lease must be renewed, is asked while nothing happens.
_STEP: Final = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search came to.

    Attributes:
        question: what was asked.
        found: accepted or rejected for certain, by delivery id; who isn't in it may be either.
        trouble: why there is no answer, in a sentence; then nothing further was asked.
    """

    question: Question
    found: Mapping[str, Outcome] = field(default_factory=dict)
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a search may go on.

    Attributes:
        seconds: in all.
        go_on: asked before each call and at least every second of waiting; false ends the search.
    """

    clock: Clock
    seconds: float
    go_on: Callable[[], bool] = lambda: True


class _EnoughError(Exception):
    """The time is over, or somebody wants to stop."""


def can_search(provider: Provider) -> bool:
    """Whether it can be asked about single deliveries."""
    return isinstance(provider, Search) and bool(provider.capabilities.lookup_by)


def questions_about(
    db: Database, delivery_id: Callable[[int], str], batches: Sequence[OpenBatch], *, claimed: bool
) -> Iterator[Question]:
    """Questions about the unknown members of each batch, and its claimed ones too where `claimed` says so.

    Nobody can ask about a person who was erased since: they have no address any more. Nor about what
    was never claimed here: see `OpenBatch.id`.
    """
    for batch in batches:
        open_ones = set(batch.claimed) - set(batch.told) if claimed else set()
        numbers = sorted((*open_ones, *batch.unknown)) if batch.id else []
        known = undelivered.addresses(db, numbers)
        recipients = [(delivery_id(number), known[number]) for number in numbers if number in known]
        for at in range(0, len(recipients), _AT_ONCE):
            yield Question(batch.key, batch.at, dict(recipients[at : at + _AT_ONCE]))


def ask(provider: Provider, questions: Iterable[Question], patience: Patience) -> Iterator[Answer]:
    """Ask one question after the other; the first that can't be answered is the last."""
    deadline = patience.clock.monotonic() + patience.seconds
    session = HttpSession(cast("HttpProvider", provider), _TIMEOUT)
    caller = _Caller(provider.name, session, patience, deadline)
    try:
        for question in questions:
            answer = caller.answer(cast("Search", provider), question)
            yield answer
            if answer.trouble:
                return
    finally:
        session.close()


@dataclass(slots=True)
class _Caller:
    name: str
    session: HttpSession
    patience: Patience
    deadline: float

    def answer(self, provider: Search, question: Question) -> Answer:
        try:
            search = provider.search(question)
            try:
                request = next(search)
                while True:
                    request = search.send(self._response(request))
            except StopIteration as end:
                return Answer(question, _certain(question, end.value))
            finally:
                search.close()
        except _EnoughError as error:
            return Answer(question, trouble=str(error))
        except NewsletterError as error:
            return Answer(
                question, trouble=f"{error.message} ({error.hint})" if error.hint else error.message
            )
        except Exception as error:  # noqa: BLE001 - whatever an answer does to its parser, nothing was learnt
            return Answer(question, trouble=f"{self.name}'s answer can't be read: {type(error).__name__}")

    def _response(self, request: Request) -> Response:
        """The answer to one call, after as many waits as the provider asks for and time allows."""
        failures = 0
        while True:
            self._check()
            try:
                response = self.session.ask(request)
            except NewsletterError:
                failures += 1
                if failures >= _TRIES:
                    raise
                self._wait(2.0 ** (failures - 1), f"{self.name} can't be reached")
                continue
            if response.status == 429 or (response.status >= 500 and failures < _TRIES - 1):
                failures += 1
                said = seconds_to_wait(response.headers)
                self._wait(
                    said or min(2.0 ** (failures - 1), 60.0), f"{self.name} answered {response.status}"
                )
                continue
            return response

    def _check(self) -> None:
        if self.patience.clock.monotonic() >= self.deadline:
            raise _EnoughError("the time for asking was over")
        if not self.patience.go_on():
            raise _EnoughError("asking was stopped")

    def _wait(self, seconds: float, because: str) -> None:
        clock = self.patience.clock
        until = clock.monotonic() + seconds
        if until > self.deadline:
            raise _EnoughError(f"{because}: try again in {max(1, round(seconds))} seconds")
        while (left := until - clock.monotonic()) > 0:
            self._check()
            clock.sleep(min(left, _STEP))


def _certain(question: Question, found: Mapping[str, Outcome]) -> dict[str, Outcome]:
    return {
        delivery_id: outcome
        for delivery_id, outcome in found.items()
        if delivery_id in question.recipients and outcome.kind in (OutcomeKind.ACCEPTED, OutcomeKind.REJECTED)
    }
