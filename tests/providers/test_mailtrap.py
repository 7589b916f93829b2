"""What is Mailtrap's own: a base and items, words instead of codes, its sandbox, its logs, its reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from newsletter.errors import NewsletterError, UsageError
from newsletter.model.event import BounceClass, EventType
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import Batch, BatchResult, ProviderOptions, Question, Request, Response
from newsletter.providers.mailtrap import MailtrapProvider
from newsletter.render.headers import display_mailbox
from tests.fakes.mailtrap import FakeMailtrap
from tests.providers.conftest import call, make_batch, make_message
from tests.providers.contract import AT

KEY = FakeMailtrap.secret


@pytest.fixture
def fake() -> Iterator[FakeMailtrap]:
    with FakeMailtrap() as server:
        yield server


def provider(fake: FakeMailtrap | None = None, **options: Any) -> MailtrapProvider:
    url = fake.url if fake else ""
    return MailtrapProvider(
        replace(ProviderOptions("mailtrap", base_url=url, secret=SecretStr(KEY)), **options)
    )


def kinds(result: BatchResult) -> list[str]:
    return [outcome.kind.value for outcome in result.outcomes]


def body_of(batch: Batch) -> Any:
    return json.loads(b"".join(provider().build_request(batch).body))


def answer(status: int, body: Any) -> Response:
    return Response(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def refusals(*errors: str, count: int = 2) -> dict[str, Any]:
    return {"success": True, "responses": [{"success": False, "errors": list(errors)}] * count}


class TestRequests:
    def test_the_body_fits_the_official_schema(self, shared_data: Path) -> None:
        path = shared_data / "provider-specs" / "mailtrap" / "email-sending-bulk.openapi.yml"
        document = yaml.safe_load(path.read_text())
        registry: Registry[Any] = Registry().with_resource(
            "urn:mailtrap", DRAFT202012.create_resource(document)
        )
        validator = Draft202012Validator(
            {"$ref": "urn:mailtrap#/components/schemas/BatchEmail"}, registry=registry
        )
        assert list(validator.iter_errors(body_of(make_batch(500)))) == []
        assert list(validator.iter_errors(body_of(make_batch(501))))
        known: set[str] = set()
        for part in document["components"]["schemas"]["BatchEmail"]["properties"]["base"]["allOf"]:
            known |= set(document["components"]["schemas"][part["$ref"].rpartition("/")[2]]["properties"])
        body = body_of(make_batch(1))
        assert set(body["base"]) | set(body["requests"][0]) - {"to"} <= known

    def test_the_sender_stands_once_and_each_item_is_whole(self) -> None:
        body = body_of(make_batch(1, first=7, key="nl-1-abc"))
        assert body == {
            "base": {"from": {"email": "news@example.com", "name": "News"}, "reply_to": {"email": "editor@example.com"}},
            "requests": [
                {
                    "to": [{"email": "reader7@example.com"}],
                    "subject": "Issue 1 for “reader 7”",
                    "custom_variables": {"delivery_id": "d-7", "batch": "nl-1-abc"},
                    "headers": {
                        "List-Unsubscribe": "<https://news.example.com/u/token-7>",
                        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                        "X-Delivery-ID": "d-7",
                    },
                    "html": "<p>Hello rëader 7</p>",
                    "text": "Hello\n7",
                }
            ],
        }  # fmt: skip

    @given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=20))
    def test_any_name_of_a_sender_comes_through(self, name: str) -> None:
        header = display_mailbox(name, "news@example.com")
        message = make_message(1)._replace(from_header=header, sender="news@example.com")
        sender = body_of(Batch("k", [message]))["base"]["from"]
        assert sender == (
            {"email": "news@example.com", "name": name} if name else {"email": "news@example.com"}
        )

    def test_newsletters_go_through_the_bulk_stream(self) -> None:
        for stream in ("", "bulk", "4711"):
            url = provider(stream=stream).build_request(make_batch(1)).url
            assert url == "https://bulk.api.mailtrap.io/api/batch"
        with pytest.raises(UsageError, match="no stream `transactional`"):
            provider(stream="transactional")

    def test_the_sandbox_is_a_place_of_its_own(self) -> None:
        url = provider(sandbox=True, stream="4711").build_request(make_batch(1)).url
        assert url == "https://sandbox.api.mailtrap.io/api/batch/4711"
        with pytest.raises(UsageError, match="number") as caught:
            provider(sandbox=True)
        assert "provider.stream" in caught.value.hint

    def test_it_says_what_is_not_known_about_the_unsubscribe_header(self) -> None:
        [note] = provider().capabilities.notes
        assert "List-Unsubscribe" in note


class TestAnswers:
    def test_each_item_has_an_outcome_of_its_own(self, fake: FakeMailtrap) -> None:
        fake.suppressed = ("reader2@example.com",)
        bad = make_message(4, recipient="nobody@localhost")
        result = call(provider(fake), Batch("k", [*make_batch(3).messages, bad]))
        assert kinds(result) == ["accepted", "rejected", "accepted", "rejected"]
        assert "suppression" in result.outcomes[1].reason
        assert result.hold is None
        assert set(fake.ledger.recipients) == {"reader1@example.com", "reader3@example.com"}

    @pytest.mark.parametrize(
        ("message", "word"),
        [
            ("'from' address is invalid", "verify"),
            ("Sending from domain example.com is not allowed", "mailtrap.io/domains"),
            ("You have reached your daily sending limit", "billing"),
            ("'subject' is required", "mend"),
        ],
    )
    def test_what_concerns_all_holds_the_send_with_its_fix(self, message: str, word: str) -> None:
        whole = {"success": False, "errors": [message]}
        for response in (answer(200, refusals(message)), answer(200, whole), answer(400, whole)):
            result = provider().parse_response(make_batch(2), response)
            assert kinds(result) == ["deferred", "deferred"]
            assert result.hold is not None
            assert result.hold.retry_after is None
            assert word in result.hold.hint
            assert message in result.hold.reason

    def test_a_whole_call_refused_over_a_recipient_rejects_only_a_single_one(self) -> None:
        response = answer(400, {"success": False, "errors": ["'to' address is invalid"]})
        assert kinds(provider().parse_response(make_batch(1), response)) == ["rejected"]
        result = provider().parse_response(make_batch(2), response)
        assert kinds(result) == ["deferred", "deferred"]
        assert result.hold is not None
        assert "batch = 1" in result.hold.hint

    @pytest.mark.parametrize(
        ("status", "errors", "word", "waits"),
        [
            (401, "Unauthorized", "NEWSLETTER_MAILTRAP_API_KEY", False),
            (403, "Forbidden", "domain", False),
            (403, "Something else", "NEWSLETTER_MAILTRAP_API_KEY", False),
            (403, "You have reached the monthly limit", "billing", False),
            (404, "Not Found", "base_url", False),
            (413, "Request Entity Too Large", "batch =", False),
            (429, "Rate limit exceeded", "", True),
            (429, "Your plan limit is reached", "billing", False),
        ],
    )
    def test_each_refusal_of_a_call_has_its_fix(
        self, status: int, errors: str, word: str, waits: bool
    ) -> None:
        result = provider().parse_response(
            make_batch(2), answer(status, {"success": False, "errors": [errors]})
        )
        assert kinds(result) == ["deferred", "deferred"]
        assert result.hold is not None
        assert word in result.hold.hint
        assert (result.hold.retry_after is not None) is waits

    def test_a_domain_may_be_refused_as_if_the_key_were_wrong(self, fake: FakeMailtrap) -> None:
        fake.verified, fake.domain_status = ("elsewhere.example",), 401
        result = call(provider(fake), make_batch(1))
        assert result.hold is not None
        assert "domain of `from`" in result.hold.hint

    @pytest.mark.parametrize(
        "item",
        [{}, {"success": True}, {"success": True, "message_ids": []}, {"success": False}, {"success": 1, "message_ids": ["x"]}],
    )  # fmt: skip
    def test_an_item_that_says_nothing_clear_is_unknown(self, item: Any) -> None:
        body = {"success": True, "responses": [item, {"success": True, "message_ids": ["m-2"]}]}
        assert kinds(provider().parse_response(make_batch(2), answer(200, body))) == ["unknown", "accepted"]

    @given(
        status=st.integers(100, 599),
        body=st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["success", "responses", "errors", "error", "message_ids"]),
                    inner,
                    max_size=4,
                )
            ),
        ),
    )
    def test_any_answer_gives_each_message_exactly_one_outcome(self, status: int, body: Any) -> None:
        result = provider().parse_response(make_batch(2), answer(status, body))
        assert [o.delivery_id for o in result.outcomes] == ["d-1", "d-2"]
        assert status // 100 == 2 or OutcomeKind.ACCEPTED not in {o.kind for o in result.outcomes}


def run(asked: MailtrapProvider, question: Question) -> tuple[dict[str, Outcome], list[Request]]:
    """A search over real HTTP, and the calls it made."""
    calls: list[Request] = []
    search = asked.search(question)
    try:
        request = next(search)
        while True:
            calls.append(request)
            got = httpx.get(request.url, headers=dict(request.headers), trust_env=False)
            request = search.send(Response(got.status_code, {}, got.content))
    except StopIteration as end:
        return dict(end.value), calls


class TestSearch:
    def test_addresses_are_asked_for_some_at_a_time_and_page_after_page(self, fake: FakeMailtrap) -> None:
        batch = make_batch(100)
        sent = call(provider(fake), batch)
        asked = {m.delivery_id: m.recipient for m in batch.messages}
        found, calls = run(provider(fake), Question(batch.key, AT, asked))
        assert found == {o.delivery_id: o for o in sent.outcomes}
        assert len(calls) == 5  # 40 + 40 + 20 addresses, and two second pages
        assert all(len(c.url) < 4096 for c in calls)
        query = parse_qs(urlsplit(calls[0].url).query)
        assert query["filters[to][operator]"] == ["ci_equal"]
        assert query["filters[sent_after]"] == ["2026-01-06T08:50:00Z"]

    def test_mail_of_another_send_to_the_same_address_is_not_taken_for_this_one(
        self, fake: FakeMailtrap
    ) -> None:
        earlier = make_message(1)._replace(delivery_id="earlier-1")
        call(provider(fake), Batch("earlier", [earlier]))
        assert run(provider(fake), Question("k", AT, {"d-1": "reader1@example.com"}))[0] == {}

    def test_an_index_that_lags_proves_nothing(self, fake: FakeMailtrap) -> None:
        call(provider(fake), make_batch(1))
        fake.indexed = False
        assert run(provider(fake), Question("k", AT, {"d-1": "reader1@example.com"}))[0] == {}

    def test_logs_are_kept_by_the_account(self) -> None:
        request = next(provider().search(Question("k", AT, {"d-1": "a@example.com"})))
        assert request.url.startswith("https://mailtrap.io/api/email_logs?")

    def test_a_filter_that_is_ignored_doesnt_list_the_whole_account(self) -> None:
        """Mailtrap ignores what it doesn't know: then every page is full of strangers."""
        search = provider().search(Question("k", AT, {"d-1": "a@example.com"}))
        next(search)
        page = {
            "messages": [{"message_id": "m", "custom_variables": {"delivery_id": "x"}}],
            "next_page_cursor": "m",
        }
        for _ in range(19):
            search.send(answer(200, page))
        with pytest.raises(StopIteration) as end:
            search.send(answer(200, page))
        assert end.value.value == {}

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"messages": 1}'])
    def test_an_answer_that_cant_be_read_is_said_so(self, body: bytes) -> None:
        search = provider().search(Question("k", AT, {"d-1": "a@example.com"}))
        next(search)
        with pytest.raises(NewsletterError, match="can't be read"):
            search.send(answer(200, body))


