"""Mailtrap (mailtrap.io): what a batch looks like on the wire, and what its answers and reports mean.

Sources: mailtrap/mailtrap-openapi (email-sending-bulk, email-sending, webhooks); docs.mailtrap.io/developers/
rate-limits, …/email-api-smtp/setup/bulk-stream, …/email-api-smtp/advanced/webhooks;
help.mailtrap.io/article/100-sending-limits.

Newsletters go through the bulk stream, as Mailtrap demands. There are no idempotency keys; after a lost
answer the e-mail logs are asked for the batch's addresses, and who is there carries our delivery id among
its custom variables.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import UTC
from itertools import islice
from typing import Any, Final
from urllib.parse import urlencode

from newsletter.errors import NewsletterError, UsageError
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.api import (
    CLOCKS_DIFFER,
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
from newsletter.providers.signatures import WebhookCall, WebhookSecrets, verify_hex_hmac

API_KEY_VARIABLE: Final = "NEWSLETTER_MAILTRAP_API_KEY"
_BULK: Final = "https://bulk.api.mailtrap.io"
_SANDBOX: Final = "https://sandbox.api.mailtrap.io"
# Logs are kept by the account's API, not by the sending one.
_LOGS: Final = "https://mailtrap.io"
_FIXES = Fixes(
    key=(
        f"check {API_KEY_VARIABLE}: make a token that may send from the domain of `from` "
        "at mailtrap.io/api-tokens"
    ),
    address=f"check `provider.base_url`; leave it out for {_BULK}",
)
_VERIFY: Final = "verify the domain of `from` at mailtrap.io/domains and give the token access to it"
_PLAN: Final = "change the plan at mailtrap.io/billing, or wait until the limit is renewed"
# "'to' address is invalid", "Recipient in suppression list".
_ABOUT_RECIPIENT = re.compile(r"'to\b|\bto\[\d+\]|\brecipient|suppress", re.IGNORECASE)
_ABOUT_DOMAIN = re.compile(r"\bdomain|'from\b|forbidden|verif", re.IGNORECASE)
_ABOUT_PLAN = re.compile(r"(daily|hourly|monthly|sending|plan|account) limit|quota|billing", re.IGNORECASE)
# Addresses one question of the search names: its address stays below 4 KB.
_ADDRESSES: Final = 40
# No more pages are asked for: a filter Mailtrap doesn't know is ignored, and everything would be listed.
_PAGES: Final = 20


class MailtrapProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`."""

    name = "mailtrap"
    capabilities = Capabilities(
        content=ContentForm.FIELDS,
        max_batch=500,
        attachments=False,  # they can't be shared by those of a batch whose bodies differ
        per_item_result=True,
        lookup_by="custom_variables",
        # 150 calls in ten seconds for each token.
        calls_per_second=15.0,
        max_call_bytes=50_000_000,
        max_message_bytes=10_000_000,
        notes=(
            (
                "Mailtrap's bulk stream writes List-Unsubscribe headers of its own, and a footer where it finds "
                "no unsubscribe link; it doesn't say whether yours are kept. Who leaves through Mailtrap's link "
                "is reported by its webhook."
            ),
        ),
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key, the address and the sandbox.

        Raises:
            UsageError: the key is missing, the address isn't one, or the sandbox has no number.
        """
        default = region(options, {"": _BULK})
        key = api_key(options, API_KEY_VARIABLE, "mailtrap.io/api-tokens")
        path = "/api/batch"
        if options.sandbox:
            if not re.fullmatch(r"[0-9]{1,20}", options.stream):
                raise UsageError(
                    "`sandbox = true` needs the sandbox's number",
                    hint='`provider.stream = "1234567"`, as it stands in the address of mailtrap.io/sandboxes',
                )
            default, path = _SANDBOX, f"{path}/{options.stream}"
        elif options.stream and options.stream != "bulk" and not options.stream.isdecimal():
            raise UsageError(
                f"Mailtrap has no stream `{options.stream}`",
                hint='leave `provider.stream` out: newsletters go through "bulk"',
            )
        base = base_url(options, default)
        self._key = key
        self._url = f"{base}{path}"
        self._account = base if options.base_url else _LOGS
        self._logs = f"{self._account}/api/email_logs"
        self._asking = call_headers("Authorization", f"Bearer {key}")
        self._sending = self._asking | JSON_BODY

    def build_request(self, batch: Batch) -> Request:
        """`POST /api/batch`: the sender once, and an item for each message.

        An item's `headers` and `custom_variables` replace the base's instead of adding to them, so each
        item has all of them. The same batch always gives the same bytes.
        """
        first = batch.messages[0]
        base: dict[str, Any] = {"from": _sender(first.from_header)}
        if first.reply_to:
            base["reply_to"] = {"email": first.reply_to}
        # What is the same for all is encoded once: a dictionary for each message takes twice as long.
        same_for_all = {header: _header(*header) for header in first.headers}
        ours = f'"batch":{to_json(batch.key)}'
        parts: list[bytes] = [b'{"base":', to_json(base).encode(), b',"requests":']
        before = "["
        for message in batch.messages:
            headers = [same_for_all.get(header) or _header(*header) for header in message.headers]
            head = (
                f'{before}{{"to":[{{"email":{to_json(message.recipient)}}}],'
                f'"subject":{to_json(message.subject)},'
                f'"custom_variables":{{{ours},"delivery_id":{to_json(message.delivery_id)}}},'
                f'"headers":{{{",".join(headers)}}},"html":"'
            )
            parts += (head.encode(), *message.html_json)
            if message.text_json:
                parts += (b'","text":"', *message.text_json)
            parts.append(b'"}')
            before = ","
        parts.append(b"]}")
        return Request("POST", self._url, self._sending, parts)

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about each message.

        | answer | outcome | send |
        |---|---|---|
        | 200, `success` with an id | accepted | goes on |
        | 200, errors about `to` or a suppression | rejected | goes on |
        | 200, other errors | deferred | holds: a person must act |
        | 200 of any other shape | unknown | goes on |
        | 400, 422 | deferred (a single message: as its words say) | holds |
        | 403 about a domain; 403, 429 about a plan | deferred | holds: a person must act |
        | 401, other 403 and 429, 404, 413, 5xx | as `api.refused` | |
        """
        body = read_json(response.body)
        if 200 <= response.status < 300:
            return _answers(batch.messages, body, self._key)
        words = _errors(body, self._key)
        said = answered("Mailtrap", response.status, words, response.body, self._key)
        about_account = _ABOUT_PLAN.search(words) or (response.status == 403 and _ABOUT_DOMAIN.search(words))
        if response.status in (400, 422) or (response.status in (403, 429) and about_account):
            return _all_refused(batch.messages, words, said)
        return refused(batch, response.status, said, response.headers, _FIXES)

    def search(self, question: Question) -> Generator[Request, Response, Mapping[str, Outcome]]:
        """`GET /api/email_logs` for the addresses, some at a time; see `providers.base.Search`.

        Raises:
            NewsletterError: Mailtrap won't say.
        """
        found: dict[str, Outcome] = {}
        since = (question.at - CLOCKS_DIFFER).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for addresses in _some(question.recipients.values()):
            cursor = ""
            for _ in range(_PAGES):
                query = [
                    ("filters[sent_after]", since),
                    ("filters[to][operator]", "ci_equal"),
                    *(("filters[to][value][]", address) for address in addresses),
                ]
                if cursor:
                    query.append(("search_after", cursor))
                response = yield Request("GET", f"{self._logs}?{urlencode(query)}", self._asking, [])
                body = read_json(response.body)
                messages = body.get("messages") if isinstance(body, dict) else None
                if response.status != 200 or not isinstance(messages, list):
                    words = _errors(body, self._key)
                    said = answered("Mailtrap", response.status, words, response.body, self._key)
                    raise NewsletterError(
                        f"Mailtrap's e-mail logs can't be read: {said}",
                        hint=_FIXES.key if response.status in (401, 403) else _FIXES.address,
                    )
                for message in messages:
                    delivery = text(message, "custom_variables", "delivery_id")
                    number = text(message, "message_id")
                    if delivery in question.recipients and number:
                        found[delivery] = Outcome(delivery, OutcomeKind.ACCEPTED, number)
                cursor = text(body, "next_page_cursor")
                if not cursor or not messages:
                    break
        return found

    def diagnose(self, domain: str) -> Questions:
        """What Mailtrap says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account(
            "Mailtrap", self._account, lambda _: self._asking, (self._key,), _FIXES.key
        )
        return accounts.mailtrap(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call is signed by Mailtrap: `Mailtrap-Signature`, over the raw body.

        Raises:
            WebhookRefusedError: it isn't.
        """
        verify_hex_hmac(secrets, call, "mailtrap-signature")

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:  # noqa: ARG003 - the body says it all
        """The events of one call, in either payload format; see `providers.base.Webhook`.

        Raises:
            ValueError: this isn't what Mailtrap sends.
        """
        return [cls._event(report) for report in _reports(body)]

    @classmethod
    def _event(cls, report: Any) -> Event:
        name = text(report, "event")
        if not name:
            raise ValueError("an event of Mailtrap has a name")
        kind, bounce = _KINDS.get(name, (EventType.UNKNOWN, BounceClass.NONE))
        if name == "bounce" and _BLOCKED.search(text(report, "bounce_category")):
            bounce = BounceClass.BLOCK
        return Event(
            provider=cls.name,
            type=kind,
            event_id=text(report, "event_id") or digest(report),
            at=moment(report.get("timestamp")),
            recipient=text(report, "email"),
            message_id=text(report, "message_id"),
            delivery_id=text(report, "custom_variables", "delivery_id"),
            bounce_class=bounce,
            reason=text(report, "response") or text(report, "reason"),
            url=text(report, "url"),
            user_agent=text(report, "user_agent"),
            raw=report,
        )


_KINDS: Mapping[str, tuple[EventType, BounceClass]] = {
    "delivery": (EventType.DELIVERED, BounceClass.NONE),
    "open": (EventType.OPENED, BounceClass.NONE),
    "click": (EventType.CLICKED, BounceClass.NONE),
    "bounce": (EventType.BOUNCED, BounceClass.HARD),
    # Mailtrap goes on trying.
    "soft bounce": (EventType.DEFERRED, BounceClass.SOFT),
    "spam": (EventType.COMPLAINED, BounceClass.NONE),
    "unsubscribe": (EventType.UNSUBSCRIBED, BounceClass.NONE),
    "reject": (EventType.REJECTED, BounceClass.NONE),
    # Over a limit of the account or under review: it may still leave.
    "suspension": (EventType.DEFERRED, BounceClass.NONE),
}
_BLOCKED = re.compile(r"spam|block|policy|reputation|content|authentication", re.IGNORECASE)


def _reports(body: bytes) -> Iterator[Any]:
    """The events of `{"events": […]}`, or one on each line (JSON Lines)."""
    try:
        whole = read_report(body)
    except ValueError:
        lines = body.splitlines()
        if len(lines) < 2:
            raise
        yield from (read_report(line) for line in lines if line.strip())
        return
    events = whole.get("events", [whole]) if isinstance(whole, dict) else None
    if not isinstance(events, list):
        raise ValueError("Mailtrap posts events")  # noqa: TRY004 - the contract names ValueError
    yield from events


def _some(addresses: Any) -> Iterator[list[str]]:
    each = iter(addresses)
    while chunk := list(islice(each, _ADDRESSES)):
        yield chunk


def _header(name: str, value: str) -> str:
    return f"{to_json(name)}:{to_json(value)}"


def _sender(from_header: str) -> dict[str, str]:
    """The sender as Mailtrap wants it: the name apart, as it was before `display_mailbox` quoted it."""
    if not from_header.endswith(">"):
        return {"email": from_header}
    name, _, address = from_header[:-1].rpartition(" <")
    if name.startswith('"'):
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return {"email": address, "name": name}


def _errors(body: Any, key: str) -> str:
    """The words of an error, of the sending API (`errors`: a list) or the account's (`error`, `errors`: a text)."""
    errors = body.get("errors") or body.get("error") if isinstance(body, dict) else None
    listed = errors if isinstance(errors, list) else [errors] if errors else []
    return one_line("; ".join(str(error) for error in listed), key)


def _answers(messages: Sequence[Message], body: Any, key: str) -> BatchResult:
    """A 200: an item for each message, in their order."""
    items = body.get("responses") if isinstance(body, dict) else None
    if not isinstance(items, list):
        words = _errors(body, key)
        if words and body.get("success") is False:
            return _all_refused(messages, words, f"Mailtrap: {words}")
        return every(messages, OutcomeKind.UNKNOWN, "Mailtrap's answer can't be read")
    if len(items) != len(messages) or not all(isinstance(item, dict) for item in items):
        return every(messages, OutcomeKind.UNKNOWN, "Mailtrap's answer doesn't fit the batch")
    outcomes: list[Outcome] = []
    hold: Hold | None = None
    for message, item in zip(messages, items, strict=True):
        words, numbers = _errors(item, key), item.get("message_ids")
        number = numbers[0] if isinstance(numbers, list) and numbers else ""
        if item.get("success") is True and isinstance(number, str) and number:
            outcomes.append(Outcome(message.delivery_id, OutcomeKind.ACCEPTED, number))
        elif item.get("success") is False and words:
            cause = _hold(words, f"Mailtrap: {words}")
            hold = hold or cause
            kind = OutcomeKind.DEFERRED if cause else OutcomeKind.REJECTED
            outcomes.append(Outcome(message.delivery_id, kind, reason=words))
        else:
            reason = words or "Mailtrap's answer about this message can't be read"
            outcomes.append(Outcome(message.delivery_id, OutcomeKind.UNKNOWN, reason=reason))
    return BatchResult(outcomes, hold)


def _all_refused(messages: Sequence[Message], words: str, said: str) -> BatchResult:
    """The whole call was refused: nothing was accepted."""
    hold = _hold(words, said)
    if hold is None and len(messages) == 1:
        return every(messages, OutcomeKind.REJECTED, words)
    if hold is None:
        hint = (
            "one address of the batch is refused and Mailtrap doesn't say which: "
            "set batch = 1 under [sending] to find it"
        )
        hold = Hold(said, hint)
    return every(messages, OutcomeKind.DEFERRED, said, hold)


def _hold(words: str, said: str) -> Hold | None:
    """Why the whole send must pause over these words; None where only the recipient was refused."""
    if _ABOUT_PLAN.search(words):
        return Hold(said, _PLAN)
    if _ABOUT_RECIPIENT.search(words):
        return None
    if _ABOUT_DOMAIN.search(words):
        return Hold(said, _VERIFY)
    return Hold(said, "mend what it names")
