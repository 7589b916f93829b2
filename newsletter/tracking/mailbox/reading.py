"""What a mail that came back turned out to be: the words the parsers of this package share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from newsletter.model.event import BounceClass


class Kind(StrEnum):
    """What a mail is."""

    BOUNCE = "bounce"
    DELAYED = "delayed"  # still being tried
    DELIVERED = "delivered"  # a report of success
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    OUT_OF_OFFICE = "out of office"  # somebody is away, and reads later
    AUTOREPLY = "autoreply"  # a program answers: a ticket, a new address, thanks
    CHALLENGE = "challenge"  # wants a person to prove that they are one
    RECEIPT = "receipt"  # read, or deleted unread (RFC 8098)
    OTHER = "other"  # a person's mail, or nothing of ours


@dataclass(frozen=True, slots=True)
class Verdict:
    """How final a failure is, and why we say so.

    Attributes:
        bounce_class: hard only where the mailbox or its domain is said to be gone.
        rule: what decided.
        source: where that rule is from.
    """

    bounce_class: BounceClass
    rule: str
    source: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a mail says about one recipient.

    Attributes:
        address: bare, as we wrote it where the mail tells; empty where it names none.
        status: enhanced status code (RFC 3463), or empty.
        diagnostic: the receiving server's words.
        final: where it went in the end, if that is another address: it was forwarded.
    """

    address: str
    verdict: Verdict
    status: str = ""
    diagnostic: str = ""
    final: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail, read.

    Attributes:
        rule: what decided on the kind: the format, the header or the words.
        reports: one for each recipient a bounce or a complaint names; at least one for a bounce.
        deliveries: what may be the tokens of deliveries it is about: an envelope address, a Message-ID
            or our own header in what was returned. Only the key tells which are ours.
        answered: the same from `In-Reply-To` and `References`: what somebody, or a program, answers to.
        leaving: what may be unsubscribe tokens in the addresses it was sent to.
        wish: whether its words ask to be taken off the list.
        sender: the bare address of `From:`.
        subject: of the mail.
    """

    kind: Kind
    rule: str
    reports: tuple[Report, ...] = ()
    deliveries: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    wish: bool = False
    sender: str = ""
    subject: str = ""
