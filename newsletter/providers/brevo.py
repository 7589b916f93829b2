"""Brevo (brevo.com): one message a call, and what its answers mean.

Sources: developers.brevo.com/reference/sendtransacemail, …/docs/batch-send-transactional-emails,
…/docs/heterogenous-versions-batch-emails (idempotency), …/docs/using-sandbox-mode, …/reference/get-email-event-report,
…/docs/transactional-webhooks, …/docs/api-limits.

Why not in batches: whether the `headers` of a message version carry its reader's own `List-Unsubscribe` is
documented nowhere, and Brevo's reference calls only custom headers supported there. A single message has one reader
and its own headers.

Brevo reads the content as a template whether it is meant as one or not. What looks like a delimiter in the text is
broken up by a parameter that holds a brace; parameters are put in once and not read again.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from email.utils import parseaddr
from typing import Any, Final
from urllib.parse import urlencode

from newsletter.errors import NewsletterError
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.api import (
    CLOCKS_DIFFER,
    JSON_BODY,
    Fixes,
    allowance,
    answered,
    api_key,
    base_url,
    call_headers,
    every,
    read_json,
    refused,
    region,
    seconds_to_wait,
    send_tag,
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
from newsletter.providers.events import digest, moment, read_entries, text
from newsletter.providers.signatures import WebhookCall, WebhookSecrets, verify_token

API_KEY_VARIABLE: Final = "NEWSLETTER_BREVO_API_KEY"
# One address for all: its servers stand in the EU.
_HOSTS: Final = {"": "https://api.brevo.com", "eu": "https://api.brevo.com"}
_FIXES: Final = Fixes(
    key=f"check {API_KEY_VARIABLE}: make one at app.brevo.com/settings/keys/api, and allow this machine's address there",
    address="check `provider.base_url`; leave it out for https://api.brevo.com",
)
_KEYS: Final = uuid.UUID("8f0b2f3e-5a0e-4d0c-9d57-3d0a2b9f6c11")
_OPENING: Final = re.compile(rb"\{(?=[{%#])")
_BRACE: Final = b"{{params.b}}"
_ABOUT_RECIPIENT: Final = re.compile(r"\bto\b|\brecipient|email address in to", re.IGNORECASE)
_ABOUT_SENDER: Final = re.compile(r"\bsender\b|\bdomain\b", re.IGNORECASE)

_EVENTS: Final[Mapping[str, tuple[EventType, BounceClass]]] = {
    "request": (EventType.QUEUED, BounceClass.NONE),
    "delivered": (EventType.DELIVERED, BounceClass.NONE),
    "hard_bounce": (EventType.BOUNCED, BounceClass.HARD),
    "soft_bounce": (EventType.BOUNCED, BounceClass.SOFT),
    "blocked": (EventType.REJECTED, BounceClass.BLOCK),
    "spam": (EventType.COMPLAINED, BounceClass.NONE),
    "complaint": (EventType.COMPLAINED, BounceClass.NONE),
    "invalid_email": (EventType.BOUNCED, BounceClass.HARD),
    "deferred": (EventType.DEFERRED, BounceClass.NONE),
    "opened": (EventType.OPENED, BounceClass.NONE),
    "unique_opened": (EventType.OPENED, BounceClass.NONE),
    "proxy_open": (EventType.OPENED, BounceClass.NONE),
    "unique_proxy_open": (EventType.OPENED, BounceClass.NONE),
    "click": (EventType.CLICKED, BounceClass.NONE),
    "unsubscribe": (EventType.UNSUBSCRIBED, BounceClass.NONE),
    "error": (EventType.FAILED, BounceClass.NONE),
}


class BrevoProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`."""

    name = "brevo"
    capabilities = Capabilities(
        content=ContentForm.FIELDS,
        max_batch=1,
        connections=8,
        attachments=False,  # no way to refer to one by `cid:` is documented
        per_item_result=True,
        # Keys live 30 minutes; its own announcement says 15.
        idempotency_ttl=14 * 60,
        lookup_by="tag and address",
        notes=(
            "Brevo doesn't promise each reader's own List-Unsubscribe header in a batch: messages are sent one by one.",
        ),
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key and the address.

        Raises:
            UsageError: the key is missing, or the address isn't one.
        """
        self._key = api_key(options, API_KEY_VARIABLE, "app.brevo.com/settings/keys/api")
        self._base = base_url(options, region(options, _HOSTS))
        self._sandbox = options.sandbox
        self._headers = call_headers("api-key", self._key) | JSON_BODY

    def build_request(self, batch: Batch) -> Request:
        """`POST /v3/smtp/email` with the one message of `batch`; the same batch always gives the same bytes."""
        [message] = batch.messages
        html = _OPENING.sub(_BRACE, b"".join(message.html_json))
        text = _OPENING.sub(_BRACE, b"".join(message.text_json))
        envelope = _OPENING.sub(_BRACE, to_json({"subject": message.subject}).encode()[1:-1])
        parts = [b"{", envelope, b",", self._envelope(message, batch.key), b',"htmlContent":"', html]
        if text:
            parts += (b'","textContent":"', text)
        parts.append(b'"')
        if any(_BRACE in part for part in (html, text, envelope)):
            parts.append(b',"params":{"b":"{"}')
        parts.append(b"}")
        return Request("POST", f"{self._base}/v3/smtp/email", self._headers, parts)

    def _envelope(self, message: Message, key: str) -> bytes:
        name, address = parseaddr(message.from_header)
        headers = dict(message.headers)
        headers["X-Mailin-custom"] = to_json({"delivery_id": message.delivery_id})
        # It takes UUIDs only; the same key always gives the same.
        headers["idempotencyKey"] = str(uuid.uuid5(_KEYS, key))
        if self._sandbox:
            headers["X-Sib-Sandbox"] = "drop"
        fields: dict[str, Any] = {
            "sender": {"name": name, "email": address} if name else {"email": address},
            "to": [{"email": message.recipient}],
            "headers": headers,
            "tags": [send_tag(key)],
        }
        if message.reply_to:
            fields["replyTo"] = {"email": message.reply_to}
        return to_json(fields).encode()[1:-1]

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about the message.

        | answer | outcome | send |
        |---|---|---|
        | 2xx with `messageId` | accepted | goes on |
        | 2xx of any other shape | unknown; the key may be replayed | goes on |
        | 400 `duplicate_parameter` | unknown: an earlier call with the key was taken, for better or worse | goes on |
        | 400 about the reader's address | rejected | goes on |
        | 400 about the sender | deferred | holds: verify it |
        | 402, `not_enough_credits` | deferred | holds: the plan |
        | else | `api.refused` | `api.refused` |
        """
        body = read_json(response.body)
        tree = body if isinstance(body, dict) else {}
        if 200 <= response.status < 300:
            result = every(batch.messages, OutcomeKind.UNKNOWN, "Brevo's answer can't be read")
            if isinstance(tree.get("messageId"), str) and tree["messageId"]:
                accepted = Outcome(batch.messages[0].delivery_id, OutcomeKind.ACCEPTED, tree["messageId"])
                result = BatchResult([accepted])
        else:
            code, words = str(tree.get("code") or ""), str(tree.get("message") or "")
            result = self._refused(batch, response, code, words)
        rate = allowance(response.headers, "x-sib-ratelimit-remaining", "x-sib-ratelimit-reset")
        return replace(result, allowance=rate)

    def _refused(self, batch: Batch, response: Response, code: str, words: str) -> BatchResult:
        messages = batch.messages
        said = answered("Brevo", response.status, words, response.body, self._key)
        about_recipient = _ABOUT_RECIPIENT.search(words)
        match response.status, code:
            case 400, "duplicate_parameter" if "idempotency" in words.lower():
                return every(messages, OutcomeKind.UNKNOWN, said)
            case (402, _) | (_, "not_enough_credits"):
                hint = "buy credits at app.brevo.com, or wait until they are renewed"
                return every(messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
            case 400, "invalid_parameter" | "missing_parameter" if about_recipient:
                return every(messages, OutcomeKind.REJECTED, said)
            case 400, _ if _ABOUT_SENDER.search(words):
                hint = "verify the sender and its domain at app.brevo.com/senders"
                return every(messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
            case 429, _:
                wait = seconds_to_wait(response.headers, "retry-after", "x-sib-ratelimit-reset")
                return every(messages, OutcomeKind.DEFERRED, said, Hold(said, retry_after=wait or 1.0))
            case _:
                return refused(batch, response.status, said, response.headers, _FIXES)

    def search(self, question: Question) -> Generator[Request, Response, Mapping[str, Outcome]]:
        """`GET /v3/smtp/statistics/events` by the send's tag and the address; any event shows that Brevo took it.

        Raises:
            NewsletterError: the key may not ask.
        """
        found: dict[str, Outcome] = {}
        for delivery_id, address in question.recipients.items():
            query = urlencode({"tags": send_tag(question.key), "email": address, "limit": 50})
            response = yield Request(
                "GET", f"{self._base}/v3/smtp/statistics/events?{query}", self._headers, ()
            )
            body = read_json(response.body)
            tree = body if isinstance(body, dict) else {}
            if response.status in (401, 403):
                words = answered(
                    "Brevo", response.status, str(tree.get("message") or ""), response.body, self._key
                )
                raise NewsletterError(words, hint=_FIXES.key)
            for event in tree.get("events") or ():
                # An older store of the same key may have numbered its sends alike.
                when = moment(event.get("date")) if isinstance(event, dict) else None
                if when is None or when < question.at - CLOCKS_DIFFER:
                    continue
                if text(event, "email").lower() == address.lower():
                    number = str(event.get("messageId") or "")
                    found[delivery_id] = Outcome(delivery_id, OutcomeKind.ACCEPTED, number)
        return found

    def diagnose(self, domain: str) -> Questions:
        """What Brevo says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account("Brevo", self._base, lambda _: self._headers, (self._key,), _FIXES.key)
        return accounts.brevo(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call has our token: Brevo signs nothing.

        Raises:
            WebhookRefusedError: it isn't.
        """
        verify_token(secrets, call)

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:  # noqa: ARG003 - the protocol's
        """One event, or a list where batched webhooks are switched on.

        Raises:
            ValueError: neither is there.
        """
        return [_event(entry) for entry in read_entries(body, "Brevo")]


def _event(entry: Mapping[str, Any]) -> Event:
    kind, bounce = _EVENTS.get(str(entry["event"]), (EventType.UNKNOWN, BounceClass.NONE))
    millis = entry.get("ts_epoch")
    custom = read_json(str(entry.get("X-Mailin-custom") or "").encode())
    return Event(
        provider="brevo",
        type=kind,
        # The `id` is the webhook's, not the event's.
        event_id=digest(entry),
        at=moment(millis / 1000 if isinstance(millis, int) else entry.get("ts_event")),
        recipient=text(entry, "email"),
        message_id=text(entry, "message-id"),
        delivery_id=text(custom, "delivery_id"),
        bounce_class=bounce,
        reason=text(entry, "reason").strip(),
        url=text(entry, "link"),
        user_agent=text(entry, "user_agent"),
        raw=entry,
    )
