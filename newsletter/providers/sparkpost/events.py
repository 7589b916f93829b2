"""What became of messages, in SparkPost's words: batches it posts, and its events asked for afterwards.

Sources: developers.sparkpost.com/api: Events (kept for ten days), Webhooks; support.sparkpost.com:
bounce-classification-codes, preparing-for-async-suppressions.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from newsletter.errors import NewsletterError
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.api import answered, one_line, read_json
from newsletter.providers.base import Question, Request, Response

KEY_VARIABLE = "NEWSLETTER_SPARKPOST_API_KEY"
_QUERY_BYTES = 3000  # an address may have 4,096
_PAGE = 1000
_TYPES = {
    "injection": EventType.QUEUED,
    "delivery": EventType.DELIVERED,
    "delay": EventType.DEFERRED,
    "bounce": EventType.BOUNCED,
    "out_of_band": EventType.BOUNCED,
    "policy_rejection": EventType.REJECTED,
    "generation_rejection": EventType.REJECTED,
    "generation_failure": EventType.FAILED,
    "spam_complaint": EventType.COMPLAINED,
    "list_unsubscribe": EventType.UNSUBSCRIBED,
    "link_unsubscribe": EventType.UNSUBSCRIBED,
    # `initial_open` tells of the same opening as `open`.
    "open": EventType.OPENED,
    "amp_open": EventType.OPENED,
    "click": EventType.CLICKED,
    "amp_click": EventType.CLICKED,
}
_NEVER_SENT = ("policy_rejection", "generation_rejection", "generation_failure")
# support.sparkpost.com/docs/deliverability/bounce-classification-codes
_HARD, _BLOCKED = (10, 30, 90), (25, 26, 50, 51, 52, 53, 54)
_BOUNCES_OF_ANOTHER_TYPE = {
    60: EventType.AUTORESPONDED,
    80: EventType.SUBSCRIBED,
    90: EventType.UNSUBSCRIBED,
    100: EventType.AUTORESPONDED,
}


def read_events(body: bytes) -> Sequence[Event]:
    """The events in one batch; a ping has none.

    Raises:
        ValueError: this isn't what SparkPost sends.
    """
    try:
        parsed = json.loads(body)
    except RecursionError:
        parsed = None
    if not isinstance(parsed, list) or not all(
        isinstance(item, dict) and isinstance(item.get("msys"), dict) for item in parsed
    ):
        msg = "not a batch of SparkPost's events"
        raise ValueError(msg)
    return [
        _event(fields, item)
        for item in parsed
        for fields in item["msys"].values()
        if isinstance(fields, dict)
    ]


def search_events(
    question: Question, url: str, headers: Mapping[str, str], key: str
) -> Generator[Request, Response, Mapping[str, Outcome]]:
    """Ask by address, and believe the events that carry our delivery id.

    Args:
        question: of whom.
        url: of the events.
        headers: of each call.
        key: may not stand in a sentence.

    Raises:
        NewsletterError: the key may not read events, or SparkPost doesn't answer as it should.
    """
    found: dict[str, Outcome] = {}
    since = (question.at.astimezone(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M")
    for addresses in _chunks(sorted(set(question.recipients.values()))):
        query = {"recipients": ",".join(addresses), "from": since, "per_page": str(_PAGE)}
        while query:
            response = yield Request("GET", f"{url}?{urlencode(query)}", headers, [])
            page = _page(response, key)
            for event in page["results"]:
                _note(found, event, question.recipients)
            query = _next_query(page.get("links"), query)
    return found


def error_words(body: Any) -> tuple[list[str], str]:
    """The codes of an answer's errors, the recipient's own among them, and their words on one line."""
    fields = body if isinstance(body, dict) else {}
    results = fields.get("results")
    own = results.get("rcpt_to_errors") if isinstance(results, dict) else None
    found = [
        error
        for errors in (fields.get("errors"), own)
        if isinstance(errors, list)
        for error in errors
        if isinstance(error, dict)
    ]
    words = [
        ": ".join(str(error[part]) for part in ("message", "description") if error.get(part))
        for error in found
    ]
    return [str(error.get("code", "")) for error in found], "; ".join(filter(None, words))


def _page(response: Response, key: str) -> dict[str, Any]:
    body = read_json(response.body)
    if response.status == 200 and isinstance(body, dict) and isinstance(body.get("results"), list):
        return body
    _, text = error_words(body)
    hint = "try newsletter reconcile again later"
    if response.status in (401, 403):
        hint = f'let the key in {KEY_VARIABLE} read events ("Event Search: Read-only")'
    raise NewsletterError(answered("SparkPost", response.status, text, response.body, key), hint=hint)


def _chunks(addresses: Sequence[str]) -> Iterator[list[str]]:
    """As many addresses at a time as an address line holds."""
    chunk: list[str] = []
    size = 0
    for address in addresses:
        needed = len(urlencode({"": address})) + 3
        if chunk and size + needed > _QUERY_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(address)
        size += needed
    if chunk:
        yield chunk


def _note(found: dict[str, Outcome], event: Any, asked: Mapping[str, str]) -> None:
    """Keep what `event` tells about one of those asked for: that it was taken outweighs what came of it later."""
    fields = event if isinstance(event, dict) else {}
    meta = fields.get("rcpt_meta")
    delivery = str(meta.get("delivery_id", "")) if isinstance(meta, dict) else ""
    if delivery not in asked:
        return
    if fields.get("type") in _NEVER_SENT:
        reason = one_line(str(fields.get("raw_reason") or fields.get("reason") or fields["type"]))
        found.setdefault(delivery, Outcome(delivery, OutcomeKind.REJECTED, reason=reason))
    elif fields.get("type") in _TYPES:
        number = str(fields.get("transmission_id") or "")
        found[delivery] = Outcome(delivery, OutcomeKind.ACCEPTED, number)


def _next_query(links: Any, query: Mapping[str, str]) -> dict[str, str]:
    """The query of the next page; empty after the last. Only the cursor is taken from what SparkPost names."""
    href = links.get("next") if isinstance(links, dict) else None
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") == "next":
            href = link.get("href")
    if not isinstance(href, str):
        return {}
    cursor = dict(parse_qsl(urlsplit(href).query)).get("cursor", "")
    return {**query, "cursor": cursor} if cursor and cursor != query.get("cursor") else {}


def _event(fields: dict[str, Any], raw: dict[str, Any]) -> Event:
    kind = _TYPES.get(str(fields.get("type", "")), EventType.UNKNOWN)
    bounce = BounceClass.NONE
    if kind is EventType.BOUNCED:
        code = str(fields.get("bounce_class", ""))
        number = int(code) if code.isascii() and code.isdigit() and len(code) < 5 else 0
        kind = _BOUNCES_OF_ANOTHER_TYPE.get(number, kind)
        if kind is EventType.BOUNCED:
            bounce = (
                BounceClass.HARD
                if number in _HARD
                else BounceClass.BLOCK
                if number in _BLOCKED
                else BounceClass.SOFT
            )
    meta = fields.get("rcpt_meta")
    digest = hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()
    return Event(
        provider="sparkpost",
        type=kind,
        event_id=str(fields.get("event_id") or digest),
        at=_moment(fields.get("timestamp")),
        recipient=str(fields.get("raw_rcpt_to") or fields.get("rcpt_to") or ""),
        message_id=str(fields.get("transmission_id") or ""),
        delivery_id=str(meta.get("delivery_id", "")) if isinstance(meta, dict) else "",
        bounce_class=bounce,
        reason=str(fields.get("raw_reason") or fields.get("reason") or ""),
        url=str(fields.get("target_link_url") or ""),
        user_agent=str(fields.get("user_agent") or ""),
        raw=raw,
    )


def _moment(value: Any) -> datetime | None:
    """Seconds since 1970, or ISO 8601: SparkPost writes both."""
    text = str(value or "")
    try:
        if re.fullmatch(r"\d{1,11}(\.\d{1,6})?", text):
            return datetime.fromtimestamp(float(text), UTC)
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
