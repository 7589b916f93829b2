"""Joining and leaving, in any order: nobody who left may be mailed unless they asked to come back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from newsletter.audience import consent
from newsletter.audience.addresses import match_key
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.membership import Audience, Outcome
from newsletter.audience.suppression import LEFT, Suppressions
from newsletter.audience.transfer import ImportOptions, import_csv
from newsletter.clock import FakeClock
from newsletter.errors import NewsletterError, StoreError, UsageError
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.store.send_records import NewSend
from newsletter.store.sends import SendLedger
from newsletter.store.sqlite import SqliteDatabase

AT = "2026-01-06T09:00:00.000Z"


def actions(audience: Audience, email: str) -> list[str]:
    return [event.action for event in consent.history(audience.database, audience.get(email).id)]


def test_adding_is_recorded_once_and_adding_again_changes_only_what_is_new(audience: Audience) -> None:
    person, outcome = audience.add("Ada@Example.com", name="Ada", tags=["x"])
    assert (outcome, person.status) == (Outcome.ADDED, SubscriberStatus.ACTIVE)
    assert audience.add("ada@example.com")[1] is Outcome.UNCHANGED
    person, outcome = audience.add("ada@example.com", tags=["x", "y"])
    assert (outcome, person.name, person.tags) == (Outcome.UPDATED, "Ada", ("x", "y"))
    assert actions(audience, "ada@example.com") == ["added"]


def test_unsubscribing_twice_is_fine_and_recorded_once(audience: Audience) -> None:
    audience.add("a@example.com")
    assert audience.unsubscribe("A@example.com")
    assert not audience.unsubscribe("a@example.com")
    assert actions(audience, "a@example.com") == ["added", "unsubscribed"]


def test_someone_who_left_comes_back_only_with_their_own_word(audience: Audience) -> None:
    audience.add("a@example.com")
    audience.unsubscribe("a@example.com")
    with pytest.raises(UsageError, match="isn't brought back") as caught:
        audience.add("a@example.com", tags=["t"])
    assert "--resubscribe" in caught.value.hint
    assert audience.get("a@example.com").tags == ()
    person, outcome = audience.add("a@example.com", resubscribe="wrote on 2026-01-05")
    assert (person.status, outcome) == (SubscriberStatus.ACTIVE, Outcome.RESUBSCRIBED)
    [*_, last] = consent.history(audience.database, person.id)
    assert (last.action, last.detail) == ("resubscribed", "wrote on 2026-01-05")
    assert audience.unsubscribe("a@example.com")


def test_a_complaint_outranks_a_bounce_and_nothing_outranks_a_complaint(audience: Audience) -> None:
    number = audience.add("a@example.com")[0].id

    def leave(status: SubscriberStatus) -> bool:
        with audience.database.write() as tx:
            return audience.leave(tx, number, status, ConsentEvent(status.value, AT, "webhook", "provider"))

    assert leave(SubscriberStatus.BOUNCED)
    assert leave(SubscriberStatus.COMPLAINED)
    assert not leave(SubscriberStatus.UNSUBSCRIBED)
    assert audience.get("a@example.com").status is SubscriberStatus.COMPLAINED
    assert actions(audience, "a@example.com") == ["added", "bounced", "complained"]
    with audience.database.write() as tx:
        assert not audience.leave(tx, 999, SubscriberStatus.BOUNCED, ConsentEvent("bounced", AT, "", ""))


def test_tags_change_for_all_the_named_or_for_none(audience: Audience) -> None:
    audience.add("a@example.com", tags=["old"])
    with pytest.raises(NewsletterError, match=r"nobody@example\.com is not on the list"):
        audience.tag(["a@example.com", "nobody@example.com"], add=["new"])
    assert audience.get("a@example.com").tags == ("old",)
    assert audience.tag(["a@example.com"], add=["new"], remove=["old"]) == 2
    assert audience.get("a@example.com").tags == ("new",)


def test_what_is_left_of_someone_erased_names_nobody(audience: Audience, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("email,name\nrecognisable@example.com,Recognisable Person\n")
    import_csv(audience, path, ImportOptions())
    number = audience.erase("Recognisable@example.com")
    for file in audience.database.path.parent.rglob("*"):
        if file.is_file():
            assert b"ecognisable" not in file.read_bytes(), file
    events = audience.database.query(
        "SELECT action, detail FROM consent_events WHERE subscriber_id = ? ORDER BY id", (number,)
    )
    digest = audience.suppressions.address_hmac("recognisable@example.com").hex()
    assert events == [("imported", ""), ("erased", f"hmac:{digest}")]
    with pytest.raises(NewsletterError, match="was erased at their request"):
        audience.add("recognisable@example.com")


def test_another_secret_key_is_refused_once_anybody_is_suppressed(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path / "n.db") as database:
        Suppressions(database, b"one key")
        audience = Audience(database, Suppressions(database, b"another key"), FakeClock())
        audience.add("a@example.com")
        audience.unsubscribe("a@example.com")
        Suppressions(database, b"another key")
        with pytest.raises(StoreError, match="another secret key") as caught:
            Suppressions(database, b"one key")
        assert "put the old key back" in caught.value.hint


def test_another_secret_key_is_refused_once_an_issue_was_sent(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path / "n.db") as database:
        Suppressions(database, b"one key")
        SendLedger(database).create(
            NewSend(slug="a", number=1, title="A", content=b"{}", content_hash="0", provider="outbox"),
            FakeClock().now(),
        )
        Suppressions(database, b"one key")
        with pytest.raises(StoreError, match="nor the unsubscribe links in mail already sent"):
            Suppressions(database, b"another key")


def test_a_copied_database_does_not_tell_who_was_suppressed(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path / "one.db") as one, SqliteDatabase(tmp_path / "two.db") as two:
        hashes = {
            Suppressions(db, secret).address_hmac("a@example.com")
            for db, secret in ((one, b"1"), (two, b"2"))
        }
    assert len(hashes) == 2


emails = st.sampled_from(
    ["a@example.com", "A@Example.com", "b@bücher.ch", "B@xn--bcher-kva.ch", "c+x@example.com"]
)
statuses = st.sampled_from(SubscriberStatus)


class Membership(RuleBasedStateMachine):
    """People come and go in every way there is; the model knows who may be mailed."""

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        database = SqliteDatabase(self.folder / "n.db")
        database.query("PRAGMA synchronous = OFF")
        self.audience = Audience(database, Suppressions(database, b"k" * 32), FakeClock())
        self.left: set[str] = set()
        self.here: set[str] = set()

    @rule(email=emails, asked=st.booleans())
    def add(self, email: str, asked: bool) -> None:
        key = match_key(email)
        try:
            self.audience.add(email, resubscribe="asked" if asked else "")
        except UsageError:
            assert key in self.left
            assert not asked
        else:
            assert asked or key not in self.left
            self.left.discard(key)
            self.here.add(key)

    @rule(email=emails)
    def unsubscribe(self, email: str) -> None:
        key = match_key(email)
        try:
            changed = self.audience.unsubscribe(email)
        except NewsletterError:
            assert key not in self.here
        else:
            assert changed == (key not in self.left)
            self.left.add(key)

    @rule(email=emails)
    def erase(self, email: str) -> None:
        key = match_key(email)
        if key in self.here:
            self.audience.erase(email)
            self.here.remove(key)
            self.left.add(key)

    @rule(rows=st.lists(st.tuples(emails, statuses), min_size=1, max_size=5))
    def bring_in(self, rows: list[tuple[str, SubscriberStatus]]) -> None:
        path = self.folder / "list.csv"
        path.write_text("email,status\n" + "".join(f"{email},{status}\n" for email, status in rows))
        counts = import_csv(self.audience, path, ImportOptions()).counts
        assert counts.added + counts.updated + counts.unchanged + counts.suppressed == len(rows)
        erased = self.left - self.here
        self.left |= {match_key(email) for email, status in rows if status in LEFT}
        self.here |= {match_key(email) for email, _ in rows} - erased

    @invariant()
    def nobody_who_left_may_be_mailed(self) -> None:
        if not hasattr(self, "audience"):
            return
        found = {match_key(person.email): person for person in people.stream(self.audience.database)}
        assert set(found) == self.here
        with self.audience.database.write() as tx:
            for key, person in found.items():
                suppressed = bool(self.audience.suppressions.reason(tx, key))
                assert suppressed == (person.status in LEFT) == (key in self.left), key
            for key in self.left:
                assert self.audience.suppressions.reason(tx, key)

    def teardown(self) -> None:
        if hasattr(self, "audience"):
            self.audience.database.close()
            shutil.rmtree(self.folder)


TestMembership = Membership.TestCase
TestMembership.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
