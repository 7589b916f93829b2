"""Resend (resend.com): what a batch looks like on the wire, and what its answers mean for each message.

Sources: the OpenAPI document of resend/resend-openapi; resend.com/docs/api-reference/errors, …/rate-limit,
…/emails/send-batch-emails; docs/dashboard/emails/idempotency-keys and …/batch-validation-modes.

How one bad address is kept from blocking ninety-nine good ones: batches are sent in the documented
permissive mode (`x-batch-validation: permissive`), in which Resend creates what is valid and lists the
rest under `errors` with its index. Where a whole batch is refused all the same (400, 422), nothing was
accepted: the recipient it names, or the only one, is rejected and the others are deferred; where it names
nobody, the send holds. What is wrong with the sender, the key or the account always holds the send.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.utils import parseaddr
from typing import Any

from newsletter.errors import UsageError
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.api import (
    JSON_BODY,
    Fixes,
    allowance,
    answered,
    api_key,
    base_url,
    call_headers,
    every,
    one_line,
    read_json,
    refused,
    seconds_to_wait,
    to_json,
)
from newsletter.providers.base import (
    Batch,
    BatchResult,
    Capabilities,
    ContentForm,
    Hold,
    ProviderOptions,
    Request,
    Response,
)
from newsletter.providers.diagnosis import Questions
from newsletter.providers.events import digest, moment, read_report, text
from newsletter.providers.signatures import WebhookCall, WebhookSecrets, verify_standard_webhook

API_KEY_VARIABLE = "NEWSLETTER_RESEND_API_KEY"
_HOUR = 3600
_FIXES = Fixes(
    key=f"check {API_KEY_VARIABLE}: make a key that may send at resend.com/api-keys",
    address="check `provider.base_url`; leave it out for https://api.resend.com",
)
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
# "Invalid `to` field.", "Missing `to` field.", "The `to` field is missing.": about this recipient alone.
_ABOUT_RECIPIENT = re.compile(r"[`'\"]to[`'\"]|\bto\[\d+\]|\brecipient\b", re.IGNORECASE)


class ResendProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`."""

    name = "resend"
    capabilities = Capabilities(
        content=ContentForm.FIELDS,
        max_batch=100,
        connections=2,
        attachments=False,  # not in a batch
        per_item_result=True,
        # Keys live 24 hours; the margin covers a slow clock and a slow night.
        idempotency_ttl=23 * _HOUR,
        # Two requests a second and team, a hundred messages each.
        calls_per_second=2.0,
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key and the address.

        Raises:
            UsageError: the key is missing, or the address isn't one.
        """
        if options.sandbox:
            raise UsageError(
                "Resend has no sandbox",
                hint="leave it out and use --test delivered@resend.dev, a mailbox of theirs",
            )
        key = api_key(options, API_KEY_VARIABLE, "resend.com/api-keys")
        self._base = base_url(options, "https://api.resend.com")
        self._url = f"{self._base}/emails/batch"
        self._key = key
        self._headers = (
            call_headers("Authorization", f"Bearer {key}") | JSON_BODY | {"x-batch-validation": "permissive"}
        )

    def build_request(self, batch: Batch) -> Request:
        """`POST /emails/batch`, an item for each message, each with one address in `to`.

        The bodies are joined from segments that are JSON already: the result is one flat list,
        joined once by whoever sends it. The same batch always gives the same bytes.
        """
        parts: list[bytes] = []
        before = b"["
        for message in batch.messages:
            parts += (before, _envelope(message), b',"html":"', *message.html_json)
            if message.text_json:
                parts += (b'","text":"', *message.text_json)
            parts.append(b'"}')
            before = b","
        parts.append(b"]")
        return Request(
            method="POST",
            url=self._url,
            headers={**self._headers, "Idempotency-Key": batch.key[:256]},
            body=parts,
        )

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about each message.

        | answer | outcome | send |
        |---|---|---|
        | 200 with `data` (and `errors` by index) | accepted, rejected | goes on |
        | 200 of any other shape | unknown; the key may be replayed | goes on |
        | 400, 422 | see the module | holds where a person must act |
        | 401, 403, 404, 405, 451, other 4xx | deferred | holds: a person must act |
        | 409 same key, other payload | unknown | holds: a person must act |
        | 409 same key, still in progress | unknown | waits, then replays |
        | 429 | deferred | waits as long as Resend says; a quota holds |
        | 5xx, 408, 3xx, 1xx | unknown (3xx: deferred); the key may be replayed | waits |
        """
        body = read_json(response.body)
        if 200 <= response.status < 300:
            result = _created(batch, body, self._key)
        else:
            result = _refused(batch, response, *_error_words(body, response, self._key))
        rate = allowance(response.headers, "ratelimit-remaining", "ratelimit-reset")
        return replace(result, allowance=rate)

    def diagnose(self, domain: str) -> Questions:
        """What Resend says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account("Resend", self._base, lambda _: self._headers, (self._key,), _FIXES.key)
        return accounts.resend(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call is signed by Resend: Standard Webhooks, in Svix's headers or their own.

        Raises:
            WebhookRefusedError: it isn't.
        """
        verify_standard_webhook(secrets, call)

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        """The one event Resend posts, by Svix or Standard Webhooks; see `providers.base.Webhook`.

        Raises:
            ValueError: this isn't what Resend sends.
        """
        report = read_report(body)
        name = text(report, "type")
        if not name or not isinstance(report.get("data"), dict):
            raise ValueError("an event of Resend has a type and data")
        kind, bounce = _event_kind(name, report["data"])
        to = report["data"].get("to")
        reasons = (("bounce", "message"), ("suppressed", "message"), ("failed", "reason"))
        return [
            Event(
                provider=cls.name,
                type=kind,
                # The same for each attempt to post the event; the timestamp header isn't.
                event_id=headers.get("svix-id") or headers.get("webhook-id") or digest(report),
                # `data.created_at` is the message's.
                at=moment(report.get("created_at")),
                recipient=parseaddr(str(to[0]))[1] if isinstance(to, list) and to else "",
                message_id=text(report, "data", "email_id"),
                delivery_id=_delivery_in(report["data"]),
                bounce_class=bounce,
                reason=next((said for path in reasons if (said := text(report, "data", *path))), ""),
                url=text(report, "data", "click", "link"),
                user_agent=text(report, "data", "click", "userAgent"),
                raw=report,
            )
        ]


def _envelope(message: Message) -> bytes:
    """An item's opening, everything but the bodies."""
    fields: dict[str, Any] = {
        "from": message.from_header,
        "to": [message.recipient],
        "subject": message.subject,
    }
    if message.reply_to:
        fields["reply_to"] = message.reply_to
    if message.headers:
        fields["headers"] = dict(message.headers)
    if _TAG.fullmatch(message.delivery_id):
        fields["tags"] = [{"name": "delivery_id", "value": message.delivery_id}]
    return to_json(fields).encode()[:-1]


def _created(batch: Batch, body: Any, key: str) -> BatchResult:
    """A 200: ids for what was created, in order, and the indexes of what was not."""
    messages = batch.messages
    data = body.get("data") if isinstance(body, dict) else None
    errors = (body.get("errors") or []) if isinstance(body, dict) else []
    if not isinstance(data, list) or not isinstance(errors, list):
        return every(messages, OutcomeKind.UNKNOWN, "Resend's answer can't be read")
    wrong: dict[int, str] = {}
    for error in errors:
        index = error.get("index") if isinstance(error, dict) else None
        if not isinstance(index, int) or not 0 <= index < len(messages):
            return every(messages, OutcomeKind.UNKNOWN, "Resend's answer names an item that wasn't sent")
        wrong[index] = one_line(str(error.get("message", "")), key)
    ids = [item.get("id") if isinstance(item, dict) else None for item in data]
    if len(ids) + len(wrong) != len(messages) or not all(isinstance(i, str) and i for i in ids):
        # Which id belongs to whom can't be said; a replay of the key asks once more.
        return every(messages, OutcomeKind.UNKNOWN, "Resend's answer doesn't fit the batch")
    outcomes, hold = [], None
    accepted = iter(ids)
    for index, message in enumerate(messages):
        if index not in wrong:
            outcomes.append(Outcome(message.delivery_id, OutcomeKind.ACCEPTED, str(next(accepted))))
            continue
        reason = wrong[index]
        if _ABOUT_RECIPIENT.search(reason):
            outcomes.append(Outcome(message.delivery_id, OutcomeKind.REJECTED, reason=reason))
        else:
            # Not about the address: what we sent was wrong, and the others are alike.
            outcomes.append(Outcome(message.delivery_id, OutcomeKind.DEFERRED, reason=reason))
            hold = Hold(f"Resend: {reason}", "mend what it names")
    return BatchResult(outcomes, hold)


def _refused(batch: Batch, response: Response, name: str, said: str) -> BatchResult:
    """Any answer but success."""
    messages, wait = batch.messages, seconds_to_wait(response.headers)
    match response.status, name:
        case 429, _ if "quota" in name:
            hint = "upgrade the plan at resend.com, or wait until the quota is renewed"
            return every(messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
        case 409, "concurrent_idempotent_requests":
            return every(messages, OutcomeKind.UNKNOWN, said, Hold(said, retry_after=wait or 5.0))
        case 409, _:
            hint = "an earlier call with the same key may have been accepted: see newsletter reconcile"
            return every(messages, OutcomeKind.UNKNOWN, said, Hold(said, hint))
        case ((401 | 403), _):
            return every(messages, OutcomeKind.DEFERRED, said, Hold(said, _permission_hint(name, said)))
        case ((400 | 422), _) if _ABOUT_RECIPIENT.search(said):
            return _about_recipients(messages, said)
        case status, _:
            return refused(batch, status, said, response.headers, _FIXES)


def _about_recipients(messages: Sequence[Message], said: str) -> BatchResult:
    """A whole batch refused over an address: nothing was accepted, and only who is named is rejected."""
    lowered = said.lower()
    named = {m.delivery_id for m in messages if len(messages) == 1 or m.recipient.lower() in lowered}
    if named:
        return BatchResult(
            [
                Outcome(
                    m.delivery_id,
                    OutcomeKind.REJECTED if m.delivery_id in named else OutcomeKind.DEFERRED,
                    reason=said,
                )
                for m in messages
            ]
        )
    hint = (
        "one address of the batch is refused and Resend doesn't say which: "
        "set batch = 1 under [sending] to find it"
    )
    return every(messages, OutcomeKind.DEFERRED, said, Hold(said, hint))


def _permission_hint(name: str, said: str) -> str:
    text = f"{name} {said}".lower()
    if "testing emails" in text or "verif" in text or "from" in name:
        return "verify the domain of `from` at resend.com/domains"
    if "1010" in text:
        return "something on the way to Resend removes the User-Agent header"
    return _FIXES.key


def _error_words(body: Any, response: Response, key: str) -> tuple[str, str]:
    """The error's name and a sentence for people."""
    name, text = "", ""
    if isinstance(body, dict):
        inner = body.get("error")
        source = inner if isinstance(inner, dict) else body
        name, text = str(source.get("name", "")), str(source.get("message", ""))
    return name, answered("Resend", response.status, text, response.body, key)


_EVENTS: Mapping[str, EventType] = {
    "email.scheduled": EventType.QUEUED,
    "email.sent": EventType.SENT,
    "email.delivered": EventType.DELIVERED,
    "email.delivery_delayed": EventType.DEFERRED,
    "email.failed": EventType.FAILED,
    "email.suppressed": EventType.REJECTED,
    "email.opened": EventType.OPENED,
    "email.clicked": EventType.CLICKED,
    "email.complained": EventType.COMPLAINED,
}


def _event_kind(name: str, data: Mapping[str, Any]) -> tuple[EventType, BounceClass]:
    """What happened; a bounce is classed by its `type` and `subType`, which are Amazon's."""
    if name != "email.bounced":
        return _EVENTS.get(name, EventType.UNKNOWN), BounceClass.NONE
    if "suppressed sending" in text(data, "bounce", "message"):
        # How it was told before there was `email.suppressed`.
        return EventType.REJECTED, BounceClass.NONE
    match text(data, "bounce", "type"), text(data, "bounce", "subType"):
        case _, "ContentRejected" | "AttachmentRejected" | "MessageTooLarge":
            return EventType.BOUNCED, BounceClass.BLOCK
        case (("Transient" | "Undetermined"), _):
            return EventType.BOUNCED, BounceClass.SOFT
        case _:
            return EventType.BOUNCED, BounceClass.HARD


def _delivery_in(data: Mapping[str, Any]) -> str:
    """Our delivery id: the tag, else the header."""
    headers = data.get("headers")
    for header in headers if isinstance(headers, list) else ():
        if text(header, "name").casefold() == "x-newsletter-delivery":
            return text(data, "tags", "delivery_id") or text(header, "value")
    return text(data, "tags", "delivery_id")
