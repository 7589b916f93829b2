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

import json
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from newsletter import __version__
from newsletter.errors import UsageError
from newsletter.model.message import Message, Outcome, OutcomeKind
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

API_KEY_VARIABLE = "NEWSLETTER_RESEND_API_KEY"
_HOUR = 3600
# `json.dumps` would make an encoder for each message.
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
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
        messages_per_second=200.0,
    )

    def __init__(self, options: ProviderOptions) -> None:
        """Read the key and the address.

        Raises:
            UsageError: the key is missing, or the address isn't one.
        """
        key = options.secret.get_secret_value().strip() if options.secret is not None else ""
        if not key:
            raise UsageError(
                f"{API_KEY_VARIABLE} is missing",
                hint=f"make a key at resend.com/api-keys and put {API_KEY_VARIABLE}=re_… into the environment or .env",
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise UsageError(
                f"{API_KEY_VARIABLE} holds a character no key has", hint="copy the key again, without quotes"
            )
        base = (options.base_url or "https://api.resend.com").rstrip("/")
        if not re.match(r"https?://[^/\s]+", base):
            raise UsageError(
                f"`provider.base_url` isn't an address: {base}",
                hint="leave it out for https://api.resend.com",
            )
        if base.startswith("http:") and not _is_this_machine(base):
            raise UsageError(
                f"`provider.base_url` would send your key in clear text: {base}",
                hint="begin it with https://; http:// is for a server on this machine",
            )
        self._url = f"{base}/emails/batch"
        self._key = key
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            # Without one Resend answers 403 (error code 1010).
            "User-Agent": f"newsletter-toolkit/{__version__}",
            "x-batch-validation": "permissive",
        }

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
        status = response.status
        body = _json(response.body)
        if 200 <= status < 300:
            return _created(batch, body, self._clean)
        name, said = _error_words(body, response, self._clean)
        return _refused(batch, status, name, said, response.headers)

    def _clean(self, text: str) -> str:
        """`text` in one line of moderate length, without the key."""
        return " ".join(text.replace(self._key, "…").split())[:500]


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


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
    return _ENCODE(fields).encode()[:-1]


def _created(batch: Batch, body: Any, clean: Callable[[str], str]) -> BatchResult:
    """A 200: ids for what was created, in order, and the indexes of what was not."""
    messages = batch.messages
    data = body.get("data") if isinstance(body, dict) else None
    errors = (body.get("errors") or []) if isinstance(body, dict) else []
    if not isinstance(data, list) or not isinstance(errors, list):
        return _all(messages, OutcomeKind.UNKNOWN, "Resend's answer can't be read")
    wrong: dict[int, str] = {}
    for error in errors:
        index = error.get("index") if isinstance(error, dict) else None
        if not isinstance(index, int) or not 0 <= index < len(messages):
            return _all(messages, OutcomeKind.UNKNOWN, "Resend's answer names an item that wasn't sent")
        wrong[index] = clean(str(error.get("message", "")))
    ids = [item.get("id") if isinstance(item, dict) else None for item in data]
    if len(ids) + len(wrong) != len(messages) or not all(isinstance(i, str) and i for i in ids):
        # Which id belongs to whom can't be said; a replay of the key asks once more.
        return _all(messages, OutcomeKind.UNKNOWN, "Resend's answer doesn't fit the batch")
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
            hold = Hold(f"Resend: {reason}", "mend what it names, then run newsletter resume")
    return BatchResult(outcomes, hold)


def _refused(batch: Batch, status: int, name: str, said: str, headers: Mapping[str, str]) -> BatchResult:
    """Any answer but success."""
    messages, wait = batch.messages, _seconds_to_wait(headers)
    match status, name:
        case 429, _:
            if "quota" in name:
                hint = "upgrade the plan at resend.com, or run newsletter resume when the quota is renewed"
                return _all(messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
            return _all(messages, OutcomeKind.DEFERRED, said, Hold(said, retry_after=wait or 1.0))
        case 409, "concurrent_idempotent_requests":
            return _all(messages, OutcomeKind.UNKNOWN, said, Hold(said, retry_after=wait or 5.0))
        case 409, _:
            hint = "an earlier call with the same key may have been accepted: see newsletter reconcile"
            return _all(messages, OutcomeKind.UNKNOWN, said, Hold(said, hint))
        case ((401 | 403), _):
            return _all(messages, OutcomeKind.DEFERRED, said, Hold(said, _permission_hint(name, said)))
        case ((400 | 422), _) if _ABOUT_RECIPIENT.search(said):
            return _about_recipients(messages, said)
        case 408, _:
            return _all(messages, OutcomeKind.UNKNOWN, said, Hold(said, retry_after=wait or 10.0))
        case 413, _:
            hint = "send fewer at once: batch = 20 under [sending], then run newsletter resume"
            return _all(messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
        case ((404 | 405), _):
            hint = "check `provider.base_url`; leave it out for https://api.resend.com"
            return _all(messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
        case _ if 300 <= status < 400:
            hint = "`provider.base_url` redirects: name the address it leads to"
            return _all(messages, OutcomeKind.DEFERRED, said, Hold(said, hint))
        case _ if 400 <= status < 500:
            return _all(
                messages,
                OutcomeKind.DEFERRED,
                said,
                Hold(said, "mend what it names, then run newsletter resume"),
            )
        case _:
            # Accepting and then failing to say so is possible; the key makes asking again safe.
            return _all(messages, OutcomeKind.UNKNOWN, said, Hold(said, retry_after=wait or 10.0))


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
        "set batch = 1 under [sending] to find it, then run newsletter resume"
    )
    return _all(messages, OutcomeKind.DEFERRED, said, Hold(said, hint))


def _permission_hint(name: str, said: str) -> str:
    text = f"{name} {said}".lower()
    if "testing emails" in text or "verif" in text or "from" in name:
        return "verify the domain of `from` at resend.com/domains, then run newsletter resume"
    if "1010" in text:
        return "something on the way to Resend removes the User-Agent header"
    return f"check {API_KEY_VARIABLE}: make a key that may send at resend.com/api-keys"


def _seconds_to_wait(headers: Mapping[str, str]) -> float:
    """`retry-after`, else `ratelimit-reset`, in seconds; 0 where neither is a number. At most an hour."""
    for name in ("retry-after", "ratelimit-reset"):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
            return min(max(float(value), 0.05), _HOUR)
    return 0.0


def _error_words(body: Any, response: Response, clean: Callable[[str], str]) -> tuple[str, str]:
    """The error's name and a sentence for people."""
    name, text = "", ""
    if isinstance(body, dict):
        inner = body.get("error")
        source = inner if isinstance(inner, dict) else body
        name, text = str(source.get("name", "")), str(source.get("message", ""))
    if not text:
        text = response.body[:200].decode("utf-8", "replace")
    return name, clean(
        f"Resend answered {response.status}: {text}" if text.strip() else f"Resend answered {response.status}"
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _all(
    messages: Sequence[Message], kind: OutcomeKind, reason: str, hold: Hold | None = None
) -> BatchResult:
    return BatchResult([Outcome(m.delivery_id, kind, reason=reason) for m in messages], hold)
