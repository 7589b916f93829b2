"""What Resend posts: every payload of the corpus, the official schema's own words, and nonsense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from newsletter.model.event import BounceClass, Event, EventType
from newsletter.providers.base import ProviderOptions
from newsletter.providers.resend import ResendProvider

PROVIDER = ResendProvider(ProviderOptions(name="resend", secret=SecretStr("re_test")))
EXPECTED = {
    "test_sent_event": (EventType.SENT, BounceClass.NONE, "to@example.org"),
    "test_delivered_event": (EventType.DELIVERED, BounceClass.NONE, "to@example.org"),
    "test_hard_bounced_event": (EventType.BOUNCED, BounceClass.HARD, "bounced@resend.dev"),
    "test_suppressed_event": (EventType.REJECTED, BounceClass.NONE, "blocked@example.org"),
    "test_delivery_delayed_event": (EventType.DEFERRED, BounceClass.NONE, "delivered@resend.dev"),
    "test_complained_event": (EventType.COMPLAINED, BounceClass.NONE, "complained@resend.dev"),
    "test_opened_event": (EventType.OPENED, BounceClass.NONE, "to@example.org"),
    "test_clicked_event": (EventType.CLICKED, BounceClass.NONE, "to@example.org"),
}


def event_of(report: Any, **headers: str) -> Event:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    [event] = PROVIDER.parse_webhook(named, json.dumps(report).encode())
    return event


def report(name: str, **data: Any) -> dict[str, Any]:
    mail = {"email_id": "m-1", "created_at": "2026-01-06T09:00:00Z", "from": "a@b.example", "subject": "s"}
    return {"type": name, "created_at": "2026-01-06T09:00:01Z", "data": {**mail, "to": ["r@b.example"], **data}}  # fmt: skip


def bounce(kind: str, detail: str) -> dict[str, Any]:
    why = {"type": kind, "subType": detail, "message": "It bounced.", "diagnosticCode": ["smtp; 550"]}
    return report("email.bounced", bounce=why)


def test_every_payload_of_the_corpus_is_understood(shared_data: Path) -> None:
    path = shared_data / "corpora" / "anymail-webhook-payloads" / "resend-webhooks.json"
    cases = json.loads(path.read_text())
    assert {case["test"].partition(".")[2] for case in cases} == EXPECTED.keys()
    for case in cases:
        raw = case["value"]
        event = event_of(raw, svix_id="msg_1")
        expected = EXPECTED[case["test"].partition(".")[2]]
        assert (event.type, event.bounce_class, event.recipient) == expected
        assert (event.event_id, event.message_id) == ("msg_1", raw["data"]["email_id"])
        assert event.at is not None
        assert event.at.isoformat() == raw["created_at"].replace("Z", "000+00:00")
        assert event.raw == raw


@pytest.mark.parametrize(
    ("kind", "detail", "expected"),
    [
        ("Permanent", "General", BounceClass.HARD),
        ("Permanent", "NoEmail", BounceClass.HARD),
        ("Permanent", "ContentRejected", BounceClass.BLOCK),
        ("Transient", "MailboxFull", BounceClass.SOFT),
        ("Transient", "MessageTooLarge", BounceClass.BLOCK),
        ("Undetermined", "Undetermined", BounceClass.SOFT),
    ],
)
def test_a_bounce_is_as_final_as_it_says(
    kind: str, detail: str, expected: BounceClass, shared_data: Path
) -> None:
    made = bounce(kind, detail)
    document = json.loads((shared_data / "provider-specs" / "resend" / "resend.json").read_text())
    registry: Registry[Any] = Registry().with_resource("urn:resend", DRAFT202012.create_resource(document))
    schema = {"$ref": "urn:resend#/components/schemas/EmailBouncedEvent"}
    assert list(Draft202012Validator(schema, registry=registry).iter_errors(made)) == []
    event = event_of(made)
    assert (event.type, event.bounce_class, event.reason) == (EventType.BOUNCED, expected, "It bounced.")


def test_every_kind_of_event_the_specification_names_is_read(shared_data: Path) -> None:
    document = json.loads((shared_data / "provider-specs" / "resend" / "resend.json").read_text())
    names = list(document["webhooks"])
    assert "email.suppressed" in names
    for name in names:
        about_sent_mail = name.startswith("email.") and name != "email.received"
        assert (event_of(report(name)).type is not EventType.UNKNOWN) is about_sent_mail, name


def test_a_suppressed_and_a_failed_message_say_why() -> None:
    suppressed = event_of(report("email.suppressed", suppressed={"message": "It bounced before."}))
    failed = event_of(report("email.failed", failed={"reason": "reached_daily_quota"}))
    assert (suppressed.type, suppressed.reason) == (EventType.REJECTED, "It bounced before.")
    assert (failed.type, failed.reason) == (EventType.FAILED, "reached_daily_quota")


def test_our_delivery_id_comes_back_as_tag_or_header() -> None:
    header = [{"name": "X-Newsletter-Delivery", "value": "d-8"}]
    assert event_of(report("email.sent", tags={"delivery_id": "d-7"})).delivery_id == "d-7"
    assert event_of(report("email.sent", headers=header)).delivery_id == "d-8"
    assert event_of(report("email.sent")).delivery_id == ""


def test_an_event_is_the_same_each_time_it_is_posted() -> None:
    opened = report("email.opened")
    assert event_of(opened, webhook_id="msg_2", webhook_timestamp="1").event_id == "msg_2"
    assert event_of(opened).event_id == event_of(dict(reversed(opened.items()))).event_id
    assert event_of(opened).event_id != event_of(report("email.clicked")).event_id


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "data", "to", "tags", "headers", "bounce", "created_at", "click", "name"]), inner, max_size=5)))  # fmt: skip
def test_any_json_is_an_event_or_a_value_error(made: Any) -> None:
    try:
        events = PROVIDER.parse_webhook({}, json.dumps(made).encode())
    except ValueError:
        return
    assert len(events) == 1
