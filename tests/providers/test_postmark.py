"""What is Postmark's own: its error codes, its streams and metadata, its search, its reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
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
from newsletter.providers.postmark import PostmarkProvider
from tests.fakes.postmark import FakePostmark
from tests.providers.conftest import call, make_batch
from tests.providers.contract import AT

KEY = FakePostmark.secret


@pytest.fixture
def fake() -> Iterator[FakePostmark]:
    with FakePostmark() as server:
        yield server


def provider(fake: FakePostmark | None = None, **options: Any) -> PostmarkProvider:
    url = fake.url if fake else ""
    return PostmarkProvider(
        replace(ProviderOptions("postmark", base_url=url, secret=SecretStr(KEY)), **options)
    )


def kinds(result: BatchResult) -> list[str]:
    return [outcome.kind.value for outcome in result.outcomes]


def items(batch: Batch, **options: Any) -> Any:
    return json.loads(b"".join(provider(**options).build_request(batch).body))


def answer(status: int, body: Any) -> Response:
    return Response(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def said(code: int, message: str) -> dict[str, Any]:
    return {"ErrorCode": code, "Message": message}


def accepted(number: int) -> dict[str, Any]:
    return {"To": f"reader{number}@example.com", "MessageID": f"m-{number}", **said(0, "OK")}


class TestRequests:
    def test_the_body_fits_the_official_schema(self, shared_data: Path) -> None:
        path = shared_data / "provider-specs" / "postmark" / "apisguru-server-openapi30.json"
        document = json.loads(path.read_text())
        registry: Registry[Any] = Registry().with_resource(
            "urn:postmark", DRAFT202012.create_resource(document)
        )
        schemas = document["components"]["schemas"]
        validator = Draft202012Validator(
            {"$ref": "urn:postmark#/components/schemas/SendEmailBatchRequest"}, registry=registry
        )
        body = items(make_batch(3))
        assert list(validator.iter_errors(body)) == []
        assert list(validator.iter_errors([{"Subject": 1}]))
        # The document is older than streams and metadata.
        known = set(schemas["SendEmailRequest"]["properties"]) | {"MessageStream", "Metadata"}
        assert set(body[0]) <= known

    def test_each_item_says_what_the_message_says(self) -> None:
        [item] = items(make_batch(1, first=7, key="nl-1-abc"))
        assert item == {
            "From": "News <news@example.com>",
            "To": "reader7@example.com",
            "Subject": "Issue 1 for “reader 7”",
            "ReplyTo": "editor@example.com",
            "MessageStream": "broadcast",
            "Metadata": {"batch": "nl-1-abc", "delivery_id": "d-7"},
            "Headers": [
                {"Name": "List-Unsubscribe", "Value": "<https://news.example.com/u/token-7>"},
                {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
                {"Name": "X-Delivery-ID", "Value": "d-7"},
            ],
            "HtmlBody": "<p>Hello rëader 7</p>",
            "TextBody": "Hello\n7",
        }

    def test_metadata_keeps_to_postmarks_limits(self) -> None:
        message = make_batch(1).messages[0]._replace(delivery_id="d" * 100)
        [item] = items(Batch("a" * 100 + "z" * 80, [message]))
        assert item["Metadata"] == {"batch": "z" * 80}

    def test_the_stream_is_the_configured_one(self, fake: FakePostmark) -> None:
        assert items(make_batch(1), stream="weekly")[0]["MessageStream"] == "weekly"
        result = call(provider(fake, stream="weekly"), make_batch(2))
        assert kinds(result) == ["deferred", "deferred"]
        assert result.hold is not None
        assert "provider.stream" in result.hold.hint

    def test_the_sandbox_needs_no_key_and_sends_none(self) -> None:
        tested = provider(sandbox=True, secret=None)
        token = tested.build_request(make_batch(1)).headers["X-Postmark-Server-Token"]
        assert token == "POSTMARK_API_TEST"

    def test_a_region_it_doesnt_have_is_refused(self) -> None:
        with pytest.raises(UsageError, match="no region `eu`") as caught:
            provider(region="eu")
        assert caught.value.hint == "leave `provider.region` out"

    def test_it_says_what_becomes_of_the_unsubscribe_header(self) -> None:
        [note] = provider().capabilities.notes
        assert "List-Unsubscribe" in note


class TestAnswers:
    def test_each_item_has_an_outcome_of_its_own(self, fake: FakePostmark) -> None:
        fake.inactive = ("reader2@example.com",)
        batch = make_batch(3)
        result = call(provider(fake), batch)
        assert kinds(result) == ["accepted", "rejected", "accepted"]
        assert "inactive" in result.outcomes[1].reason
        assert result.hold is None
        assert set(fake.ledger.recipients) == {"reader1@example.com", "reader3@example.com"}

    def test_accepted_but_delayed_is_accepted(self, fake: FakePostmark) -> None:
        fake.delayed = True
        result = call(provider(fake), make_batch(2))
        assert kinds(result) == ["accepted", "accepted"]
        assert [o.provider_id for o in result.outcomes] == [e["id"] for e in fake.ledger.entries]

    def test_an_acceptance_without_an_id_is_unknown(self) -> None:
        result = provider().parse_response(make_batch(1), answer(200, [said(0, "OK")]))
        assert kinds(result) == ["unknown"]

    def test_an_address_it_writes_in_another_way_is_no_reordering(self) -> None:
        item = {**accepted(1), "To": '"Reader" <READER1@example.com>'}
        assert kinds(provider().parse_response(make_batch(1), answer(200, [item]))) == ["accepted"]

    def test_items_about_somebody_else_are_not_believed(self) -> None:
        body = [accepted(2), accepted(1), said(406, "inactive")]
        assert kinds(provider().parse_response(make_batch(3), answer(200, body))) == ["unknown"] * 3

    @pytest.mark.parametrize(
        ("code", "message", "word"),
        [
            (10, "Bad or missing Server API token.", "NEWSLETTER_POSTMARK_API_KEY"),
            (300, "Invalid 'From' address: 'a@b.c' is not a verified sender signature.", "verify"),
            (300, "Invalid metadata content.", "mend"),
            (400, "Sender signature not found.", "signature_domains"),
            (401, "Sender signature not confirmed.", "signature_domains"),
            (405, "Not allowed to send.", "billing"),
            (410, "Too many batch messages.", "batch ="),
            (412, "Account is pending.", "approve"),
            (413, "Account may not send.", "support"),
            (1235, "The 'MessageStream' does not exist.", "provider.stream"),
            (999, "Something new.", "mend"),
        ],
    )
    def test_what_concerns_the_account_holds_the_send_with_its_fix(
        self, code: int, message: str, word: str
    ) -> None:
        for response in (answer(200, [said(code, message)] * 2), answer(422, said(code, message))):
            result = provider().parse_response(make_batch(2), response)
            assert kinds(result) == ["deferred", "deferred"]
            assert result.hold is not None
            assert result.hold.retry_after is None
            assert word in result.hold.hint
            assert message.rstrip(".") in result.hold.reason

    @pytest.mark.parametrize(("code", "seconds"), [(100, 60.0), (429, 1.0)])
    def test_what_time_mends_waits(self, code: int, seconds: float) -> None:
        body = [accepted(1), said(code, "later")]
        result = provider().parse_response(make_batch(2), answer(200, body))
        assert kinds(result) == ["accepted", "deferred"]
        assert result.hold is not None
        assert result.hold.retry_after == seconds

    def test_what_a_person_must_do_comes_before_what_time_mends(self) -> None:
        body = [said(429, "later"), said(405, "credit")]
        result = provider().parse_response(make_batch(2), answer(200, body))
        assert result.hold is not None
        assert result.hold.retry_after is None

    def test_a_whole_call_refused_over_a_recipient_rejects_only_a_single_one(self) -> None:
        response = answer(422, said(300, "Invalid 'To' address: 'x'."))
        assert kinds(provider().parse_response(make_batch(1), response)) == ["rejected"]
        result = provider().parse_response(make_batch(2), response)
        assert kinds(result) == ["deferred", "deferred"]
        assert result.hold is not None
        assert "batch = 1" in result.hold.hint

    def test_an_account_on_approval_may_write_to_itself_alone(self, fake: FakePostmark) -> None:
        fake.approved = False
        foreign = make_batch(1).messages[0]._replace(recipient="reader@example.net")
        result = call(provider(fake), Batch("k", [*make_batch(1).messages, foreign]))
        assert kinds(result) == ["accepted", "deferred"]
        assert result.hold is not None
        assert "approve" in result.hold.hint

    def test_credit_that_runs_out_within_a_batch_keeps_who_was_taken(self, fake: FakePostmark) -> None:
        fake.quota = 2
        result = call(provider(fake), make_batch(4))
        assert kinds(result) == ["accepted", "accepted", "deferred", "deferred"]
        assert len(fake.ledger.entries) == 2

    def test_too_large_a_call_asks_for_smaller_ones(self) -> None:
        result = provider().parse_response(make_batch(2), answer(413, b""))
        assert kinds(result) == ["deferred", "deferred"]
        assert result.hold is not None
        assert "batch =" in result.hold.hint

    @given(
        status=st.integers(100, 599),
        body=st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["ErrorCode", "Message", "MessageID", "To"]), inner, max_size=4
                )
            ),
        ),
    )
    def test_any_answer_gives_each_message_exactly_one_outcome(self, status: int, body: Any) -> None:
        result = provider().parse_response(make_batch(2), answer(status, body))
        assert [o.delivery_id for o in result.outcomes] == ["d-1", "d-2"]
        assert status // 100 == 2 or OutcomeKind.ACCEPTED not in {o.kind for o in result.outcomes}


def run(asked: PostmarkProvider, question: Question) -> tuple[dict[str, Outcome], list[Request]]:
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
    def test_one_call_answers_for_a_whole_batch(self, fake: FakePostmark) -> None:
        batch = make_batch(300)
        sent = call(provider(fake), batch)
        asked = {m.delivery_id: m.recipient for m in batch.messages}
        found, calls = run(provider(fake), Question(batch.key, AT, asked))
        assert found == {o.delivery_id: o for o in sent.outcomes}
        assert len(calls) == 1
        query = parse_qs(urlsplit(calls[0].url).query)
        assert query["messagestream"] == ["broadcast"]
        assert query["metadata_batch"] == [batch.key]

    def test_a_batch_that_had_no_place_on_one_page_is_read_to_its_end(self, fake: FakePostmark) -> None:
        one, two = make_batch(500), make_batch(100, first=501)
        for batch in (one, two):
            call(provider(fake), batch)
        asked = {m.delivery_id: m.recipient for m in (*one.messages, *two.messages)}
        found, calls = run(provider(fake), Question(one.key, AT, asked))
        assert found.keys() == asked.keys()
        assert len(calls) == 2

    def test_another_batch_is_not_found(self, fake: FakePostmark) -> None:
        call(provider(fake), make_batch(2, key="other"))
        asked = {"d-1": "reader1@example.com"}
        assert run(provider(fake), Question("mine", AT, asked))[0] == {}

    def test_an_index_that_lags_proves_nothing(self, fake: FakePostmark) -> None:
        batch = make_batch(2)
        call(provider(fake), batch)
        fake.indexed = False
        asked = {m.delivery_id: m.recipient for m in batch.messages}
        assert run(provider(fake), Question(batch.key, AT, asked))[0] == {}

    def test_a_listing_without_metadata_is_matched_by_its_only_address(self) -> None:
        search = provider().search(Question("k", AT, {"d-1": "Reader@example.com"}))
        next(search)
        listed = [
            {"MessageID": "m-1", "Recipients": ["reader@example.com"]},
            {"MessageID": "m-2", "Recipients": ["a@example.com", "b@example.com"]},
        ]
        with pytest.raises(StopIteration) as end:
            search.send(answer(200, {"TotalCount": 2, "Messages": listed}))
        assert end.value.value == {"d-1": Outcome("d-1", OutcomeKind.ACCEPTED, "m-1")}

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"Messages": 1}'])
    def test_an_answer_that_cant_be_read_is_said_so(self, body: bytes) -> None:
        search = provider().search(Question("k", AT, {"d-1": "reader@example.com"}))
        next(search)
        with pytest.raises(NewsletterError, match="search failed"):
            search.send(answer(200, body))


EXPECTED: dict[str, tuple[EventType, BounceClass, str, str]] = {
    "test_bounce_event": (EventType.BOUNCED, BounceClass.HARD, "bounce@example.com", "901542550"),
    "test_delivered_event": (EventType.DELIVERED, BounceClass.NONE, "recipient@example.com", ""),
    "test_open_event": (EventType.OPENED, BounceClass.NONE, "recipient@example.com", ""),
    "test_click_event": (EventType.CLICKED, BounceClass.NONE, "recipient@example.com", ""),
    "test_spam_event": (EventType.COMPLAINED, BounceClass.NONE, "spam@example.com", "901542550"),
    "test_unsubscribe": (EventType.UNSUBSCRIBED, BounceClass.NONE, "john@example.com", ""),
    "test_resubscribe": (EventType.SUBSCRIBED, BounceClass.NONE, "john@example.com", ""),
    "test_subscription_change_bounce": (EventType.BOUNCED, BounceClass.HARD, "john@example.com", ""),
    "test_bounce_unsubscribe_variant": (EventType.UNSUBSCRIBED, BounceClass.NONE, "", "555555555"),
}


class TestReports:
    def test_every_payload_of_the_corpus_is_understood(self, shared_data: Path) -> None:
        path = shared_data / "corpora" / "anymail-webhook-payloads" / "postmark-webhooks.json"
        cases = json.loads(path.read_text())
        assert {case["test"].partition(".")[2] for case in cases} == EXPECTED.keys()
        for case in cases:
            raw = case["value"]
            [event] = provider().parse_webhook({}, json.dumps(raw).encode())
            kind, bounce, recipient, number = EXPECTED[case["test"].partition(".")[2]]
            assert (event.type, event.bounce_class, event.recipient) == (kind, bounce, recipient), case
            assert event.message_id == raw["MessageID"]
            assert event.event_id == number or (not number and len(event.event_id) == 32)
            assert event.at is None or event.at.tzinfo is not None
            assert (event.at is None) is (case["test"].endswith("unsubscribe_variant"))
            assert event.raw == raw

    def test_our_delivery_id_comes_back(self) -> None:
        report = {"RecordType": "Delivery", "Recipient": "a@b.example", "Metadata": {"delivery_id": "d-7"}}
        [event] = provider().parse_webhook({}, json.dumps(report).encode())
        assert event.delivery_id == "d-7"

    def test_a_click_says_where_and_with_what(self) -> None:
        report = {"RecordType": "Click", "OriginalLink": "https://example.com/", "UserAgent": "Mozilla"}
        [event] = provider().parse_webhook({}, json.dumps(report).encode())
        assert (event.url, event.user_agent) == ("https://example.com/", "Mozilla")

    def test_the_same_report_has_the_same_id_and_another_has_another(self) -> None:
        one, two = ({"RecordType": "Open", "Recipient": f"{n}@b.example"} for n in "ab")
        ids = [
            provider().parse_webhook({}, json.dumps(report).encode())[0].event_id
            for report in (one, one, two)
        ]
        assert ids[0] == ids[1] != ids[2]

    @pytest.mark.parametrize(
        "report", [{"RecordType": "Novelty"}, {"RecordType": "Bounce", "Type": "Novelty"}, {"RecordType": "Inbound"}]
    )  # fmt: skip
    def test_what_nobody_knows_yet_is_kept_as_unknown(self, report: dict[str, Any]) -> None:
        [event] = provider().parse_webhook({}, json.dumps(report).encode())
        assert event.type is EventType.UNKNOWN

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["RecordType", "Type", "ID", "Metadata", "delivery_id", "BouncedAt", "SuppressSending", "Email"]), inner, max_size=5)))  # fmt: skip
    def test_any_json_is_an_event_or_a_value_error(self, report: Any) -> None:
        try:
            events = provider().parse_webhook({}, json.dumps(report).encode())
        except ValueError:
            return
        assert len(events) == 1
