"""Out of order and twice: whatever order reports come in, a message ends in the same state."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model.event import BounceClass, Event, EventType
from newsletter.tracking.states import Seen, Standing, State, next_state

EVENTS = st.builds(
    Event,
    provider=st.just("resend"),
    type=st.sampled_from(EventType),
    event_id=st.text(max_size=3),
    at=st.none(),
    bounce_class=st.sampled_from(BounceClass),
)


def after(*events: Event) -> State:
    return reduce(next_state, events, State())


def event(kind: EventType, bounce: BounceClass = BounceClass.NONE) -> Event:
    return Event("resend", kind, "e", None, bounce_class=bounce)


@given(st.lists(EVENTS, max_size=8).flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))))
def test_any_order_ends_in_the_same_state(orders: tuple[list[Event], list[Event]]) -> None:
    told, shuffled = orders
    assert after(*told) == after(*shuffled)


@given(st.lists(EVENTS, max_size=6), st.data())
def test_any_order_with_duplicates_ends_in_the_same_state(told: list[Event], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(told), max_size=6)) if told else []
    assert after(*data.draw(st.permutations([*told, *again]))) == after(*told)


@given(st.lists(EVENTS, max_size=8), EVENTS)
def test_a_state_never_goes_back(told: list[Event], one: Event) -> None:
    before = after(*told)
    now = next_state(before, one)
    assert now.standing >= before.standing
    assert before.seen in now.seen


def test_every_kind_of_event_has_a_meaning_and_only_these_mean_nothing() -> None:
    silent = {kind for kind in EventType if after(event(kind)) == State()}
    assert silent == {EventType.SUBSCRIBED, EventType.UNKNOWN}


@pytest.mark.parametrize(
    ("told", "standing", "seen"),
    [
        ([], Standing.SILENT, Seen.NOTHING),
        ([event(EventType.DEFERRED), event(EventType.SENT)], Standing.DEFERRED, Seen.NOTHING),
        ([event(EventType.BOUNCED, BounceClass.SOFT)], Standing.SOFT, Seen.NOTHING),
        ([event(EventType.BOUNCED)], Standing.SOFT, Seen.NOTHING),
        ([event(EventType.BOUNCED, BounceClass.BLOCK)], Standing.BLOCKED, Seen.NOTHING),
        (
            [event(EventType.BOUNCED, BounceClass.SOFT), event(EventType.DELIVERED)],
            Standing.DELIVERED,
            Seen.NOTHING,
        ),
        (
            [event(EventType.BOUNCED, BounceClass.HARD), event(EventType.DELIVERED)],
            Standing.HARD,
            Seen.NOTHING,
        ),
        ([event(EventType.REJECTED)], Standing.REFUSED, Seen.NOTHING),
        ([event(EventType.REJECTED, BounceClass.HARD)], Standing.HARD, Seen.NOTHING),
        ([event(EventType.FAILED)], Standing.REFUSED, Seen.NOTHING),
        (
            [event(EventType.OPENED), event(EventType.CLICKED)],
            Standing.DELIVERED,
            Seen.OPENED | Seen.CLICKED,
        ),
        ([event(EventType.COMPLAINED)], Standing.DELIVERED, Seen.COMPLAINED),
        ([event(EventType.UNSUBSCRIBED)], Standing.SILENT, Seen.UNSUBSCRIBED),
        ([event(EventType.AUTORESPONDED)], Standing.DELIVERED, Seen.NOTHING),
    ],
)
def test_what_reports_come_to(told: list[Event], standing: Standing, seen: Seen) -> None:
    assert after(*told) == State(standing, seen)


def test_stored_numbers_stay() -> None:
    assert [(s.name, int(s)) for s in Standing] == [
        ("SILENT", 0), ("SENT", 10), ("DEFERRED", 20), ("REFUSED", 30),
        ("SOFT", 40), ("BLOCKED", 50), ("DELIVERED", 60), ("HARD", 70),
    ]  # fmt: skip
    assert [int(s) for s in Seen] == [1, 2, 4, 8]
