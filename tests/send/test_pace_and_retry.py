from __future__ import annotations

import contextlib
import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.clock import FakeClock
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import Allowance, BatchResult, Capabilities, ContentForm, Hold
from newsletter.send.gate import Gate
from newsletter.send.limits import Limits, Meter, Wishes
from newsletter.send.pace import Pace, Window, paced_batch
from newsletter.send.rates import duration_in_words, parse_daily_quota, parse_rate, rate_in_words
from newsletter.send.retry import (
    LONGEST_WAIT,
    RECIPIENT_WAITS,
    Breaker,
    GiveUp,
    Pause,
    RetryAt,
    after_deferral,
    uncounted_wait,
    within_bounds,
)

STEPS = st.lists(st.tuples(st.integers(1, 50), st.floats(0, 3)), min_size=1, max_size=60)


def no_stretch_exceeds(sent: list[tuple[float, int]], rate: float, burst: float) -> bool:
    """Whether in every stretch, from any departure to any later one, at most `rate * t + burst` left."""
    for first, (start, _) in enumerate(sent):
        within = 0
        for at, size in sent[first:]:
            within += size
            if within > (rate * (at - start) + burst) * (1 + 1e-9) + 1e-4:
                return False
    return True


@given(rate=st.floats(0.1, 1000), burst=st.integers(50, 500), steps=STEPS)
def test_over_any_stretch_no_more_leaves_than_the_rate_and_one_burst(
    rate: float, burst: int, steps: list[tuple[int, float]]
) -> None:
    pace, now, sent = Pace(rate, burst), 0.0, list[tuple[float, int]]()
    for size, idle in steps:
        now += idle
        now += pace.wait(now, size)
        pace.spend(size, now)
        sent.append((now, size))
    assert no_stretch_exceeds(sent, rate, burst)


@given(
    rate=st.floats(0.5, 500),
    calls=st.floats(0.05, 50),
    wanted=st.integers(1, 1000),
    burst=st.integers(0, 200),
    count=st.integers(1, 40),
)
def test_both_limits_hold_at_once_and_neither_wastes_what_the_other_allows(
    rate: float, calls: float, wanted: int, burst: int, count: int
) -> None:
    limits = Limits(paced_batch(wanted, rate, burst, calls), 4, rate, burst=burst, calls=calls)
    meter, now, sent = Meter(limits), 0.0, list[tuple[float, int]]()
    for _ in range(count):
        now += meter.wait(now)
        meter.spend(limits.batch, now)
        sent.append((now, limits.batch))
    assert no_stretch_exceeds(sent, rate, max(burst or 0, limits.batch, rate / 10))
    assert no_stretch_exceeds([(at, 1) for at, _ in sent], calls, max(1, calls / 10))
    # The slower of the two is reached: it takes no longer than it must.
    assert now <= (count - 1) * max(limits.batch / rate, 1 / (calls * 0.95)) * (1 + 1e-6) + 1e-6


def test_without_a_rate_nothing_waits() -> None:
    pace = Pace(0)
    pace.spend(1_000_000, 0.0)
    assert pace.wait(0.0) == 0
    assert paced_batch(1000, 0) == 1000


@pytest.mark.parametrize(
    ("rate", "burst", "calls", "batch"),
    [
        (0.5, 0, 0, 1),
        (10, 0, 0, 10),
        (5000, 0, 0, 1000),
        (14, 100, 0, 100),
        (14, 5, 0, 5),
        # Ten calls a minute reach 14 a second only with 84 in each.
        (14, 0, 10 / 60, 84),
        (0, 0, 2, 1000),
        (200, 0, 2, 200),
    ],
)
def test_a_batch_is_as_large_as_the_rate_and_the_calls_allow(
    rate: float, burst: int, calls: float, batch: int
) -> None:
    assert paced_batch(1000, rate, burst, calls) == batch


def test_an_unused_minute_is_not_saved_up() -> None:
    pace = Pace(10, 10)
    pace.spend(10, 0.0)
    assert pace.wait(60.0, 10) == 0
    pace.spend(10, 60.0)
    assert pace.wait(60.0, 10) == pytest.approx(1.0)


# Words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "rate"),
    [
        (14, 14),
        (0, 0),
        (0.5, 0.5),
        ("14", 14),
        ("14 a second", 14),
        ("at most 14 messages a second", 14),
        ("14/s", 14),
        ("up to 1 mail per second", 1),
        ("600 per minute", 10),
        ("5,000/hour", 5000 / 3600),
        ("5_000 messages an hour", 5000 / 3600),
        ("2.5 e-mails each second", 2.5),
        ("unlimited", 0),
        ("  At Most 30 Messages Every Minute ", 0.5),
    ],
)
def test_a_rate_is_read_as_a_person_writes_it(words: object, rate: float) -> None:
    assert parse_rate(words) == pytest.approx(rate)


