"""All that is kept about a person is told them, nothing of it outlives an erasure, and nothing its period."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.audience import consent, retention
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.joining import Consent, Joining, JoinRequest
from newsletter.audience.membership import Audience
from newsletter.audience.privacy import export_data
from newsletter.audience.retention import Forgotten, Periods
from newsletter.audience.suppression import Suppressions
from newsletter.clock import FakeClock
from newsletter.model.event import Event, EventType
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import events, hits, outgoing
from newsletter.store.base import utc_text
from newsletter.store.outgoing import MailKind, MailState
from newsletter.store.send_records import NewSend
from newsletter.store.sends import SendLedger
from newsletter.store.sqlite import SqliteDatabase

NAME, EMAIL, IP, AGENT = "Ada Lovelace", "Ada.Recognisable@example.com", "203.0.113.9", "Browser/9 of hers"
WORDS = "550 <ada.recognisable@example.com> is full"


@dataclass
class Kept:
    audience: Audience
    clock: FakeClock
    person: int
    send: int
    path: Path


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Somebody about whom everything is kept that can be: a request, a record, an issue, reports, mails."""
    clock = FakeClock()
    path = tmp_path / ".newsletter" / "newsletter.db"
    with SqliteDatabase(path) as db:
        audience = Audience(db, Suppressions(db, b"a secret key for tests, long enough"), clock)
        person = audience.add(EMAIL, name=NAME, tags=["rag"])[0].id
        joining = Joining(audience, Consent("I want it weekly"))
        at = utc_text(clock.now())
        request = JoinRequest(
            EMAIL, EMAIL.lower(), at, ip=IP, user_agent=AGENT, text_version=joining.consent.version
        )
        send = SendLedger(db).create(
            NewSend(slug="one", number=7, title="Seven", content=b"{}", content_hash="0", provider="outbox"),
            clock.now(),
        )
        with db.write() as tx:
            joining.receive(tx, request)
            consent.record(
                tx,
                person,
                ConsentEvent(
                    "confirmed", at, "https://n.example/confirm", "subscriber", IP, AGENT, "f",
                    joining.consent.version, "said so", "<mail-1@n.example>",
                ),
            )  # fmt: skip
            tx.execute(
                "INSERT INTO deliveries (send_id, subscriber_id, state, reason) VALUES (?, ?, 5, ?)",
                (send, person, WORDS),
            )
            tx.execute("UPDATE sends SET state = 'sent', finished_at = ? WHERE id = ?", (at, send))
            hits.record(tx, (send, person), hits.OPEN, int(clock.now().timestamp()))
            report = Event("resend", EventType.BOUNCED, "e1", clock.now(), EMAIL.lower(), reason=WORDS)
            unmatched = Event(
                "resend", EventType.UNKNOWN, "e2", clock.now(), EMAIL.lower(), raw={"to": EMAIL}
            )
            another = Event("resend", EventType.UNKNOWN, "e3", clock.now(), f"x{EMAIL.lower()}")
            events.keep(tx, [report, unmatched, another], clock.now())
            events.settle(tx, 1, "noted", at, (send, person))
            mail = outgoing.enqueue(tx, MailKind.WELCOME, person, at=clock.now())
            outgoing.claim(tx, mail, clock.now())
            outgoing.settle(tx, mail, MailState.SENT, clock.now(), reason="250 ok " + EMAIL)
            outgoing.enqueue(tx, MailKind.PREFERENCES, person, at=clock.now())
        yield Kept(audience, clock, person, send, path)


def test_the_export_tells_all_that_is_kept(kept: Kept) -> None:
    data = export_data(kept.audience.database, kept.person)
    assert data is not None
    assert json.loads(json.dumps(data)) == data
    assert (data["email"], data["name"], data["tags"]) == (EMAIL, NAME, ["rag"])
    [added, confirmed] = data["consent"]
    assert added["action"] == "added"
    assert (confirmed["ip"], confirmed["user_agent"], confirmed["message_id"]) == (
        IP,
        AGENT,
        "<mail-1@n.example>",
    )
    assert list(data["agreed_to"].values()) == ["I want it weekly"]
    assert data["issues"] == [
        {
            "number": 7, "title": "Seven", "slug": "one", "state": "unknown",
            "at": utc_text(kept.clock.now()), "reason": WORDS,
        }
    ]  # fmt: skip
    [report] = data["reports"]
    assert (report["type"], report["issue"], report["report"]["reason"]) == ("bounced", "Seven", WORDS)
    assert data["visits"] == [
        {
            "issue": "Seven",
            "what": "the picture",
            "first": utc_text(kept.clock.now()),
            "last": utc_text(kept.clock.now()),
        }
    ]
    assert [(mail["kind"], mail["state"]) for mail in data["mails"]] == [
        ("welcome", "sent"),
        ("preferences", "waiting"),
    ]
    assert export_data(kept.audience.database, kept.person + 1) is None


def test_the_export_knows_every_column_that_names_a_person(kept: Kept) -> None:
    """A table added later that keeps something by subscriber has to be thought of here."""
    db = kept.audience.database
    tables = [name for (name,) in db.query("SELECT name FROM sqlite_master WHERE type = 'table'")]
    keyed = {t for t in tables if any(c[1] == "subscriber_id" for c in db.query(f"PRAGMA table_info({t})"))}
    told = {"subscriber_tags", "consent_events", "deliveries", "events", "joinings", "outgoing", "hits"}
    # Hashes of links; and the sum of the reports, which are told one by one.
    derived = {"confirmations", "tracking"}
    assert keyed == told | derived


