"""How much of sender, subject and preheader does an inbox show? Lines cut as mail programs cut them.

Programs cut by pixels, so that a line of capitals shows less and one of `i`s more; the numbers are characters of
ordinary text at the default window or a portrait phone, as the named page measured or reports them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

_STUDY = "emailtooltester.com/en/blog/email-subject-lines-character-limit"
_LENGTHS = "lettercounter.org/blog/email-subject-line-length-guide"
_SNIPPETS = "cf-newsletrix.pages.dev/newsletter-preheader-optimizer"
# "anywhere from ~40 to ~100" for the preheader: the low end is what can be relied on; 20 to 25 for a sender on a phone.
_LOW_END = "campaign.name/tools/email-subject-line-tester"


@dataclass(frozen=True, slots=True)
class Inbox:
    """One program's list of messages.

    Attributes:
        name: of the program.
        device: `desktop` or `phone`.
        sender: characters of the sender's name; so with the next two.
        line: characters of subject and preheader together, where they share a line; 0 where they don't.
        source: where the numbers are from.
    """

    name: str
    device: str
    sender: int
    subject: int
    preheader: int
    line: int
    source: str


# No page gives the desktop programs' sender columns: those are what the default window has room for.
INBOXES = (
    Inbox("Gmail", "desktop", 20, 70, 90, 110, f"{_LENGTHS}; {_SNIPPETS}"),
    Inbox("Gmail", "phone", 22, 37, 40, 0, f"{_LENGTHS}; {_LOW_END}"),
    Inbox("Apple Mail", "desktop", 30, 70, 140, 0, f"{_LENGTHS}; {_SNIPPETS}"),
    Inbox("Apple Mail", "phone", 25, 48, 99, 0, f"{_STUDY} (iPhone 14); {_LOW_END}"),
    Inbox("Outlook", "desktop", 30, 60, 55, 0, f"{_LENGTHS}; {_SNIPPETS}"),
    Inbox(
        "Outlook",
        "phone",
        25,
        40,
        40,
        0,
        f"wordcounternow.com/blog/email-marketing-character-limits; {_LOW_END}",
    ),
)


def inbox_lines(sender: str, subject: str, preheader: str) -> list[dict[str, Any]]:
    """What each inbox shows of a message, and what it leaves out.

    Args:
        sender: the display name, or the address where there is none.
        subject: decoded.
        preheader: decoded; the rest of the body is kept out of the inbox by its filler.
    """
    lines = []
    for inbox in INBOXES:
        shown_subject, lost_subject = cut(subject, inbox.subject)
        room = inbox.preheader
        if inbox.line:
            room = max(0, min(room, inbox.line - width(shown_subject)))
        shown_preheader, lost_preheader = cut(preheader, room)
        shown_sender, lost_sender = cut(sender, inbox.sender)
        lines.append(
            {
                "name": inbox.name,
                "device": inbox.device,
                "limits": {"sender": inbox.sender, "subject": inbox.subject, "preheader": room},
                "source": inbox.source,
                "sender": [shown_sender, lost_sender],
                "subject": [shown_subject, lost_subject],
                "preheader": [shown_preheader, lost_preheader],
            }
        )
    return lines


def cut(text: str, room: int) -> tuple[str, str]:
    """`text` as far as `room` characters show it, and the rest; an ellipsis takes the room of one.

    A base character keeps its marks, and what is twice as wide (CJK, emoji) counts twice.
    """
    if width(text) <= room:
        return text, ""
    taken, at = 0, 0
    for at, character in enumerate(text):  # noqa: B007 - where it ended is what is wanted
        taken += _width(character)
        if taken > room - 1:
            break
    return text[:at].rstrip(), text[at:]


def width(text: str) -> int:
    """Columns of ordinary characters that `text` takes."""
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Cf", "Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