@pytest.mark.parametrize(
    "wrong",
    [
        "fast",
        "14 a fortnight",
        "-1",
        -1,
        math.nan,
        math.inf,
        True,
        [14],
        "1,00 a second",
        "14 14",
        "9" * 400,
    ],
)
def test_what_is_no_rate_gets_one_sentence_with_an_example(wrong: object) -> None:
    with pytest.raises(ValueError, match='is no rate: write `rate = 14`, "14 a second"') as error:
        parse_rate(wrong)
    assert "\n" not in str(error.value)


def test_a_rate_for_a_day_is_called_a_quota() -> None:
    with pytest.raises(ValueError, match="write `daily_quota = 50000` instead of `rate`"):
        parse_rate("50,000 a day")


@pytest.mark.parametrize(
    ("words", "quota"),
    [(50000, 50000), ("50,000", 50000), ("50,000 messages a day", 50000), ("none", 0), (0, 0)],
)
def test_a_quota_is_read_as_a_person_writes_it(words: object, quota: int) -> None:
    assert parse_daily_quota(words) == quota


@pytest.mark.parametrize("wrong", ["many", -1, 0.5, True, math.nan, "500 an hour", None])
def test_what_is_no_quota_gets_one_sentence_with_an_example(wrong: object) -> None:
    with pytest.raises(ValueError, match="is no number of messages: write `daily_quota = 50000`"):
        parse_daily_quota(wrong)


@given(st.integers(1, 100_000), st.sampled_from(["second", "minute", "hour"]))
def test_a_rate_said_back_is_the_rate(number: int, unit: str) -> None:
    rate = parse_rate(f"{number} per {unit}")
    assert parse_rate(rate_in_words(rate)) == pytest.approx(rate)


@given(st.text(max_size=40))
def test_any_words_are_a_rate_or_a_clear_refusal(words: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= parse_rate(words) < math.inf


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (40, "40 seconds"),
        (360, "6 minutes"),
        (9000, "2.5 hours"),
        (7200, "2 hours"),
        (259200, "3 days"),
    ],
)
def test_a_span_is_said_in_the_unit_people_use(seconds: float, words: str) -> None:
    assert duration_in_words(seconds) == words


# The window -----------------------------------------------------------------------------------------


def test_the_first_call_goes_alone_and_its_success_opens_all_connections() -> None:
    window = Window(10)
    assert window.size == 1
    window.begin()
    window.succeeded()
    assert window.size == 10


def test_throttling_halves_once_for_all_calls_under_way_and_success_gives_back_one_at_a_time() -> None:
    window = Window(8)
    window.begin()
    window.succeeded()
    calls = [window.begin() for _ in range(8)]
    for call in calls:
        window.throttled(call)
    assert window.size == 4
    window.throttled(window.begin())
    assert window.size == 2
    for _ in range(2):
        window.succeeded()
    assert window.size == 3
    for _ in range(3 + 4 + 5 + 6 + 7):
        window.succeeded()
    assert window.size == 8


@given(st.integers(1, 64), st.lists(st.booleans(), max_size=300))
def test_the_window_never_leaves_its_bounds(most: int, answers: list[bool]) -> None:
    window = Window(most)
    for good in answers:
        call = window.begin()
        if good:
            window.succeeded()
        else:
            window.throttled(call)
        assert 1 <= window.size <= most


# The gate -------------------------------------------------------------------------------------------


def accepted(allowance: Allowance | None = None) -> BatchResult:
    return BatchResult([Outcome("a", OutcomeKind.ACCEPTED)], allowance=allowance)


def make_gate(clock: FakeClock, *, connections: int = 4, rate: float = 0.0, lease: float = 1e9) -> Gate:
    limits = Limits(10, connections, rate)
    return Gate(limits, clock, lambda: clock.monotonic() < lease, replayable=False)


def enter(gate: Gate) -> int:
    call = gate.enter(10)
    assert call is not None
    return call


def test_an_allowance_that_is_used_up_closes_the_gate_until_the_reset_and_is_no_failure() -> None:
    clock = FakeClock()
    gate = make_gate(clock)
    assert gate.leave(enter(gate), accepted(Allowance(remaining=5, reset_after=30))) is None
    assert gate.opens_in(clock.monotonic()) == 0
    for _ in range(20):
        assert gate.leave(enter(gate), accepted(Allowance(remaining=0, reset_after=30))) is None
        assert gate.opens_in(clock.monotonic()) == 30
        clock.sleep(30)
    assert not gate.stopped


def test_calls_under_way_count_against_the_allowance() -> None:
    clock = FakeClock()
    gate = make_gate(clock)
    gate.leave(enter(gate), accepted())
    first, _second = enter(gate), enter(gate)
    gate.leave(first, accepted(Allowance(remaining=1, reset_after=2)))
    assert gate.opens_in(clock.monotonic()) == 2


