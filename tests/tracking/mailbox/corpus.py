"""Mails in the formats of many senders, each with what it is: `tests/cases/bounces`.

The texts are our own; only forms are followed: RFC 3464, 3834, 5429, 5965, 6533 and 8098, the manuals and the
sources of the mailers, and the pages on which the big providers list their answers. `@TAG@`, `@ID@` and
`@LEAVE@` stand for what rode along with our mail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsletter.render.tagged_address import tagged_address
from tests.tracking.reported import SIGNER

FOLDER = Path(__file__).parents[2] / "cases" / "bounces"


@dataclass(frozen=True)
class Case:
    """A mail and what it should be taken for.

    Attributes:
        address: whom it is about, as far as it names anybody.
        bounce_class: of that address, for a bounce.
        ours: whether it proves to be about a mail of ours.
        other: further addresses that it names rightly.
        subscriber: the reader it came from, where the mail names another address.
        suppresses: whether that reader is to be off the list afterwards.
    """

    name: str
    kind: str
    address: str
    bounce_class: str
    ours: bool
    other: tuple[str, ...]
    subscriber: str
    suppresses: bool

    def mail(self, number: int = 1, send: int = 1) -> bytes:
        """The mail, about the delivery of `send` to the subscriber `number`."""
        delivery, leave = SIGNER.delivery(send, number), SIGNER.unsubscribe(number)
        tag, leave_tag = (_tag(token) for token in (delivery, leave))
        forged = ("0" if tag[-1] != "0" else "1").join((tag[:-1], ""))
        data = (FOLDER / f"{self.name}.eml").read_bytes()
        for mark, value in (
            ("TAGUPPER", tag.upper()),
            ("BADTAG", forged),
            ("TAG", tag),
            ("ID", delivery),
            ("LEAVEUPPER", leave_tag.upper()),
            ("LEAVE", leave_tag),
        ):
            data = data.replace(f"@{mark}@".encode(), value.encode())
        return data


def _tag(token: str) -> str:
    return tagged_address("b@example.com", token).partition("@")[0].removeprefix("b+")


def _case(name: str, told: dict[str, Any]) -> Case:
    hard = told["kind"] == "bounce" and told["class"] == "hard"
    suppresses = bool(told["ours"]) and (hard or told["kind"] in ("complaint", "unsubscribe"))
    return Case(
        name=name,
        kind=str(told["kind"]),
        address=str(told["address"]),
        bounce_class=str(told["class"]) if told["kind"] == "bounce" else "",
        ours=bool(told["ours"]),
        other=tuple(told.get("other", ())),
        subscriber=str(told.get("subscriber", told["address"])) or "reader@example.org",
        suppresses=bool(told.get("suppresses", suppresses)) or bool(told.get("unsubscribes")),
    )


CASES = [
    _case(name, told) for name, told in json.loads((FOLDER / "expected.json").read_text("utf-8")).items()
]
