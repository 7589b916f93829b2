"""Which columns of another product's export say who left, where no status column does, and what do their cells mean?

Such a list has people in it who must not be mailed again, and an import that overlooked the column would mail them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from newsletter.model.subscriber import SubscriberStatus

_ACTIVE: Final = SubscriberStatus.ACTIVE
_LEFT: Final = SubscriberStatus.UNSUBSCRIBED

_YES: Final = ("true", "yes", "y", "1", "x", "t", "on")
_NO: Final = ("false", "no", "n", "0", "f", "off")
_DATE: Final = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_NO_DATE: Final = re.compile(r"0{1,4}[-/.]0{1,2}[-/.]0{1,4}")

# A column by whose yes, or date, a person is still on the list: Ghost's, Shopify's, and what others call it.
_STAYED: Final = frozenset(
    {
        *("subscribed", "is subscribed", "subscribed to emails", "email subscribed", "opted in", "opt in"),
        *("email opt in", "accepts marketing", "accepts email marketing", "is active"),
    }
)
# A column by whose yes, or date, a person isn't: Substack's, Mailchimp's, Ghost's, and what others call it.
_GONE: Final = {
    **dict.fromkeys(
        (
            *("unsubscribed", "is unsubscribed", "unsubscribed on", "opted out", "opt out", "email opt out"),
            *("email disabled", "do not email", "do not contact", "blocked", "blocklisted", "suppressed"),
            *("deleted", "deleted at"),
        ),
        _LEFT,
    ),
    **dict.fromkeys(("bounced", "bounced at", "hard bounced", "clean time"), SubscriberStatus.BOUNCED),
    **dict.fromkeys(("complained", "complained at", "marked as spam"), SubscriberStatus.COMPLAINED),
}
# Buttondown's, as github.com/buttondown/openapi describes them (enums.json), and those its exports had before.
_SUBSCRIBER_TYPES: Final = {
    **dict.fromkeys(
        ("regular", "premium", "trialed", "unpaid", "gifted", "churning", "churned", "paused", "past due"),
        _ACTIVE,
    ),
    "unactivated": SubscriberStatus.PENDING,
    **dict.fromkeys(("unsubscribed", "removed", "spammy", "blocked"), _LEFT),
    "undeliverable": SubscriberStatus.BOUNCED,
    "complained": SubscriberStatus.COMPLAINED,
}


@dataclass(frozen=True, slots=True)
class Sign:
    """A column that says of a row whether the person may be mailed.

    Attributes:
        index: the column's.
        words: what a cell means, in lower case.
        dated: what a date in it means; None where that says nothing.
        decides: a row of which it says nothing has no status, and is never taken as active.
    """

    index: int
    words: Mapping[str, SubscriberStatus]
    dated: SubscriberStatus | None = None
    decides: bool = False

    def read(self, cell: str) -> SubscriberStatus | None:
        """What a cell says; None where it says nothing."""
        text = re.sub(r"[\s_\-]+", " ", cell.strip().casefold())
        if (said := self.words.get(text)) is not None:
            return said
        return self.dated if _DATE.match(cell.strip()) and not _NO_DATE.match(cell.strip()) else None


def find_signs(plain: Sequence[str], taken: set[int]) -> tuple[Sign, ...]:
    """The columns that say who left.

    Args:
        plain: the header's names, in lower case and with single spaces.
        taken: columns known for something else.
    """
    return tuple(
        sign
        for index, name in enumerate(plain)
        if index not in taken and (sign := _sign(index, name, plain)) is not None
    )


def _sign(index: int, name: str, plain: Sequence[str]) -> Sign | None:
    if name in _STAYED:
        return Sign(index, dict.fromkeys(_YES, _ACTIVE) | dict.fromkeys(_NO, _LEFT), _ACTIVE, decides=True)
    if (gone := _GONE.get(name)) is not None:
        return Sign(index, dict.fromkeys(_YES, gone), gone)
    # Elsewhere a "subscriber type" may be anything.
    if name == "subscriber type" and "creation date" in plain:
        return Sign(index, _SUBSCRIBER_TYPES, decides=True)
    return None