EXPECTED = {
    "test_sent_event": (EventType.DELIVERED, BounceClass.NONE),
    "test_open_event": (EventType.OPENED, BounceClass.NONE),
    "test_click_event": (EventType.CLICKED, BounceClass.NONE),
    "test_bounce_event": (EventType.BOUNCED, BounceClass.HARD),
    "test_soft_bounce_event": (EventType.DEFERRED, BounceClass.SOFT),
    "test_spam_event": (EventType.COMPLAINED, BounceClass.NONE),
    "test_unsubscribe_event": (EventType.UNSUBSCRIBED, BounceClass.NONE),
    "test_suspension_event": (EventType.DEFERRED, BounceClass.NONE),
    "test_reject_event": (EventType.REJECTED, BounceClass.NONE),
}


class TestReports:
    def test_every_payload_of_the_corpus_is_understood_in_both_formats(self, shared_data: Path) -> None:
        path = shared_data / "corpora" / "anymail-webhook-payloads" / "mailtrap-webhooks.json"
        cases = json.loads(path.read_text())
        assert {case["test"].partition(".")[2] for case in cases} == EXPECTED.keys()
        lines = b"\n".join(json.dumps(case["value"]["events"][0]).encode() for case in cases)
        events = provider().parse_webhook({}, lines)
        for case, event in zip(cases, events, strict=True):
            [raw] = case["value"]["events"]
            assert list(provider().parse_webhook({}, json.dumps(case["value"]).encode())) == [event]
            assert (event.type, event.bounce_class) == EXPECTED[case["test"].partition(".")[2]]
            assert (event.recipient, event.message_id) == (raw["email"], raw["message_id"])
            assert event.event_id == raw["event_id"]
            assert event.at is not None
            assert event.at.timestamp() == raw["timestamp"]
            assert event.reason == raw.get("response", raw.get("reason", ""))
            assert event.url == raw.get("url", "")

    def test_our_delivery_id_comes_back(self) -> None:
        report = {"event": "open", "custom_variables": {"delivery_id": "d-7"}}
        [event] = provider().parse_webhook({}, json.dumps(report).encode())
        assert event.delivery_id == "d-7"

    def test_a_bounce_over_what_was_written_is_a_block(self) -> None:
        report = {"event": "bounce", "bounce_category": "spam", "response": "555 local policy"}
        [event] = provider().parse_webhook({}, json.dumps({"events": [report]}).encode())
        assert event.bounce_class is BounceClass.BLOCK

    def test_what_isnt_about_mail_is_kept_as_unknown(self) -> None:
        report = {"event": "activity_log.user.login", "description": "logged in", "timestamp": 1}
        [event] = provider().parse_webhook({}, json.dumps({"events": [report]}).encode())
        assert event.type is EventType.UNKNOWN
        assert len(event.event_id) == 32

    @pytest.mark.parametrize("body", [b'{"events": 1}', b'{"event": "open"}\n{', b'{"events": [{}]}', b"[]"])
    def test_what_mailtrap_never_posts_is_a_value_error(self, body: bytes) -> None:
        with pytest.raises(ValueError, match=r"."):
            provider().parse_webhook({}, body)
