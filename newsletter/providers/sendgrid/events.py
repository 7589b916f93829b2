"""What does an event of SendGrid's Event Webhook report?

Source: twilio.com/docs/sendgrid/for-developers/tracking-events/event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from newsletter.model.event import BounceClass, Event, EventType
from newsletter.providers.events import digest, moment, text

_TYPES: Final = {
    "processed": EventType.QUEUED,
    "deferred": EventType.DEFERRED,
    "delivered": EventType.DELIVERED,
    "bounce": EventType.BOUNCED,
    "dropped": EventType.REJECTED,
    "cancel_drop": EventType.REJECTED,
    "open": EventType.OPENED,
    "click": EventType.CLICKED,
    "spamreport": EventType.COMPLAINED,
    "unsubscribe": EventType.UNSUBSCRIBED,
    "group_unsubscribe": EventType.UNSUBSCRIBED,
    "group_resubscribe": EventType.SUBSCRIBED,
}


def event_of(report: Mapping[str, Any]) -> Event:
    """One entry of the Event Webhook's array."""
    kind = _TYPES.get(text(report, "event"), EventType.UNKNOWN)
    return Event(
        provider="sendgrid",
        type=kind,
        event_id=text(report, "sg_event_id") or digest(report),
        at=moment(report.get("timestamp")),
        recipient=text(report, "email"),
        message_id=message_id(text(report, "sg_message_id"), text(report, "smtp-id")),
        delivery_id=text(report, "delivery_id"),
        bounce_class=_bounce_class(kind, report),
        reason=text(report, "reason") or text(report, "response"),
        url=text(report, "url"),
        user_agent=text(report, "useragent"),
        raw=report,
    )


def _bounce_class(kind: EventType, report: Mapping[str, Any]) -> BounceClass:
    if kind is EventType.REJECTED:
        gone = text(report, "reason").lower() in ("invalid", "bounced address")
        return BounceClass.HARD if gone else BounceClass.NONE
    if kind is not EventType.BOUNCED:
        return BounceClass.NONE
    if text(report, "type") in ("blocked", "block"):
        return BounceClass.BLOCK
    return BounceClass.SOFT if text(report, "status").startswith("4") else BounceClass.HARD


def message_id(number: str, smtp_id: str) -> str:
    """The call's `X-Message-Id`: what stands before the name of a machine in `sg_message_id`, else in `smtp-id`."""
    before = re.split(r"\.(?=filter|recvd)", number, maxsplit=1)[0]
    if before and not before.startswith(("filter", "recvd")):
        return before
    named = re.fullmatch(r"<?([^@<>]+)@(?:[\w.-]*ismtpd[\w.-]*)>?", smtp_id)
    return named[1] if named else number