def test_once_the_provider_counts_anew_one_call_finds_out_how_many_it_takes() -> None:
    clock = FakeClock()
    gate = make_gate(clock)
    gate.leave(enter(gate), accepted(Allowance(remaining=0, reset_after=10)))
    assert gate.closed_until == 10
    clock.sleep(10)
    first = enter(gate)
    entered: list[int | None] = []
    second = threading.Thread(target=lambda: entered.append(gate.enter(10)))
    second.start()
    second.join(0.1)
    assert not entered
    gate.leave(first, accepted(Allowance(remaining=1, reset_after=10)))
    second.join(60)
    assert entered == [3]


def test_an_allowance_that_comes_back_tomorrow_pauses_and_says_when() -> None:
    clock = FakeClock()
    gate = make_gate(clock)
    decision = gate.leave(enter(gate), accepted(Allowance(remaining=0, reset_after=6 * 3600)))
    assert isinstance(decision, Pause)
    assert "6 hours" in decision.reason
    assert gate.enter(10) is None


def test_an_answer_that_stops_the_send_closes_the_gate_before_anybody_else_can_pass() -> None:
    gate = make_gate(FakeClock())
    call = enter(gate)
    hold = Hold("wrong key", "get a new one")
    assert gate.leave(call, BatchResult([Outcome("a", OutcomeKind.DEFERRED)], hold)) == Pause(
        "wrong key", "get a new one"
    )
    assert gate.stopped
    assert gate.enter(10) is None


def test_nothing_passes_once_the_lease_has_run_out_until_it_is_renewed() -> None:
    clock = FakeClock()
    lease = [100.0]
    gate = Gate(Limits(10, 1), clock, lambda: clock.monotonic() < lease[0], replayable=False)
    gate.leave(enter(gate), accepted())
    clock.sleep(3600)
    assert gate.enter(10) is None
    lease[0] = clock.monotonic() + 100
    assert gate.enter(10) is not None


# Decisions ------------------------------------------------------------------------------------------


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


def test_nobody_waits_for_hours_at_a_terminal() -> None:
    assert within_bounds(LONGEST_WAIT, "busy") == RetryAt(LONGEST_WAIT)
    decision = Breaker().after(result(OutcomeKind.DEFERRED, Hold("over quota", "", 8 * 3600.0)))
    assert isinstance(decision, Pause)
    assert "over quota" in decision.reason
    assert "8 hours" in decision.reason


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


def test_answers_lost_for_good_stop_the_send_after_three_batches_whatever_the_provider_asks_for() -> None:
    lost = result(OutcomeKind.UNKNOWN, Hold("503 Service Unavailable", "", 10.0))
    breaker = Breaker()
    assert breaker.after(lost) == RetryAt(10.0)
    breaker.after(lost, already=True)
    decision = breaker.after(lost, already=True)
    assert isinstance(decision, Pause)
    assert "503 Service Unavailable" in decision.reason
    # Where the key may be replayed nothing is lost by waiting.
    patient = Breaker(replayable=True)
    assert all(isinstance(patient.after(lost), RetryAt) for _ in range(9))


@pytest.mark.parametrize("kind", [OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.DEFERRED])
def test_one_answer_in_between_closes_the_breaker(kind: OutcomeKind) -> None:
    breaker = Breaker()
    for _ in range(20):
        assert breaker.after(result(OutcomeKind.UNKNOWN)) is None
        assert breaker.after(result(kind)) is None


def test_a_deferral_counts_against_a_recipient_only_where_it_is_about_the_recipient() -> None:
    put_off, refused = Outcome("a", OutcomeKind.DEFERRED), Outcome("b", OutcomeKind.REJECTED)
    fine = Outcome("c", OutcomeKind.ACCEPTED)
    assert uncounted_wait([put_off], None) == 0
    assert uncounted_wait([put_off, refused, fine], None) == 0
    assert uncounted_wait([put_off], RetryAt(5)) == 5
    assert uncounted_wait([put_off], Pause("wrong key", "")) > 0
    # A whole batch refused over one of its addresses says nothing about the others.
    assert uncounted_wait([put_off, refused], None) > 0


def test_the_settings_stand_above_what_a_provider_documents_but_not_above_what_it_can_do() -> None:
    provider = Capabilities(
        ContentForm.FIELDS, max_batch=100, connections=2, messages_per_second=14, calls_per_second=2
    )
    assert Wishes().limits(provider) == Limits(14, 2, 14, calls=2)
    assert Wishes(rate=1000, batch=500).limits(provider) == Limits(100, 2, 1000, calls=2)
    assert Wishes(rate=1000).limits(provider, fits=30).batch == 30
