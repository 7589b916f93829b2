"""What every store promises: transactions whole or not at all, snapshots, people as they were put in."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.store.base import Database, utc_moment, utc_text
from newsletter.store.subscribers import SubscriberFilter

AT = "2026-01-06T09:00:00.000Z"


def put(database: Database, email: str, *tags: str, **values: str) -> int:
    status = SubscriberStatus(values.pop("status", "active"))
    with database.write() as tx:
        number = people.insert(
            tx,
            email=email,
            match_key=email.lower(),
            status=status,
            at=AT,
            name=values.pop("name", ""),
            metadata=values,
        )
        people.add_tags(tx, number, tags)
    return number


def test_a_person_comes_back_as_they_were_put_in(database: Database) -> None:
    number = put(
        database, "Ada@Example.com", "b", "a", name="Ada ' \" é \u2603", plan="pro", note="line\nline"
    )
    by_id, by_key = people.find(database, id=number), people.find(database, match_key="ada@example.com")
    assert by_id == by_key
    assert by_id is not None
    assert (by_id.email, by_id.name, by_id.tags) == ("Ada@Example.com", "Ada ' \" é \u2603", ("a", "b"))
    assert by_id.metadata == {"plan": "pro", "note": "line\nline"}
    assert by_id.created_at == datetime(2026, 1, 6, 9, tzinfo=UTC)
    assert people.find(database, match_key="nobody@example.com") is None
    assert people.find(database, id=number + 1) is None


def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as tx:  # noqa: PT012 - what is before counts
        people.insert(
            tx, email="a@example.com", match_key="a@example.com", status=SubscriberStatus.ACTIVE, at=AT
        )
        assert tx.query("SELECT count(*) FROM subscribers") == [(1,)]
        _ = 1 / 0
    assert database.query("SELECT count(*) FROM subscribers") == [(0,)]
    put(database, "b@example.com")
    assert people.count(database) == 1


def test_what_is_not_committed_is_seen_by_no_other_thread(database: Database) -> None:
    put(database, "a@example.com")
    seen: list[int] = []
    with database.write() as tx:
        tx.execute("DELETE FROM subscribers")
        reader = threading.Thread(target=lambda: seen.extend(1 for _ in people.stream(database)))
        reader.start()
        reader.join()
    assert seen == [1]


def test_a_stream_is_one_snapshot(database: Database) -> None:
    for index in range(2500):
        put(database, f"p{index}@example.com") if index % 500 == 0 else None
    with database.write() as tx:
        tx.executemany(
            "INSERT INTO subscribers (email, match_key, status, created_at, updated_at) VALUES (?, ?, 'active', ?, ?)",
            [(f"q{index}", f"q{index}", AT, AT) for index in range(3000)],
        )
    stream = people.stream(database)
    next(stream)
    put(database, "late@example.com")
    assert sum(1 for _ in stream) == 3004
    assert people.count(database) == 3006


def test_filters_narrow_and_combine(database: Database) -> None:
    put(database, "ada@example.com", "beta", name="Ada Lovelace")
    put(database, "bob@example.com", "beta", name="Bob", status="unsubscribed")
    put(database, "50%_off@example.com", name="Percent")

    def emails(**which: object) -> list[str]:
        chosen = SubscriberFilter(**which)  # type: ignore[arg-type] # forwarded
        found = [person.email for person in people.stream(database, chosen)]
        if not chosen.limit:
            assert people.count(database, chosen) == len(found)
        return found

    assert emails(tag="beta") == ["ada@example.com", "bob@example.com"]
    assert emails(tag="beta", status=SubscriberStatus.ACTIVE) == ["ada@example.com"]
    assert emails(search="LOVE") == ["ada@example.com"]
    assert emails(search="%_o") == ["50%_off@example.com"]
    assert emails(search="b%b") == []
    assert emails(limit=2) == ["ada@example.com", "bob@example.com"]
    assert emails(tag="' OR 1=1 --") == []


def test_changes_say_whether_they_changed_anything(database: Database) -> None:
    number = put(database, "a@example.com", "x")
    with database.write() as tx:
        assert people.set_status(tx, number, SubscriberStatus.BOUNCED, AT)
        assert not people.set_status(tx, number, SubscriberStatus.BOUNCED, AT)
        assert people.set_name(tx, number, "Ann", AT)
        assert not people.set_name(tx, number, "Ann", AT)
        assert people.add_tags(tx, number, ["x", "y"]) == 1
        assert people.remove_tags(tx, number, ["x", "z"]) == 1
        assert not people.set_status(tx, number + 1, SubscriberStatus.ACTIVE, AT)
    person = people.find(database, id=number)
    assert person is not None
    assert (person.status, person.name, person.tags) == (SubscriberStatus.BOUNCED, "Ann", ("y",))


def test_counts_name_every_status_and_tags_of_active_people(database: Database) -> None:
    put(database, "a@example.com", "x", "y")
    put(database, "b@example.com", "x")
    put(database, "c@example.com", "x", status="complained")
    counts = people.counts_by_status(database)
    assert list(counts) == list(SubscriberStatus)
    assert (counts[SubscriberStatus.ACTIVE], counts[SubscriberStatus.COMPLAINED]) == (2, 1)
    assert list(people.counts_by_tag(database).items()) == [("x", 2), ("y", 1)]


def test_an_id_is_never_given_twice(database: Database) -> None:
    first = put(database, "a@example.com")
    with database.write() as tx:
        people.delete(tx, first)
    assert put(database, "a@example.com") > first


def test_threads_that_write_at_once_lose_nothing(database: Database) -> None:
    def write(name: int) -> None:
        for index in range(25):
            put(database, f"{name}-{index}@example.com", "t")

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert people.count(database, SubscriberFilter(tag="t")) == 100


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30)), st.integers(-14, 14))  # noqa: DTZ001 - hypothesis adds the zone
def test_times_keep_their_milliseconds_and_sort_as_text(naive: datetime, hours: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(hours=hours)))
    text = utc_text(moment)
    assert abs(utc_moment(text) - moment) < timedelta(milliseconds=1)
    assert len(text) == len(AT)
    assert utc_text(moment + timedelta(milliseconds=1)) > text
