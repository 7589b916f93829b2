"""Whom is a bounce about that isn't a delivery status notification? The mailers' own forms, one by one, then any.

Each mailer introduces the recipients with a sentence of its own. Of a text that is surely a bounce and that
no form fits, the addresses before the returned message count which aren't those of the mail itself.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from newsletter.tracking.mailbox.addresses import addresses_in, bracketed_in, first_address
from newsletter.tracking.mailbox.automatic import opening_words
from newsletter.tracking.mailbox.classes import smtp_code_in, status_in, verdict_on
from newsletter.tracking.mailbox.mime import Part
from newsletter.tracking.mailbox.reading import Kind, Report

_MOST_REPORTS: Final = 50
_REASON: Final = 900
_LONGEST: Final = 24_000


class _Form(NamedTuple):
    """A mailer's sentence, after which the recipients stand."""

    name: str
    introduction: re.Pattern[str]
    until: re.Pattern[str] | None = None


def _form(name: str, introduction: str, until: str = "") -> _Form:
    return _Form(
        name,
        re.compile(introduction, re.IGNORECASE),
        re.compile(until, re.IGNORECASE | re.MULTILINE) if until else None,
    )


_FORMS: Final = (
    _form("qmail (QSBMF)", r"this is the qmail-send program|i'm afraid i wasn't able to deliver", r"^--- "),
    _form(
        "Exim",
        r"could not be delivered to (?:one or more|all) of its\s+recipients|following address\(es\) failed:",
        r"^------ ",
    ),
    _form(
        "Sendmail",
        r"----- the following addresses had (?:permanent fatal errors|delivery (?:problems|errors))",
        r"^\s+----- original message",
    ),
    _form("Postfix", r"this is the (?:\w+ )?postfix(?: program)? ", r"^--[\w/-]{4,}|^reporting-mta:"),
    _form(
        "Exchange",
        r"did not reach the following recipient\(s\):|delivery has failed to these recipients|the following recipient\(s\) (?:could|cannot)|your message (?:couldn't|wasn't|could not|can't|was not) (?:be )?delivered to",
    ),
    _form(
        "Gmail",
        r"delivery to the following recipients? (?:failed|has been delayed)|your message (?:wasn't|couldn't be) delivered to|there was a (?:temporary )?problem delivering your message to",
        r"^-{3,}.{0,10}original message|^final-recipient:",
    ),
    _form(
        "Yahoo",
        r"message from\s+\S{1,80}\.?\s+unable to deliver message to the following|sorry, (?:we|i) (?:were|was|wasn't|weren't) (?:un)?able to deliver",
        r"^--- (?:original message|below)",
    ),
    _form(
        "Domino",
        r"your (?:message|document)[:\s].{0,400}?(?:was not delivered to|could not be delivered)|failure report",
    ),
    _form(
        "GroupWise",
        r"the message that you sent was undeliverable to the following|the attached file had the following undeliverable",
    ),
    _form("iPlanet, Sun", r"your message cannot be delivered to the following recipients|recipient address:"),
    _form(
        "MDaemon, IMail, Merak",
        r"the following (?:data|addresses?|recipients?) .{0,60}(?:fail|undeliverable|not be delivered|rejected)|undeliverable (?:to|mail to)|failed address(?:es)?:|delivery failed? (?:to|for)|failed to deliver to",
    ),
    _form(
        "any mailer",
        r"(?:could|can|did|was|were|has|have) ?n[o'’]?t (?:be )?(?:been )?(?:able to )?(?:be )?(?:deliver|reach|sent|send)|undeliver|delivery (?:has )?fail|not deliver|returned mail|(?:message|mail) (?:has been |was )?(?:rejected|returned|refused)|permanent (?:fatal )?(?:error|failure)|fatal error|user unknown|unknown user|no such user|no user by that name|not yet been delivered|message (?:has been )?delayed|non.?remis|unzustellbar|nicht zugestellt|no (?:se )?(?:ha )?(?:sido )?(?:pudo|podido|entregad)|non [eè] stato (?:possibile|recapitat)|n[aã]o (?:p[oô]de|foi)|n'a (?:pas )?pu|退信|无法(?:投递|送达)|配信できません|送信できません|не (?:доставлен|удалось|может быть доставлен|могло быть)",
    ),
)

