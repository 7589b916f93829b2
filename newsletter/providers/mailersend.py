"""MailerSend (mailersend.com): many whole messages a call, checked by it afterwards, and what it says of each then.

Sources: developers.mailersend.com/api/v1/email (bulk emails, bulk status, features), …/general (rate limits, errors),
…/api/v1/webhooks.

A bulk call is answered before it is checked: 202 and an id. The engine asks that id until the check is done
(`follow_up`), and only then are outcomes written. Where it isn't done within the engine's patience, what MailerSend
took counts as accepted under the id of the call.

No `personalization` is sent, so nothing in the text is read as a template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from email.utils import parseaddr
from typing import Any, Final

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
    Request,
    Response,
)
from newsletter.providers.diagnosis import Questions
from newsletter.providers.events import digest, moment, read_report, text
from newsletter.providers.signatures import WebhookCall, WebhookSecrets, verify_hex_hmac

API_KEY_VARIABLE: Final = "NEWSLETTER_MAILERSEND_API_KEY"
_DEFAULT: Final = "https://api.mailersend.com"
_FIXES: Final = Fixes(
    key=f"check {API_KEY_VARIABLE}: make a token with full access to email at app.mailersend.com/api-tokens",
    address=f"check `provider.base_url`; leave it out for {_DEFAULT}",
)
_INDEX: Final = re.compile(r"(?:message\.)?(\d+)(?:\.|\Z)")
_ABOUT_SENDER: Final = re.compile(r"\bfrom\b|\bdomain\b|MS42207", re.IGNORECASE)
_ABOUT_PLAN: Final = re.compile(r"list_unsubscribe|\bplan\b|upgrade", re.IGNORECASE)
_ABOUT_QUOTA: Final = re.compile(r"\bquota\b|\blimit\b", re.IGNORECASE)
_STILL_CHECKING: Final = ("queued", "processing", "pending", "")

_EVENTS: Final[Mapping[str, tuple[EventType, BounceClass]]] = {
    "sent": (EventType.SENT, BounceClass.NONE),
    "delivered": (EventType.DELIVERED, BounceClass.NONE),
    "hard_bounced": (EventType.BOUNCED, BounceClass.HARD),
    "soft_bounced": (EventType.BOUNCED, BounceClass.SOFT),
    "deferred": (EventType.DEFERRED, BounceClass.NONE),
    "opened": (EventType.OPENED, BounceClass.NONE),
    "opened_unique": (EventType.OPENED, BounceClass.NONE),
    "clicked": (EventType.CLICKED, BounceClass.NONE),
    "clicked_unique": (EventType.CLICKED, BounceClass.NONE),
    "unsubscribed": (EventType.UNSUBSCRIBED, BounceClass.NONE),
    "spam_complaint": (EventType.COMPLAINED, BounceClass.NONE),
}


class MailerSendProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`."""

    name = "mailersend"
    capabilities = Capabilities(
        content=ContentForm.FIELDS,
        max_batch=500,
        connections=2,
        attachments=False,
        per_item_result=True,
        # Ten bulk calls a minute, whatever the plan.
        calls_per_second=10 / 60,
        max_call_bytes=50 * 1024 * 1024,
        notes=(
            "MailerSend carries List-Unsubscribe from its Professional plan upwards; with a smaller one it refuses the send.",
            "MailerSend carries none of the other list headers (List-Id, List-Archive, Feedback-ID).",
        ),
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key and the address.

        Raises:
            UsageError: the key is missing, or the address isn't one, or a sandbox is asked for.
        """
        if options.sandbox:
            raise UsageError(
                "MailerSend has no sandbox", hint="leave it out and use --test with an address of your own"
            )
        self._key = api_key(options, API_KEY_VARIABLE, "app.mailersend.com/api-tokens")
        self._base = base_url(options, _DEFAULT)
        self._url = f"{self._base}/v1/bulk-email"
        self._headers = call_headers("Authorization", f"Bearer {self._key}") | JSON_BODY

    def build_request(self, batch: Batch) -> Request:
        """`POST /v1/bulk-email`, a whole message for each reader; the same batch always gives the same bytes."""
        parts: list[bytes] = []
        before = b"["
        for message in batch.messages:
            parts += (before, _envelope(message, batch.key), b',"html":"', *message.html_json)
            if message.text_json:
                parts += (b'","text":"', *message.text_json)
            parts.append(b'"}')
            before = b","
        parts.append(b"]")
        return Request("POST", self._url, self._headers, parts)

    def follow_up(self, batch: Batch, response: Response) -> Request | None:  # noqa: ARG002 - the protocol's
        """`GET /v1/bulk-email/{id}` while the call is being checked."""
        body = read_json(response.body)
        number = text(body, "bulk_email_id") or text(body, "data", "id")
        if not 200 <= response.status < 300 or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", number):
            return None
        if response.status != 202 and text(body, "data", "state") not in _STILL_CHECKING:
            return None
        return Request("GET", f"{self._url}/{number}", self._headers, ())

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about each message; it is the last one `follow_up` led to.

        | answer | outcome | send |
        |---|---|---|
        | 200, checked | accepted; rejected (suppressed, about the reader); deferred | holds where a person must act |
        | 202 or 200, still being checked | accepted, under the call's id | goes on |
        | 2xx of any other shape | unknown | goes on |
        | 422 | as in a checked call, nothing accepted | holds where a person must act |
        | 429 about a quota | deferred | holds |
        | else | `api.refused` | `api.refused` |
        """
        body = read_json(response.body)
        said = answered("MailerSend", response.status, text(body, "message"), response.body, self._key)
        number = text(body, "bulk_email_id") or text(body, "data", "id")
        if 200 <= response.status < 300:
            if text(body, "data", "state") not in _STILL_CHECKING:
                result = self._checked(batch, body["data"], number)
            elif number:
                outcomes = [Outcome(m.delivery_id, OutcomeKind.ACCEPTED, number) for m in batch.messages]
                result = BatchResult(outcomes)
            else:
                result = every(batch.messages, OutcomeKind.UNKNOWN, "MailerSend's answer can't be read")
        elif response.status == 422:
            result = self._invalid(batch, body, said)
        elif response.status == 429 and _ABOUT_QUOTA.search(text(body, "message")):
            hint = "upgrade the plan at app.mailersend.com, or wait until the quota is renewed"
            result = every(batch.messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
        else:
            result = refused(batch, response.status, said, response.headers, _FIXES)
        return replace(
            result, allowance=allowance(response.headers, "x-ratelimit-remaining", "x-ratelimit-reset")
        )

    def _checked(self, batch: Batch, data: Mapping[str, Any], number: str) -> BatchResult:
        """What the check found: whom it suppressed, what it thinks wrong; the others are accepted."""
        wrong = dict(_by_index(data.get("validation_errors"), len(batch.messages)))
        suppressed = json.dumps(data.get("suppressed_recipients") or "", ensure_ascii=False).lower()
        ids = [str(i) for i in data.get("messages_id") or () if isinstance(i, str)]
        counted = data.get("validation_errors_count")
        if isinstance(counted, int) and counted > 0 and not wrong:
            return every(
                batch.messages, OutcomeKind.UNKNOWN, "MailerSend doesn't say which messages it refused"
            )
        outcomes, hold, good = [], None, []
        for index, message in enumerate(batch.messages):
            if index in wrong:
                outcome, why = self._fault(message, wrong[index])
                hold = hold or why
                outcomes.append(outcome)
            elif f'"{message.recipient.lower()}"' in suppressed:
                reason = "suppressed at MailerSend: it bounced, complained or unsubscribed there"
                outcomes.append(Outcome(message.delivery_id, OutcomeKind.REJECTED, reason=reason))
            else:
                good.append(len(outcomes))
                outcomes.append(Outcome(message.delivery_id, OutcomeKind.ACCEPTED, number))
        if len(ids) == len(good):
            for at, own in zip(good, ids, strict=True):
                outcomes[at] = outcomes[at]._replace(provider_id=own)
        return BatchResult(outcomes, hold)

    def _invalid(self, batch: Batch, body: Any, said: str) -> BatchResult:
        """A whole call refused: nobody was accepted; whose address was wrong is rejected."""
        errors = body.get("errors") if isinstance(body, dict) else None
        wrong = dict(_by_index(errors, len(batch.messages)))
        outcomes, hold = [], None
        for index, message in enumerate(batch.messages):
            outcome = Outcome(message.delivery_id, OutcomeKind.DEFERRED, reason=said)
            if index in wrong:
                outcome, why = self._fault(message, wrong[index])
                hold = hold or why
            outcomes.append(outcome)
        if not wrong:
            hold = Hold(said, _hint(said))
        return BatchResult(outcomes, hold)

    def _fault(self, message: Message, words: str) -> tuple[Outcome, Hold | None]:
        said = one_line(words, self._key)
        if not _ABOUT_SENDER.search(said) and not _ABOUT_PLAN.search(said):
            return Outcome(message.delivery_id, OutcomeKind.REJECTED, reason=said), None
        deferred = Outcome(message.delivery_id, OutcomeKind.DEFERRED, reason=said)
        return deferred, Hold(f"MailerSend: {said}", _hint(said))

    def diagnose(self, domain: str) -> Questions:
        """What MailerSend says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account(
            "MailerSend", self._base, lambda _: self._headers, (self._key,), _FIXES.key
        )
        return accounts.mailersend(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call is signed by MailerSend: `Signature`, over the raw body.

        Raises:
            WebhookRefusedError: it isn't.
        """
        verify_hex_hmac(secrets, call, "signature")

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:  # noqa: ARG003 - the protocol's
        """One event.

        Raises:
            ValueError: it isn't one.
        """
        tree = read_report(body)
        kind = text(tree, "type")
        if not kind or not isinstance(tree.get("data"), dict):
            msg = "no MailerSend event: an object with `type` and `data` was expected"
            raise ValueError(msg)
        what, bounce = _EVENTS.get(kind.removeprefix("activity."), (EventType.UNKNOWN, BounceClass.NONE))
        tags = (
            tree["data"].get("email", {}).get("tags") if isinstance(tree["data"].get("email"), dict) else None
        )
        ours = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
        return [
            Event(
                provider="mailersend",
                type=what,
                event_id=text(tree, "data", "id") or digest(tree),
                at=moment(text(tree, "data", "created_at")),
                recipient=text(tree, "data", "email", "recipient", "email"),
                message_id=text(tree, "data", "email", "message", "id"),
                delivery_id=ours[1] if len(ours) == 2 and ours[0].startswith("nl-") else "",
                bounce_class=bounce,
                reason=text(tree, "data", "morph", "readable_reason")
                or text(tree, "data", "morph", "reason"),
                url=text(tree, "data", "morph", "url"),
                raw=tree,
            )
        ]


def _hint(said: str) -> str:
    if _ABOUT_PLAN.search(said):
        return "List-Unsubscribe needs MailerSend's Professional plan: upgrade, or choose another provider"
    if _ABOUT_SENDER.search(said):
        return "verify the domain of `from` at app.mailersend.com/domains"
    return "mend what it names"


def _envelope(message: Message, key: str) -> bytes:
    name, address = parseaddr(message.from_header)
    leave = dict(message.headers).get("List-Unsubscribe")
    fields: dict[str, Any] = {
        "from": {"email": address, "name": name} if name else {"email": address},
        "to": [{"email": message.recipient}],
        "subject": message.subject,
        # There is no metadata: the tags name the send and the delivery.
        "tags": [send_tag(key), message.delivery_id],
    }
    if leave is not None:
        # The field takes one address: the one for RFC 8058, without the `mailto:` behind it.
        fields |= {"list_unsubscribe": leave.partition(", <mailto:")[0], "precedence_bulk": True}
    if message.reply_to:
        fields["reply_to"] = {"email": message.reply_to}
    return to_json(fields).encode()[:-1]


def _by_index(errors: Any, count: int) -> Iterator[tuple[int, str]]:
    """Messages' faults by position, from `{"message.3": ["…"]}` or `{"3.to.0.email": ["…"]}`."""
    for name, words in errors.items() if isinstance(errors, dict) else ():
        match = _INDEX.match(str(name))
        if match is not None and int(match[1]) < count:
            field = str(name)[match.end() :]
            listed = "; ".join(map(str, words)) if isinstance(words, list) else str(words)
            yield int(match[1]), f"{field}: {listed}" if field else listed
