from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import BatchResult, Hold
from newsletter.send.pace import Pace
from newsletter.send.retry import RECIPIENT_WAITS, Breaker, GiveUp, Pause, RetryAt, after_deferral


@given(
    rate=st.floats(0.1, 1000),
    steps=st.lists(st.tuples(st.integers(1, 50), st.floats(0, 3)), min_size=1, max_size=60),
)
def test_over_any_stretch_no_more_leaves_than_the_rate_and_one_batch(
    rate: float, steps: list[tuple[int, float]]
) -> None:
    pace, now, sent = Pace(rate), 0.0, list[tuple[float, int]]()
    for size, idle in steps:
        now += idle
        now += pace.wait(now)
        pace.spend(size, now)
        sent.append((now, size))
    for first in range(len(sent)):
        within = 0
        for at, size in sent[first:]:
            within += size
            allowed = rate * (at - sent[first][0]) + size
            # What left before this batch in the stretch was paid for by the time that passed.
            assert within <= allowed * (1 + 1e-9) + 1e-6


def test_without_a_rate_nothing_waits() -> None:
    pace = Pace(0)
    pace.spend(1_000_000, 0.0)
    assert pace.wait(0.0) == 0
    assert pace.batch_limit(1000) == 1000


@pytest.mark.parametrize(("rate", "limit"), [(0.5, 1), (1, 1), (10, 10), (5000, 1000)])
def test_a_batch_holds_at_most_a_seconds_messages(rate: float, limit: int) -> None:
    assert Pace(rate).batch_limit(1000) == limit


def test_a_deferred_recipient_is_tried_ever_later_and_then_given_up_with_the_reason() -> None:
    waits = [after_deferral(attempt, "451 busy") for attempt in range(1, len(RECIPIENT_WAITS) + 1)]
    assert waits == [RetryAt(seconds) for seconds in RECIPIENT_WAITS]
    last = after_deferral(len(RECIPIENT_WAITS) + 1, "451 busy")
    assert isinstance(last, GiveUp)
    assert "451 busy" in last.reason


def result(kind: OutcomeKind, hold: Hold | None = None) -> BatchResult:
    return BatchResult([Outcome("a", kind)], hold)


def test_a_hold_that_needs_a_person_pauses_at_once() -> None:
    decision = Breaker().after(result(OutcomeKind.DEFERRED, Hold("wrong key", "get a new one")))
    assert decision == Pause("wrong key", "get a new one")


def test_a_busy_provider_is_waited_for_longer_each_time_and_in_the_end_given_back_to_a_person() -> None:
    breaker = Breaker()
    decisions = [breaker.after(result(OutcomeKind.DEFERRED, Hold("busy", "", 1.0))) for _ in range(10)]
    waits = [decision.seconds for decision in decisions[:-1] if isinstance(decision, RetryAt)]
    assert waits == sorted(waits)
    assert waits[0] == 1.0
    assert len(waits) == 9
    assert isinstance(decisions[-1], Pause)


def test_what_the_provider_asks_for_is_never_shortened() -> None:
    assert Breaker().after(result(OutcomeKind.DEFERRED, Hold("busy", "", 600.0))) == RetryAt(600.0)


def test_batches_that_were_under_way_when_the_wait_began_count_once() -> None:
    breaker = Breaker()
    for number in range(50):
        breaker.after(result(OutcomeKind.DEFERRED, Hold("busy", "", 1.0)), already=number > 0)
    assert breaker.holds == 1


def test_an_endpoint_that_swallows_everything_stops_the_send_after_three_batches() -> None:
    breaker = Breaker()
    assert breaker.after(result(OutcomeKind.UNKNOWN)) is None
    assert breaker.after(result(OutcomeKind.UNKNOWN)) is None
    assert isinstance(breaker.after(result(OutcomeKind.UNKNOWN)), Pause)


@pytest.mark.parametrize("kind", [OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.DEFERRED])
def test_one_answer_in_between_closes_the_breaker(kind: OutcomeKind) -> None:
    breaker = Breaker()
    for _ in range(20):
        assert breaker.after(result(OutcomeKind.UNKNOWN)) is None
        assert breaker.after(result(kind)) is None
