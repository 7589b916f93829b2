"""What happened to messages, in the words of SES: notifications in an envelope of SNS, or raw.

Sources: docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html and
…/notification-contents.html; docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html. Whether
an envelope is really from SNS is for whoever received it to find out, before it is read here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from newsletter.model.event import BounceClass, Event, EventType

_BLOCKS = ("ContentRejected", "AttachmentRejected", "MessageTooLarge")


class _Kind(NamedTuple):
    """How one kind of notification is read.

    Attributes:
        type: what it is to us.
        key: the object that tells what happened.
        recipients: the list in it that names whom; else everybody the message went to.
        reason: the field with the words.
    """

    type: EventType
    key: str
    recipients: str = ""
    reason: str = ""


_KINDS = {
    "Send": _Kind(EventType.SENT, "send"),
    "Reject": _Kind(EventType.REJECTED, "reject", reason="reason"),
    "Bounce": _Kind(EventType.BOUNCED, "bounce", "bouncedRecipients", "bounceSubType"),
    "Complaint": _Kind(EventType.COMPLAINED, "complaint", "complainedRecipients", "complaintFeedbackType"),
    "Delivery": _Kind(EventType.DELIVERED, "delivery", "recipients", "smtpResponse"),
    "Open": _Kind(EventType.OPENED, "open"),
    "Click": _Kind(EventType.CLICKED, "click"),
    "Rendering Failure": _Kind(EventType.FAILED, "failure", reason="errorMessage"),
    "DeliveryDelay": _Kind(EventType.DEFERRED, "deliveryDelay", "delayedRecipients", "delayType"),
    "Subscription": _Kind(EventType.UNKNOWN, "subscription", reason="source"),
}


def read_events(headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
    """An event for each recipient a notification is about.

    An envelope that isn't about a message (SNS asks for a subscription to be confirmed, says hello) is one
    event of type `unknown`, so that whoever receives it sees it.

    Args:
        headers: names in lower case; unused: the envelope says what it is.
        body: as it was received.

    Raises:
        ValueError: it is neither an envelope of SNS nor a notification of SES.
    """
    del headers
    outer = _object(body)
    identity, inner = hashlib.sha256(body).hexdigest(), outer
    if "TopicArn" in outer or "MessageId" in outer:
        identity = str(outer.get("MessageId") or identity)
        try:
            inner = _object(str(outer.get("Message", "")).encode())
        except ValueError:
            inner = {}
        if outer.get("Type") != "Notification" or not _name(inner):
            return [Event("ses", EventType.UNKNOWN, identity, _moment(outer.get("Timestamp")), raw=outer)]
    if not _name(inner):
        msg = "neither a notification of Amazon SES nor an envelope of SNS"
        raise ValueError(msg)
    return _events(identity, inner)


def _events(identity: str, notification: dict[str, Any]) -> list[Event]:
    kind = _KINDS.get(_name(notification), _Kind(EventType.UNKNOWN, ""))
    mail = _dict(notification.get("mail"))
    about = _dict(notification.get(kind.key))
    at = _moment(about.get("timestamp")) or _moment(mail.get("timestamp"))
    named = _list(about.get(kind.recipients)) if kind.recipients else _list(mail.get("destination"))
    found = [_recipient(entry) for entry in named] or [("", "")]
    return [
        Event(
            provider="ses",
            type=_type(kind, about),
            event_id=identity if len(found) == 1 else f"{identity}:{number}",
            at=at,
            recipient=address,
            message_id=str(mail.get("messageId") or ""),
            delivery_id=_delivery_id(mail),
            bounce_class=_bounce_class(about) if kind.type is EventType.BOUNCED else BounceClass.NONE,
            reason=words or str(about.get(kind.reason) or ""),
            url=str(about.get("link") or ""),
            user_agent=str(about.get("userAgent") or ""),
            raw=notification,
        )
        for number, (address, words) in enumerate(found)
    ]


def _type(kind: _Kind, about: dict[str, Any]) -> EventType:
    if kind.type is EventType.COMPLAINED and about.get("complaintFeedbackType") == "not-spam":
        # RFC 5965: the reader says that it is not spam.
        return EventType.UNKNOWN
    if kind.key == "subscription" and _dict(about.get("newTopicPreferences")).get("unsubscribeAll") is True:
        return EventType.UNSUBSCRIBED
    return kind.type


def _bounce_class(bounce: dict[str, Any]) -> BounceClass:
    if bounce.get("bounceType") == "Permanent":
        return BounceClass.HARD
    return BounceClass.BLOCK if bounce.get("bounceSubType") in _BLOCKS else BounceClass.SOFT


def _recipient(entry: Any) -> tuple[str, str]:
    """An address and what the receiving server said about it."""
    fields = entry if isinstance(entry, dict) else {"emailAddress": entry}
    return str(fields.get("emailAddress") or ""), str(fields.get("diagnosticCode") or "")


def _delivery_id(mail: dict[str, Any]) -> str:
    """From our tag; else from our header, where notifications include headers."""
    tagged = _list(_dict(mail.get("tags")).get("delivery_id"))
    if tagged:
        return str(tagged[0])
    for header in _list(mail.get("headers")):
        fields = _dict(header)
        if str(fields.get("name", "")).lower() == "x-newsletter-delivery":
            return str(fields.get("value") or "")
    return ""


def _name(notification: dict[str, Any]) -> str:
    """`eventType` of an event, `notificationType` of feedback."""
    name = notification.get("eventType") or notification.get("notificationType")
    return name if isinstance(name, str) else ""


def _moment(text: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except RecursionError:
        parsed = None
    if not isinstance(parsed, dict):
        msg = "not a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - what arrives over a network is a value, not a type
    return parsed


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