def test_nothing_of_a_person_is_left_in_the_file_but_the_keyed_hash(kept: Kept) -> None:
    kept.audience.erase(EMAIL)
    db = kept.audience.database
    everything = b"".join(p.read_bytes() for p in kept.path.parent.iterdir())
    left = everything.replace(b"x" + EMAIL.lower().encode(), b"")
    for word in (EMAIL, EMAIL.lower(), "Lovelace", IP, AGENT, "said so", "mail-1@n.example"):
        assert word.encode() not in left, word
    assert b"x" + EMAIL.lower().encode() in everything, "somebody else's report stays"
    assert db.query("SELECT state, reason FROM deliveries WHERE subscriber_id = ?", (kept.person,)) == [
        (5, None)
    ]
    for table in ("outgoing", "join_requests", "hits"):
        assert db.query(f"SELECT count(*) FROM {table}") == [(0,)]
    digest = kept.audience.suppressions.address_hmac(EMAIL.lower()).hex()
    assert consent.history(db, kept.person)[-1].detail == f"hmac:{digest}"
    assert export_data(db, kept.person) is None


DAY = timedelta(days=1)


def test_a_report_nobody_could_read_loses_the_address_too(kept: Kept) -> None:
    said = f'{{"who": "{EMAIL.upper()}", "cut off he'
    unreadable = Event("postmark", EventType.UNKNOWN, "u1", kept.clock.now(), raw=said)
    of_another = Event("postmark", EventType.UNKNOWN, "u2", kept.clock.now(), raw="somebody@example.com")
    database = kept.audience.database
    with database.write() as tx:
        events.keep(tx, [unreadable, of_another], kept.clock.now())
        for number, name in tx.query("SELECT id, event_id FROM events WHERE event_id IN ('u1', 'u2')"):
            assert name
            events.settle(tx, number, "not ours", utc_text(kept.clock.now()))
    kept.audience.erase(EMAIL)
    left: dict[str, int] = dict(
        database.query("SELECT event_id, payload <> '' FROM events WHERE event_id IN ('u1', 'u2')")
    )
    assert left == {"u1": 0, "u2": 1}


@pytest.mark.parametrize(
    ("periods", "after", "forgotten"),
    [
        (Periods(networks=10 * DAY), 9 * DAY, Forgotten()),
        (Periods(networks=10 * DAY), 11 * DAY, Forgotten(networks=1)),
        (Periods(reasons=10 * DAY), 11 * DAY, Forgotten(reasons=1)),
        (Periods(reports=10 * DAY), 9 * DAY, Forgotten()),
        (Periods(reports=10 * DAY), 11 * DAY, Forgotten(reports=1)),
        (Periods(mails=10 * DAY), 11 * DAY, Forgotten(mails=1)),
        (Periods(people=10 * DAY), 11 * DAY, Forgotten()),
        (Periods(), 9999 * DAY, Forgotten()),
    ],
)
def test_each_period_does_what_it_says(
    kept: Kept, periods: Periods, after: timedelta, forgotten: Forgotten
) -> None:
    db = kept.audience.database
    kept.clock.set(kept.clock.now() + after)
    assert retention.count(db, periods, kept.clock.now()) == forgotten
    assert retention.apply(kept.audience, periods) == forgotten
    assert retention.apply(kept.audience, periods) == Forgotten(), "there is nothing left to do"
    data = export_data(db, kept.person)
    assert data is not None
    assert ("ip" in data["consent"][1]) is not bool(forgotten.networks)
    assert ("reason" in data["issues"][0]) is not bool(forgotten.reasons)
    assert (data["reports"][0]["report"] is None) is bool(forgotten.reports)
    assert len(data["mails"]) == 2 - forgotten.mails
    waits = db.query("SELECT payload <> '' FROM events WHERE event_id = 'e2'")
    assert waits == [(1,)], "what waits to be applied is not emptied"


def test_who_left_is_erased_after_the_period_and_stays_known(kept: Kept) -> None:
    audience, db = kept.audience, kept.audience.database
    stays = audience.add("stays@example.com")[0].id
    for number, status in enumerate(("unsubscribed", "bounced", "complained")):
        email = f"left{number}@example.com"
        event = ConsentEvent(status, utc_text(kept.clock.now()), "webhook", "provider")
        left = audience.add(email)[0].id
        with db.write() as tx:
            audience.leave(tx, left, SubscriberStatus(status), event)
    periods = Periods(people=30 * DAY)
    kept.clock.set(kept.clock.now() + 29 * DAY)
    assert retention.apply(audience, periods) == Forgotten()
    kept.clock.set(kept.clock.now() + 2 * DAY)
    assert retention.count(db, periods, kept.clock.now()) == Forgotten(people=3)
    assert retention.apply(audience, periods) == Forgotten(people=3)
    emails = {email for (email,) in db.query("SELECT email FROM subscribers")}
    assert emails == {EMAIL, "stays@example.com"}
    assert stays
    with db.write() as tx:
        reasons = [audience.suppressions.reason(tx, f"left{n}@example.com") for n in range(3)]
    assert reasons == ["unsubscribed", "bounced", "complained"]


def test_it_runs_once_a_day_whoever_asks_and_whatever_the_clock_does(kept: Kept) -> None:
    audience, periods = kept.audience, Periods(mails=30 * DAY)
    assert retention.run_when_due(audience, periods) is not None
    assert retention.run_when_due(audience, periods) is None
    kept.clock.set(kept.clock.now() + timedelta(hours=23))
    assert retention.run_when_due(audience, periods) is None
    kept.clock.set(kept.clock.now() + timedelta(hours=1, seconds=1))
    assert retention.run_when_due(audience, periods) is not None
    kept.clock.set(kept.clock.now() - 400 * DAY)
    assert retention.run_when_due(audience, periods) is not None, "the clock had been years ahead"
