"""What does an answer of SES say about each message, and about the send?

Sources: the API reference of SES v2: SendBulkEmail (errors), BulkEmailEntryResult (statuses), CommonErrors.

| answer | outcome | send |
|---|---|---|
| 200, an entry with SUCCESS | accepted | goes on |
| 200, INVALID_PARAMETER about an address | rejected | goes on |
| 200, ACCOUNT_THROTTLED | deferred | waits a second |
| 200, TRANSIENT_FAILURE, FAILED | deferred, tried again a few times | goes on |
| 200, another status | deferred | holds: a person must act |
| 200 of any other shape, or with a status nobody knows | unknown | goes on |
| 429, ThrottlingException | deferred | waits; the daily quota holds |
| another 4xx | deferred | holds: a person must act |
| 408, 5xx | unknown: it may have been accepted | waits |
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.api import Fixes, answered, every, one_line, read_json, refused, seconds_to_wait
from newsletter.providers.base import Batch, BatchResult, Hold, Response

KEY_VARIABLE = "NEWSLETTER_SES_API_KEY"
KEY_HINT = f"check {KEY_VARIABLE} (ACCESS_KEY_ID:SECRET): the IAM console shows which keys are active"
_FIXES = Fixes(
    key=KEY_HINT,
    address="check `region` and `base_url` under [provider]; `base_url` is left out for SES itself",
)
_VERIFY = "verify the domain of `from` in the SES console (Identities) of your region"
_SANDBOX = (
    "your account is still in the SES sandbox, which mails verified addresses only: "
    "request production access in the SES console (Account dashboard)"
)
_QUOTA = "ask for a higher daily quota in the SES console, or wait up to 24 hours"
_PAUSED = "see the SES console (Account dashboard, Reputation metrics) for the reason"
_SET = "check `stream` under [provider]: it names a configuration set of this region"
_TOO_FAST = "lower `rate` under [sending] to your account's sending rate"
_MEND = "mend what it names"

# Name of an error or status of an entry -> what a person does. Names of SES v1, which the reference still uses, too.
_ACTS = {
    "MAIL_FROM_DOMAIN_NOT_VERIFIED": _VERIFY,
    "MailFromDomainNotVerifiedException": _VERIFY,
    "ACCOUNT_DAILY_QUOTA_EXCEEDED": _QUOTA,
    "ACCOUNT_SUSPENDED": _PAUSED,
    "AccountSuspendedException": _PAUSED,
    "ACCOUNT_SENDING_PAUSED": _PAUSED,
    "SendingPausedException": _PAUSED,
    "CONFIGURATION_SET_NOT_FOUND": _SET,
    "CONFIGURATION_SET_DOES_NOT_EXIST": _SET,
    "CONFIGURATION_SET_SENDING_PAUSED": _SET,
    "INVALID_SENDING_POOL_NAME": _SET,
    "NotFoundException": _SET,
    "TEMPLATE_NOT_FOUND": _MEND,
    "TEMPLATE_DOES_NOT_EXIST": _MEND,
    "MESSAGE_REJECTED": _MEND,
    "MessageRejected": _MEND,
    "INVALID_PARAMETER": _MEND,
    "INVALID_PARAMETER_VALUE": _MEND,
    "LimitExceededException": _QUOTA,
    "ExpiredTokenException": f"the session token is too old: put a new one into {KEY_VARIABLE}",
    "AccessDeniedException": "let the policy of this key allow ses:SendBulkEmail and ses:SendEmail",
}
_THROTTLED = ("TooManyRequestsException", "ThrottlingException", "Throttling", "ACCOUNT_THROTTLED")
_AGAIN = ("TRANSIENT_FAILURE", "FAILED")
_ABOUT_ADDRESS = re.compile(
    r"@domain|\baddress(es)?\b|\brecipient|\bdestination|local (part|name)|\bdomain (name|contains)",
    re.IGNORECASE,
)
_NOT_VERIFIED = re.compile(r"not verified", re.IGNORECASE)
_QUOTA_WORDS = re.compile(r"daily|quota|24.hour", re.IGNORECASE)
_CLOCK_WORDS = re.compile(r"signature (expired|not yet current)|request has expired", re.IGNORECASE)


def read_answer(batch: Batch, response: Response, secrets: Sequence[str]) -> BatchResult:
    """See the table above.

    Args:
        batch: what was sent.
        response: the answer.
        secrets: what may not stand in a sentence.
    """
    body = read_json(response.body)
    if 200 <= response.status < 300:
        return _by_entry(batch, body, secrets)
    text = ""
    if isinstance(body, dict):
        text = str(body.get("message") or body.get("Message") or "")
    name = _error_name(response, body)
    said = answered(
        "Amazon SES",
        response.status,
        f"{name}: {text}" if name and text else text or name,
        response.body,
        *secrets,
    )
    wait = seconds_to_wait(response.headers)
    if response.status == 429 or name in _THROTTLED:
        if _QUOTA_WORDS.search(text):
            return every(batch.messages, OutcomeKind.DEFERRED, said, Hold(said, _QUOTA))
        return every(
            batch.messages, OutcomeKind.DEFERRED, said, Hold(said, _TOO_FAST, retry_after=wait or 1.0)
        )
    if not 400 <= response.status < 500 or response.status == 408:
        return refused(batch, response.status, said, response.headers, _FIXES)
    if _CLOCK_WORDS.search(text):
        return every(
            batch.messages,
            OutcomeKind.DEFERRED,
            said,
            Hold(said, "set this machine's clock; signatures hold for five minutes"),
        )
    if _NOT_VERIFIED.search(text):
        return every(batch.messages, OutcomeKind.DEFERRED, said, Hold(said, _verification(text, batch)))
    if (
        len(batch.messages) == 1
        and name in ("BadRequestException", "MessageRejected")
        and _about(text, batch.messages[0])
    ):
        return every(batch.messages, OutcomeKind.REJECTED, said)
    if name in _ACTS:
        return every(batch.messages, OutcomeKind.DEFERRED, said, Hold(said, _ACTS[name]))
    return refused(batch, response.status, said, response.headers, _FIXES, fallback=_MEND)


def _by_entry(batch: Batch, body: Any, secrets: Sequence[str]) -> BatchResult:
    """A result for each entry, in order: there is no other link between the two."""
    results = body.get("BulkEmailEntryResults") if isinstance(body, dict) else None
    if not isinstance(results, list) or len(results) != len(batch.messages):
        return every(batch.messages, OutcomeKind.UNKNOWN, "the answer of Amazon SES doesn't fit the batch")
    outcomes: list[Outcome] = []
    holds: list[Hold] = []
    for message, result in zip(batch.messages, results, strict=True):
        fields = result if isinstance(result, dict) else {}
        status, error = str(fields.get("Status", "")), one_line(str(fields.get("Error") or ""), *secrets)
        if status == "SUCCESS":
            outcomes.append(
                Outcome(message.delivery_id, OutcomeKind.ACCEPTED, str(fields.get("MessageId") or ""))
            )
            continue
        words = status.replace("_", " ").lower()
        reason = f"{words}: {error}" if error else words
        kind, hold = _refusal(message, status, reason, batch)
        outcomes.append(Outcome(message.delivery_id, kind, reason=reason))
        if hold is not None:
            holds.append(hold)
    # What a person must do comes before what waiting mends.
    return BatchResult(outcomes, min(holds, key=lambda hold: hold.retry_after is not None, default=None))


def _refusal(message: Message, status: str, reason: str, batch: Batch) -> tuple[OutcomeKind, Hold | None]:
    """What an entry's status means, other than SUCCESS."""
    said = f"Amazon SES: {reason}"
    if status in _THROTTLED:
        return OutcomeKind.DEFERRED, Hold(said, _TOO_FAST, retry_after=1.0)
    if status in _AGAIN:
        return OutcomeKind.DEFERRED, None
    if status not in _ACTS:
        return OutcomeKind.UNKNOWN, None
    if _NOT_VERIFIED.search(reason):
        return OutcomeKind.DEFERRED, Hold(said, _verification(reason, batch))
    if status.startswith("INVALID_PARAMETER") and _about(reason, message):
        return OutcomeKind.REJECTED, None
    return OutcomeKind.DEFERRED, Hold(said, _ACTS[status])


def _about(text: str, message: Message) -> bool:
    """Whether an error is about this recipient's address, and not the sender's."""
    return message.recipient.lower() in text.lower() or bool(
        _ABOUT_ADDRESS.search(text)
        and not re.search(r"\bfrom\b|reply.?to|sender|source", text, re.IGNORECASE)
    )


def _verification(text: str, batch: Batch) -> str:
    """The sandbox names recipients among "the following identities failed the check"; else it is the sender."""
    lowered = text.lower()
    named = any(message.recipient.lower() in lowered for message in batch.messages)
    return _SANDBOX if named else _VERIFY


def _error_name(response: Response, body: Any) -> str:
    """`BadRequestException`: from the header `x-amzn-ErrorType`, else from `__type` or `code`."""
    name = response.headers.get("x-amzn-errortype", "")
    if not name and isinstance(body, dict):
        name = str(body.get("__type") or body.get("code") or "")
    return name.partition(":")[0].rpartition("#")[2]
