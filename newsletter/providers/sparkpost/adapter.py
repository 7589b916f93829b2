"""What does a message look like to SparkPost, and what do its answers mean?

Sources: developers.sparkpost.com/api: Transmissions, Template Language, Errors; support.sparkpost.com:
extended-error-codes, remove-list-unsubscribe-header, using-sink-server.

Why one message a call: SparkPost writes a `List-Unsubscribe` of its own into everything that isn't marked as
transactional and silently drops the sender's (SparkPost/python-sparkpost#163, django-anymail's notes), and
nothing says that a header filled in for each recipient of a batch is kept. So every message goes alone, whole,
with the mark. Bodies aren't looked at for expressions (`perform_substitutions` is off); headers always are, so
one that holds double braces travels as a value.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from email.utils import parseaddr
from functools import lru_cache
from typing import Any

from newsletter.errors import UsageError
from newsletter.model.event import Event
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
from newsletter.providers.signatures import WebhookCall, WebhookSecrets, verify_token
from newsletter.providers.sparkpost.events import KEY_VARIABLE, error_words, read_events, search_events

_HOSTS = {
    "": "https://api.sparkpost.com",
    "us": "https://api.sparkpost.com",
    "eu": "https://api.eu.sparkpost.com",
}
_FIXES = Fixes(
    key=f'check {KEY_VARIABLE}: app.sparkpost.com/account/api-keys, with "Transmissions: Read/Write"; '
    'a key of SparkPost EU needs `region = "eu"`',
    address="check `region` and `base_url` under [provider]; `base_url` is left out for SparkPost itself",
)
_NOTES = (
    (
        "SparkPost replaces each List-Unsubscribe with its own unless a message is marked as transactional, and "
        "nothing says that it keeps one for each recipient of a batch: so messages go one by one, so marked."
    ),
    (
        "Marked like this they also reach addresses on SparkPost's own list of those who unsubscribed from "
        "non-transactional mail: import that list before the first send."
    ),
)
# Codes of errors about the one recipient: suppressed, and none that is valid.
_RECIPIENT_CODES = ("1902", "5002")
_ABOUT_RECIPIENT = re.compile(
    r"recipient|rcpt|address\.email|domain name syntax|email address", re.IGNORECASE
)
_ABOUT_SENDER = re.compile(r"\bfrom\b|sending domain|reply.?to|return.?path", re.IGNORECASE)


class SparkPostProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`."""

    name = "sparkpost"
    capabilities = Capabilities(
        content=ContentForm.FIELDS,
        max_batch=1,
        # A call a message: many at once make up for it. SparkPost doesn't limit these calls.
        connections=10,
        attachments=False,
        per_item_result=True,
        max_message_bytes=20_000_000,
        lookup_by="metadata",
        notes=_NOTES,
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key, the region and the IP pool.

        Raises:
            UsageError: one is missing or can't be one, or a sandbox is asked for.
        """
        if options.sandbox:
            raise UsageError(
                "SparkPost's `sandbox` sends five messages of its own in an account's life, not an issue",
                hint="leave it out and use --test you@example.com.sink.sparkpostmail.com: its sink takes any "
                "address with that ending and delivers nothing",
            )
        self._key = api_key(options, KEY_VARIABLE, "app.sparkpost.com/account/api-keys")
        self._base = base_url(options, region(options, _HOSTS)) + "/api/v1"
        self._headers = call_headers("Authorization", self._key)
        # No tracking of ours means none of theirs, and no rewritten links.
        self._options: dict[str, Any] = {
            "open_tracking": False,
            "click_tracking": False,
            "transactional": True,
            "perform_substitutions": False,
        }
        if options.stream:
            self._options["ip_pool"] = options.stream

    def build_request(self, batch: Batch) -> Request:
        """`POST /api/v1/transmissions` with one recipient; the same batch always gives the same bytes."""
        [message] = batch.messages
        opening = to_json(self._envelope(batch.key, message)).encode()
        body = [opening[:-2], b',"html":"', *message.html_json]
        if message.text_json:
            body += (b'","text":"', *message.text_json)
        return Request(
            "POST",
            f"{self._base}/transmissions",
            self._headers | JSON_BODY,
            [*body, b'"}}'],
        )

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about the message.

        | answer | outcome | send |
        |---|---|---|
        | 200 with one accepted and an id | accepted | goes on |
        | 200 with one rejected | rejected | goes on |
        | 200 of any other shape | unknown | goes on |
        | 400, 422 about the recipient (suppressed, no address) | rejected | goes on |
        | 400 short of resources | deferred | waits |
        | 420 by the hour | deferred | waits a quarter of an hour |
        | 420 otherwise | deferred | holds: the plan's quota |
        | 429 | deferred | waits |
        | another 4xx | deferred | holds: a person must act |
        | 5xx, 408 | unknown | waits |
        """
        body = read_json(response.body)
        if 200 <= response.status < 300:
            return _accepted(batch, body, self._key)
        codes, text = error_words(body)
        said = answered("SparkPost", response.status, text, response.body, self._key)
        deferred = OutcomeKind.DEFERRED
        match response.status:
            case 420 if "hour" in text.lower():
                return every(batch.messages, deferred, said, Hold(said, retry_after=900.0))
            case 420:
                hint = "raise the limit of your plan (app.sparkpost.com/account/billing) or wait until it is renewed"
                return every(batch.messages, deferred, said, Hold(said, hint))
            case 400 if "1502" in codes:
                # "Server resources unavailable … retry later".
                return every(batch.messages, deferred, said, Hold(said, retry_after=5.0))
            case 400 | 422 if "7000" in codes or "7001" in codes:
                hint = "verify the domain of `from` (app.sparkpost.com, Sending Domains)"
                return every(batch.messages, deferred, said, Hold(said, hint))
            case 400 | 422 if _about_recipient(codes, text):
                return every(batch.messages, OutcomeKind.REJECTED, said)
            case status:
                return refused(batch, status, said, response.headers, _FIXES)

    def search(self, question: Question) -> Generator[Request, Response, Mapping[str, Outcome]]:
        """Ask the events of the last ten days; see `events.search_events`.

        Raises:
            NewsletterError: the key may not read events, or SparkPost doesn't answer as it should.
        """
        return search_events(question, f"{self._base}/events/message", self._headers, self._key)

    def diagnose(self, domain: str) -> Questions:
        """What SparkPost says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account("SparkPost", self._base, lambda _: self._headers, (self._key,), _FIXES.key)
        return accounts.sparkpost(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call has our token: SparkPost signs nothing.

        Raises:
            WebhookRefusedError: it isn't.
        """
        verify_token(secrets, call)

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        """The events in one batch; a ping has none.

        Raises:
            ValueError: this isn't what SparkPost sends.
        """
        del headers
        return read_events(body)

    def _envelope(self, key: str, message: Message) -> dict[str, Any]:
        """Everything but the bodies; `content` comes last, so that they can follow in it."""
        values: dict[str, str] = {}

        def literal(text: str) -> str:
            """`text` as a header gives it back: double braces would be read as an expression."""
            if "{{" not in text and "}}" not in text:
                return text
            name = f"literal{len(values)}"
            values[name] = text
            return f"{{{{{{{name}}}}}}}"

        name, address = _sender(message.from_header)
        content: dict[str, Any] = {
            "from": {"email": address, "name": literal(name)} if name else {"email": address},
            "subject": literal(message.subject),
        }
        if message.reply_to:
            content["reply_to"] = message.reply_to
        if message.headers:
            content["headers"] = {header: literal(value) for header, value in message.headers}
        recipient: dict[str, Any] = {
            "address": {"email": message.recipient},
            "metadata": {"delivery_id": message.delivery_id, "batch": key},
        }
        envelope: dict[str, Any] = {"options": self._options, "recipients": [recipient]}
        # `nl-7` of `nl-7-0123…`: what their reports call the issue.
        if campaign := key.rpartition("-")[0]:
            envelope["campaign_id"] = campaign[:64]
        if values:
            envelope["substitution_data"] = values
        return {**envelope, "content": content}


@lru_cache(maxsize=8)
def _sender(header: str) -> tuple[str, str]:
    """The name and the address in `Name <address>`: the same for a whole send."""
    return parseaddr(header)


def _accepted(batch: Batch, body: Any, key: str) -> BatchResult:
    [message] = batch.messages
    results = body.get("results") if isinstance(body, dict) else None
    if isinstance(results, dict):
        number = results.get("id")
        counts = (results.get("total_accepted_recipients"), results.get("total_rejected_recipients"))
        if counts == (1, 0) and isinstance(number, (str, int)) and number:
            return BatchResult([Outcome(message.delivery_id, OutcomeKind.ACCEPTED, str(number))])
        if counts == (0, 1):
            _, text = error_words(body)
            reason = one_line(text or "SparkPost rejected the recipient", key)
            return every(batch.messages, OutcomeKind.REJECTED, reason)
    return every(batch.messages, OutcomeKind.UNKNOWN, "SparkPost's answer can't be read")


def _about_recipient(codes: Sequence[str], text: str) -> bool:
    if any(code in _RECIPIENT_CODES for code in codes):
        return True
    return bool(_ABOUT_RECIPIENT.search(text)) and not _ABOUT_SENDER.search(text)
