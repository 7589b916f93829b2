"""A store an older version wrote: what was begun with it is gone on with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from newsletter.model.delivery import SendState
from newsletter.send.run import resume
from newsletter.store.send_records import Tally
from newsletter.store.sqlite import APPLICATION_ID, SqliteDatabase, migrations
from tests.fakes.resend import FakeResend
from tests.send.desk import in_memory, make_desk, new_send, outbox_recipients, through_resend

AT = "2026-01-06T09:00:00.000Z"


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory() as path:
        yield path


def written_by_schema_1(folder: Path, provider: str = "outbox") -> None:
    """A send to 8: two accepted, one refused, one lost, one claimed by a process that died, three to go."""
    new = new_send(provider=provider)
    with closing(sqlite3.connect(folder / "newsletter.db", isolation_level=None)) as store:
        store.executescript(migrations()[0][1])
        store.execute("PRAGMA user_version = 1")
        store.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        store.executemany(
            "INSERT INTO subscribers (email, match_key, status, created_at) VALUES (?, ?, 'active', ?)",
            [(f"r{n}@example.org", f"r{n}@example.org", AT) for n in range(1, 9)],
        )
        store.execute(
            "INSERT INTO sends (slug, number, title, state, content, content_hash, provider, frozen_to, audience,"
            " epoch, lease_owner, lease_until, created_at)"
            " VALUES (?, ?, ?, 'sending', ?, ?, ?, 8, 8, 1, 'host:1:abc', ?, ?)",
            (new.slug, new.number, new.title, new.content, new.content_hash, provider, AT, AT),
        )
        store.executemany(
            "INSERT INTO batches (send_id, epoch, key, first_claimed_at, size) VALUES (1, 1, ?, ?, ?)",
            [("nl-1-a", AT, 4), ("nl-1-b", AT, 1)],
        )
        states = [
            (2, 1, 1),
            (2, 1, 1),
            (3, 1, 1),
            (5, 1, 1),
            (1, 2, 1),
            (0, None, 0),
            (0, None, 0),
            (0, None, 0),
        ]
        store.executemany(
            "INSERT INTO deliveries (send_id, subscriber_id, state, batch_id, attempts) VALUES (1, ?, ?, ?, ?)",
            [(number, *state) for number, state in enumerate(states, 1)],
        )


def test_an_unfinished_send_of_the_first_schema_is_gone_on_with(folder: Path) -> None:
    written_by_schema_1(folder, "resend")
    with FakeResend() as server, SqliteDatabase(folder / "newsletter.db") as db:
        desk = make_desk(folder, through_resend(server.url, ttl=0), db=db)
        record = desk.ledger.get(1)
        assert (record.state, record.sandbox, desk.origin.doubt()) == (SendState.SENDING, False, "")
        assert desk.ledger.tally(1) == Tally(2 + 1, 1, 2, 1, 0, 1, 0)
        ending = resume(desk, 1)
        assert (ending.state, ending.tally) == (SendState.SENT, Tally(accepted=5, rejected=1, unknown=2))
        assert sorted(server.ledger.recipients) == ["r6@example.org", "r7@example.org", "r8@example.org"]
        # From now on it knows which file it is in.
        assert desk.ledger.last_sender()


def test_who_was_reached_under_the_first_schema_is_not_reached_again(folder: Path) -> None:
    written_by_schema_1(folder)
    with SqliteDatabase(folder / "newsletter.db") as db:
        desk = make_desk(folder, db=db)
        # Accepted, refused, lost and claimed may have it.
        assert desk.ledger.count_audience("hello") == 3
        # The outbox can be asked about the lost one and the claimed one, and has neither.
        assert resume(desk, 1).tally == Tally(accepted=7, rejected=1)
        assert desk.ledger.count_audience("hello") == 0
    assert len(outbox_recipients(folder)) == 5


def test_every_store_has_a_name_of_its_own(folder: Path) -> None:
    names = set()
    for place in ("a", "b"):
        with SqliteDatabase(folder / place / "newsletter.db") as db:
            names |= {make_desk(folder, db=db).ledger.store_id()}
    assert len(names) == 2
    assert "" not in names
