"""What the last issue's reports mean for the next, over a real store."""

from __future__ import annotations

import pytest

from newsletter.app import open_workspace
from newsletter.checks.setup.line import Area, Status
from newsletter.checks.setup.reputation_lines import judge_reputation
from newsletter.cli.doctor_questions import Asked, examine
from newsletter.model.event import EventType
from tests.tracking.reported import Desk


@pytest.mark.parametrize(
    ("accepted", "complained", "dead", "status", "said"),
    [
        (10_000, 9, 50, Status.OK, "0.09 % complaints"),
        (10_000, 10, 0, Status.WARN, "0.10 % reported"),
        (10_000, 31, 500, Status.WARN, "0.31 % reported"),
        (10_000, 0, 100, Status.WARN, "1.00 % of the addresses"),
        (20, 2, 2, Status.OK, "10.00 % complaints"),
        (0, 0, 0, Status.OK, "0.00 %"),
    ],
)
def test_complaints_and_dead_addresses_are_held_against_the_guidelines(
    accepted: int, complained: int, dead: int, status: Status, said: str
) -> None:
    line = judge_reputation("hello", accepted, complained, dead)
    assert (line.status, said in line.answer) == (status, True), line


def test_the_last_issue_is_read_from_the_store_without_changing_it(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEWSLETTER_HOME", raising=False)
    folder = tmp_path_factory.mktemp("notes")
    (folder / "newsletter.toml").write_text('from = "ada@ada.dev"\n')
    (folder / ".newsletter").mkdir()
    asked = Asked("", (), frozenset([Area.PROVIDER]), offline=True, nameserver=("", 53), seconds=5)
    assert examine(open_workspace(folder), asked) == []
    desk = Desk(folder / ".newsletter", people=4)
    desk.send(people=4)
    desk.tell(*(desk.event(EventType.COMPLAINED, number=number) for number in range(1, 4)))
    before = desk.everything()
    [line] = examine(open_workspace(folder), asked)
    assert (line.id, line.status) == ("provider.reputation", Status.WARN)
    assert "3 of 4" in line.answer
    assert desk.everything() == before
    desk.db.close()
