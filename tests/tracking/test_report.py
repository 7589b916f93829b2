"""The figures of an issue: each person once, over all of its sends, and who left after it and not before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.model.event import BounceClass, EventType
from newsletter.tracking.report import issues_sent, report_of
from tests.tracking.reported import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, 8)
    yield made
    made.db.close()


def test_nothing_sent_is_nothing_to_report(desk: Desk) -> None:
    assert issues_sent(desk.db) == []
    assert report_of(desk.db, "hello") is None


def test_a_sandboxed_send_is_no_issue_sent(desk: Desk) -> None:
    desk.send()
    with desk.db.write() as tx:
        tx.execute("UPDATE sends SET sandbox = 1")
    assert issues_sent(desk.db) == []
    assert report_of(desk.db, "hello") is None


def test_every_delivery_is_counted_where_it_stands(desk: Desk) -> None:
    desk.send(people=8)
    desk.tell(
        desk.event(EventType.DELIVERED, number=1),
        desk.event(EventType.CLICKED, number=2),
        desk.event(EventType.OPENED, number=2),
        desk.event(EventType.BOUNCED, number=3, bounce=BounceClass.HARD),
        desk.event(EventType.BOUNCED, number=4, bounce=BounceClass.SOFT),
        desk.event(EventType.BOUNCED, number=5, bounce=BounceClass.BLOCK),
        desk.event(EventType.DEFERRED, number=6),
        desk.event(EventType.COMPLAINED, number=7),
    )
    report = report_of(desk.db, "hello")
    assert report is not None
    assert (report.audience, report.accepted, report.delivered) == (8, 8, 3)
    assert (report.hard, report.soft, report.blocked, report.bounced) == (1, 1, 1, 3)
    assert (report.deferred, report.refused, report.unreported) == (1, 0, 1)
    assert (report.complained, report.opened, report.clicked) == (1, 1, 1)
    assert report.share(report.complained) == 12.5


def test_who_left_counts_for_the_last_issue_they_had(desk: Desk) -> None:
    desk.audience.unsubscribe("r1@example.org")
    desk.clock.sleep(60)
    for slug in ("first", "second"):
        send_id = desk.send(people=8)
        with desk.db.write() as tx:
            at = f"{desk.clock.now():%Y-%m-%dT%H:%M:%S}.000Z"
            tx.execute("UPDATE sends SET slug = ?, created_at = ? WHERE id = ?", (slug, at, send_id))
            tx.execute("UPDATE deliveries SET state = 6 WHERE subscriber_id IN (1, 8)")
        desk.clock.sleep(60)
        desk.audience.unsubscribe("r2@example.org" if slug == "first" else "r3@example.org")
        desk.audience.unsubscribe("r8@example.org")
        desk.clock.sleep(60)
    desk.audience.unsubscribe("r4@example.org")
    assert issues_sent(desk.db) == ["first", "second"]
    reports = [report_of(desk.db, slug) for slug in ("first", "second")]
    assert [report.unsubscribed for report in reports if report] == [1, 2]


def test_a_second_send_of_an_issue_counts_with_the_first_and_people_once(desk: Desk) -> None:
    desk.send(people=8)
    with desk.db.write() as tx:
        tx.execute("UPDATE deliveries SET state = 3 WHERE subscriber_id > 5")
    second = desk.send(people=8)
    with desk.db.write() as tx:
        tx.execute("DELETE FROM deliveries WHERE send_id = ? AND subscriber_id <= 5", (second,))
    desk.tell(*(desk.event(EventType.DELIVERED, 1 if n <= 5 else second, n) for n in range(1, 9)))
    report = report_of(desk.db, "hello")
    assert report is not None
    assert (report.audience, report.accepted, report.delivered, report.unreported) == (8, 8, 8, 0)
