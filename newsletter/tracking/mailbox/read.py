"""What is this mail? Any bytes in, a reading out; nothing here knows the list or the key."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from newsletter.render.tagged_address import token_of_tag
from newsletter.tracking.mailbox.addresses import first_address
from newsletter.tracking.mailbox.automatic import automatic, opening_words
from newsletter.tracking.mailbox.dsn import delivery_status, rejection
from newsletter.tracking.mailbox.feedback import feedback
from newsletter.tracking.mailbox.formats import is_mail_system, plain_bounce
from newsletter.tracking.mailbox.mime import LONGEST_TEXT, Part, decode, read_mail
from newsletter.tracking.mailbox.reading import Kind, Reading, Report

_MOST_TOKENS: Final = 20
# The address a mail was delivered to, as the mail systems on the way wrote it down.
_ENVELOPE_HEADERS: Final = (
    "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to", "x-rcpt-to", "apparently-to", "to", "cc", "resent-to",
)  # fmt: skip
_TAG = re.compile(r"([\w.-]{1,24})\+([0-9A-Fa-f]{16,64})@")
_OUR_HEADER = re.compile(
    r"^[ \t>|]{0,8}x-newsletter-delivery:[ \t]*([\w-]{12,64})[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_MESSAGE_ID = re.compile(
    r"^[ \t>|]{0,8}message-id:\s{0,4}<([\w-]{12,64})@[^<>\s]{1,255}>", re.IGNORECASE | re.MULTILINE
)
_ID = re.compile(r"<([\w-]{12,64})@[^<>\s]{1,255}>")
_SENT_FROM = re.compile(
    r"^[ \t>|]{0,8}(?:return-path|original-mail-from|x-envelope-from|envelope-from|x-postfix-sender):[^\n]{0,40}?([\w.-]{1,24})\+([0-9A-Fa-f]{16,64})@",
    re.IGNORECASE | re.MULTILINE,
)
_WISH = re.compile(
    r"^\W*(?:re:\s*)?(?:please |bitte |kindly )?(?:unsubscribe|un-subscribe|remove(?: me)?|stop|leave|sign ?off|opt[ -]?out|cancel subscription|take me off(?: (?:this|the|your) list)?|abmelden|austragen|abbestellen|d[ée]sabonner|d[ée]sinscri(?:re|ption)|cancelar suscripci[óo]n|darme de baja|baja|disiscriv\w*|cancellami|cancelar inscri[çc][ãa]o|uitschrijven|afmelden|avregistrera|отписаться|отписка|退订|取消订阅|配信停止|登録解除)(?:\s+(?:me|please|from (?:this|the|your) (?:list|newsletter)|\S{12,64})){0,3}\W*$",
    re.IGNORECASE,
)


def read(data: bytes) -> Reading:
    """The reading of the mail in `data`; never raises, and takes time in proportion to its size at most."""
    mail = read_mail(data)
    kind, rule, reports = _classify(mail)
    envelope = _envelope_tags(mail)
    returned = _returned_tokens(mail)
    return Reading(
        kind,
        rule,
        reports,
        deliveries=_first(token_of_tag(tag) for tag in (*envelope, *returned[0])) + _first(returned[1]),
        answered=_first(_ID.findall(" ".join(mail.all("in-reply-to", "references"))[-8_000:])),
        leaving=_first(token_of_tag(tag) for tag in envelope),
        wish=_wishes(mail),
        sender=first_address(mail.get("from")),
        subject=mail.get("subject")[:300],
    )


def _classify(mail: Part) -> tuple[Kind, str, tuple[Report, ...]]:
    if complaint := feedback(mail):
        return complaint
    if (status := delivery_status(mail)) is not None:
        return status[0], "delivery status notification, RFC 3464", status[1]
    if (refused := rejection(mail)) is not None:
        return refused[0], "refused by the mailbox's own rule, RFC 5429", refused[1]
    by_system = is_mail_system(mail)
    if (found := automatic(mail, by_mail_system=by_system)) is not None and not mail.get(
        "x-failed-recipients"
    ):
        return *found, ()
    if (bounce := plain_bounce(mail)) is not None:
        return bounce
    if by_system and (found := automatic(mail, by_mail_system=False)) is not None:
        return *found, ()
    if _wishes(mail):
        return Kind.UNSUBSCRIBE, "words", ()
    return Kind.OTHER, "nothing of the kind", ()


def _wishes(mail: Part) -> bool:
    """Whether subject or first line are nothing but the wish to leave."""
    subject = mail.get("subject")[:120]
    first_line = next((line for line in opening_words(mail, 400).split("\n") if line.strip()), "")[:120]
    return bool(_WISH.match(subject) or _WISH.match(first_line))


def _envelope_tags(mail: Part) -> list[str]:
    """The tags of the addresses the mail was sent to."""
    return [tag for value in mail.all(*_ENVELOPE_HEADERS) for _, tag in _TAG.findall(value[:2_000])][
        :_MOST_TOKENS
    ]


def _returned_tokens(mail: Part) -> tuple[list[str], list[str]]:
    """Tags and ids in what the mail brings back: a message inside it, or the headers of one as text."""
    tags: list[str] = []
    ids: list[str] = []
    for part in mail.walk():
        if part is mail or part.is_returned:
            # Headers of the mail itself are not returned ones; but those inside are.
            inside = part.parts if part.is_returned else ()
            for message in inside:
                ids += message.all("x-newsletter-delivery")[:2]
                ids += _ID.findall(" ".join(message.all("message-id")[:2]))
                tags += [
                    tag
                    for value in message.all("return-path", "x-envelope-from")
                    for _, tag in _TAG.findall(value)
                ]
        if part.media_type.startswith(("text/", "message/")) or not part.parts:
            said = _searchable(part)
            ids += _OUR_HEADER.findall(said)[:_MOST_TOKENS] + _MESSAGE_ID.findall(said)[:_MOST_TOKENS]
            tags += [tag for _, tag in _SENT_FROM.findall(said)[:_MOST_TOKENS]]
    return tags, ids


def _searchable(part: Part) -> str:
    if part.media_type.startswith("text/") and not part.is_returned:
        return part.text()
    return decode(part.body[:LONGEST_TEXT], "")


def _first(tokens: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(token for token in tokens if token))[:_MOST_TOKENS]
