"""What does a webhook call of Mailgun's report?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from newsletter.model.event import BounceClass, Event, EventType
from newsletter.providers.events import digest, moment, read_report, text
from newsletter.providers.signatures import (
    A_DAY,
    WebhookCall,
    WebhookRefusedError,
    WebhookSecrets,
    hex_hmac,
    require_keys,
    require_match,
    require_recent,
    verify_token,
)

_TYPES: Final = {
    "accepted": EventType.QUEUED,
    "rejected": EventType.REJECTED,
    "delivered": EventType.DELIVERED,
    "failed": EventType.BOUNCED,
    "opened": EventType.OPENED,
    "clicked": EventType.CLICKED,
    "unsubscribed": EventType.UNSUBSCRIBED,
    "complained": EventType.COMPLAINED,
}


def event_of(report: Mapping[str, Any], data: Mapping[str, Any]) -> Event:
    """The event in `report`, whose `event-data` is `data`."""
    kind = _TYPES.get(text(data, "event"), EventType.UNKNOWN)
    reason = text(data, "reason")
    if kind is EventType.BOUNCED and text(data, "severity") == "temporary":
        kind = EventType.DEFERRED
    elif kind is EventType.BOUNCED and reason.startswith("suppress-"):
        kind = EventType.REJECTED
    number, at = text(data, "id"), text(data, "timestamp")
    status = "delivery-status"
    return Event(
        provider="mailgun",
        type=kind,
        # The signature covers the token and not the report: a token that is taken once only keeps it from
        # being used again for another report. Mailgun's own id is unique within a day only.
        event_id=text(report, "signature", "token") or (f"{number}@{at}" if number else digest(report)),
        at=moment(data.get("timestamp")),
        recipient=text(data, "recipient") or text(data, "message", "headers", "to"),
        message_id=text(data, "message", "headers", "message-id").strip("<>"),
        delivery_id=text(data, "user-variables", "delivery_id"),
        bounce_class=_bounce_class(kind, reason, data),
        reason=text(data, status, "message")
        or text(data, status, "description")
        or text(data, "reject", "reason")
        or reason,
        url=text(data, "url"),
        user_agent=text(data, "client-info", "user-agent"),
        raw=report,
    )


def verify_call(secrets: WebhookSecrets, call: WebhookCall) -> None:
    """See that the timestamp and the token of a call are signed by Mailgun, and that it has our token.

    The report itself isn't covered by the signature: the secret address keeps strangers from replacing it.

    Source: documentation.mailgun.com, Webhooks, "Securing webhooks".

    Raises:
        WebhookRefusedError: they aren't, or it isn't from today.
    """
    verify_token(secrets, call)
    try:
        report = read_report(call.body)
    except ValueError:
        raise WebhookRefusedError("this is no report of Mailgun's", final=True) from None
    at, token, signature = (text(report, "signature", name) for name in ("timestamp", "token", "signature"))
    if not (at and token and signature):
        raise WebhookRefusedError("the report has no signature of Mailgun's", final=True)
    require_recent(at, call.now, A_DAY)
    signed = (at + token).encode("utf-8", "surrogatepass")
    require_match([signature], [hex_hmac(key, signed) for key in require_keys(secrets)])


def _bounce_class(kind: EventType, reason: str, data: Mapping[str, Any]) -> BounceClass:
    if kind is EventType.REJECTED and reason == "suppress-bounce":
        return BounceClass.HARD
    if kind is not EventType.BOUNCED:
        return BounceClass.NONE
    said = text(data, "delivery-status", "bounce-type") or reason
    if said in ("soft", "old", "generic", "greylisted"):
        return BounceClass.SOFT
    words = f"{text(data, 'delivery-status', 'enhanced-code')} {text(data, 'delivery-status', 'message')}"
    if reason == "espblock" or re.match(r"\s*5\.7\.", words):
        return BounceClass.BLOCK
    return BounceClass.HARD
