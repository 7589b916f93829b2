"""Inbox lines are cut where the table says, by what a reader sees as a character."""

from __future__ import annotations

import pytest

from newsletter.preview.inbox import INBOXES, cut, inbox_lines, width


@pytest.mark.parametrize(
    ("text", "room", "shown", "rest"),
    [
        ("short", 5, "short", ""),
        ("a little longer", 9, "a little", " longer"),
        ("e\u0301e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301", "e\u0301e\u0301"),
        ("日本語の件名", 7, "日本語", "の件名"),
        ("", 4, "", ""),
        ("abc", 0, "", "abc"),
    ],
)
def test_a_line_is_cut_with_room_for_its_ellipsis(text: str, room: int, shown: str, rest: str) -> None:
    assert cut(text, room) == (shown, rest)
    assert width(shown) <= room


def test_every_inbox_has_a_line_with_its_source_and_nothing_is_lost_between_the_parts() -> None:
    sender, subject, preheader = "A sender with a name", "A subject " * 12, "And a preheader " * 14
    lines = inbox_lines(sender, subject, preheader)
    assert [(line["name"], line["device"]) for line in lines] == [(i.name, i.device) for i in INBOXES]
    for line in lines:
        assert "." in line["source"]
        shown, rest = line["subject"]
        assert (shown + rest).replace(" ", "") == subject.replace(" ", "")
        assert width(shown) < line["limits"]["subject"]
    gmail = lines[0]
    assert width(gmail["subject"][0]) + gmail["limits"]["preheader"] <= 110
