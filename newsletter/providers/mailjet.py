"""Mailjet (mailjet.com): the content once a call, variables for each reader, and what its answers mean.

Sources: dev.mailjet.com/email/reference/send-emails (v3.1), …/email/guides/send-api-v31 (sandbox, errors, real-time
monitoring), dev.mailjet.com/template-language/reference, …/email/guides/webhooks, …/email/reference/messages.

How the content becomes a template: a slot is `{{var:v0:""}}`, which puts the value in as it is, once; the empty
default keeps an empty value from being a template error. What looks like a delimiter in the author's own text is
broken up by a variable that holds a brace, so that nothing depends on how the language quotes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from email.utils import parseaddr
from typing import Any, Final
from urllib.parse import quote

from newsletter.errors import NewsletterError, UsageError
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.model.message import Message, Outcome, OutcomeKind, SharedContent
from newsletter.model.template import Template
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
    one_line,
    read_json,
    refused,
    region,
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

API_KEY_VARIABLE: Final = "NEWSLETTER_MAILJET_API_KEY"
_HOSTS: Final = {
    "": "https://api.mailjet.com",
    "eu": "https://api.mailjet.com",
    "us": "https://api.us.mailjet.com",
}
_FIXES: Final = Fixes(
    key=f"check {API_KEY_VARIABLE}: it is `key:secret`, both from app.mailjet.com/account/apikeys",
    address="check `provider.base_url`; leave it out for https://api.mailjet.com",
)
# Mailjet sets them itself and refuses a message that brings them along.
_FORBIDDEN: Final = frozenset({"list-id"})
# A brace that would open `{{`, `{%` or `{#`, or that a slot or the end of a part follows.
_OPENING: Final = re.compile(r"\{(?=[{%#]|\Z)")
_BRACE: Final = "b"
_ABOUT_SENDER: Final = re.compile(
    r"\bsender\b|\bFrom\b|not (?:an )?authori[sz]ed|not validated", re.IGNORECASE
)
_ABOUT_QUOTA: Final = re.compile(r"\bquota\b|sending limit|limit (?:is )?(?:exceeded|reached)", re.IGNORECASE)

_EVENTS: Final[Mapping[str, EventType]] = {
    "sent": EventType.DELIVERED,  # the receiving server took it: https://dev.mailjet.com/email/guides/webhooks
    "open": EventType.OPENED,
    "click": EventType.CLICKED,
    "bounce": EventType.BOUNCED,
    "blocked": EventType.REJECTED,
    "spam": EventType.COMPLAINED,
    "unsub": EventType.UNSUBSCRIBED,
}


class MailjetProvider:
    """Pure translation; the engine owns HTTP, pace and retry. See `providers.base.HttpProvider`."""

    name = "mailjet"
    capabilities = Capabilities(
        content=ContentForm.VALUES,
        max_batch=50,
        connections=4,
        # Documented for single messages; whether shared ones are merged isn't.
        attachments=False,
        per_item_result=True,
        lookup_by="CustomID",
        max_message_bytes=15 * 1024 * 1024,
        notes=("Mailjet writes List-Id itself: yours is left out.",),
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key and the address.

        Raises:
            UsageError: the key is missing or isn't `key:secret`, or the address isn't one.
        """
        self._key = api_key(options, API_KEY_VARIABLE, "app.mailjet.com/account/apikeys")
        if not re.fullmatch(r"[^:]+:[^:]+", self._key):
            raise UsageError(f"{API_KEY_VARIABLE} isn't `key:secret`", hint=_FIXES.key)
        self._base = base_url(options, region(options, _HOSTS))
        self._sandbox = options.sandbox
        token = base64.b64encode(self._key.encode()).decode()
        self._headers = call_headers("Authorization", f"Basic {token}") | JSON_BODY
        self._known: tuple[SharedContent | None, bytes, bool] = (None, b"", False)

    def build_request(self, batch: Batch) -> Request:
        """`POST /v3.1/send`: `Globals` with the content, a message with its variables for each reader.

        `CustomCampaign` with `DeduplicateCampaign` has Mailjet itself keep a second copy of one send
        from the same address. The same batch always gives the same bytes.
        """
        assert batch.shared is not None
        shared, with_brace = self._content(batch.shared)
        campaign = to_json(send_tag(batch.key)).encode()
        parts = [b'{"SandboxMode":true,' if self._sandbox else b"{", b'"Globals":{', shared]
        parts += [b',"CustomCampaign":', campaign, b',"DeduplicateCampaign":true},"Messages":[']
        before = b""
        for message in batch.messages:
            parts += (before, _message(message, batch.shared, with_brace=with_brace))
            before = b","
        parts.append(b"]}")
        return Request("POST", f"{self._base}/v3.1/send", self._headers, parts)

    def _content(self, shared: SharedContent) -> tuple[bytes, bool]:
        """The members of `Globals` that a send has once, and whether they use the brace; kept."""
        if self._known[0] is not shared:
            name, address = parseaddr(shared.from_header)
            slots = {slot: f"v{at}" for at, slot in enumerate(shared.slots)}
            html, text = (_translate(part, slots) for part in (shared.html, shared.text))
            members: dict[str, Any] = {
                "From": {"Email": address, "Name": name} if name else {"Email": address},
                "HTMLPart": html,
                "TextPart": text,
                "TemplateLanguage": True,
            }
            if shared.reply_to:
                members["ReplyTo"] = {"Email": shared.reply_to}
            subject = "{{var:s}}" if shared.subject is None else _escape(shared.subject)
            members["Subject"] = subject
            brace = any(f"{{{{var:{_BRACE}}}}}" in part for part in (html, text, subject))
            # One assignment of one tuple: other threads see the old three or the new three.
            self._known = (shared, to_json(members)[1:-1].encode(), brace)
        return self._known[1], self._known[2]

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        """What the answer says about each message.

        | answer | outcome | send |
        |---|---|---|
        | `Messages`, each `success` or `error` | accepted, rejected (about the reader) or deferred | holds where a person must act |
        | success of any other shape | unknown | goes on |
        | 403 or 429 about a quota | deferred | holds |
        | else | `api.refused` | `api.refused` |
        """
        body = read_json(response.body)
        said = self._words(body, response)
        messages = body.get("Messages") if isinstance(body, dict) else None
        if response.status in (200, 201, 207, 400) and isinstance(messages, list):
            result = self._per_message(batch, messages)
        elif 200 <= response.status < 300:
            result = every(batch.messages, OutcomeKind.UNKNOWN, "Mailjet's answer can't be read")
        elif response.status in (403, 429) and _ABOUT_QUOTA.search(said):
            hint = "upgrade the plan at mailjet.com, or wait until the limit is renewed"
            result = every(batch.messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
        else:
            result = refused(batch, response.status, said, response.headers, _FIXES)
        rate = allowance(response.headers, "x-ratelimit-remaining", "x-ratelimit-reset")
        return replace(result, allowance=rate)

    def _per_message(self, batch: Batch, answers: list[Any]) -> BatchResult:
        """One answer a message, in order; a `CustomID` in it overrules the order."""
        ids = [message.delivery_id for message in batch.messages]
        if len(answers) != len(ids) or not all(isinstance(answer, dict) for answer in answers):
            return every(batch.messages, OutcomeKind.UNKNOWN, "Mailjet's answer doesn't fit the batch")
        outcomes: dict[str, Outcome] = {}
        hold = None
        for expected, answer in zip(ids, answers, strict=True):
            named = answer.get("CustomID") or expected
            if named not in ids or named in outcomes:
                return every(batch.messages, OutcomeKind.UNKNOWN, "Mailjet's answer names somebody else")
            if answer.get("Status") == "success":
                to = answer.get("To")
                first = to[0] if isinstance(to, list) and to and isinstance(to[0], dict) else {}
                if not first.get("MessageID") and not self._sandbox:
                    outcomes[named] = Outcome(named, OutcomeKind.UNKNOWN, reason="Mailjet names no MessageID")
                else:
                    outcomes[named] = Outcome(named, OutcomeKind.ACCEPTED, str(first.get("MessageID") or ""))
            elif answer.get("Status") == "error":
                outcomes[named], why = self._error(named, answer)
                hold = hold or why
            else:
                outcomes[named] = Outcome(
                    named, OutcomeKind.UNKNOWN, reason="Mailjet doesn't say what became of it"
                )
        return BatchResult([outcomes[i] for i in ids if i in outcomes], hold)

    def _error(self, delivery_id: str, answer: Mapping[str, Any]) -> tuple[Outcome, Hold | None]:
        """A message that was refused: over its reader, or over what all have in common."""
        found = [error for error in answer.get("Errors") or [] if isinstance(error, dict)]
        related = " ".join(str(error.get("ErrorRelatedTo") or "") for error in found)
        said = one_line(
            "; ".join(str(error.get("ErrorMessage") or "") for error in found), *self._key.split(":")
        )
        said = said or "Mailjet refused it without a word"
        if re.search(r"\bTo\b", related):
            return Outcome(delivery_id, OutcomeKind.REJECTED, reason=said), None
        hint = "mend what it names"
        if _ABOUT_SENDER.search(f"{related} {said}"):
            hint = "verify the sender or its domain at app.mailjet.com/account/sender"
        return Outcome(delivery_id, OutcomeKind.DEFERRED, reason=said), Hold(f"Mailjet: {said}", hint)

    def _words(self, body: Any, response: Response) -> str:
        words = str(body.get("ErrorMessage") or body.get("message") or "") if isinstance(body, dict) else ""
        return answered("Mailjet", response.status, words, response.body, self._key, *self._key.split(":"))

    def search(self, question: Question) -> Generator[Request, Response, Mapping[str, Outcome]]:
        """`GET /v3/REST/message?CustomID=…`, one delivery a call.

        Raises:
            NewsletterError: the key may not ask.
        """
        found: dict[str, Outcome] = {}
        for delivery_id in question.recipients:
            url = f"{self._base}/v3/REST/message?CustomID={quote(delivery_id, safe='')}"
            response = yield Request("GET", url, self._headers, ())
            body = read_json(response.body)
            if response.status in (401, 403):
                raise NewsletterError(self._words(body, response), hint=_FIXES.key)
            data = body.get("Data") if isinstance(body, dict) else None
            for row in data if isinstance(data, list) else ():
                # An older store of the same key may have numbered its deliveries alike.
                when = moment(row.get("ArrivedAt")) if isinstance(row, dict) else None
                if when is not None and when >= question.at - CLOCKS_DIFFER and row.get("ID"):
                    found[delivery_id] = Outcome(delivery_id, OutcomeKind.ACCEPTED, str(row["ID"]))
        return found

    def diagnose(self, domain: str) -> Questions:
        """What Mailjet says about the key and the domain; see `providers.diagnosis.Diagnosable`."""
        from newsletter.providers import accounts

        account = accounts.Account("Mailjet", self._base, lambda _: self._headers, (self._key,), _FIXES.key)
        return accounts.mailjet(account, domain)

    @classmethod
    def verify_webhook(cls, secrets: WebhookSecrets, call: WebhookCall) -> None:
        """See that a call has our token: Mailjet signs nothing.

        Raises:
            WebhookRefusedError: it isn't.
        """
        verify_token(secrets, call)

    @classmethod
    def parse_webhook(cls, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:  # noqa: ARG003 - the protocol's
        """A list of events, or one alone: Mailjet sends both.

        Raises:
            ValueError: neither is there.
        """
        return [_event(entry) for entry in read_entries(body, "Mailjet")]


def _escape(text: str) -> str:
    """The author's own text in the template language."""
    return _OPENING.sub(f"{{{{var:{_BRACE}}}}}", text)


def _translate(template: Template, slots: Mapping[Any, str]) -> str:
    return "".join(
        _escape(part) if isinstance(part, str) else f'{{{{var:{slots[part]}:""}}}}' for part in template.parts
    )


def _message(message: Message, shared: SharedContent, *, with_brace: bool) -> bytes:
    headers = (*message.headers[:1], *shared.headers, *message.headers[1:])
    variables = {f"v{at}": value for at, value in enumerate(message.values)}
    if with_brace:
        variables[_BRACE] = "{"
    if shared.subject is None:
        variables["s"] = message.subject
    return to_json(
        {
            "To": [{"Email": message.recipient}],
            "Headers": {name: value for name, value in headers if name.lower() not in _FORBIDDEN},
            "CustomID": message.delivery_id,
            "EventPayload": message.delivery_id,
            "Variables": variables,
        }
    ).encode()


def _event(entry: Mapping[str, Any]) -> Event:
    kind = _EVENTS.get(str(entry["event"]), EventType.UNKNOWN)
    bounce = BounceClass.NONE
    if kind is EventType.BOUNCED:
        bounce = BounceClass.HARD if entry.get("hard_bounce") else BounceClass.SOFT
    elif kind is EventType.REJECTED:
        bounce = BounceClass.BLOCK
    said = ": ".join(str(entry[name]) for name in ("error_related_to", "error") if entry.get(name))
    return Event(
        provider="mailjet",
        type=kind,
        # Mailjet numbers messages, not events.
        event_id=digest(entry),
        at=moment(entry.get("time")),
        recipient=text(entry, "email"),
        message_id=text(entry, "MessageID"),
        delivery_id=text(entry, "CustomID") or text(entry, "Payload"),
        bounce_class=bounce,
        reason=said or text(entry, "smtp_reply") or text(entry, "comment"),
        url=text(entry, "url"),
        user_agent=text(entry, "agent"),
        raw=entry,
    )
