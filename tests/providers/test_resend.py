"""Resend's requests against its official schema, and its answers, real and spoilt, against a server that keeps a ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from newsletter.errors import UsageError
from newsletter.model.message import OutcomeKind
from newsletter.providers.base import Batch, BatchResult, ProviderOptions, Response
from newsletter.providers.resend import ResendProvider
from tests.fakes.ledger import Fault
from tests.fakes.resend import FakeResend
from tests.providers.conftest import call, make_batch, make_message

Start = Callable[..., FakeResend]
KEY = "re_test"


def provider(server: FakeResend | None = None, key: str = KEY) -> ResendProvider:
    url = server.url if server else ""
    return ResendProvider(ProviderOptions(name="resend", base_url=url, secret=SecretStr(key)))


def send(server: FakeResend, batch: Batch, key: str = KEY) -> BatchResult:
    return call(provider(server, key), batch)


def kinds(result: BatchResult) -> list[str]:
    return [outcome.kind.value for outcome in result.outcomes]


def answer(status: int, body: Any = None, **headers: str) -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, data)


@pytest.fixture(scope="module")
def request_schema(shared_data: Path) -> Draft202012Validator:
    """The schema of the batch endpoint's body, from the vendor's OpenAPI document."""
    document = json.loads((shared_data / "provider-specs" / "resend" / "resend.json").read_text())
    registry: Registry[Any] = Registry().with_resource("urn:resend", DRAFT202012.create_resource(document))
    pointer = "urn:resend#/paths/~1emails~1batch/post/requestBody/content/application~1json/schema"
    return Draft202012Validator({"$ref": pointer}, registry=registry)


class TestRequests:
    def test_the_body_fits_the_official_schema(self, request_schema: Draft202012Validator) -> None:
        body = json.loads(b"".join(provider().build_request(make_batch(100)).body))
        assert list(request_schema.iter_errors(body)) == []
        assert len(body) == 100
        # The schema does reject: it isn't looked past.
        assert list(request_schema.iter_errors([{"from": "a@example.com", "to": "b@example.com"}]))

    def test_every_field_used_is_one_the_schema_knows(self, shared_data: Path) -> None:
        document = json.loads((shared_data / "provider-specs" / "resend" / "resend.json").read_text())
        known = set(document["components"]["schemas"]["SendEmailRequest"]["properties"])
        item = json.loads(b"".join(provider().build_request(make_batch(1)).body))[0]
        assert set(item) <= known

    def test_each_item_says_what_the_message_says(self) -> None:
        message = make_message(7)
        item = json.loads(b"".join(provider().build_request(Batch("k", [message])).body))[0]
        assert item == {
            "from": "News <news@example.com>",
            "to": ["reader7@example.com"],
            "reply_to": "editor@example.com",
            "subject": "Issue 1 for “reader 7”",
            "headers": dict(message.headers),
            "tags": [{"name": "delivery_id", "value": "d-7"}],
            "html": "<p>Hello rëader 7</p>",
            "text": "Hello\n7",
        }

    def test_the_headers_are_what_the_api_asks_for(self) -> None:
        request = provider().build_request(make_batch(1, key="send-1/batch-1"))
        assert request.method == "POST"
        assert request.url == "https://api.resend.com/emails/batch"
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        assert request.headers["Content-Type"] == "application/json"  # JSON is UTF-8 (RFC 8259): no charset
        assert request.headers["Idempotency-Key"] == "send-1/batch-1"
        assert request.headers["User-Agent"].startswith("newsletter-toolkit/")
        assert request.headers["x-batch-validation"] == "permissive"

    def test_a_message_without_text_or_reply_address_leaves_them_out(self) -> None:
        message = make_message(1)._replace(text_json=(), reply_to="", headers=())
        item = json.loads(b"".join(provider().build_request(Batch("k", [message])).body))[0]
        assert not {"text", "reply_to", "headers"} & set(item)

    def test_a_delivery_id_no_tag_can_hold_is_left_to_the_header(self) -> None:
        message = make_message(1)._replace(delivery_id="a.b c")
        item = json.loads(b"".join(provider().build_request(Batch("k", [message])).body))[0]
        assert "tags" not in item

    @given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
    def test_whatever_a_subject_holds_arrives(self, subjects: list[str]) -> None:
        subjects = [s.encode("utf-8", "ignore").decode() for s in subjects]
        batch = Batch("k", [make_message(n)._replace(subject=s) for n, s in enumerate(subjects)])
        items = json.loads(b"".join(provider().build_request(batch).body))
        assert [item["subject"] for item in items] == subjects

    @pytest.mark.parametrize(
        ("settings", "names"),
        [
            ({}, "NEWSLETTER_RESEND_API_KEY is missing"),
            ({"secret": SecretStr("  ")}, "missing"),
            ({"secret": SecretStr("re_a\nb")}, "character"),
            ({"secret": SecretStr("re_ä")}, "character"),
            ({"secret": SecretStr(KEY), "base_url": "api.resend.com"}, "base_url"),
            ({"secret": SecretStr(KEY), "base_url": "http://api.resend.com"}, "clear text"),
            ({"secret": SecretStr(KEY), "base_url": "http://127.0.0.1.example.com"}, "clear text"),
        ],
    )
    def test_settings_that_cannot_work_are_refused(self, settings: dict[str, Any], names: str) -> None:
        with pytest.raises(UsageError, match=names) as caught:
            ResendProvider(ProviderOptions(name="resend", **settings))
        assert caught.value.hint


class TestDelivery:
    def test_a_hundred_messages_go_in_one_call_and_get_their_ids(self, fake_resend: Start) -> None:
        server = fake_resend()
        result = send(server, make_batch(100))
        assert kinds(result) == ["accepted"] * 100
        assert result.hold is None
        assert [o.provider_id for o in result.outcomes] == [e["id"] for e in server.ledger.entries]
        assert len(server.calls) == 1

    def test_one_bad_address_does_not_block_the_others(self, fake_resend: Start) -> None:
        server = fake_resend()
        messages = [make_message(n, recipient="nobody@" if n in (3, 7) else "") for n in range(1, 11)]
        result = send(server, Batch("k", messages))
        assert [o.delivery_id for o in result.outcomes if o.kind is OutcomeKind.REJECTED] == ["d-3", "d-7"]
        assert kinds(result).count("accepted") == 8
        assert result.hold is None
        ids = {e["recipient"]: e["id"] for e in server.ledger.entries}
        for message, outcome in zip(messages, result.outcomes, strict=True):
            assert outcome.provider_id == ids.get(message.recipient, "")

    def test_a_server_that_only_knows_strict_mode_refuses_the_batch_and_nobody_is_lost(
        self, fake_resend: Start
    ) -> None:
        server = fake_resend(permissive_mode=False)
        messages = [make_message(1), make_message(2, recipient="nobody@")]
        result = send(server, Batch("k", messages))
        assert kinds(result) == ["deferred", "deferred"]
        assert result.hold is not None
        assert "batch = 1" in result.hold.hint
        # As the hint says: one at a time, the bad one shows itself.
        assert kinds(send(server, Batch("k1", messages[:1]))) == ["accepted"]
        assert kinds(send(server, Batch("k2", messages[1:]))) == ["rejected"]

    def test_replaying_a_key_gives_the_same_ids_and_mails_nobody_twice(self, fake_resend: Start) -> None:
        server = fake_resend()
        first, second = send(server, make_batch(5)), send(server, make_batch(5))
        assert [o.provider_id for o in first.outcomes] == [o.provider_id for o in second.outcomes]
        assert set(server.ledger.recipients.values()) == {1}

    @pytest.mark.parametrize("action", ["accept-500", "malformed", "short", "accept-close"])
    def test_an_acceptance_nobody_heard_of_is_unknown_and_a_replay_resolves_it(
        self, fake_resend: Start, action: str
    ) -> None:
        server = fake_resend()
        server.faults.add(Fault("POST", action, times=1))
        assert kinds(send(server, make_batch(4))) == ["unknown"] * 4
        assert kinds(send(server, make_batch(4))) == ["accepted"] * 4
        assert set(server.ledger.recipients.values()) == {1}

    def test_a_key_used_for_something_else_needs_a_person(self, fake_resend: Start) -> None:
        server = fake_resend()
        send(server, make_batch(2, key="k"))
        result = send(server, make_batch(2, first=9, key="k"))
        assert kinds(result) == ["unknown"] * 2
        assert result.hold is not None
        assert result.hold.retry_after is None
        assert "reconcile" in result.hold.hint

    def test_the_key_is_forgotten_after_its_time_and_ours_ends_earlier(self, fake_resend: Start) -> None:
        now = [0.0]
        server = fake_resend(clock=lambda: now[0])
        send(server, make_batch(1))
        now[0] = ResendProvider.capabilities.idempotency_ttl
        send(server, make_batch(1))
        assert server.ledger.recipients["reader1@example.com"] == 1
        now[0] = 24 * 3600
        send(server, make_batch(1))
        assert server.ledger.recipients["reader1@example.com"] == 2

    def test_a_wrong_key_holds_the_send_and_never_shows(self, fake_resend: Start) -> None:
        result = send(fake_resend(), make_batch(3), key="re_wrong_one")
        assert kinds(result) == ["deferred"] * 3
        assert result.hold is not None
        assert result.hold.retry_after is None
        assert "NEWSLETTER_RESEND_API_KEY" in result.hold.hint
        assert "re_wrong_one" not in repr(result)

    def test_an_unverified_domain_holds_the_send(self, fake_resend: Start) -> None:
        result = send(fake_resend(verified=("other.example",)), make_batch(3))
        assert kinds(result) == ["deferred"] * 3
        assert result.hold is not None
        assert "resend.com/domains" in result.hold.hint

    def test_a_limit_is_waited_out(self, fake_resend: Start) -> None:
        server = fake_resend(rate=1)
        assert kinds(send(server, make_batch(1))) == ["accepted"]
        result = send(server, make_batch(1, first=2, key="k2"))
        assert kinds(result) == ["deferred"]
        assert result.hold is not None
        assert result.hold.retry_after == 1.0

    def test_a_wrong_address_of_the_api_is_said(self, fake_resend: Start) -> None:
        options = ProviderOptions(name="resend", base_url=fake_resend().url + "/v1", secret=SecretStr(KEY))
        result = call(ResendProvider(options), make_batch(1))
        assert kinds(result) == ["deferred"]
        assert result.hold is not None
        assert "base_url" in result.hold.hint


QUOTA = {
    "statusCode": 429,
    "name": "daily_quota_exceeded",
    "message": "You have reached your daily email sending quota.",
}


class TestAnswers:
    @pytest.mark.parametrize(
        ("response", "kind", "waits"),
        [
            (answer(429, retry_after="7"), "deferred", 7.0),
            (answer(429, ratelimit_reset="3"), "deferred", 3.0),
            (answer(429), "deferred", 1.0),
            (answer(429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT", ratelimit_reset="2"), "deferred", 2.0),
            (answer(429, retry_after="-1"), "deferred", 1.0),
            (answer(429, retry_after="999999999"), "deferred", 3600.0),
            (answer(429, QUOTA, retry_after="1"), "deferred", None),
            (
                answer(409, {"name": "concurrent_idempotent_requests", "message": "in progress"}),
                "unknown",
                5.0,
            ),
            (
                answer(409, {"name": "invalid_idempotent_request", "message": "other payload"}),
                "unknown",
                None,
            ),
            (answer(400, {"name": "validation_error", "message": "Invalid `from` field."}), "deferred", None),
            (answer(400, {"name": "invalid_idempotency_key", "message": "1-256 chars."}), "deferred", None),
            (answer(401, {"name": "missing_api_key", "message": "Missing API key"}), "deferred", None),
            (answer(403, b"error code: 1010"), "deferred", None),
            (answer(404, b"<html>nginx</html>"), "deferred", None),
            (answer(408), "unknown", 10.0),
            (answer(413, b"too large"), "deferred", None),
            (
                answer(451, {"name": "security_error", "message": "We may have found a security issue"}),
                "deferred",
                None,
            ),
            (answer(301, b"", location="https://elsewhere.example"), "deferred", None),
            (answer(500, {"name": "internal_server_error", "message": "oops"}), "unknown", 10.0),
            (answer(502, b"<html>Bad gateway</html>"), "unknown", 10.0),
            (answer(503, b"", retry_after="20"), "unknown", 20.0),
        ],
    )
    def test_the_table(self, response: Response, kind: str, waits: float | None) -> None:
        result = provider().parse_response(make_batch(3), response)
        assert kinds(result) == [kind] * 3
        assert result.hold is not None
        assert result.hold.retry_after == waits
        assert result.hold.hint or waits

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"[]", b"null", b'"ok"', b'{"data": null}', b'{"data": {}}', b'{"data": [{"id": 1}, {"id": 2}]}',
            b'{"data": [{"id": "a"}]}', b'{"data": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}', b'{"data": ["a", "b"]}',
            b'{"data": [{"id": "a"}, {"id": ""}]}', b'{"data": [{"id": "a"}], "errors": [{"index": 5, "message": "x"}]}',
            b'{"data": [{"id": "a"}], "errors": ["x"]}', b'{"data": [], "errors": [{"index": 0}]}', b"\xff\xfe",
            b"[" * 100_000,
        ],
    )  # fmt: skip
    def test_a_200_that_does_not_fit_is_unknown(self, body: bytes) -> None:
        assert kinds(provider().parse_response(make_batch(2), Response(200, {}, body))) == ["unknown"] * 2

    def test_an_error_about_the_sender_rejects_nobody(self) -> None:
        errors = [{"index": n, "message": "Invalid `from` field."} for n in range(3)]
        result = provider().parse_response(make_batch(3), answer(200, {"data": [], "errors": errors}))
        assert kinds(result) == ["deferred"] * 3
        assert result.hold is not None
        assert result.hold.retry_after is None

    def test_a_refused_batch_that_names_an_address_rejects_that_one(self) -> None:
        said = {
            "name": "validation_error",
            "message": "Invalid `to` field: reader2@example.com is no address",
        }
        result = provider().parse_response(make_batch(3), answer(422, said))
        assert kinds(result) == ["deferred", "rejected", "deferred"]
        assert result.hold is None

    def test_the_key_is_taken_out_of_whatever_the_server_says(self) -> None:
        said = {"name": "invalid_api_key", "message": f"API key {KEY} is invalid."}
        assert KEY not in repr(provider().parse_response(make_batch(1), answer(403, said)))

    @given(
        status=st.integers(100, 599),
        body=st.one_of(st.binary(max_size=60), st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
            lambda inner: st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["data", "errors", "id", "index", "message", "name", "error"]), inner, max_size=4),
        ).map(lambda value: json.dumps(value).encode())),
        headers=st.dictionaries(st.sampled_from(["retry-after", "ratelimit-reset"]), st.text(max_size=6)),
    )  # fmt: skip
    def test_any_answer_gives_each_message_exactly_one_outcome(
        self, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        result = provider().parse_response(make_batch(3), Response(status, headers, body))
        assert [o.delivery_id for o in result.outcomes] == ["d-1", "d-2", "d-3"]
        assert status // 100 == 2 or not any(o.kind is OutcomeKind.ACCEPTED for o in result.outcomes)


def test_the_fake_asks_for_what_resend_asks_for(fake_resend: Start) -> None:
    url = fake_resend().url + "/emails/batch"
    authorization = {"Authorization": f"Bearer {KEY}"}
    item = {"from": "a@example.com", "to": ["b@example.com"], "subject": "s", "text": "t"}
    with httpx.Client(trust_env=False) as client:
        del client.headers["User-Agent"]
        assert client.post(url, json=[item], headers=authorization).status_code == 403
        agent = {"User-Agent": "x"}
        assert client.post(url, json=[item], headers=agent).status_code == 401
        both = {**agent, **authorization}
        assert client.post(url, json=[item] * 101, headers=both).status_code == 422
        assert client.post(url, content=json.dumps([item]), headers=both).status_code == 415
        assert (
            client.post(url, json=[item], headers={**both, "Idempotency-Key": "k" * 257}).status_code == 400
        )
        assert client.post(url, json=[item], headers=both).status_code == 200
