"""Postmark (postmarkapp.com): what a batch looks like on the wire, and what its answers and reports mean.

Sources: postmarkapp.com/developer/api/overview (error codes, sizes, the test token), …/email-api,
…/messages-api, …/message-streams-api, …/developer/webhooks; support articles 1125 (metadata), 1180 (error
300), 1299 and 1300 (unsubscribe headers).

Postmark has no idempotency keys, so an answer that was lost is never sent for again. It is the easiest of
all to ask instead: each message carries its batch and its delivery id as metadata, and one search for the
batch tells who was accepted.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from newsletter.errors import NewsletterError
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.api import (
    JSON_BODY,
    Fixes,
    answered,
    api_key,
    base_url,
    call_headers,
    every,
    one_line,
    read_json,
    refused,
    region,
    to_json,
)
from newsletter.providers.base import (
    Batch,
    BatchResult,
    Capabilities,
    ContentForm,
    Hold,
    ProviderOptions,
    Question,
    Request,
    Response,
)
from newsletter.providers.diagnosis import Questions
from newsletter.providers.events import digest, moment, read_report, text
from newsletter.providers.signatures import WebhookCall, WebhookSecrets, verify_token

API_KEY_VARIABLE: Final = "NEWSLETTER_POSTMARK_API_KEY"
_TEST_TOKEN: Final = "POSTMARK_API_TEST"  # noqa: S105 - published: everything is checked, nothing is delivered
_STREAM: Final = "broadcast"
_FIXES = Fixes(
    key=f"check {API_KEY_VARIABLE}: it is the server's token, at account.postmarkapp.com under API Tokens",
    address="check `provider.base_url`; leave it out for https://api.postmarkapp.com",
)
# Postmark's limit for one metadata value.
_LONGEST_VALUE: Final = 80
# A page of the search, and how far into a search one may go.
_PAGE, _DEEPEST = 500, 10_000

_VERIFY = "verify the domain of `from` at account.postmarkapp.com/signature_domains"
_STREAM_HINT = "set `provider.stream` to the ID of a message stream of this server (its settings show it)"
# Codes after which a person must act: nobody in particular was refused.
_HINTS: Mapping[int, str] = {
    10: _FIXES.key,
    400: _VERIFY,
    401: _VERIFY,
    405: "buy credit or change the plan at account.postmarkapp.com/billing",
    410: _FIXES.size,
    412: "ask Postmark to approve the account (account.postmarkapp.com); until then it mails your own domain only",
    413: "Postmark has stopped this account: ask its support",
    1226: _STREAM_HINT,
    1235: _STREAM_HINT,
}
# Codes after which time helps: seconds.
_WAITS: Mapping[int, float] = {100: 60.0, 429: 1.0}
# "Invalid 'To' address: …", "Error parsing 'To': Illegal email domain …".
_ABOUT_RECIPIENT = re.compile(r"'To'|\brecipient", re.IGNORECASE)
_ABOUT_SENDER = re.compile(r"'From'|sender signature|verified", re.IGNORECASE)


class PostmarkProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`."""

    name = "postmark"
    capabilities = Capabilities(
        content=ContentForm.FIELDS,
        max_batch=500,
        attachments=False,  # each message of a batch would carry them anew
        per_item_result=True,
        lookup_by="metadata",
        # 50 MB a call, 10 MB a message, 5 MB each for HTML and text: the smallest is kept for both together.
        max_call_bytes=50_000_000,
        max_message_bytes=5_000_000,
        notes=(
            (
                "Postmark adds an unsubscribe link of its own to what a broadcast stream sends and replaces the "
                "List-Unsubscribe header, until its support allows “Manage unsubscribes on your own” and you "
                "switch that on in the stream's settings."
            ),
        ),
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key, the address and the stream.

        Raises:
            UsageError: the key is missing, or the address isn't one.
        """
        default = region(options, {"": "https://api.postmarkapp.com"})
        key = (
            _TEST_TOKEN
            if options.sandbox
            else api_key(options, API_KEY_VARIABLE, "account.postmarkapp.com, in the server's API Tokens")
        )
        self._base = base_url(options, default)
        self._key = key
        self._stream = options.stream or _STREAM
        self._asking = call_headers("X-Postmark-Server-Token", key)
        self._sending = self._asking | JSON_BODY

    def build_request(self, batch: Batch) -> Request:
        """`POST /email/batch`, an item for each message; the same batch always gives the same bytes.

        What is the same for all is encoded once: a dictionary for each message takes twice as long.
        """
        first = batch.messages[0]
        same_for_all = {header: _header(*header) for header in first.headers}
        sender, ends = (first.from_header, first.reply_to), self._end(first, batch.key)
        parts: list[bytes] = []
        before = "["
        for message in batch.messages:
            headers = [same_for_all.get(header) or _header(*header) for header in message.headers]
            if (message.from_header, message.reply_to) != sender:
                sender, ends = (message.from_header, message.reply_to), self._end(message, batch.key)
            delivery = message.delivery_id
            ours = f',"delivery_id":{to_json(delivery)}' if len(delivery) <= _LONGEST_VALUE else ""
            head = (
                f'{before}{{"To":{to_json(message.recipient)},"Subject":{to_json(message.subject)},'
                f'"Headers":[{",".join(headers)}],{ends}{ours}}},"HtmlBody":"'
            )
            parts += (head.encode(), *message.html_json)
            if message.text_json:
                parts += (b'","TextBody":"', *message.text_json)
            parts.append(b'"}')
            before = ","
        parts.append(b"]")
        return Request("POST", f"{self._base}/email/batch", self._sending, parts)

    def _end(self, message: Message, batch_key: str) -> str:
        """The fields that are the same for the messages of one sender; the metadata stays open."""
        fields: dict[str, Any] = {"From": message.from_header, "MessageStream": self._stream}
        if message.reply_to:
            fields["ReplyTo"] = message.reply_to
        fields["Metadata"] = {"batch": _value(batch_key)}
        return to_json(fields)[1:-2]

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about each message.

        | answer | outcome | send |
        |---|---|---|
        | 200, `ErrorCode` 0 (or none: "delivery may be delayed") | accepted | goes on |
        | 200, 406 inactive, 300 about `To` | rejected | goes on |
        | 200, any other code | deferred | holds: a person must act, or waits (100, 429) |
        | 200 of any other shape or order | unknown | goes on |
        | 422 | deferred (a single message: as its code says) | holds |
        | 401, 404, 413, 429, 5xx | as `api.refused` | |
        """
        body = read_json(response.body)
        if 200 <= response.status < 300:
            return _answers(batch.messages, body, self._key)
        code, words = _code_and_words(body, self._key)
        said = answered("Postmark", response.status, words, response.body, self._key)
        if response.status == 422 and code is not None:
            return _all_refused(batch.messages, code, words, said)
        return refused(batch, response.status, said, response.headers, _FIXES)

    def search(self, question: Question) -> Generator[Request, Response, Mapping[str, Outcome]]:
        """`GET /messages/outbound` for the batch; see `providers.base.Search`.

        Raises:
            NewsletterError: Postmark won't say.
        """
        known = {address.casefold(): delivery for delivery, address in question.recipients.items()}
        found: dict[str, Outcome] = {}
        offset = 0
        while offset < _DEEPEST:
            query = {
                "count": _PAGE,
                "offset": offset,
                # Without it only the transactional stream is searched.
                "messagestream": self._stream,
                "metadata_batch": _value(question.key),
            }
            url = f"{self._base}/messages/outbound?{urlencode(query)}"
            response = yield Request("GET", url, self._asking, [])
            body = read_json(response.body)
            messages = body.get("Messages") if isinstance(body, dict) else None
            if response.status != 200 or not isinstance(messages, list):
                _, words = _code_and_words(body, self._key)
                said = answered("Postmark", response.status, words, response.body, self._key)
                raise NewsletterError(
                    f"Postmark's message search failed: {said}",
                    hint=_FIXES.key if response.status in (401, 403) else _FIXES.address,
                )
            for message in messages:
                delivery = text(message, "Metadata", "delivery_id") or _by_address(message, known)
                number = text(message, "MessageID")
                if delivery in question.recipients and number:
                    found[delivery] = Outcome(delivery, OutcomeKind.ACCEPTED, number)
            offset += _PAGE
            if len(messages) < _PAGE or len(found) == len(question.recipients):
                break
        return found

    def diagnose(self, domain: str) -> Questions:
        """What Postmark says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account("Postmark", self._base, lambda _: self._asking, (self._key,), _FIXES.key)
        return accounts.postmark(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call has our token: Postmark signs nothing.

        Raises:
            WebhookRefusedError: it isn't.
        """
        verify_token(secrets, call)

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:  # noqa: ARG003 - the body says it all
        """The one event Postmark posts; see `providers.base.Webhook`.

        Raises:
            ValueError: this isn't what Postmark sends.
        """
        report = read_report(body)
        record = text(report, "RecordType")
        if not record:
            raise ValueError("a report of Postmark names its RecordType")
        kind, bounce = _kind(record, report)
        times = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
        return [
            Event(
                provider=cls.name,
                type=kind,
                event_id=text(report, "ID") or digest(report),
                at=moment(next((report[name] for name in times if name in report), None)),
                recipient=text(report, "Email") or text(report, "Recipient"),
                message_id=text(report, "MessageID"),
                delivery_id=text(report, "Metadata", "delivery_id"),
                bounce_class=bounce,
                reason=text(report, "Details") or text(report, "Description"),
                url=text(report, "OriginalLink"),
                user_agent=text(report, "UserAgent"),
                raw=report,
            )
        ]


def _header(name: str, value: str) -> str:
    return f'{{"Name":{to_json(name)},"Value":{to_json(value)}}}'


def _value(key: str) -> str:
    """`key` as a metadata value; the end of a longer one, which is what tells keys apart."""
    return key[-_LONGEST_VALUE:]


def _by_address(message: Any, known: Mapping[str, str]) -> str:
    """The delivery of the only recipient; within one batch an address stands for one."""
    recipients = message.get("Recipients") if isinstance(message, dict) else None
    if isinstance(recipients, list) and len(recipients) == 1:
        return known.get(str(recipients[0]).casefold(), "")
    return ""


def _code_and_words(item: Any, key: str) -> tuple[int | None, str]:
    if not isinstance(item, dict):
        return None, ""
    code = item.get("ErrorCode")
    return code if type(code) is int else None, one_line(text(item, "Message"), key)


def _answers(messages: Sequence[Message], body: Any, key: str) -> BatchResult:
    """A 200: an item for each message, in their order."""
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        return every(messages, OutcomeKind.UNKNOWN, "Postmark's answer can't be read")
    if len(body) != len(messages) or _in_another_order(messages, body):
        # Which item belongs to whom can't be said; a search for the batch tells.
        return every(messages, OutcomeKind.UNKNOWN, "Postmark's answer doesn't fit the batch")
    outcomes: list[Outcome] = []
    holds: list[Hold] = []
    for message, item in zip(messages, body, strict=True):
        code, words = _code_and_words(item, key)
        number = text(item, "MessageID")
        if code in (None, 0):
            kind = OutcomeKind.ACCEPTED if number else OutcomeKind.UNKNOWN
            outcomes.append(Outcome(message.delivery_id, kind, number, "" if number else words))
            continue
        hold = _hold(code, words, f"Postmark: {words} (error {code})")
        kind = OutcomeKind.REJECTED if hold is None else OutcomeKind.DEFERRED
        outcomes.append(Outcome(message.delivery_id, kind, reason=words))
        if hold is not None:
            holds.append(hold)
    # What a person must do comes before what time alone mends.
    holds.sort(key=lambda hold: hold.retry_after is not None)
    return BatchResult(outcomes, holds[0] if holds else None)


def _in_another_order(messages: Sequence[Message], items: Sequence[Any]) -> bool:
    """Whether an item names somebody else of the batch; an address written in another way is no sign of it."""
    everybody = {message.recipient.casefold() for message in messages}
    return any(
        (named := text(item, "To").casefold()) != message.recipient.casefold() and named in everybody
        for item, message in zip(items, messages, strict=True)
    )


def _hold(code: int, words: str, said: str) -> Hold | None:
    """Why the whole send must pause over this code; None where only the recipient was refused."""
    if code == 406 or (code == 300 and _ABOUT_RECIPIENT.search(words)):
        return None
    if code in _WAITS:
        return Hold(said, retry_after=_WAITS[code])
    hint = _HINTS.get(code, "")
    if not hint and _ABOUT_SENDER.search(words):
        hint = _VERIFY
    return Hold(said, hint or "mend what it names")


def _all_refused(messages: Sequence[Message], code: int, words: str, said: str) -> BatchResult:
    """The whole call was refused: nothing was accepted."""
    hold = _hold(code, words, said)
    if hold is None and len(messages) == 1:
        return every(messages, OutcomeKind.REJECTED, words)
    if hold is None:
        hint = (
            "one address of the batch is refused and Postmark doesn't say which: "
            "set batch = 1 under [sending] to find it"
        )
        hold = Hold(said, hint)
    return every(messages, OutcomeKind.DEFERRED, said, hold)


# Types of bounces, and reasons of suppressions: postmarkapp.com/developer/api/bounce-api#bounce-types.
_KINDS: Mapping[str, tuple[EventType, BounceClass]] = {
    "HardBounce": (EventType.BOUNCED, BounceClass.HARD),
    "SoftBounce": (EventType.BOUNCED, BounceClass.SOFT),
    "Blocked": (EventType.BOUNCED, BounceClass.BLOCK),
    "DMARCPolicy": (EventType.BOUNCED, BounceClass.BLOCK),
    "SpamNotification": (EventType.BOUNCED, BounceClass.BLOCK),
    "VirusNotification": (EventType.BOUNCED, BounceClass.BLOCK),
    "Transient": (EventType.DEFERRED, BounceClass.NONE),
    "DnsError": (EventType.DEFERRED, BounceClass.NONE),
    "OpenRelayTest": (EventType.DEFERRED, BounceClass.NONE),
    "BadEmailAddress": (EventType.REJECTED, BounceClass.HARD),
    "ManuallyDeactivated": (EventType.REJECTED, BounceClass.NONE),
    "Unconfirmed": (EventType.REJECTED, BounceClass.NONE),
    "SpamComplaint": (EventType.COMPLAINED, BounceClass.NONE),
    "Unsubscribe": (EventType.UNSUBSCRIBED, BounceClass.NONE),
    "ManualSuppression": (EventType.UNSUBSCRIBED, BounceClass.NONE),
    "Subscribe": (EventType.SUBSCRIBED, BounceClass.NONE),
    "AutoResponder": (EventType.AUTORESPONDED, BounceClass.NONE),
    "AddressChange": (EventType.AUTORESPONDED, BounceClass.NONE),
    "ChallengeVerification": (EventType.AUTORESPONDED, BounceClass.NONE),
    "SMTPApiError": (EventType.FAILED, BounceClass.NONE),
    "TemplateRenderingFailed": (EventType.FAILED, BounceClass.NONE),
}
_UNKNOWN = (EventType.UNKNOWN, BounceClass.NONE)
_RECORDS: Mapping[str, EventType] = {
    "Delivery": EventType.DELIVERED,
    "Open": EventType.OPENED,
    "Click": EventType.CLICKED,
}


def _kind(record: str, report: Any) -> tuple[EventType, BounceClass]:
    match record:
        case "Bounce" | "SpamComplaint":
            return _KINDS.get(text(report, "Type"), _UNKNOWN)
        case "SubscriptionChange" if report.get("SuppressSending") is False:
            return _KINDS["Subscribe"]
        case "SubscriptionChange":
            return _KINDS.get(text(report, "SuppressionReason"), _UNKNOWN)
        case _:
            return _RECORDS.get(record, EventType.UNKNOWN), BounceClass.NONE
