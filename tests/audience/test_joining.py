"""Joining by a form: asking, pressing, coming back, being reminded, being forgotten; on the real store, under a fake clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.audience import consent
from newsletter.audience.addresses import parse_address
from newsletter.audience.joining import Admission, Consent, Evidence, Joining, JoinRequest, LinkState, pending
from newsletter.audience.membership import Audience
from newsletter.model.subscriber import Subscriber, SubscriberStatus
from newsletter.store import outgoing
from newsletter.store import subscribers as people
from newsletter.store.base import utc_text
from newsletter.store.outgoing import MailKind, MailState
from newsletter.store.sqlite import SqliteDatabase

WORDS = "One email a week. No spam. Unsubscribe anytime."
PRESS = Evidence("https://notes.example/confirm", "192.0.2.9", "Browser/2")
DAY = timedelta(days=1)


@pytest.fixture
def joining(audience: Audience) -> Joining:
    return Joining(audience, Consent(WORDS), welcomes=lambda: True)


def request(joining: Joining, email: str = "ada@example.com") -> JoinRequest:
    address = parse_address(email)
    return JoinRequest(
        address.email,
        address.match_key,
        utc_text(joining.audience.clock.now()),
        source="https://notes.example/join",
        ip="192.0.2.1",
        user_agent="Browser/1",
        form_id="join",
        text_version=joining.consent.version,
    )


def ask(joining: Joining, email: str = "ada@example.com") -> Admission:
    with joining.audience.database.write() as tx:
        joining.receive(tx, request(joining, email))
        [taken] = joining.take(tx, 10)
        return joining.admit(tx, taken)


def mail(joining: Joining) -> tuple[MailKind, str]:
    """Send the next mail, as the mailer does: its kind, and the token in it."""
    now = joining.audience.clock.now()
    number = outgoing.next_due(joining.audience.database, now)
    assert number is not None, "nothing is queued"
    with joining.audience.database.write() as tx:
        claimed = outgoing.claim(tx, number, now)
        assert claimed is not None
        token = joining.mint(tx, claimed, f"<{claimed.key}@notes.example>")
        outgoing.settle(tx, number, MailState.SENT, now)
    return claimed.kind, token or ""


def press(joining: Joining, token: str) -> LinkState:
    with joining.audience.database.write() as tx:
        return joining.confirm(tx, token, PRESS, joining.audience.clock.now())


def person(joining: Joining, email: str = "ada@example.com") -> Subscriber | None:
    return people.find(joining.audience.database, match_key=parse_address(email).match_key)


def status(joining: Joining, email: str = "ada@example.com") -> str:
    found = person(joining, email)
    return found.status.value if found is not None else "nobody"


def actions(joining: Joining) -> list[str]:
    found = person(joining)
    assert found is not None
    return [event.action for event in consent.history(joining.audience.database, found.id)]


def queued(joining: Joining) -> int:
    sql = "SELECT count(*) FROM outgoing WHERE state = ?"
    return int(joining.audience.database.query(sql, [MailState.WAITING])[0][0])


def keep_house(joining: Joining) -> None:
    now = joining.audience.clock.now()
    with joining.audience.database.write() as tx:
        joining.remind(tx, now, 100, lambda key: True)
        joining.expire(tx, now, 100)


def test_a_press_in_the_mail_joins_and_the_record_proves_it(joining: Joining) -> None:
    assert ask(joining) is Admission.ASKED
    assert status(joining) == "pending"
    kind, token = mail(joining)
    assert kind is MailKind.CONFIRMATION
    assert len(token) >= 22  # 128 bits in base64
    assert press(joining, token) is LinkState.OPEN
    found = person(joining)
    assert found is not None
    assert found.status is SubscriberStatus.ACTIVE
    asked, confirmed = consent.history(joining.audience.database, found.id)
    assert (asked.action, asked.ip, asked.user_agent, asked.form_id) == (
        "requested",
        "192.0.2.1",
        "Browser/1",
        "join",
    )
    assert (confirmed.action, confirmed.ip, confirmed.source) == ("confirmed", "192.0.2.9", PRESS.source)
    assert confirmed.text_version == Consent(WORDS).version
    assert confirmed.message_id.startswith("<mail-")
    assert mail(joining)[0] is MailKind.WELCOME


def test_the_store_never_holds_what_would_confirm(joining: Joining, tmp_path: Path) -> None:
    ask(joining)
    _, token = mail(joining)
    joining.audience.database.checkpoint()
    data = (tmp_path / ".newsletter" / "newsletter.db").read_bytes()
    assert b"ada@example.com" in data
    assert token.encode() not in data


def test_a_repeat_shows_the_same_success_and_changes_nothing(joining: Joining) -> None:
    ask(joining)
    _, token = mail(joining)
    press(joining, token)
    before = actions(joining)
    assert [press(joining, token) for _ in range(3)] == [LinkState.CONFIRMED] * 3
    assert actions(joining) == before
    assert queued(joining) == 1  # one welcome


def test_a_used_link_brings_nobody_back_who_has_left_since(joining: Joining) -> None:
    ask(joining)
    _, token = mail(joining)
    press(joining, token)
    joining.audience.unsubscribe("ada@example.com")
    assert press(joining, token) is LinkState.OVER
    assert status(joining) == "unsubscribed"


@pytest.mark.parametrize("reason", ["unsubscribed", "complained"])
def test_leaving_voids_links_that_were_mailed_before(joining: Joining, reason: str) -> None:
    ask(joining)
    _, token = mail(joining)
    found = person(joining)
    assert found is not None
    event = consent.ConsentEvent(reason, utc_text(joining.audience.clock.now()), "cli", "operator")
    with joining.audience.database.write() as tx:
        joining.audience.leave(tx, found.id, SubscriberStatus(reason), event)
    assert press(joining, token) is LinkState.OVER
    assert status(joining) == reason


@pytest.mark.parametrize("how", ["unsubscribed", "bounced", "erased"])
def test_who_left_comes_back_only_by_the_press(joining: Joining, how: str) -> None:
    audience = joining.audience
    first, _ = audience.add("ada@example.com")
    if how == "erased":
        audience.erase("ada@example.com")
    else:
        event = consent.ConsentEvent(how, utc_text(audience.clock.now()), "cli", "operator")
        with audience.database.write() as tx:
            audience.leave(tx, first.id, SubscriberStatus(how), event)
    assert ask(joining, "Ada@Example.com") is Admission.ASKED
    key = parse_address("ada@example.com").match_key
    with audience.database.write() as tx:
        assert audience.suppressions.reason(tx, key) == how
    assert status(joining) != "active"
    _, token = mail(joining)
    assert press(joining, token) is LinkState.OPEN
    assert status(joining) == "active"
    assert actions(joining)[-1] == "resubscribed"
    with audience.database.write() as tx:
        assert audience.suppressions.reason(tx, key) == ""


def test_a_form_brings_nobody_back_who_complained_and_mails_them_nothing(joining: Joining) -> None:
    audience = joining.audience
    first, _ = audience.add("ada@example.com")
    event = consent.ConsentEvent("complained", utc_text(audience.clock.now()), "webhook", "provider")
    with audience.database.write() as tx:
        audience.leave(tx, first.id, SubscriberStatus.COMPLAINED, event)
    assert ask(joining) is Admission.REFUSED
    assert queued(joining) == 0


def test_somebody_on_the_list_is_told_so_by_mail(joining: Joining) -> None:
    joining.audience.add("ada@example.com")
    assert ask(joining) is Admission.ALREADY
    assert mail(joining)[0] is MailKind.ALREADY
    assert actions(joining) == ["added"]


def test_nobody_is_mailed_twice_within_a_day_however_often_a_form_asks(joining: Joining) -> None:
    clock = joining.audience.clock
    assert ask(joining) is Admission.ASKED
    mail(joining)
    for _ in range(23):
        clock.sleep(3600)
        assert ask(joining) is Admission.HELD_BACK
    clock.sleep(3601)
    assert ask(joining) is Admission.ASKED
    assert queued(joining) == 1


def test_a_link_works_for_seven_days(joining: Joining) -> None:
    ask(joining)
    _, token = mail(joining)
    joining.audience.clock.sleep(7 * 86400 - 1)
    assert joining.look(joining.audience.database, token, joining.audience.clock.now()) == (
        LinkState.OPEN,
        WORDS,
    )
    joining.audience.clock.sleep(2)
    assert press(joining, token) is LinkState.OVER
    assert status(joining) == "pending"


@pytest.mark.parametrize("token", ["", "x" * 22, "\udcff", "é" * 5000])
def test_a_link_that_was_never_ours_confirms_nobody(joining: Joining, token: str) -> None:
    ask(joining)
    mail(joining)
    assert press(joining, token) is LinkState.UNKNOWN


def test_the_words_agreed_to_are_those_of_the_request_even_when_they_change(joining: Joining) -> None:
    ask(joining)
    _, token = mail(joining)
    changed = replace(joining, consent=Consent("Two emails a day."))
    assert changed.look(joining.audience.database, token, joining.audience.clock.now())[1] == WORDS
    press(changed, token)
    found = person(joining)
    assert found is not None
    assert consent.history(joining.audience.database, found.id)[-1].text_version == Consent(WORDS).version


def test_one_reminder_comes_after_three_days_and_its_link_works(joining: Joining) -> None:
    ask(joining)
    mail(joining)
    joining.audience.clock.sleep(3 * 86400 - 60)
    keep_house(joining)
    assert queued(joining) == 0
    joining.audience.clock.sleep(120)
    keep_house(joining)
    kind, token = mail(joining)
    assert kind is MailKind.REMINDER
    for _ in range(3):
        joining.audience.clock.sleep(86400)
        keep_house(joining)
    assert queued(joining) == 0
    assert press(joining, token) is LinkState.OPEN


def test_who_had_left_is_not_reminded(joining: Joining) -> None:
    joining.audience.add("ada@example.com")
    joining.audience.unsubscribe("ada@example.com")
    ask(joining)
    mail(joining)
    joining.audience.clock.sleep(5 * 86400)
    keep_house(joining)
    assert queued(joining) == 0


def test_nobody_is_reminded_of_a_mail_that_never_left(joining: Joining) -> None:
    ask(joining)
    number = outgoing.next_due(joining.audience.database, joining.audience.clock.now())
    assert number is not None
    with joining.audience.database.write() as tx:
        outgoing.claim(tx, number, joining.audience.clock.now())
        outgoing.settle(tx, number, MailState.REFUSED, joining.audience.clock.now(), reason="no mailbox")
    joining.audience.clock.sleep(4 * 86400)
    keep_house(joining)
    assert queued(joining) == 0


def test_who_never_presses_is_forgotten(joining: Joining) -> None:
    ask(joining)
    mail(joining)
    number = person(joining)
    assert number is not None
    joining.audience.clock.sleep(8 * 86400)
    keep_house(joining)
    assert person(joining) is None
    left = consent.history(joining.audience.database, number.id)
    assert [event.action for event in left] == ["requested", "expired"]
    assert not any(event.ip or event.user_agent for event in left)


def test_who_was_on_the_list_before_the_form_stays_as_they_were(joining: Joining) -> None:
    with joining.audience.database.write() as tx:
        people.insert(
            tx,
            email="ada@example.com",
            match_key="ada@example.com",
            status=SubscriberStatus.PENDING,
            at="2026-01-01T00:00:00.000Z",
        )
    ask(joining)
    mail(joining)
    joining.audience.clock.sleep(8 * 86400)
    keep_house(joining)
    assert status(joining) == "pending"


def test_an_open_request_can_be_seen(joining: Joining) -> None:
    ask(joining)
    found = person(joining)
    assert found is not None
    seen = pending(joining.audience.database, found)
    assert seen is not None
    assert seen.form_id == "join"
    assert seen.expires_at > seen.requested_at
    _, token = mail(joining)
    press(joining, token)
    assert pending(joining.audience.database, found) is None


def test_single_opt_in_joins_at_once_but_never_who_left(joining: Joining) -> None:
    single = replace(joining, double_opt_in=False)
    assert ask(single) is Admission.JOINED
    assert status(single) == "active"
    assert mail(single)[0] is MailKind.WELCOME
    single.audience.unsubscribe("ada@example.com")
    single.audience.clock.sleep(2 * 86400)
    assert ask(single) is Admission.ASKED
    assert status(single) == "unsubscribed"


def test_a_throwaway_address_is_marked_and_not_refused(joining: Joining) -> None:
    marked = replace(request(joining, "x@mailinator.com"), disposable=True)
    with joining.audience.database.write() as tx:
        assert joining.admit(tx, marked) is Admission.ASKED
    found = person(joining, "x@mailinator.com")
    assert found is not None
    assert found.metadata == {"disposable": "yes"}


def test_erasing_somebody_takes_their_links_and_mails_along(joining: Joining) -> None:
    ask(joining)
    _, token = mail(joining)
    joining.audience.erase("ada@example.com")
    database: SqliteDatabase = joining.audience.database
    for table in ("joinings", "confirmations", "outgoing"):
        assert database.query(f"SELECT count(*) FROM {table}") == [(0,)]
    assert press(joining, token) is LinkState.UNKNOWN


def test_a_mail_is_claimed_by_one_and_settled_once(joining: Joining) -> None:
    ask(joining)
    now = joining.audience.clock.now()
    number = outgoing.next_due(joining.audience.database, now)
    assert number is not None
    with joining.audience.database.write() as tx:
        assert outgoing.claim(tx, number, now) is not None
        assert outgoing.claim(tx, number, now) is None
        assert outgoing.settle(tx, number, MailState.SENT, now)
        assert not outgoing.settle(tx, number, MailState.UNKNOWN, now)
