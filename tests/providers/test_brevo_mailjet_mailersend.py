"""What is special to Brevo, Mailjet and MailerSend; what all adapters promise is in `test_http_contract.py`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from newsletter.errors import UsageError
from newsletter.model.event import BounceClass, EventType
from newsletter.model.message import OutcomeKind
from newsletter.providers.base import Batch, BatchResult, HttpProvider, Response, Webhook
from newsletter.providers.registry import make_provider
from newsletter.send.transport import HttpSession
from tests.fakes.brevo import FakeBrevo
from tests.fakes.http import FakeHttp
from tests.fakes.ledger import Fault
from tests.fakes.mailersend import FakeMailerSend
from tests.fakes.mailjet import FakeMailjet, render
from tests.providers.contract import batch_for, recipient


def provider_of(fake: FakeHttp, **options: Any) -> HttpProvider:
    made = make_provider(replace(fake.options(), **options))
    assert isinstance(made, HttpProvider)
    return made


def batch_of(provider: HttpProvider, count: int = 3) -> Batch:
    return batch_for(provider.capabilities, [recipient(n) for n in range(1, count + 1)])


def send(provider: HttpProvider, batch: Batch) -> BatchResult:
    session = HttpSession(provider, httpx.Timeout(5))
    try:
        return session.send(batch)
    finally:
        session.close()


def kinds(result: BatchResult) -> list[str]:
    return [outcome.kind.value for outcome in result.outcomes]


class TestBrevo:
    def test_the_key_is_a_uuid_and_the_same_after_a_crash(self) -> None:
        with FakeBrevo() as fake:
            bodies = [
                b"".join(provider_of(fake).build_request(batch_of(provider_of(fake), 1)).body) for _ in "ab"
            ]
        keys = [json.loads(body)["headers"]["idempotencyKey"] for body in bodies]
        assert keys[0] == keys[1]

    def test_a_replay_is_neither_sent_again_nor_called_unsent(self) -> None:
        with FakeBrevo() as fake:
            provider = provider_of(fake)
            assert kinds(send(provider, batch_of(provider, 1))) == ["accepted"]
            again = send(provider, batch_of(provider, 1))
            assert kinds(again) == ["unknown"]
            assert "idempotencyKey" in again.outcomes[0].reason
            assert set(fake.ledger.recipients.values()) == {1}

    def test_the_sends_tag_is_one_for_all_its_messages(self) -> None:
        with FakeBrevo() as fake:
            provider = provider_of(fake)
            for n in (1, 2):
                batch = batch_for(provider.capabilities, [recipient(n)], key=f"nl-7-{n:024x}")
                send(provider, batch)
            assert {tag for entry in fake.ledger.entries for tag in entry["tags"]} == {"nl-7"}

    @pytest.mark.parametrize(
        ("answer", "kind", "waits", "hint"),
        [
            (Response(400, {}, b'{"code":"invalid_parameter","message":"sender is not valid"}'), "deferred", False, "verify"),
            (Response(400, {}, b'{"code":"invalid_parameter","message":"email is not valid in to"}'), "rejected", None, ""),
            (Response(402, {}, b'{"code":"not_enough_credits","message":"no"}'), "deferred", False, "credits"),
            (Response(429, {"x-sib-ratelimit-reset": "7"}, b"{}"), "deferred", True, ""),
            (Response(201, {}, b"{}"), "unknown", None, ""),
            (Response(201, {}, b"<html>"), "unknown", None, ""),
            (Response(400, {}, b'{"code":"bad_request","message":"Input must be a valid JSON"}'), "deferred", False, "mend"),
        ],
    )  # fmt: skip
    def test_each_answer_has_its_meaning(
        self, answer: Response, kind: str, waits: bool | None, hint: str
    ) -> None:
        with FakeBrevo() as fake:
            provider = provider_of(fake)
        result = provider.parse_response(batch_of(provider, 1), answer)
        assert kinds(result) == [kind]
        assert (result.hold is None) is (waits is None)
        if result.hold is not None:
            assert bool(result.hold.retry_after) is waits
            assert hint in result.hold.hint


class TestMailjet:
    def test_one_bad_address_is_refused_alone(self) -> None:
        with FakeMailjet() as fake:
            provider = provider_of(fake)
            readers = [recipient(1), recipient(2, "nobody@localhost"), recipient(3)]
            result = send(provider, batch_for(provider.capabilities, readers))
            assert kinds(result) == ["accepted", "rejected", "accepted"]
            assert "invalid email address" in result.outcomes[1].reason

    def test_the_content_travels_once_a_call(self) -> None:
        with FakeMailjet() as fake:
            provider = provider_of(fake)
            request = provider.build_request(batch_of(provider, 50))
        body = b"".join(request.body)
        assert body.count(b"Leave</a>") == 1
        assert len(json.loads(body)["Messages"]) == 50

    def test_mailjet_itself_keeps_a_second_copy_of_a_send_from_a_reader(self) -> None:
        with FakeMailjet() as fake:
            provider = provider_of(fake)
            shared = json.loads(b"".join(provider.build_request(batch_of(provider)).body))["Globals"]
        assert shared["DeduplicateCampaign"] is True
        assert shared["CustomCampaign"] == "nl-1"

    def test_both_halves_of_the_key_are_asked_for(self) -> None:
        with FakeMailjet() as fake, pytest.raises(UsageError, match="key:secret"):
            provider_of(fake, secret=SecretStr("only-one"))

    def test_an_answer_that_names_a_stranger_is_not_believed(self) -> None:
        with FakeMailjet() as fake:
            provider = provider_of(fake)
        answers = [{"Status": "success", "CustomID": "d-9", "To": [{"MessageID": 1}]}] * 3
        result = provider.parse_response(
            batch_of(provider), Response(200, {}, json.dumps({"Messages": answers}).encode())
        )
        assert kinds(result) == ["unknown"] * 3

    def test_the_fakes_language_refuses_what_it_does_not_know(self) -> None:
        with pytest.raises(Exception, match="if x"):
            render("{% if x %}", {})
        assert render('a{{var:v0:""}}b', {"v0": "{{var:v0}}"}) == "a{{var:v0}}b"


class TestMailerSend:
    def test_asking_about_a_batch_waits_as_long_as_it_is_told(self) -> None:
        with FakeMailerSend() as fake:
            fake.faults.add(Fault("GET", "429", times=1, seconds=2))
            provider = provider_of(fake)
            began = time.monotonic()
            assert kinds(send(provider, batch_of(provider))) == ["accepted"] * 3
            assert time.monotonic() - began >= 2
            assert len([call for call in fake.calls if call.method == "GET"]) == 2

    @pytest.mark.parametrize("checks", [1, 3])
    def test_the_outcomes_are_those_of_the_check_not_of_the_first_answer(self, checks: int) -> None:
        with FakeMailerSend(checks=checks, suppressed=("reader3@example.com",)) as fake:
            provider = provider_of(fake)
            readers = [recipient(1), recipient(2, "nobody@localhost"), recipient(3), recipient(4)]
            result = send(provider, batch_for(provider.capabilities, readers))
            assert kinds(result) == ["accepted", "rejected", "rejected", "accepted"]
            assert "suppressed" in result.outcomes[2].reason
            assert [o.provider_id for o in result.outcomes if o.provider_id] == [
                e["id"] for e in fake.ledger.entries
            ]

    def test_a_check_that_does_not_end_leaves_what_was_taken_accepted_under_the_calls_id(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("newsletter.send.transport._PATIENCE", 0.2)
        with FakeMailerSend(checks=1000) as fake:
            provider = provider_of(fake)
            result = send(provider, batch_of(provider))
        assert kinds(result) == ["accepted"] * 3
        assert len({outcome.provider_id for outcome in result.outcomes}) == 1

    def test_a_question_that_fails_takes_nothing_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("newsletter.send.transport._PATIENCE", 0.2)
        with FakeMailerSend() as fake:
            fake.faults.add(Fault("GET", "500"))
            provider = provider_of(fake)
            assert kinds(send(provider, batch_of(provider))) == ["accepted"] * 3

    def test_a_plan_without_list_unsubscribe_holds_the_send_with_the_way_out(self) -> None:
        with FakeMailerSend(professional=False) as fake:
            provider = provider_of(fake)
            result = send(provider, batch_of(provider))
            assert kinds(result) == ["deferred"] * 3
            assert result.hold is not None
            assert "Professional plan" in result.hold.hint
            assert not fake.ledger.entries

    def test_errors_that_cannot_be_placed_make_nobody_unsent(self) -> None:
        with FakeMailerSend() as fake:
            provider = provider_of(fake)
        data = {"id": "x", "state": "completed", "validation_errors_count": 1, "validation_errors": ["?"]}
        result = provider.parse_response(
            batch_of(provider), Response(200, {}, json.dumps({"data": data}).encode())
        )
        assert kinds(result) == ["unknown"] * 3


PAYLOADS = {"brevo": FakeBrevo, "mailjet": FakeMailjet, "mailersend": FakeMailerSend}
EXPECTED = {
    "request": (EventType.QUEUED, BounceClass.NONE),
    "delivered": (EventType.DELIVERED, BounceClass.NONE),
    "activity.delivered": (EventType.DELIVERED, BounceClass.NONE),
    "sent": (EventType.DELIVERED, BounceClass.NONE),
    "activity.sent": (EventType.SENT, BounceClass.NONE),
    "hard_bounce": (EventType.BOUNCED, BounceClass.HARD),
    "activity.hard_bounced": (EventType.BOUNCED, BounceClass.HARD),
    "soft_bounce": (EventType.BOUNCED, BounceClass.SOFT),
    "activity.soft_bounced": (EventType.BOUNCED, BounceClass.SOFT),
    "blocked": (EventType.REJECTED, BounceClass.BLOCK),
    "spam": (EventType.COMPLAINED, BounceClass.NONE),
    "complaint": (EventType.COMPLAINED, BounceClass.NONE),
    "activity.spam_complaint": (EventType.COMPLAINED, BounceClass.NONE),
    "invalid_email": (EventType.BOUNCED, BounceClass.HARD),
    "deferred": (EventType.DEFERRED, BounceClass.NONE),
    "click": (EventType.CLICKED, BounceClass.NONE),
    "activity.clicked": (EventType.CLICKED, BounceClass.NONE),
    "unsubscribe": (EventType.UNSUBSCRIBED, BounceClass.NONE),
    "unsub": (EventType.UNSUBSCRIBED, BounceClass.NONE),
    "activity.unsubscribed": (EventType.UNSUBSCRIBED, BounceClass.NONE),
    "error": (EventType.FAILED, BounceClass.NONE),
    "open": (EventType.OPENED, BounceClass.NONE),
    "opened": (EventType.OPENED, BounceClass.NONE),
    "unique_opened": (EventType.OPENED, BounceClass.NONE),
    "proxy_open": (EventType.OPENED, BounceClass.NONE),
    "unique_proxy_open": (EventType.OPENED, BounceClass.NONE),
    "activity.opened": (EventType.OPENED, BounceClass.NONE),
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_every_report_of_the_corpus_is_understood(name: str, shared_data: Path) -> None:
    start: Callable[[], FakeHttp] = PAYLOADS[name]
    with start() as fake:
        provider = provider_of(fake)
    assert isinstance(provider, Webhook)
    corpus = json.loads((shared_data / f"corpora/anymail-webhook-payloads/{name}-webhooks.json").read_bytes())
    seen = set()
    for case in corpus:
        entries = case["value"] if isinstance(case["value"], list) else [case["value"]]
        events = provider.parse_webhook({}, json.dumps(case["value"]).encode())
        assert len(events) == len(entries)
        for entry, event in zip(entries, events, strict=True):
            kind = entry.get("event") or entry["type"]
            expected = EXPECTED.get(kind)
            if kind == "bounce":
                expected = (EventType.BOUNCED, BounceClass.HARD if entry["hard_bounce"] else BounceClass.SOFT)
            assert (event.type, event.bounce_class) == expected, kind
            assert "@" in event.recipient
            assert event.message_id
            # The corpus gives some of its MailerSend reports one id.
            assert (event.type, event.event_id) not in seen
            seen.add((event.type, event.event_id))
            assert event.at is not None or "s_epoch" in entry


def test_a_report_names_our_delivery(shared_data: Path) -> None:
    reports: dict[type[FakeHttp], dict[str, Any]] = {
        FakeBrevo: {
            "event": "delivered",
            "email": "a@example.com",
            "X-Mailin-custom": '{"delivery_id":"d-1"}',
        },
        FakeMailjet: {"event": "sent", "email": "a@example.com", "CustomID": "d-1"},
        FakeMailerSend: {"type": "activity.sent", "data": {"id": "1", "email": {"tags": ["nl-7", "d-1"]}}},
    }
    for start, report in reports.items():
        with start() as fake:
            provider = provider_of(fake)
        assert isinstance(provider, Webhook)
        [event] = provider.parse_webhook({}, json.dumps(report).encode())
        assert event.delivery_id == "d-1"


def test_a_report_of_tomorrow_is_kept_as_unknown() -> None:
    for start, report in (
        (FakeBrevo, {"event": "teleported"}),
        (FakeMailjet, {"event": "teleported"}),
        (FakeMailerSend, {"type": "activity.teleported", "data": {}}),
    ):
        with start() as fake:
            provider = provider_of(fake)
        assert isinstance(provider, Webhook)
        assert [e.type for e in provider.parse_webhook({}, json.dumps(report).encode())] == [
            EventType.UNKNOWN
        ]


def test_who_is_refused_is_rejected_only_where_it_is_about_them() -> None:
    for start in PAYLOADS.values():
        fake = start()
        with fake:
            provider = provider_of(fake)
            fake.verified = ("elsewhere.example",)
            result = send(provider, batch_of(provider, 1))
        assert OutcomeKind.REJECTED not in {outcome.kind for outcome in result.outcomes}
