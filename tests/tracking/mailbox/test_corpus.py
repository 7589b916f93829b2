from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.model.event import BounceClass
from newsletter.tracking.apply import Rules
from newsletter.tracking.mailbox.intake import Intake
from newsletter.tracking.mailbox.read import read
from newsletter.tracking.mailbox.reading import Kind
from tests.tracking.mailbox.corpus import CASES, FOLDER, Case
from tests.tracking.reported import SIGNER, Desk

LEFT = {"bounced", "complained", "unsubscribed"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mail_is_taken_for_what_it_is(case: Case) -> None:
    reading = read(case.mail())
    assert reading.kind == case.kind, reading.rule
    found = {report.address.lower(): report.verdict for report in reading.reports if report.address}
    assert set(found) == {case.address.lower(), *case.other} - {""}
    if reading.kind is Kind.BOUNCE and case.address:
        verdict = found[case.address.lower()]
        assert verdict.bounce_class == case.bounce_class, verdict
        assert verdict.source


def test_every_mail_of_the_corpus_has_an_entry_and_bounces_come_from_more_than_sixty_senders() -> None:
    assert {path.stem for path in FOLDER.glob("*.eml")} == {case.name for case in CASES}
    assert sum(case.kind in ("bounce", "delayed", "delivered") for case in CASES) >= 60


def test_exactly_the_right_readers_are_off_the_list_and_nobody_else(tmp_path: Path) -> None:
    # Half of a send bouncing at once is what the breaker is for: elsewhere.
    desk = Desk(tmp_path, people=len(CASES), rules=Rules(flood_percent=100.0, flood_least=10**6))
    with desk.db.write() as tx:
        for number, case in enumerate(CASES, 1):
            address = (
                f"{case.name}+{case.subscriber}" if case.suppresses and not case.ours else case.subscriber
            )
            # Several mails are about the same address: each has a reader of its own.
            key = f"{number}.{address}".lower()
            tx.execute("UPDATE subscribers SET email = ?, match_key = ? WHERE id = ?", (address, key, number))
    desk.send("smtp", people=len(CASES))
    intake = Intake(desk.audience, SIGNER, desk.applier)
    with desk.db.write() as tx:
        settled = intake.take(tx, [case.mail(number) for number, case in enumerate(CASES, 1)])
    status = {int(row[0]): str(row[1]) for row in desk.db.query("SELECT id, status FROM subscribers")}
    off = {case.name for number, case in enumerate(CASES, 1) if status[number] in LEFT}
    should = {case.name for case in CASES if case.suppresses}
    assert off - should == set(), "false suppressions"
    assert should - off == set(), "missed"
    assert [one.ours for one in settled] == [case.ours for case in CASES]


def test_a_block_never_suppresses_and_neither_does_what_nobody_explains() -> None:
    for case in CASES:
        for report in read(case.mail()).reports:
            if report.verdict.bounce_class is BounceClass.HARD:
                assert case.bounce_class == "hard", case.name
