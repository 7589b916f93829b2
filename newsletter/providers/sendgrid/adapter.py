"""SendGrid (twilio.com/sendgrid): a thousand readers a call, its marks in the text, and what its answers mean.

Sources: twilio/sendgrid-oai (tsg_mail_v3, tsg_logs_v3, tsg_webhooks_v3); twilio.com/docs/sendgrid/api-reference/mail-send
(…/limitations, …/errors), …/how-to-use-the-sendgrid-v3-api/rate-limits, …/for-developers/sending-email/substitution-tags,
…/sandbox-mode, …/categories#limitations, …/for-developers/tracking-events/event.

How a reader's values get into the text: `substitutions` are plain replacements of marks we choose, with nothing
escaped. Whether a value that holds another mark is replaced again isn't documented (several levels were once
possible), so the marks are words nobody has written; see `providers.marks`. All headers stand at each reader:
that those of the message are added isn't promised.

One bad address refuses the whole call and is named by its index (`personalizations.3.to.0.email`): it alone is
rejected, the others were never looked at. There are no ids per reader and nothing keeps a second call from being a
second message: an answer that is lost leaves its readers unknown. The Email Logs (where the plan has them) find
them by a category, the batch's key; a day's statistics hold a thousand categories, which no send depends on.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from email.utils import parseaddr, parsedate_to_datetime
from json.encoder import encode_basestring
from typing import Any, Final, NamedTuple

from newsletter.errors import NewsletterError, UsageError
from newsletter.model.event import Event
from newsletter.model.message import Message, Outcome, OutcomeKind, SharedContent
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
    region,
    to_json,
)
from newsletter.providers.base import (
    Allowance,
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
from newsletter.providers.events import read_report, text
from newsletter.providers.marks import Translations, marked, numbered
from newsletter.providers.sendgrid.events import event_of, message_id
from newsletter.providers.signatures import (
    A_DAY,
    WebhookCall,
    WebhookRefusedError,
    WebhookSecrets,
    require_keys,
    require_recent,
    required,
    verify_ecdsa,
)

API_KEY_VARIABLE: Final = "NEWSLETTER_SENDGRID_API_KEY"
_HOSTS: Final = {
    "": "https://api.sendgrid.com",
    "global": "https://api.sendgrid.com",
    "eu": "https://api.eu.sendgrid.com",
}
_FIXES: Final = Fixes(
    key=f"check {API_KEY_VARIABLE}: make a key with Mail Send access at app.sendgrid.com/settings/api_keys",
    address='check `provider.base_url`; leave it out for https://api.sendgrid.com, or set `region = "eu"`',
)
_VERIFY: Final = "authenticate the domain of `from` at app.sendgrid.com/settings/sender_auth"
_UPGRADE: Final = "upgrade the plan at app.sendgrid.com, or wait until the credits are renewed"
_MAX_BATCH: Final = 1000
_LARGEST_CALL: Final = 30_000_000
# Of one personalization, marks and values together.
_SUBSTITUTION_BYTES: Final = 10_000
_PERSONALIZATION = re.compile(r"personalizations[.\[](\d{1,4})\b\]?\.?(\w*)")


class _Content(NamedTuple):
    """The content in SendGrid's form.

    Attributes:
        tail: the members after `personalizations`, without braces.
        headers: the members of the headers everybody has.
        marks: of the slots, in their order.
    """

    tail: bytes
    headers: tuple[str, ...]
    marks: tuple[str, ...]


class SendGridProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`."""

    name = "sendgrid"
    capabilities = Capabilities(
        content=ContentForm.VALUES,
        max_batch=_MAX_BATCH,
        attachments=True,
        per_item_result=False,
        lookup_by="category",
        max_call_bytes=_LARGEST_CALL,
        max_message_bytes=_LARGEST_CALL,
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key and the address.

        Raises:
            UsageError: the key is missing, or the address, the region or the pool isn't one.
        """
        self._key = api_key(options, API_KEY_VARIABLE, "app.sendgrid.com/settings/api_keys")
        base = base_url(options, region(options, _HOSTS))
        if options.stream and not 2 <= len(options.stream) <= 64:
            raise UsageError(
                "`provider.stream` isn't the name of a SendGrid IP pool: it has 2 to 64 characters",
                hint="copy the name from app.sendgrid.com/settings/ip_addresses, or leave it out",
            )
        self._pool = options.stream
        self._sandbox = options.sandbox
        self._base, self._url, self._logs = base, f"{base}/v3/mail/send", f"{base}/v3/logs"
        self._headers = call_headers("Authorization", f"Bearer {self._key}") | JSON_BODY
        self._contents = Translations(self._translate)

    def build_request(self, batch: Batch) -> Request:
        """`POST /v3/mail/send`, a personalization for each message; the same batch always gives the same bytes."""
        assert batch.shared is not None
        content = self._contents.of(batch)
        own_subject = batch.shared.subject is None
        # What everybody's personalization has, with a place for each text of one's own.
        frame = _frame(batch.messages[0], content, own_subject=own_subject)
        texts = _texts_with_subject if own_subject else _texts
        # Encoded one by one: a single emoji would make one long string four times as wide.
        readers = [(frame % tuple(map(encode_basestring, texts(m)))).encode() for m in batch.messages]
        return Request(
            method="POST",
            url=self._url,
            headers=self._headers,
            body=(
                b'{"personalizations":[',
                b",".join(readers),
                b"],",
                content.tail,
                b',"categories":[%b]}' % to_json(batch.key[:255]).encode(),
            ),
        )

    def _translate(self, shared: SharedContent, word: str) -> _Content:
        marks = numbered(shared.slots, f"-{word}x{{}}-")
        name, _ = parseaddr(shared.from_header)
        members: dict[str, Any] = {"from": {"email": shared.sender} | ({"name": name} if name else {})}
        if shared.reply_to:
            members["reply_to"] = {"email": shared.reply_to}
        if shared.subject is not None:
            members["subject"] = shared.subject
        members["content"] = [
            {"type": kind, "value": value}
            for kind, value in (
                ("text/plain", marked(shared.text, marks)),
                ("text/html", marked(shared.html, marks)),
            )
            if value
        ]
        if shared.images:
            members["attachments"] = [
                {
                    "content": base64.b64encode(image.data).decode("ascii"),
                    "type": image.media_type,
                    "filename": image.filename,
                    "disposition": "inline",
                    "content_id": image.content_id,
                }
                for image in shared.images
            ]
        if self._pool:
            members["ip_pool_name"] = self._pool
        if self._sandbox:
            members["mail_settings"] = {"sandbox_mode": {"enable": True}}
        # Where the account has it on, SendGrid would put its own unsubscribe header and link in place of ours.
        members["tracking_settings"] = {"subscription_tracking": {"enable": False}}
        return _Content(
            tail=to_json(members)[1:-1].encode(),
            headers=tuple(f"{_literal(name)}:{_literal(value)}" for name, value in shared.headers),
            marks=tuple(marks.values()),
        )

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about the messages.

        | answer | outcome | send |
        |---|---|---|
        | 202, in the sandbox 200 | accepted, all with the call's `X-Message-Id` | goes on |
        | any other 2xx | unknown | goes on |
        | 400 that names readers' addresses | they rejected, the others deferred | goes on |
        | 401 "Maximum credits exceeded" | deferred | holds: the plan |
        | 403 and 400 about `from` | deferred | holds: the sender's domain |
        | 429 | deferred | waits until `X-RateLimit-Reset` |
        | others | see `api.refused` | |
        """
        rate = _rate(response.headers)
        if 200 <= response.status < 300:
            return replace(self._accepted(batch, response), allowance=rate)
        errors = _errors(response.body, self._key)
        said = answered(
            "SendGrid", response.status, "; ".join(m for m, _ in errors[:3]), response.body, self._key
        )
        result = _refused(batch, response, said, errors)
        if response.status == 429 and result.hold and rate and not response.headers.get("retry-after"):
            result = replace(result, hold=replace(result.hold, retry_after=max(rate.reset_after, 0.05)))
        return replace(result, allowance=rate)

    def _accepted(self, batch: Batch, response: Response) -> BatchResult:
        if response.status != (200 if self._sandbox else 202):
            said = f"SendGrid answered {response.status}, which says neither that it took the call nor that it didn't"
            return every(batch.messages, OutcomeKind.UNKNOWN, said)
        number = response.headers.get("x-message-id", "").strip()
        return BatchResult([Outcome(m.delivery_id, OutcomeKind.ACCEPTED, number) for m in batch.messages])

    def search(self, question: Question) -> Generator[Request, Response, Mapping[str, Outcome]]:
        """Ask the Email Logs for the batch's category: one call, for a page holds as many as a batch.

        Raises:
            NewsletterError: the key or the plan doesn't include them.
        """
        since = (question.at - timedelta(hours=1)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        key = question.key.replace("'", "''")
        query = f"categories IN ('{key}') AND sg_message_id_created_at >= TIMESTAMP \"{since}\""
        body = to_json({"query": query, "limit": _MAX_BATCH}).encode()
        response = yield Request("POST", self._logs, self._headers, (body,))
        document = read_json(response.body)
        messages = document.get("messages") if isinstance(document, dict) else None
        if response.status != 200 or not isinstance(messages, list):
            words = "; ".join(m for m, _ in _errors(response.body, self._key))
            raise NewsletterError(
                answered("SendGrid", response.status, words, response.body, self._key),
                hint="its logs need a plan with Email Activity, and a key that may read it",
            )
        numbers = {
            text(m, "to_email").lower(): message_id(text(m, "sg_message_id"), "")
            for m in messages
            if isinstance(m, dict)
        }
        return {
            delivery: Outcome(delivery, OutcomeKind.ACCEPTED, numbers[address.lower()])
            for delivery, address in question.recipients.items()
            if address.lower() in numbers
        }

    def diagnose(self, domain: str) -> Questions:
        """What SendGrid says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account("SendGrid", self._base, lambda _: self._headers, (self._key,), _FIXES.key)
        return accounts.sendgrid(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call is signed by SendGrid: ECDSA over its timestamp and the raw body, last line break and all.

        Raises:
            WebhookRefusedError: it isn't.
        """
        at = required(call, "x-twilio-email-event-webhook-timestamp")
        signature = required(call, "x-twilio-email-event-webhook-signature")
        require_recent(at, call.now, A_DAY)
        if not any(verify_ecdsa(key, signature, at.encode() + call.body) for key in require_keys(secrets)):
            raise WebhookRefusedError("the signature doesn't fit")

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:  # noqa: ARG003 - the contract's
        """The events of an Event Webhook call, an array.

        Raises:
            ValueError: it is something else.
        """
        reports = read_report(body)
        if not isinstance(reports, list) or not all(isinstance(r, dict) and "event" in r for r in reports):
            raise ValueError("this is no array of SendGrid's events")
        return [event_of(report) for report in reports]


def _frame(message: Message, content: _Content, *, own_subject: bool) -> str:
    """A personalization with `%s` for each of `_texts`; every message of a batch has the same headers."""
    headers = ",".join([*(f"{_literal(name)}:%s" for name, _ in message.headers), *content.headers])
    substitutions = ",".join(f"{_literal(mark)}:%s" for mark in content.marks)
    return (
        '{"to":[{"email":%s}],"headers":{'
        + headers
        + '},"custom_args":{"delivery_id":%s}'
        + (f',"substitutions":{{{substitutions}}}' if substitutions else "")
        + (',"subject":%s}' if own_subject else "}")
    )


def _literal(part: str) -> str:
    return encode_basestring(part).replace("%", "%%")


def _texts(message: Message) -> Iterable[str]:
    values = [value for _, value in message.headers]
    return (message.recipient, *values, message.delivery_id, *message.values)


def _texts_with_subject(message: Message) -> Iterable[str]:
    return (*_texts(message), message.subject)


def _errors(body: bytes, key: str) -> list[tuple[str, str]]:
    """The messages of an answer, each with the field it is about."""
    document = read_json(body)
    errors = document.get("errors") if isinstance(document, dict) else None
    return [
        (one_line(text(error, "message"), key), text(error, "field"))
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, dict)
    ]


def _refused(batch: Batch, response: Response, said: str, errors: Sequence[tuple[str, str]]) -> BatchResult:
    """Any answer but success."""
    status = response.status
    about_sender = "sender identity" in said.lower() or any(
        field.partition(".")[0] == "from" for _, field in errors
    )
    hint = ""
    if status == 401 and "credits exceeded" in said.lower():
        hint = _UPGRADE
    elif status in (400, 403) and about_sender:
        hint = _VERIFY
    elif status == 400:
        about = _about_readers(batch, errors)
        if about:
            return BatchResult(
                [
                    Outcome(m.delivery_id, OutcomeKind.REJECTED, reason=about[at])
                    if at in about
                    else Outcome(m.delivery_id, OutcomeKind.DEFERRED, reason=said)
                    for at, m in enumerate(batch.messages)
                ]
            )
    if hint:
        return every(batch.messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
    return refused(batch, status, said, response.headers, _FIXES)


def _about_readers(batch: Batch, errors: Sequence[tuple[str, str]]) -> dict[int, str]:
    """What is wrong with whom: an address, or values that are too long. All else is wrong with what we send to all."""
    found: dict[int, str] = {}
    for words, field in errors:
        named = _PERSONALIZATION.match(field)
        if named is None or int(named[1]) >= len(batch.messages):
            continue
        message = batch.messages[int(named[1])]
        long = sum(len(value.encode()) for value in message.values) > _SUBSTITUTION_BYTES // 2
        if named[2] == "to" or (named[2] == "substitutions" and long):
            found[int(named[1])] = f"SendGrid: {words}"
    return found


def _rate(headers: Mapping[str, str]) -> Allowance | None:
    """What is left until `X-RateLimit-Reset`, a moment by the clock that also wrote `Date`."""
    try:
        now = parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return None
    return allowance(headers, "x-ratelimit-remaining", "x-ratelimit-reset", now=now)
