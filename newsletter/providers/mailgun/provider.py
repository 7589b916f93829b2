"""Mailgun (mailgun.com): a thousand readers a call, variables for each, and what its answers mean.

Sources: mailgun/mailgun-mcp-server src/openapi.yaml (messages, events); documentation.mailgun.com user-manual
(sending-messages, batch-sending, tracking-messages, events, webhooks); of what is written nowhere else: mailgun.js #308
(values are put in unescaped), mailgun-php #385 (an unknown variable stays as it is), mailgun-java #50 (420 with a date),
jeffreykemp/mailgun-plsql-api #42 (an escaped `&` in a value isn't decoded, so values are plain UTF-8).

How a reader's values get into the text: `%recipient.x%`, in the body, the subject, `h:` and `v:` alike; the names are
words nobody has written (`providers.marks`), and all other percent signs are left alone. Mailgun has variables of its
own, such as `%unsubscribe_url%`. Written by an author or a reader they are broken up by something nobody sees, a
character reference in HTML, a word joiner (U+2060) in plain text; so is a `%recipient` left open, which would take the
percent sign that opens one of ours.

A call is taken or refused as a whole and has one id for all. A refusal over an address doesn't name it: what looks
unusual is rejected, and where nothing does, the send holds. Nothing keeps a second call from being a second message:
an answer that is lost leaves its readers unknown, and the events, found by the batch's key as a tag, settle them.
Not verified on the service: whether a `+` before the @ still keeps variables from being found, as mailgun.js #413
told in 2024 of a call for one reader (which is filled in otherwise).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from newsletter.errors import NewsletterError, UsageError
from newsletter.model.event import Event
from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.api import (
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
    seconds_to_wait,
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
from newsletter.providers.events import read_report, text
from newsletter.providers.mailgun.content import own_headers, recipient_variables, require_options, translate
from newsletter.providers.mailgun.report import event_of, verify_call
from newsletter.providers.marks import Translations
from newsletter.providers.signatures import WebhookCall, WebhookSecrets

API_KEY_VARIABLE: Final = "NEWSLETTER_MAILGUN_API_KEY"
_HOSTS: Final = {
    "": "https://api.mailgun.net",
    "us": "https://api.mailgun.net",
    "eu": "https://api.eu.mailgun.net",
}
_FIXES: Final = Fixes(
    key=f'check {API_KEY_VARIABLE} (app.mailgun.com/settings/api_security), and set `region = "eu"` '
    "under [provider] where the domain is in the EU",
    address="check `provider.base_url`; leave it out for https://api.mailgun.net",
)
_DOMAIN: Final = "verify the domain at app.mailgun.com/mg/sending/domains; `provider.domain` and `provider.region` say which it is"
_FIND: Final = (
    "one address of the batch is refused and Mailgun doesn't say which: "
    "set batch = 1 under [sending] to find it"
)
_UPGRADE: Final = "upgrade the plan at app.mailgun.com, or wait until the limit is renewed"
_LARGEST_CALL: Final = 25 * 1024 * 1024
_PAGE: Final = 300
_DOMAIN_NAME = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_ORDINARY_ADDRESS = re.compile(
    r"(?!.{255})(?!.*\.[.@])[A-Za-z0-9_+][A-Za-z0-9.!#$&'*+/=?^_{|}~-]{0,63}@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z][A-Za-z0-9-]+"
)
_WAIT = re.compile(r"try again after (?:(\d{1,7}) seconds?|(\w{3}, .{10,40}))", re.IGNORECASE)


class MailgunProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`."""

    name = "mailgun"
    capabilities = Capabilities(
        content=ContentForm.VALUES,
        max_batch=1000,
        attachments=True,
        per_item_result=False,
        lookup_by="tag",
        max_call_bytes=_LARGEST_CALL,
        max_message_bytes=_LARGEST_CALL,
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key, the domain and the address.

        Raises:
            UsageError: the key or the domain is missing, or the address or the region isn't one.
        """
        self._key = api_key(options, API_KEY_VARIABLE, "app.mailgun.com/settings/api_security")
        base = base_url(options, region(options, _HOSTS))
        if not _DOMAIN_NAME.fullmatch(options.domain):
            raise UsageError(
                f"`provider.domain` isn't a sending domain: {options.domain!r}",
                hint='write the domain as app.mailgun.com/mg/sending/domains has it: domain = "mg.example.com"',
            )
        self._domain = options.domain
        self._pool = options.stream
        self._sandbox = options.sandbox
        self._base, self._url = base, f"{base}/v3/{quote(options.domain)}"
        token = base64.b64encode(f"api:{self._key}".encode()).decode("ascii")
        self._secrets = (self._key, token)
        self._headers = call_headers("Authorization", f"Basic {token}")
        self._contents = Translations(translate)

    def build_request(self, batch: Batch) -> Request:
        """`POST /v3/{domain}/messages`, a form with the content, the readers and their variables.

        The same batch always gives the same bytes: the boundary is drawn from what it separates.

        Raises:
            UsageError: headers and options are larger than Mailgun takes.
        """
        content = self._contents.of(batch)
        fields = [*content.fields, *own_headers(batch.messages[0], content.word), ("o:tag", batch.key[:128])]
        if self._pool:
            fields.append(("o:sending-ip-pool", self._pool))
        if self._sandbox:
            fields.append(("o:testmode", "yes"))
        require_options(fields)
        fields += [("to", message.recipient) for message in batch.messages]
        own_subject = batch.shared is not None and batch.shared.subject is None
        variables = recipient_variables(batch.messages, content, own_subject=own_subject)
        parts = [
            f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields
        ]
        parts.append(b'Content-Disposition: form-data; name="recipient-variables"\r\n\r\n%b\r\n' % variables)
        for image in content.images:
            # `cid:` refers to the name of the file.
            head = f'Content-Disposition: form-data; name="inline"; filename="{image.content_id}"\r\n'
            parts.append(f"{head}Content-Type: {image.media_type}\r\n\r\n".encode() + image.data + b"\r\n")
        drawn = blake2b(digest_size=16)
        for part in parts:
            drawn.update(part)
        boundary = f"newsletter-{drawn.hexdigest()}"
        between = b"--%b\r\n" % boundary.encode()
        body = [piece for part in parts for piece in (between, part)]
        body.append(b"--%b--\r\n" % boundary.encode())
        return Request(
            method="POST",
            url=f"{self._url}/messages",
            headers={**self._headers, "Content-Type": f"multipart/form-data; boundary={boundary}"},
            body=body,
        )

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about the messages.

        | answer | outcome | send |
        |---|---|---|
        | 200 with an id, "Queued" | accepted, all with this id | goes on |
        | 200 "Mailgun Magnificent API": no such endpoint | deferred | holds: the address |
        | any other 2xx | unknown | goes on |
        | 400 about `to` | unusual addresses rejected, the others deferred | goes on, or holds: batch = 1 |
        | 401, 404 and 403 about the domain | deferred | holds: the key, the domain |
        | 420, 429, 403 "limit exceeded" | deferred | waits as long as it says, else holds: the plan |
        | others | see `api.refused` | |
        """
        document = read_json(response.body)
        words = text(document, "message") or (document if isinstance(document, str) else "")
        said = answered("Mailgun", response.status, words, response.body, *self._secrets)
        if 200 <= response.status < 300:
            number = document.get("id") if isinstance(document, dict) else None
            if response.status == 200 and isinstance(number, str) and words.startswith("Queued"):
                number = number.strip("<> ")
                return BatchResult(
                    [Outcome(m.delivery_id, OutcomeKind.ACCEPTED, number) for m in batch.messages]
                )
            if b"Mailgun Magnificent API" in response.body:
                return every(batch.messages, OutcomeKind.DEFERRED, said, Hold(said, _FIXES.address))
            return every(batch.messages, OutcomeKind.UNKNOWN, f"the answer can't be read: {said}")
        return _refused(batch, response, said, words.lower())

    def search(self, question: Question) -> Generator[Request, Response, Mapping[str, Outcome]]:
        """Ask the events for the batch's tag, 300 a page, until all are found or there are no more.

        Raises:
            NewsletterError: Mailgun won't say.
        """
        addresses = {address.lower(): delivery for delivery, address in question.recipients.items()}
        asked = {
            "tags": question.key[:128],
            "event": "accepted OR rejected",
            "begin": f"{question.at.timestamp() - 3600:.0f}",
            "ascending": "yes",
            "limit": str(_PAGE),
        }
        url = f"{self._url}/events?{urlencode(asked)}"
        found: dict[str, Outcome] = {}
        while True:
            response = yield Request("GET", url, self._headers, ())
            document = read_json(response.body)
            items = document.get("items") if isinstance(document, dict) else None
            if response.status != 200 or not isinstance(items, list):
                words = text(document, "message")
                raise NewsletterError(
                    answered("Mailgun", response.status, words, response.body, *self._secrets),
                    hint=_FIXES.key,
                )
            for item in items:
                delivery = text(item, "user-variables", "delivery_id")
                if delivery not in question.recipients:
                    delivery = addresses.get(text(item, "recipient").lower(), "")
                if delivery:
                    found[delivery] = _settled(delivery, item)
            page = urlsplit(text(document, "paging", "next")).path.rpartition("/events/")[2]
            if not items or not page or len(found) == len(question.recipients):
                return found
            # The key goes to no other host than ours, whatever the answer names.
            url = f"{self._url}/events/{page}"

    def diagnose(self, domain: str) -> Questions:
        """What Mailgun says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account("Mailgun", self._base, lambda _: self._headers, self._secrets, _FIXES.key)
        return accounts.mailgun(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call is signed by Mailgun, which doesn't sign the report itself; see `report.verify_call`.

        Raises:
            WebhookRefusedError: it isn't.
        """
        verify_call(secrets, call)

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:  # noqa: ARG003 - the contract's
        """The one event of a webhook call.

        Raises:
            ValueError: it is something else, or the form of before 2018.
        """
        report = read_report(body)
        data = report.get("event-data") if isinstance(report, dict) else None
        if not isinstance(data, dict) or not text(data, "event"):
            raise ValueError("this is no report of Mailgun's: it has no `event-data`")
        return [event_of(report, data)]


def _refused(batch: Batch, response: Response, said: str, words: str) -> BatchResult:
    """Any answer but success; `words` in lower case."""
    status = response.status
    limited = status in (402, 420, 429) or (status in (400, 403) and "limit exceeded" in words)
    if limited:
        wait = _wait(words, response.headers)
        if wait or status == 429:
            return every(
                batch.messages,
                OutcomeKind.DEFERRED,
                said,
                Hold(
                    said,
                    "" if status == 429 else _UPGRADE,
                    retry_after=wait or seconds_to_wait(response.headers) or 1.0,
                ),
            )
        return every(batch.messages, OutcomeKind.DEFERRED, said, Hold(said, _UPGRADE))
    hint = ""
    if status in (400, 403, 404) and ("domain" in words or "activate" in words):
        hint = _DOMAIN
        if "activate" in words or "disabled" in words:
            hint = "log in at app.mailgun.com and do what it asks for"
    elif status == 400 and re.match(r"'?to\b", words) and "valid address" in words:
        return _about_address(batch.messages, said)
    if hint:
        return every(batch.messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
    return refused(batch, status, said, response.headers, _FIXES)


def _about_address(messages: Sequence[Message], said: str) -> BatchResult:
    """A call refused over an address that isn't named: nothing was accepted."""
    if len(messages) == 1:
        return every(messages, OutcomeKind.REJECTED, said)
    odd = {
        m.delivery_id for m in messages if m.recipient in said or not _ORDINARY_ADDRESS.fullmatch(m.recipient)
    }
    if not odd:
        return every(messages, OutcomeKind.DEFERRED, said, Hold(said, _FIND))
    taken = f"{said} (it doesn't name the address; this is an unusual one)"
    return BatchResult(
        [
            Outcome(m.delivery_id, OutcomeKind.REJECTED, reason=taken)
            if m.delivery_id in odd
            else Outcome(m.delivery_id, OutcomeKind.DEFERRED, reason=said)
            for m in messages
        ]
    )


def _wait(words: str, headers: Mapping[str, str]) -> float:
    """The seconds until it says to try again, by its own clock; 0 where it doesn't."""
    found = _WAIT.search(words)
    if found is None:
        return 0.0
    if found[1]:
        return max(float(found[1]), 0.05)
    try:
        again = parsedate_to_datetime(found[2]).timestamp()
        return max(again - parsedate_to_datetime(headers.get("date", "")).timestamp(), 1.0)
    except ValueError:
        return 0.0


def _settled(delivery: str, item: Mapping[str, Any]) -> Outcome:
    number = text(item, "message", "headers", "message-id").strip("<>")
    if text(item, "event") == "rejected":
        return Outcome(
            delivery, OutcomeKind.REJECTED, number, one_line(text(item, "reject", "reason") or "rejected")
        )
    return Outcome(delivery, OutcomeKind.ACCEPTED, number)
