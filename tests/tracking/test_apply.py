"""What a report changes, what it can't change, and when a flood of them waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.audience import consent
from newsletter.audience.tokens import TokenSigner
from newsletter.model.delivery import DeliveryState
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import events as kept
from newsletter.store import subscribers as people
from newsletter.store.base import utc_text
from newsletter.tracking.apply import Rules, soft_bounces_in_a_row
from newsletter.tracking.states import Seen, Standing
from tests.send.desk import in_memory
from tests.tracking.reported import Desk

HARD, SOFT, BLOCK = BounceClass.HARD, BounceClass.SOFT, BounceClass.BLOCK


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.db.close()


def test_a_hard_bounce_suppresses_at_once_and_says_by_whom(desk: Desk) -> None:
    desk.send()
    told = desk.tell(desk.event(EventType.BOUNCED, bounce=HARD, reason="550 no such user"))
    assert told.results == {"suppressed": 1}
    assert desk.status() == "bounced"
    [entry] = consent.history(desk.db, 1)
    assert (entry.action, entry.actor, entry.source) == ("bounced", "provider", "webhook:resend")
    assert entry.detail == "550 no such user"
    with desk.db.write() as tx:
        assert desk.audience.suppressions.reason(tx, "r1@example.org") == "bounced"
    assert desk.status(2) == desk.status(3) == "active"


def test_a_complaint_suppresses_at_once_even_who_has_left(desk: Desk) -> None:
    desk.send()
    desk.audience.unsubscribe("r1@example.org")
    desk.tell(desk.event(EventType.COMPLAINED), desk.event(EventType.COMPLAINED, number=2))
    assert desk.status(1) == desk.status(2) == "complained"


def test_the_providers_own_unsubscribe_button_counts(desk: Desk) -> None:
    desk.send()
    assert desk.tell(desk.event(EventType.UNSUBSCRIBED)).results == {"unsubscribed": 1}
    assert desk.status() == "unsubscribed"


@pytest.mark.parametrize(
    "event",
    [
        (EventType.BOUNCED, BLOCK),
        (EventType.BOUNCED, SOFT),
        (EventType.REJECTED, BounceClass.NONE),
        (EventType.FAILED, BounceClass.NONE),
        (EventType.SUBSCRIBED, BounceClass.NONE),
        (EventType.AUTORESPONDED, BounceClass.NONE),
        (EventType.UNKNOWN, BounceClass.NONE),
        (EventType.DEFERRED, SOFT),
    ],
)
def test_nothing_else_suppresses(desk: Desk, event: tuple[EventType, BounceClass]) -> None:
    desk.send()
    assert desk.tell(desk.event(event[0], bounce=event[1])).results == {"noted": 1}
    assert desk.status() == "active"


def test_soft_bounces_suppress_after_three_deliveries_in_a_row(desk: Desk) -> None:
    for number in (1, 2):
        desk.send()
        desk.tell(*(desk.event(EventType.BOUNCED, number, bounce=SOFT) for _ in range(5)))
    assert desk.status() == "active", "the same delivery counts once, however often it is told"
    desk.send()
    desk.tell(desk.event(EventType.BOUNCED, 3, bounce=SOFT, reason="452 full"))
    assert desk.status() == "bounced"
    assert consent.history(desk.db, 1)[0].detail == "3 soft bounces in a row: 452 full"


def test_a_delivery_in_between_starts_the_row_anew(desk: Desk) -> None:
    for kind, bounce in [
        (EventType.BOUNCED, SOFT),
        (EventType.BOUNCED, SOFT),
        (EventType.DELIVERED, BounceClass.NONE),
        (EventType.BOUNCED, SOFT),
        (EventType.BOUNCED, SOFT),
    ]:
        desk.tell(desk.event(kind, desk.send(), bounce=bounce))
    assert desk.status() == "active"


def test_issues_nobody_complained_of_count_as_received(desk: Desk) -> None:
    """Where only bounces are reported, silence is what a delivery sounds like."""
    for number in range(9):
        send_id = desk.send()
        if number % 2 == 0:
            desk.tell(desk.event(EventType.BOUNCED, send_id, bounce=SOFT))
    assert desk.status() == "active"


@pytest.mark.parametrize(
    ("standings", "row"),
    [
        ([], 0),
        ([40, 40, 40], 3),
        ([0, 10, 40, 40], 2),
        ([40, 0, 40], 1),
        ([60, 40, 40], 0),
        ([40, 50, 40], 1),
        ([20, 40], 1),
    ],
)
def test_a_row_is_counted_from_the_newest_that_is_known(standings: list[int], row: int) -> None:
    assert soft_bounces_in_a_row(list(enumerate(standings))) == row


# Only what we sent ----------------------------------------------------------------------------------


def strangers(desk: Desk) -> list[Event]:
    """Reports that name nobody we sent to, in every way we can think of."""
    other = TokenSigner(b"another key, of sixteen and more bytes")
    complained = EventType.COMPLAINED
    return [
        desk.event(complained, delivery_id="", recipient="r1@example.org"),
        desk.event(complained, delivery_id="", recipient="r1@example.org", message_id="guessed"),
        desk.event(complained, delivery_id="", message_id="m-1"),
        desk.event(complained, delivery_id="", message_id="m-1", recipient="r9@example.org"),
        desk.event(complained, delivery_id="", message_id="m-1", recipient="not an address"),
        desk.event(complained, delivery_id=other.delivery(1, 1)),
        desk.event(complained, delivery_id="nonsense"),
        desk.event(complained, delivery_id="nonsense", message_id="m-1", recipient="r1@example.org"),
        desk.event(complained, send_id=9),
        desk.event(complained, number=9),
        desk.event(complained, provider="postmark"),
    ]


def test_a_report_moves_only_a_message_that_we_sent_through_that_provider(desk: Desk) -> None:
    desk.send(ids="m-1\nm-2\nm-3")
    before = desk.everything()
    told = strangers(desk)
    assert desk.tell(*told).results == {"not ours": len(told)}
    assert desk.everything() == before
    assert desk.tell().looked_at == 0, "they are looked at once"


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.SKIPPED])
def test_a_delivery_nobody_tried_is_not_moved(desk: Desk, state: DeliveryState) -> None:
    desk.send(state=int(state))
    before = desk.everything()
    assert desk.tell(desk.event(EventType.COMPLAINED)).results == {"not ours": 1}
    assert desk.everything() == before


def test_the_providers_own_id_and_the_recipient_name_a_delivery_together(desk: Desk) -> None:
    desk.send(ids="m-1\nm-2\nm-3")
    told = desk.event(
        EventType.BOUNCED, delivery_id="", message_id="m-2", recipient="r2@EXAMPLE.org", bounce=HARD
    )
    assert desk.tell(told).results == {"suppressed": 1}
    assert [desk.status(n) for n in (1, 2, 3)] == ["active", "bounced", "active"]


def test_an_answer_that_was_lost_is_settled(desk: Desk) -> None:
    desk.send(state=int(DeliveryState.UNKNOWN))
    desk.tell(desk.event(EventType.DELIVERED), desk.event(EventType.REJECTED, number=2))
    rows = desk.db.query("SELECT subscriber_id, state FROM deliveries ORDER BY 1")
    assert rows == [(1, DeliveryState.ACCEPTED), (2, DeliveryState.REJECTED), (3, DeliveryState.UNKNOWN)]


def test_a_late_report_says_nothing_about_who_joined_anew_since(desk: Desk) -> None:
    desk.send()
    bounced = desk.event(EventType.BOUNCED, bounce=HARD)
    desk.tell(bounced)
    desk.clock.sleep(60)
    desk.audience.add("r1@example.org", resubscribe="by email")
    assert desk.tell(desk.event(EventType.COMPLAINED, at=bounced.at)).results == {"noted": 1}
    assert desk.status() == "active"
    desk.clock.sleep(60)
    desk.tell(desk.event(EventType.COMPLAINED))
    assert desk.status() == "complained"


def test_somebody_erased_is_passed_over(desk: Desk) -> None:
    desk.send()
    desk.audience.erase("r1@example.org")
    desk.tell(desk.event(EventType.BOUNCED, bounce=HARD, recipient="r1@example.org"))
    assert desk.db.query("SELECT count(*) FROM subscribers") == [(2,)]
    assert desk.db.query("SELECT payload, subscriber_id FROM events") == [("", 1)]


# Once, and in any order -----------------------------------------------------------------------------


def test_the_same_report_is_kept_once(desk: Desk) -> None:
    desk.send()
    told = desk.event(EventType.DELIVERED)
    assert desk.tell(told, told).looked_at == 1
    assert desk.tell(told).looked_at == 0
    assert desk.tell(desk.event(EventType.DELIVERED, event_id=told.event_id)).looked_at == 0


KINDS = st.sampled_from(
    [(kind, BounceClass.NONE) for kind in EventType] + [(EventType.BOUNCED, b) for b in BounceClass]
)


Told = list[tuple[tuple[EventType, BounceClass], int]]


def end_of(told: Told, shuffle: Random | None) -> tuple[list[tuple[int, ...]], list[bool]]:
    """What reports leave behind: the states, and who was suppressed."""
    with in_memory() as folder:
        desk = Desk(folder)
        desk.send()
        events = [desk.event(kind, number=number, bounce=bounce) for (kind, bounce), number in told]
        if shuffle is not None:
            events += events[: len(events) // 2]
            shuffle.shuffle(events)
        for event in events:
            desk.tell(event)
        suppressed = [desk.status(number) not in ("active", "unsubscribed") for number in (1, 2, 3)]
        states = desk.states()
        desk.db.close()
        return states, suppressed


@given(st.lists(st.tuples(KINDS, st.integers(1, 3)), max_size=8), st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_reports_in_any_order_with_duplicates_leave_the_same_states(told: Told, shuffle: Random) -> None:
    assert end_of(told, None) == end_of(told, shuffle)


def test_what_is_known_is_kept_per_delivery(desk: Desk) -> None:
    desk.send()
    desk.tell(
        desk.event(EventType.CLICKED), desk.event(EventType.OPENED), desk.event(EventType.SENT, number=2)
    )
    assert desk.states() == [
        (1, 1, Standing.DELIVERED, Seen.OPENED | Seen.CLICKED),
        (1, 2, Standing.SENT, Seen.NOTHING),
    ]


# The breaker ----------------------------------------------------------------------------------------


def test_a_flood_is_held_reported_and_released_by_a_person(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 200)
    desk.send(people=200)
    flood = [desk.event(EventType.BOUNCED, number=n, bounce=HARD) for n in range(1, 101)]
    told = desk.tell(*flood, desk.event(EventType.DELIVERED, number=150))
    assert told.results == {"suppressed": 25, "held": 75, "noted": 1}, "what suppresses nobody goes on"
    [(provider, reason)] = told.tripped
    assert provider == "resend"
    assert "26 bounces" in reason
    [hold] = kept.holds(desk.db)
    assert (hold.provider, hold.waiting, bool(hold.since)) == ("resend", 75, True)
    assert people.counts_by_status(desk.db)[SubscriberStatus.BOUNCED] == 25

    desk.clock.sleep(7200)
    assert desk.tell(desk.event(EventType.COMPLAINED, number=120)).results == {"held": 1}, (
        "time alone frees nobody"
    )
    with desk.db.write() as tx:
        assert kept.release(tx, "resend") == 76
    assert desk.tell().results == {"suppressed": 76}
    [hold] = kept.holds(desk.db)
    assert (hold.waiting, hold.since) == (0, "")
    assert desk.tell(desk.event(EventType.COMPLAINED, number=121)).results == {"suppressed": 1}
    desk.db.close()


def test_what_was_forged_is_discarded(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 100)
    desk.send(people=100)
    desk.tell(*(desk.event(EventType.COMPLAINED, number=n) for n in range(1, 101)))
    with desk.db.write() as tx:
        assert kept.discard(tx, "resend", utc_text(desk.clock.now())) == 75
    assert desk.tell().looked_at == 0
    assert people.counts_by_status(desk.db)[SubscriberStatus.ACTIVE] == 75
    desk.db.close()


def test_the_bounces_of_a_large_send_are_no_flood(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 1000)
    desk.send(people=1000)
    told = desk.tell(*(desk.event(EventType.BOUNCED, number=n, bounce=HARD) for n in range(1, 101)))
    assert told.results == {"suppressed": 100}
    desk.db.close()


def test_a_flood_through_one_provider_holds_that_one_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path, 60, Rules(flood_least=10))
    desk.send(people=60)
    desk.send("postmark", people=60)
    desk.tell(*(desk.event(EventType.COMPLAINED, number=n) for n in range(1, 31)))
    told = desk.tell(desk.event(EventType.COMPLAINED, 2, 40, provider="postmark"))
    assert told.results == {"suppressed": 1}
    desk.db.close()


# What is kept, and for how long ---------------------------------------------------------------------


def test_what_reports_say_of_persons_is_emptied_and_they_are_still_known(desk: Desk) -> None:
    desk.send()
    told = desk.event(EventType.DELIVERED, recipient="r1@example.org", raw={"to": "r1@example.org"})
    desk.tell(told)
    [(payload,)] = desk.db.query("SELECT payload FROM events")
    assert "r1@example.org" in payload
    with desk.db.write() as tx:
        assert kept.forget(tx, utc_text(desk.clock.now() - timedelta(days=1))) == 0
        assert kept.forget(tx, utc_text(desk.clock.now() + timedelta(days=1))) == 1
    assert desk.db.query("SELECT payload FROM events") == [("",)]
    assert desk.tell(told).looked_at == 0


def test_no_text_of_a_report_can_break_the_store(desk: Desk) -> None:
    desk.send()
    odd = desk.event(
        EventType.BOUNCED, bounce=HARD, reason="\ud800\x00" * 9000, raw={"\ud800": ["x" * 99999]}, event_id="\ud800" * 999
    )  # fmt: skip
    assert desk.tell(odd).results == {"suppressed": 1}
    assert desk.status() == "bounced"
