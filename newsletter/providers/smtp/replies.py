"""What does a reply mean for one message, and what for the whole send? A pure table, no I/O.

A refusal that is about the sender (530 authentication required, 5xx after MAIL) holds the send at
once. One that may be about anything, such as a policy code (X.7.x, RFC 3463 and 7372) or a 5xx to the
content, is `DOUBTFUL`: it counts against the recipient only where the same server takes other
messages, so that a blocked sender never turns into a list of dead addresses.
"""

from __future__ import annotations

import re
from enum import StrEnum, auto
from typing import NamedTuple


class Stage(StrEnum):
    """The command a reply answers; END is the final dot."""

    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    END = auto()


class Verdict(StrEnum):
    """What a reply says."""

    OK = auto()
    REJECTED = auto()  # this recipient, for good
    DEFERRED = auto()  # this recipient, for now
    DOUBTFUL = auto()  # for good, but perhaps because of the sender
    BUSY = auto()  # the server, for now
    HOLD = auto()  # the sender: a person must act


class Reply(NamedTuple):
    """A reply: its code and its text, lines joined, including any enhanced status code."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


_ENHANCED = re.compile(r"^[245]\.(\d{1,3})\.(\d{1,3})\b")
_QUEUE_ID = re.compile(
    r"queued as ([^\s;,)]+)|\bid=([^\s;,)]+)|^(?:2\.\d\.\d )?Ok ([\w.-]{16,})$", re.IGNORECASE
)
# Policies of the recipient's side: RFC 3463 X.7.2, RFC 5248 X.7.17 and X.7.18, and Exchange's restrictions on
# who may write to a mailbox or a group.
_RECIPIENT_POLICY = frozenset({2, 17, 18, 117, 124, 129, 133, 134, 135, 136})
_LOGIN = frozenset({530, 534, 535, 538})  # RFC 4954, section 6


def judge(stage: Stage, reply: Reply) -> Verdict:
    """What `reply` to the command of `stage` means (RFC 5321, sections 4.2.1 and 4.3.2)."""
    kind = reply.code // 100
    if kind == 2 or (reply.code == 354 and stage is Stage.DATA):
        # 2xx to DATA is no permission to go on: nothing was asked for.
        return Verdict.OK if (kind == 2) != (stage is Stage.DATA) else Verdict.DEFERRED
    if reply.code in _LOGIN:
        return Verdict.HOLD
    if kind == 4:
        return Verdict.BUSY if stage is Stage.MAIL else Verdict.DEFERRED
    if kind != 5:
        return Verdict.DEFERRED  # a 3xx where none belongs: nothing was accepted
    if stage is Stage.MAIL:
        return Verdict.HOLD
    match = _ENHANCED.match(reply.text)
    subject, detail = (int(match[1]), int(match[2])) if match else (0, 0)
    if subject in (1, 2):  # addressing and mailbox status
        # X.1.7 and X.1.8: the sender's address or system is bad.
        return Verdict.DOUBTFUL if subject == 1 and detail in (7, 8) else Verdict.REJECTED
    if subject == 7:
        return Verdict.REJECTED if detail in _RECIPIENT_POLICY else Verdict.DOUBTFUL
    return Verdict.REJECTED if stage is Stage.RCPT else Verdict.DOUBTFUL


def queue_id(reply: Reply) -> str:
    """The server's id of an accepted message, where the text shows one (Postfix, Exim, Amazon SES); else empty."""
    match = _QUEUE_ID.search(reply.text)
    return (match[1] or match[2] or match[3]) if match else ""


def hint_for(reply: Reply) -> str:
    """What a person can do about a reply that holds the send."""
    text = reply.text.lower()
    if reply.code in _LOGIN or "authentication required" in text:
        return "check `provider.username` and NEWSLETTER_SMTP_PASSWORD; the server wants a login it accepts"
    if "relay" in text:
        return "the server doesn't relay for you: set `provider.username` and NEWSLETTER_SMTP_PASSWORD, or use the server your account belongs to"
    if reply.code == 552 or "5.3.4" in text:
        return 'the message is too large for the server: let the images be linked: images = "link" under [sending]'
    if "5.7.515" in text or any(word in text for word in ("spf", "dkim", "dmarc")):
        return "publish SPF, DKIM and DMARC for the sending domain"
    return (
        "the server refuses the sender or the content: check `from` and the server's rules for your account"
    )
