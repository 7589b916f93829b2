from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.audience.consent import history
from newsletter.tracking.mailbox.intake import Intake, Settled
from tests.tracking.mailbox.corpus import CASES
from tests.tracking.reported import SIGNER, Desk

MAILS = {case.name: case for case in CASES}


class Mailed:
    """Sends that left, and mails that come back about them."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder, people=40)
        self.intake = Intake(self.desk.audience, SIGNER, self.desk.applier, "leave@example.com")
        self.send = self.desk.send("smtp", people=40)

    def comes(self, name: str, number: int = 1, send: int = 0, address: str = "") -> Settled:
        """A mail of the corpus arrives, about the reader `number`."""
        case = MAILS[name]
        with self.desk.db.write() as tx:
            tx.execute(
                "UPDATE subscribers SET email = ?, match_key = ? WHERE id = ?",
                (address or case.subscriber, f"{number}.{case.subscriber}", number),
            )
        with self.desk.db.write() as tx:
            [settled] = self.intake.take(tx, [case.mail(number, send or self.send)])
        return settled

    def status(self, number: int = 1) -> str:
        """Where the reader stands."""
        [(status,)] = self.desk.db.query("SELECT status FROM subscribers WHERE id = ?", (number,))
        return str(status)


@pytest.fixture
def mailed(tmp_path: Path) -> Iterator[Mailed]:
    mailed = Mailed(tmp_path)
    yield mailed
    mailed.desk.db.close()


def test_a_hard_bounce_takes_the_reader_off_the_list_with_a_record_of_why(mailed: Mailed) -> None:
    settled = mailed.comes("postfix-user-unknown")
    assert (settled.ours, settled.result, settled.address) == (True, "hard bounce", "ann@mail.example.org")
    assert mailed.status() == "bounced"
    [event] = [e for e in history(mailed.desk.db, 1) if e.action == "bounced"]
    assert "User unknown in virtual mailbox table" in event.detail


def test_the_same_mail_again_changes_nothing(mailed: Mailed) -> None:
    mailed.comes("gmail-over-quota")
    before = mailed.desk.db.query("SELECT count(*) FROM events")
    again = mailed.comes("gmail-over-quota")
    assert not again.new
    assert mailed.desk.db.query("SELECT count(*) FROM events") == before


def test_the_same_mail_with_other_line_ends_is_the_same(mailed: Mailed) -> None:
    data = MAILS["qmail-no-mailbox"].mail(1, mailed.send)
    with mailed.desk.db.write() as tx:
        first, second = mailed.intake.take(tx, [data, data.replace(b"\n", b"\r\n") + b"\r\n"])
    assert (first.new, second.new) == (True, False)


def test_soft_bounces_count_by_issues_and_not_by_mails(mailed: Mailed) -> None:
    for _ in range(2):
        mailed.comes("gmail-over-quota")
        mailed.comes("kerio", address="ann@gm.example")
    assert mailed.status() == "active"
    for _ in range(2):
        mailed.comes("gmail-over-quota", send=mailed.desk.send("smtp", people=40))
    assert mailed.status() == "bounced"


def test_a_block_is_about_the_sender_and_moves_nobody(mailed: Mailed) -> None:
    for send in (mailed.send, *(mailed.desk.send("smtp", people=40) for _ in range(5))):
        assert mailed.comes("outlook-s3150", send=send).result == "block"
    assert mailed.status() == "active"


def test_an_address_alone_is_reported_and_moves_nobody(mailed: Mailed) -> None:
    settled = mailed.comes("bounce-of-somebody-elses-mail")
    assert (settled.ours, settled.result, settled.address) == (
        False,
        "not ours: hard bounce",
        "ann@example.org",
    )
    assert mailed.status() == "active"


def test_a_bounce_about_a_test_or_another_store_is_not_ours(mailed: Mailed) -> None:
    assert not mailed.comes("postfix-user-unknown", send=99).ours
    with mailed.desk.db.write() as tx:
        [settled] = mailed.intake.take(tx, [MAILS["postfix-user-unknown"].mail(1, 0)])
    assert not settled.ours


def test_whom_a_reader_forwards_to_may_be_gone_without_the_reader_being_gone(mailed: Mailed) -> None:
    settled = mailed.comes("forwarded-elsewhere")
    assert (settled.ours, settled.result) == (True, "soft bounce")
    assert "isn't the address we wrote to" in settled.why
    assert mailed.status() == "active"


def test_an_address_in_another_case_is_the_same(mailed: Mailed) -> None:
    assert mailed.comes("verp-only-upper-case").result == "hard bounce"
    assert mailed.status() == "bounced"


def test_a_complaint_takes_the_reader_off_the_list(mailed: Mailed) -> None:
    assert mailed.comes("arf-headers-only").result == "complaint"
    assert mailed.status() == "complained"


@pytest.mark.parametrize("name", ["leave-by-mailto", "leave-by-mailto-lower-cased", "leave-behind-a-forward"])
def test_mail_to_the_address_of_leaving_takes_its_reader_off_the_list(mailed: Mailed, name: str) -> None:
    settled = mailed.comes(name)
    assert (settled.ours, settled.result) == (True, "unsubscribed")
    assert mailed.status() == "unsubscribed"
    [event] = [e for e in history(mailed.desk.db, 1) if e.action == "unsubscribed"]
    assert (event.source, event.actor) == ("mailto:leave@example.com", "subscriber")


def test_the_wish_in_an_answer_counts_from_the_readers_own_address_only(mailed: Mailed) -> None:
    assert not mailed.comes("leave-in-an-answer", address="somebody.else@example.org").ours
    assert mailed.status() == "active"
    assert mailed.comes("leave-in-an-answer").result == "unsubscribed"
    assert mailed.status() == "unsubscribed"


def test_who_came_back_after_a_mail_to_leave_stays_when_it_is_read_again(mailed: Mailed) -> None:
    mailed.comes("leave-by-mailto")
    with mailed.desk.db.write() as tx:
        tx.execute("UPDATE subscribers SET status = 'active' WHERE id = 1")
    assert not mailed.comes("leave-by-mailto").new
    assert mailed.status() == "active"


def test_looking_changes_nothing(mailed: Mailed) -> None:
    mails = [case.mail(1, mailed.send) for case in CASES]
    settled = mailed.intake.look(mailed.desk.db, mails)
    assert sum(one.ours for one in settled) > 100
    assert mailed.desk.db.query("SELECT count(*) FROM events") == [(0,)]
    assert mailed.status() == "active"


def test_a_flood_of_bounces_is_held_for_a_person(mailed: Mailed) -> None:
    for number in range(1, 41):
        mailed.comes("qmail-no-mailbox", number)
    off = sum(mailed.status(number) == "bounced" for number in range(1, 41))
    assert off == 25