_RETURNED = re.compile(
    r"^[ \t>|*#=_-]{0,70}(?:below this line is a copy|this is a copy of (?:the|your) message|original (?:message|mail)(?: headers?| text| follows| is| from)?\b|(?:your |the )?(?:original|returned|undelivered|unsent|rejected|bounced|failed) (?:message|mail)(?: headers?| text| is| was)? (?:below|follows|attached|included)|(?:headers? of|copy of) (?:the |your )?(?:original|message|returned)|message headers? follow|start of returned|a copy of (?:the|your) (?:message|headers)|included is a copy|unsent message|message text follows|mensaje original|message d'origine|urspr[üu]ngliche nachricht|return-path:|received: from|x-[\w-]{2,40}: |mime-version:|dkim-signature:|message-id:)",
    re.IGNORECASE | re.MULTILINE,
)
_MAIL_SYSTEM = re.compile(
    r"mailer[-_. ]?daemon|postmaster|mail[-_. ]?(?:delivery|system|router|admin)|mdaemon|mmdf|delivery[-_. ]?(?:sub)?system|(?:^|<)(?:bounces?|mail(?:er|gw)?|smtp|uucp|root|maildaemon)@|microsoft ?exchange|non-?deliver|undeliver|mail administrator|internet mail",
    re.IGNORECASE,
)
_BOUNCE_SUBJECT = re.compile(
    r"undeliver|deliver\w*(?: \w+){0,4} (?:fail|error|problem|unsuccessful|impossible|status)|delivery (?:failure|status|notification|report|has failed|problems?|error)|(?:failed|failure|unable).{0,20}deliver|return(?:ed|ing) (?:mail|to sender|message)|mail failed|mail (?:delivery|system error|returned|undeliver|could not)|failure (?:notice|delivery)|non[- ]?deliver|non remis|not delivered|not (?:be )?deliver|message (?:rejected|not delivered|undeliv|delivery|status|could not)|rejected (?:message|mail|posting)|unzustellbar|zustell|nicht zugestellt|impossible de remettre|[ée]chec|no se ha podido|no entregado|mancata consegna|non recapitat|falha na entrega|n[aã]o entregue|onbestelbaar|niet bezorgd|olevererbart|ikke levert|nie dostarczono|niedostarcz|не доставлен|недоставлен|送信エラー|配信不能|退信|系统退信|반송",
    re.IGNORECASE,
)
_ANSWERED = re.compile(r"\s*(?:re|aw|fw|fwd|wg|sv|vs|tr|rv|odp|antw)\s*:", re.IGNORECASE)
_STILL_TRYING = re.compile(
    r"(?:will|is going to|continue to|continues to|be) (?:be )?(?:keep )?(?:retr(?:y|ied)|try(?:ing)?(?: to deliver)?(?: again)?)(?! later)|still (?:being )?(?:trying|retried|in the queue|queued)|has not yet been delivered|not yet (?:been )?deliver|delivery (?:has been |is )?(?:delayed|temporarily)|warning: (?:message|could not|mail) .{0,40}(?:delay|still)|(?:message|mail) delayed|this is (?:only )?a warning|no action is required on your part|you do not need to resend|verz[öo]gert|retard[ée]|retras|temporarily delayed|delivery attempts? will",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(
    r"permanent (?:fatal )?(?:error|failure)|giv(?:en|ing) up|gave up|has been returned|will not be (?:retried|tried)|no further attempts|i've given up|failed permanently|delivery (?:has )?failed|could not be delivered",
    re.IGNORECASE,
)


_NOT_THE_RECIPIENT = re.compile(
    r"(?:\bfrom|mail from|\bsender|contact|help|questions?|assistance|write to|forward(?: \w+){0,3} to|send (?:an? )?(?:e-?mail|mail|message) to|administrator|contacter|kontakt\w*)\b[:\s]{1,4}(?:at |to |is |the )?[<(\[\"']{0,2}([^\s]{1,320})",
    re.IGNORECASE,
)


def is_mail_system(mail: Part) -> bool:
    """Whether it comes from a mail system by its sender, by its null reverse-path or by what only those write."""
    return bool(
        _MAIL_SYSTEM.search(mail.get("from")[:400])
        or mail.get("return-path").replace(" ", "") == "<>"
        or "mailer-daemon" in mail.get("return-path").lower()
        or mail.parameters.get("report-type", "").lower() == "delivery-status"
        or mail.get("x-failed-recipients")
    )


def plain_bounce(mail: Part) -> tuple[Kind, str, tuple[Report, ...]] | None:
    """The kind, the form that fits and whom it names; None where the mail isn't a bounce for all one can see."""
    named = _named(mail)
    text = _before_the_returned(mail)
    form, at = _form_of(text)
    by_system = is_mail_system(mail)
    returned = any(part.is_returned for part in mail.own())
    subject = _is_bounce_subject(mail.get("subject")[:400])
    # Two of the three have to come together: who writes, what the subject says, what the text says.
    if not named and by_system + subject + (form is not None) < 2:
        return None
    if not (named or by_system or returned or addresses_in(text)):
        return None  # a parcel that couldn't be delivered
    head = " ".join(text[:6_000].split())
    subject_words = mail.get("subject")[:400]
    delayed = _STILL_TRYING.search(f"{subject_words} {head}") and not _GIVEN_UP.search(head)
    kind = Kind.DELAYED if delayed else Kind.BOUNCE
    name = "X-Failed-Recipients" if named else form.name if form else "any mailer"
    return kind, name, _reports(mail, named, text, at, form)


def _is_bounce_subject(subject: str) -> bool:
    # A person's answer to a bounce, or a bounce somebody passes on, is that person's mail.
    return _BOUNCE_SUBJECT.search(subject) is not None and not _ANSWERED.match(subject)


def _named(mail: Part) -> list[str]:
    """Those of `X-Failed-Recipients` (Exim, Gmail)."""
    return [one for value in mail.all("x-failed-recipients") for one in addresses_in(value[:8_000])][
        :_MOST_REPORTS
    ]


def _form_of(text: str) -> tuple[_Form | None, int]:
    for form in _FORMS:
        if found := form.introduction.search(text):
            return form, found.end()
    return None, 0


def _before_the_returned(mail: Part) -> str:
    """The words of the mail system, without those of the message that came back."""
    texts = [
        part.text()
        for part in mail.own()
        if part.media_type in ("text/plain", "text/html") and not part.is_returned
    ]
    if mail.media_type == "multipart/alternative" or any(
        p.media_type == "multipart/alternative" for p in mail.own()
    ):
        texts = texts[:1]
    whole = "\n\n".join(texts[:3])[:_LONGEST]
    cut = _RETURNED.search(whole)
    if cut and cut.start() > 0 and whole[: cut.start()].strip():
        return whole[: cut.start()]
    return whole


def _reports(mail: Part, named: list[str], text: str, at: int, form: _Form | None) -> tuple[Report, ...]:
    own = _own_addresses(mail, text)
    stop = form.until.search(text, at) if form and form.until else None
    behind = text[at : stop.start()] if stop else text[at:]
    found = named
    if not found:
        for said in (behind, text):
            brackets = [one for one in bracketed_in(said) if _counts(one, own)]
            found = brackets or [one for one in addresses_in(said) if _counts(one, own)]
            if found:
                break
    if not found and (address := _in_subject(mail, own)):
        found = [address]
    reports = []
    for address in found[:_MOST_REPORTS]:
        reason = _reason(text, address, at)
        verdict = verdict_on(status_in(reason), reason)
        if verdict.source.startswith("nothing says"):
            verdict = verdict_on(status_in(text), text)
        reports.append(Report(address, verdict, status_in(reason), reason))
    if not reports:
        said = " ".join((text or opening_words(mail)).split())[:_REASON]
        return (Report("", verdict_on(status_in(said), said), status_in(said) or smtp_code_in(said), said),)
    return tuple(reports)


def _reason(text: str, address: str, at: int) -> str:
    """What is said of `address`: from where it stands up to the next one."""
    begin = text.find(address, at)
    begin = begin if begin >= 0 else text.find(address)
    if begin < 0:
        return " ".join(text[at : at + _REASON].split())
    said = text[begin + len(address) : begin + len(address) + _REASON]
    before = text[max(begin - 200, 0) : begin].rpartition("\n\n")[2]
    return " ".join(f"{before} {said}".split())


def _own_addresses(mail: Part, text: str) -> set[str]:
    """Addresses of the mail itself, and those its text names as the sender's or as somebody to turn to."""
    values = mail.all(
        "to", "cc", "from", "reply-to", "sender", "delivered-to", "x-original-to", "return-path", "errors-to"
    )
    own = {one.lower() for value in values for one in addresses_in(value[:2_000])}
    return own | {
        one.lower() for found in _NOT_THE_RECIPIENT.finditer(text) for one in addresses_in(found[1])
    }


def _counts(address: str, own: set[str]) -> bool:
    lowered = address.lower()
    return lowered not in own and not lowered.startswith(
        ("postmaster@", "mailer-daemon@", "abuse@", "noreply@", "no-reply@", "helpdesk@", "support@")
    )


def _in_subject(mail: Part, own: set[str]) -> str:
    found = first_address(mail.get("subject"))
    return found if found and _counts(found, own) else ""
