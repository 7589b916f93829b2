"""What is special to SendGrid: its official schemas, its errors by index, its clock, its events."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from newsletter.errors import NewsletterError, UsageError
from newsletter.model.event import BounceClass, EventType
from newsletter.model.message import OutcomeKind
from newsletter.model.template import CompiledIssue, Context, InlineImage, Slot, Template
from newsletter.providers.base import Batch, BatchResult, ProviderOptions, Question, Response
from newsletter.providers.sendgrid import SendGridProvider
from tests.fakes.sendgrid import FakeSendGrid
from tests.providers.conftest import call
from tests.providers.contract import AT, COMPILED, as_it_should_arrive, batch_for, recipient, writer

KEY = "SG.test-key"


@pytest.fixture
def fake() -> Iterator[FakeSendGrid]:
    with FakeSendGrid() as server:
        yield server


def provider(**options: Any) -> SendGridProvider:
    return SendGridProvider(
        replace(
            ProviderOptions(name="sendgrid", secret=SecretStr(KEY)), **{"domain": "example.com", **options}
        )
    )


def batch_of(count: int = 3, compiled: CompiledIssue = COMPILED) -> Batch:
    readers = [recipient(n) for n in range(1, count + 1)]
    return batch_for(SendGridProvider.capabilities, readers, compiled=compiled)


def document(batch: Batch, **options: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(b"".join(provider(**options).build_request(batch).body))
    return read


def kinds(result: BatchResult) -> list[str]:
    return [outcome.kind.value for outcome in result.outcomes]


def errors(status: int, *pairs: tuple[str, str | None], **headers: str) -> Response:
    body = {"errors": [{"message": m, "field": f, "help": None} for m, f in pairs]}
    return Response(status, {n.replace("_", "-"): v for n, v in headers.items()}, json.dumps(body).encode())


def schema(shared_data: Path, file: str, pointer: str) -> Draft202012Validator:
    spec = json.loads((shared_data / "provider-specs" / "sendgrid" / file).read_text())
    registry: Registry[Any] = Registry().with_resource("urn:sg", DRAFT202012.create_resource(spec))
    return Draft202012Validator({"$ref": f"urn:sg#/components/{pointer}"}, registry=registry)


class TestRequests:
    def test_the_body_fits_the_official_schema(self, shared_data: Path) -> None:
        body = schema(
            shared_data, "tsg_mail_v3.json", "requestBodies/PostMailSend/content/application~1json/schema"
        )
        for options in ({}, {"sandbox": True, "stream": "newsletters"}):
            sent = document(batch_of(20), **options)
            body.validate(sent)
            known = set(_schema_of(shared_data)["properties"])
            assert set(sent) <= known
            reader = set(_schema_of(shared_data)["properties"]["personalizations"]["items"]["properties"])
            assert all(set(each) <= reader for each in sent["personalizations"])

    def test_each_reader_has_a_way_out_of_their_own_and_all_other_headers(self) -> None:
        batch = batch_of(2)
        assert batch.shared is not None
        for message, reader in zip(batch.messages, document(batch)["personalizations"], strict=True):
            assert reader["headers"] == dict(message.headers) | dict(batch.shared.headers)
            assert reader["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
            assert reader["custom_args"] == {"delivery_id": message.delivery_id}
            assert [someone["email"] for someone in reader["to"]] == [message.recipient]

    def test_the_account_s_own_unsubscribe_links_are_turned_off(self) -> None:
        assert document(batch_of())["tracking_settings"] == {"subscription_tracking": {"enable": False}}

    def test_the_sender_s_name_is_apart_from_the_address(self) -> None:
        assert document(batch_of())["from"] == {"email": "news@example.com", "name": "Production “AI” Notes"}
        assert document(batch_of())["reply_to"] == {"email": "editor@example.com"}

    @pytest.mark.parametrize(
        ("region", "host"),
        [("", "https://api.sendgrid.com"), ("eu", "https://api.eu.sendgrid.com")],
    )
    def test_europe_has_a_host_of_its_own(self, region: str, host: str) -> None:
        assert provider(region=region).build_request(batch_of()).url == f"{host}/v3/mail/send"

    @pytest.mark.parametrize(
        ("settings_", "names"),
        [
            ({"secret": None}, "NEWSLETTER_SENDGRID_API_KEY is missing"),
            ({"region": "mars"}, "no region"),
            ({"stream": "x"}, "IP pool"),
        ],
    )
    def test_settings_that_cannot_work_are_refused(self, settings_: dict[str, Any], names: str) -> None:
        with pytest.raises(UsageError, match=names) as caught:
            provider(**settings_)
        assert caught.value.hint

    def test_pictures_travel_once_a_call(self) -> None:
        image = InlineImage("flow-1@notes", "flow-1.png", "image/png", b"\x89PNG")
        issue = replace(COMPILED, images=(image,))
        assert document(batch_of(5, issue))["attachments"] == [
            {
                "content": base64.b64encode(b"\x89PNG").decode(),
                "type": "image/png",
                "filename": "flow-1.png",
                "disposition": "inline",
                "content_id": "flow-1@notes",
            }
        ]

    def test_the_pool_and_the_batch_s_key_ride_along(self) -> None:
        sent = document(batch_of(), stream="newsletters")
        assert sent["ip_pool_name"] == "newsletters"
        assert sent["categories"] == ["nl-1-0123456789abcdef"]


def _schema_of(shared_data: Path) -> dict[str, Any]:
    spec = json.loads((shared_data / "provider-specs" / "sendgrid" / "tsg_mail_v3.json").read_text())
    found: dict[str, Any] = spec["components"]["requestBodies"]["PostMailSend"]["content"][
        "application/json"
    ]["schema"]
    return found


class TestMarks:
    def test_a_reader_who_writes_a_mark_keeps_their_name(self, fake: FakeSendGrid) -> None:
        first = document(batch_of())["personalizations"][0]["substitutions"]
        mark = next(iter(first))
        adapter = SendGridProvider(fake.options())
        cunning = recipient(1)._replace(
            values={"subscriber.name": f"a{mark}b", "unsubscribe_url": "https://news.example.com/u/t"}
        )
        batch = batch_for(adapter.capabilities, [cunning, recipient(2)])
        assert kinds(call(adapter, batch)) == ["accepted", "accepted"]
        for reader, entry in zip((cunning, recipient(2)), fake.ledger.entries, strict=True):
            expected = as_it_should_arrive(reader)
            assert (entry["subject"], entry["html"], entry["text"]) == (
                expected.subject, expected.html, expected.text,
            )  # fmt: skip

    def test_an_author_who_quotes_a_mark_keeps_it(self, fake: FakeSendGrid) -> None:
        mark = next(iter(document(batch_of())["personalizations"][0]["substitutions"]))
        issue = replace(COMPILED, text=Template((f"What is {mark}?\n", *COMPILED.text.parts)))
        adapter = SendGridProvider(fake.options())
        call(adapter, batch_of(1, issue))
        assert fake.ledger.entries[0]["text"] == as_it_should_arrive(recipient(1), issue).text

    @given(st.lists(st.text(st.sampled_from("nl-x01ab "), max_size=12), min_size=1, max_size=4))
    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_slots_beside_each_other_and_beside_dashes_stay_apart(
        self, fake: FakeSendGrid, literals: list[str]
    ) -> None:
        parts: list[str | Slot] = []
        for number, literal in enumerate(literals):
            parts += [literal, Slot(f"subscriber.metadata.f{number % 2}", "-", Context.TEXT)]
        issue = replace(COMPILED, text=Template((*parts, "\n")))
        reader = recipient(3)._replace(
            values={"subscriber.metadata.f0": "-x1-", "unsubscribe_url": "https://news.example.com/u/t"}
        )
        adapter = SendGridProvider(fake.options())
        before = len(fake.ledger.entries)
        request = adapter.build_request(batch_for(adapter.capabilities, [reader], compiled=issue))
        assert fake.answer(_called(request.headers, b"".join(request.body))).status == 202
        assert fake.ledger.entries[before]["text"] == as_it_should_arrive(reader, issue).text

    def test_an_issue_without_slots_has_no_substitutions(self) -> None:
        issue = CompiledIssue(Template(("Fixed",)), Template(("<p>100%</p>",)), Template(("100%",)), (), "")
        sent = document(batch_of(2, issue))
        assert all("substitutions" not in reader for reader in sent["personalizations"])
        assert sent["subject"] == "Fixed"

    def test_two_threads_contents_are_each_kept(self) -> None:
        adapter = provider()
        one, two = (Batch("k", [writer().values(recipient(1), AT)], writer().shared()) for _ in range(2))
        bodies = [b"".join(adapter.build_request(batch).body) for batch in (one, two, one, two)]
        assert len(set(bodies)) == 1


class TestAnswers:
    @pytest.mark.parametrize(
        ("response", "outcomes", "says"),
        [
            (
                errors(400, ("Does not contain a valid address.", "personalizations.1.to.0.email")),
                ["deferred", "rejected", "deferred"], "",
            ),
            (
                errors(400, ("a", "personalizations.0.to.0.email"), ("b", "personalizations.2.to.0.email")),
                ["rejected", "deferred", "rejected"], "",
            ),
            (errors(400, ("not below 10000 bytes", "personalizations.1.substitutions")), ["deferred"] * 3, "mend"),
            (errors(400, ("x", "personalizations.7.to.0.email")), ["deferred"] * 3, "mend"),
            (errors(400, ("You cannot override", "personalizations.0.headers")), ["deferred"] * 3, "mend"),
            (errors(400, ("Does not contain a valid address.", "from.email")), ["deferred"] * 3, "sender_auth"),
            (errors(401, ("Maximum credits exceeded", None)), ["deferred"] * 3, "upgrade"),
            (errors(401, ("authorization required", None)), ["deferred"] * 3, "NEWSLETTER_SENDGRID_API_KEY"),
            (errors(403, ("access forbidden", None)), ["deferred"] * 3, "Mail Send"),
            (errors(403, ("does not match a verified Sender Identity", "from")), ["deferred"] * 3, "sender_auth"),
            (errors(404, ("not found", None)), ["deferred"] * 3, "base_url"),
            (errors(413, ("content too large", None)), ["deferred"] * 3, "batch = 20"),
            (errors(415, ("unsupported", None)), ["deferred"] * 3, "mend"),
            (errors(500, ("oops", None)), ["unknown"] * 3, ""),
            (Response(202, {"x-message-id": "abc"}), ["accepted"] * 3, ""),
            (Response(200, {}, b"a page of a proxy"), ["unknown"] * 3, ""),
            (Response(204), ["unknown"] * 3, ""),
        ],
    )  # fmt: skip
    def test_the_table(self, response: Response, outcomes: list[str], says: str) -> None:
        result = provider().parse_response(batch_of(), response)
        assert kinds(result) == outcomes
        assert (result.hold is not None and result.hold.retry_after is None) is bool(says)
        if says and result.hold is not None:
            assert says in result.hold.hint

    def test_values_that_are_too_long_are_that_reader_s_alone(self, fake: FakeSendGrid) -> None:
        long = recipient(2)._replace(values={**recipient(2).values, "subscriber.name": "x" * 6000})
        adapter = SendGridProvider(fake.options())
        result = call(adapter, batch_for(adapter.capabilities, [recipient(1), long, recipient(3)]))
        assert kinds(result) == ["deferred", "rejected", "deferred"]
        assert "10000 bytes" in result.outcomes[1].reason

    def test_all_have_the_id_of_the_call(self, fake: FakeSendGrid) -> None:
        result = call(SendGridProvider(fake.options()), batch_of())
        assert {o.provider_id for o in result.outcomes} == {fake.ledger.entries[0]["id"]}

    def test_a_reset_is_a_moment_by_the_server_s_clock(self) -> None:
        date = "Tue, 06 Jan 2026 09:00:00 GMT"
        reset = str(int(datetime(2026, 1, 6, 9, 0, 7, tzinfo=UTC).timestamp()))
        headers = {"date": date, "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
        result = provider().parse_response(batch_of(), Response(429, headers, b"{}"))
        assert result.hold is not None
        assert result.hold.retry_after == 7
        assert result.allowance is not None
        assert (result.allowance.remaining, result.allowance.reset_after) == (0, 7)
        accepted = provider().parse_response(batch_of(), Response(202, headers))
        assert accepted.allowance == result.allowance

    @pytest.mark.parametrize("date", ["", "yesterday"])
    def test_without_a_clock_a_reset_says_nothing(self, date: str) -> None:
        headers = {"date": date, "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767690007"}
        result = provider().parse_response(batch_of(), Response(429, headers, b"{}"))
        assert result.allowance is None
        assert result.hold is not None
        assert result.hold.retry_after == 1.0


class TestSearch:
    def test_the_query_fits_the_official_schema_and_is_one_call(self, shared_data: Path) -> None:
        asking = provider(region="eu").search(Question("nl-1-o'k", AT, {"d-1": "a@example.com"}))
        request = next(asking)
        body = json.loads(b"".join(request.body))
        schema(shared_data, "tsg_logs_v3.json", "schemas/EmailLogsGetMessagesByFilterRequest").validate(body)
        assert request.url == "https://api.eu.sendgrid.com/v3/logs"
        assert body["query"] == (
            "categories IN ('nl-1-o''k') AND sg_message_id_created_at >= TIMESTAMP \"2026-01-06T08:00:00Z\""
        )
        message = {"to_email": "A@Example.com", "sg_message_id": "abc.recvd-5f-1-2.0", "status": "processed"}
        with pytest.raises(StopIteration) as end:
            asking.send(Response(200, {}, json.dumps({"messages": [message]}).encode()))
        assert end.value.value["d-1"].kind is OutcomeKind.ACCEPTED
        assert end.value.value["d-1"].provider_id == "abc"

    def test_a_plan_without_logs_says_what_it_needs(self, fake: FakeSendGrid) -> None:
        fake.logs = False
        asking = SendGridProvider(fake.options()).search(Question("k", AT, {"d-1": "a@example.com"}))
        next(asking)
        with pytest.raises(NewsletterError) as caught:
            asking.send(Response(403, {}, b'{"errors":[{"message":"access forbidden"}]}'))
        assert "Email Activity" in caught.value.hint


EXPECTED = {
    "test_processed_event": (EventType.QUEUED, BounceClass.NONE, "wrfRRvF7Q0GgwUo2CvDmEA"),
    "test_delivered_event": (EventType.DELIVERED, BounceClass.NONE, "wrfRRvF7Q0GgwUo2CvDmEA"),
    "test_dropped_invalid_event": (EventType.REJECTED, BounceClass.HARD, "wrfRRvF7Q0GgwUo2CvDmEA"),
    "test_dropped_bounced": (EventType.REJECTED, BounceClass.HARD, "14c5d75ce93.dfd.64b469"),
    "test_dropped_unsubscribed_event": (EventType.REJECTED, BounceClass.NONE, "wrfRRvF7Q0GgwUo2CvDmEA"),
    "test_bounce_event": (EventType.BOUNCED, BounceClass.HARD, "Lli-03HcQ5-JLybO9fXsJg"),
    "test_deferred_event": (EventType.DEFERRED, BounceClass.NONE, "u9Gvi3mzT6iC2poAb58_qQ"),
    "test_open_event": (EventType.OPENED, BounceClass.NONE, "wrfRRvF7Q0GgwUo2CvDmEA"),
    "test_click_event": (EventType.CLICKED, BounceClass.NONE, "_fjPjuJfRW-IPs5SuvYotg"),
    "test_compatibility_message_id_from_smtp_id": (
        EventType.DELIVERED, BounceClass.NONE, "wrfRRvF7Q0GgwUo2CvDmEA",
    ),
}  # fmt: skip


class TestEvents:
    def test_every_payload_of_the_corpus_is_understood(self, shared_data: Path) -> None:
        corpus = json.loads(
            (shared_data / "corpora" / "anymail-webhook-payloads" / "sendgrid-webhooks.json").read_text()
        )
        adapter = provider()
        seen = set()
        for case in corpus:
            test = case["test"].rpartition(".")[2]
            for raw, event in zip(
                case["value"], adapter.parse_webhook({}, json.dumps(case["value"]).encode()), strict=True
            ):
                assert (event.type, event.bounce_class, event.message_id) == EXPECTED[test], test
                assert event.recipient == raw["email"]
                assert event.event_id == raw["sg_event_id"]
                assert event.at == datetime.fromtimestamp(raw["timestamp"], UTC)
                assert event.url == raw.get("url", "")
                assert event.reason == raw.get("reason", raw.get("response", ""))
                seen.add(test)
        assert seen == set(EXPECTED)

    def test_our_id_comes_back_and_leads_to_the_call(self, fake: FakeSendGrid) -> None:
        result = call(SendGridProvider(fake.options()), batch_of(1))
        number = result.outcomes[0].provider_id
        report = {
            "event": "bounce",
            "type": "blocked",
            "email": "reader1@example.com",
            "timestamp": 1767690000,
            "sg_message_id": f"{number}.recvd-85abf8d92c-3qfgp-2-7890E356-43C.1",
            "delivery_id": "d-1",
            "status": "5.7.1",
        }
        [event] = provider().parse_webhook({}, json.dumps([report]).encode())
        assert (event.type, event.bounce_class) == (EventType.BOUNCED, BounceClass.BLOCK)
        assert (event.message_id, event.delivery_id) == (number, "d-1")
        assert event.event_id
        [again] = provider().parse_webhook({}, json.dumps([dict(reversed(report.items()))]).encode())
        assert again.event_id == event.event_id

    @pytest.mark.parametrize(
        ("report", "kind", "bounce"),
        [
            ({"event": "bounce", "type": "bounce", "status": "4.2.2"}, EventType.BOUNCED, BounceClass.SOFT),
            ({"event": "spamreport"}, EventType.COMPLAINED, BounceClass.NONE),
            ({"event": "group_unsubscribe"}, EventType.UNSUBSCRIBED, BounceClass.NONE),
            ({"event": "group_resubscribe"}, EventType.SUBSCRIBED, BounceClass.NONE),
            ({"event": "account_status_change"}, EventType.UNKNOWN, BounceClass.NONE),
            ({"event": 7, "timestamp": 1e300}, EventType.UNKNOWN, BounceClass.NONE),
        ],
    )
    def test_other_kinds(self, report: dict[str, Any], kind: EventType, bounce: BounceClass) -> None:
        [event] = provider().parse_webhook({}, json.dumps([report]).encode())
        assert (event.type, event.bounce_class) == (kind, bounce)

    def test_an_object_instead_of_an_array_is_refused(self) -> None:
        with pytest.raises(ValueError, match="array"):
            provider().parse_webhook({}, b'{"event": "open"}')


class TestFake:
    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({"personalizations": []}, 400),
            ({"content": [{"type": "text/html", "value": ""}]}, 400),
            ({"content": [{"type": "text/html", "value": "x"}, {"type": "text/plain", "value": "x"}]}, 400),
            ({"categories": ["a", "a"]}, 400),
            ({"from": {"email": "nobody"}}, 400),
            ({"ip_pool_name": "x"}, 400),
        ],
    )
    def test_it_asks_for_what_sendgrid_asks_for(
        self, fake: FakeSendGrid, change: dict[str, Any], status: int
    ) -> None:
        sent = document(batch_of())
        request = SendGridProvider(fake.options()).build_request(batch_of())
        body = json.dumps({**sent, **change}).encode()
        answer = fake.answer(_called(request.headers, body))
        assert answer.status == status
        assert not fake.ledger.entries

    def test_a_call_of_over_a_thousand_is_refused(self, fake: FakeSendGrid) -> None:
        sent = document(batch_of(1))
        sent["personalizations"] *= 1001
        request = SendGridProvider(fake.options()).build_request(batch_of())
        assert fake.answer(_called(request.headers, json.dumps(sent).encode())).status == 400


def _called(headers: Any, body: bytes) -> Any:
    from tests.fakes.http import Call

    return Call("POST", "/v3/mail/send", {n.lower(): v for n, v in headers.items()}, body)
