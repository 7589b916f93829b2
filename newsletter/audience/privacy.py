"""What is kept about a person, all of it (GDPR Art. 15 and 20)? Erasing them is `Audience.erase` and `Audience.forget`."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from newsletter.audience import consent
from newsletter.model.delivery import DeliveryState
from newsletter.store import subscribers as people
from newsletter.store.base import Database, Transaction, utc_text
from newsletter.store.hits import OPEN


def export_data(source: Database | Transaction, subscriber_id: int) -> dict[str, Any] | None:
    """Everything kept about a person, as values JSON can hold; None where there is nobody of this number.

    Times are UTC. What providers and readers reported is there as long as `[tracking] keep_days` keeps it,
    afterwards with its kind and date alone.
    """
    person = people.find(source, id=subscriber_id)
    if person is None:
        return None
    [(changed, paused)] = source.query(
        "SELECT updated_at, paused_until FROM subscribers WHERE id = ?", (subscriber_id,)
    )
    record = consent.history(source, subscriber_id)
    return {
        "id": person.id,
        "email": person.email,
        "name": person.name,
        "status": person.status.value,
        "tags": list(person.tags),
        "metadata": dict(person.metadata),
        "joined": utc_text(person.created_at) if person.created_at else "",
        "changed": changed,
        "paused_until": paused,
        "consent": [{key: value for key, value in asdict(event).items() if value} for event in record],
        "agreed_to": _texts(source, {event.text_version for event in record if event.text_version}),
        "open_request": _open_request(source, subscriber_id),
        "issues": _issues(source, subscriber_id),
        "reports": _reports(source, subscriber_id),
        "visits": _visits(source, subscriber_id),
        "mails": _mails(source, subscriber_id),
    }


def _texts(source: Database | Transaction, versions: set[str]) -> dict[str, str]:
    """The words behind the versions the record names."""
    found = {}
    for version in sorted(versions):
        for (text,) in source.query("SELECT text FROM consent_texts WHERE version = ?", (version,)):
            found[version] = text
    return found


def _open_request(source: Database | Transaction, subscriber_id: int) -> dict[str, str] | None:
    rows = source.query(
        "SELECT requested_at, expires_at, reminded_at, form_id FROM joinings WHERE subscriber_id = ?",
        (subscriber_id,),
    )
    names = ("requested_at", "expires_at", "reminded_at", "form_id")
    return dict(zip(names, rows[0], strict=True)) if rows else None


def _issues(source: Database | Transaction, subscriber_id: int) -> list[dict[str, Any]]:
    rows = source.query(
        "SELECT n.number, n.title, n.slug, d.state, coalesce(b.first_claimed_at, n.created_at), "
        "coalesce(d.reason, '') FROM sends n JOIN deliveries d ON d.send_id = n.id AND d.subscriber_id = ? "
        "LEFT JOIN batches b ON b.id = d.batch_id WHERE n.sandbox = 0 ORDER BY n.id",
        (subscriber_id,),
    )
    return [
        {
            "number": number,
            "title": title,
            "slug": slug,
            "state": DeliveryState(state).name.lower(),
            "at": at,
            **({"reason": reason} if reason else {}),
        }
        for number, title, slug, state, at, reason in rows
    ]


def _reports(source: Database | Transaction, subscriber_id: int) -> list[dict[str, Any]]:
    rows = source.query(
        "SELECT e.provider, e.type, e.at, coalesce(n.title, ''), e.payload FROM events e "
        "LEFT JOIN sends n ON n.id = e.send_id WHERE e.subscriber_id = ? ORDER BY e.id",
        (subscriber_id,),
    )
    return [
        {"provider": provider, "type": kind, "at": at, "issue": title, "report": _json(payload)}
        for provider, kind, at, title, payload in rows
    ]


def _visits(source: Database | Transaction, subscriber_id: int) -> list[dict[str, Any]]:
    """Where opens and clicks are counted: the pictures loaded and the links followed, until only counts are left."""
    rows = source.query(
        "SELECT n.title, h.link, h.first_at, h.last_at FROM sends n "
        "JOIN hits h ON h.send_id = n.id AND h.subscriber_id = ? ORDER BY n.id, h.link",
        (subscriber_id,),
    )
    return [
        {
            "issue": title,
            "what": "the picture" if link == OPEN else f"link {link}",
            "first": utc_text(datetime.fromtimestamp(first, UTC)),
            "last": utc_text(datetime.fromtimestamp(last, UTC)),
        }
        for title, link, first, last in rows
    ]


def _mails(source: Database | Transaction, subscriber_id: int) -> list[dict[str, str]]:
    rows = source.query(
        "SELECT kind, state, created_at, finished_at, reason FROM outgoing WHERE subscriber_id = ? ORDER BY id",
        (subscriber_id,),
    )
    names = ("kind", "state", "written", "finished", "reason")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
