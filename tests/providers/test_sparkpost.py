"""What is SparkPost's own: its way with headers, its error codes, its search, its batches of events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from newsletter.errors import NewsletterError, UsageError
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import Batch, BatchResult, ProviderOptions, Question, Response
from newsletter.providers.sparkpost import SparkPostProvider
from tests.fakes.sparkpost import FakeSparkPost, UnrenderableError, rendered
from tests.providers.conftest import call, make_batch, make_message

KEY = FakeSparkPost.secret


@pytest.fixture
def fake() -> Iterator[FakeSparkPost]:
    with FakeSparkPost() as server:
        yield server


def provider(fake: FakeSparkPost | None = None, **options: Any) -> SparkPostProvider:
    url = fake.url if fake else ""
    return SparkPostProvider(
        replace(ProviderOptions("sparkpost", base_url=url, secret=SecretStr(KEY)), **options)
    )


def body(batch: Batch | None = None, **options: Any) -> Any:
    return json.loads(b"".join(provider(**options).build_request(batch or make_batch(1)).body))


def kinds(result: BatchResult) -> list[str]:
    return [outcome.kind.value for outcome in result.outcomes]


def said(status: int, code: str, message: str, description: str = "") -> Response:
    found = {"errors": [{"code": code, "message": message, "description": description}]}
    return Response(status, {}, json.dumps(found).encode())


class TestRequests:
    def test_a_message_alone_says_what_the_message_says(self) -> None:
        message = make_message(7)
        assert body(Batch("nl-3-0123456789abcdef", [message])) == {
            "options": {
                "open_tracking": False,
                "click_tracking": False,
                "transactional": True,
                "perform_substitutions": False,
            },
            "recipients": [
                {
                    "address": {"email": "reader7@example.com"},
                    "metadata": {"delivery_id": "d-7", "batch": "nl-3-0123456789abcdef"},
                }
            ],
            "campaign_id": "nl-3",
            "content": {
                "from": {"email": "news@example.com", "name": "News"},
                "subject": "Issue 1 for “reader 7”",
                "reply_to": "editor@example.com",
                "headers": dict(message.headers),
                "html": "<p>Hello rëader 7</p>",
                "text": "Hello\n7",
            },
        }

    def test_every_field_used_is_one_the_official_document_names(self, shared_data: Path) -> None:
        document = (shared_data / "provider-specs" / "sparkpost" / "transmissions.apib").read_text()
        named = set(re.findall(r"^\s*\+ (\w+) \(", document, re.MULTILINE))
        message = make_message(1)._replace(subject="{{x}}")
        sent = body(Batch("nl-1-a", [message]), stream="newsletters")
        assert {*sent, *sent["options"], *sent["content"], *sent["content"]["from"]} <= named
        assert "perform_substitution" not in named

    def test_the_way_out_is_ours_only_where_a_message_is_marked_as_transactional(
        self, fake: FakeSparkPost
    ) -> None:
        call(provider(fake), make_batch(1))
        [entry] = fake.ledger.entries
        assert entry["headers"]["list-unsubscribe"] == "<https://news.example.com/u/token-1>"
        # The fake does replace it otherwise, as SparkPost does.
        sent = json.loads(fake.calls[0].body)
        sent["options"]["transactional"] = False
        headers = {"Authorization": KEY, "Content-Type": "application/json"}
        httpx.post(f"{fake.url}/api/v1/transmissions", json=sent, headers=headers, trust_env=False)
        assert "mailto:" in fake.ledger.entries[1]["headers"]["list-unsubscribe"]

    @given(st.text(st.sampled_from("{} ab.()#\\'\""), max_size=20))
    def test_braces_in_headers_come_back_as_they_were(self, text: str) -> None:
        message = make_message(1)._replace(
            subject=f"About {text}.", headers=(("X-Note", f"n {text}."),), from_header="N <news@example.com>"
        )
        sent = body(Batch("nl-1-a", [message]))
        values = sent.get("substitution_data", {})
        assert rendered(sent["content"]["subject"], values) == message.subject
        assert rendered(sent["content"]["headers"]["X-Note"], values) == f"n {text}."

    @pytest.mark.parametrize("source", ["{{", "{{ a", "{{a}}}", "{{#each x}}", "{{if a}}b{{end}}"])
    def test_the_fake_does_choke_on_them(self, source: str) -> None:
        with pytest.raises(UnrenderableError):
            rendered(source, {"a": "x"})

    @pytest.mark.parametrize(("region", "host"), [("", "api.sparkpost.com"), ("eu", "api.eu.sparkpost.com")])
    def test_a_region_is_a_host(self, region: str, host: str) -> None:
        request = provider(region=region).build_request(make_batch(1))
        assert request.url == f"https://{host}/api/v1/transmissions"
        assert request.headers["Authorization"] == KEY

    def test_a_stream_is_an_ip_pool(self, fake: FakeSparkPost) -> None:
        assert kinds(call(provider(fake, stream="newsletters"), make_batch(1))) == ["accepted"]
        result = call(provider(fake, stream="nothing"), make_batch(1))
        assert kinds(result) == ["deferred"]
        assert result.hold is not None
        assert "ip_pool" in result.hold.reason

    def test_what_cannot_work_is_refused(self) -> None:
        for change, words in (({"region": "mars"}, "no region"), ({"sandbox": True}, "sandbox")):
            with pytest.raises(UsageError, match=words) as caught:
                provider(**change)
            assert caught.value.hint

    def test_the_notes_say_why_one_by_one_and_what_follows(self) -> None:
        first, second = SparkPostProvider.capabilities.notes
        assert "one by one" in first
        assert "unsubscribed" in second


class TestAnswers:
    @pytest.mark.parametrize(
        ("response", "kind", "then"),
        [
            (said(400, "1902", "Message generation rejected", "recipient address suppressed"), "rejected", ""),
            (said(400, "5002", "At least one valid recipient is required"), "rejected", ""),
            (said(422, "1300", "invalid data format/type", "Error validating domain name syntax"), "rejected", ""),
            (said(422, "1300", "invalid data format/type", "content.from.email is no email address"), "deferred", "names"),
            (said(422, "1400", "required field is missing", "content.subject is required"), "deferred", "names"),
            (said(400, "1901", "Message failed to generate", "error in part html"), "deferred", "names"),
            (said(400, "7001", "Invalid domain", "Unconfigured or unverified sending domain."), "deferred", "verify"),
            (said(400, "7000", "Sending domain blacklisted"), "deferred", "verify"),
            (said(400, "1502", "Server resources unavailable"), "deferred", 5.0),
            (said(401, "", "Unauthorized."), "deferred", "NEWSLETTER_SPARKPOST_API_KEY"),
            (said(403, "", "Forbidden."), "deferred", 'region = "eu"'),
            (said(404, "1101", "invalid URI"), "deferred", "base_url"),
            (said(420, "2101", "Exceed Sending Limit (hourly)"), "deferred", 900.0),
            (said(420, "2103", "Exceed Sending Limit (sandbox)"), "deferred", "plan"),
            (said(429, "", "Too many requests"), "deferred", 1.0),
            (said(503, "1900", "Message generation module not available"), "unknown", 10.0),
        ],
    )  # fmt: skip
    def test_each_documented_error(self, response: Response, kind: str, then: str | float) -> None:
        result = provider().parse_response(make_batch(1), response)
        assert kinds(result) == [kind]
        if then == "":
            assert result.hold is None
            return
        assert result.hold is not None
        if isinstance(then, float):
            assert result.hold.retry_after == then
        else:
            assert result.hold.retry_after is None
            assert then in result.hold.hint

    @pytest.mark.parametrize(
        ("results", "kind"),
        [
            ({"total_accepted_recipients": 1, "total_rejected_recipients": 0, "id": "1166"}, "accepted"),
            ({"total_accepted_recipients": 1, "total_rejected_recipients": 0, "id": 1166}, "accepted"),
            ({"total_accepted_recipients": 0, "total_rejected_recipients": 1, "id": "1166"}, "rejected"),
            ({"total_accepted_recipients": 1, "total_rejected_recipients": 0}, "unknown"),
            ({"total_accepted_recipients": 2, "total_rejected_recipients": 0, "id": "1166"}, "unknown"),
            ({"total_accepted_recipients": [], "total_rejected_recipients": 0, "id": "1"}, "unknown"),
            ({}, "unknown"),
        ],
    )
    def test_counts_are_believed_only_where_they_are_of_one(self, results: Any, kind: str) -> None:
        answer = Response(200, {}, json.dumps({"results": results}).encode())
        assert kinds(provider().parse_response(make_batch(1), answer)) == [kind]

    def test_a_bad_address_is_rejected_in_the_words_of_sparkpost(self, fake: FakeSparkPost) -> None:
        batch = Batch("nl-1-a", [make_message(1, recipient="nobody@localhost")])
        [outcome] = call(provider(fake), batch).outcomes
        assert outcome.kind is OutcomeKind.REJECTED
        assert "domain name syntax for domain: 'localhost'" in outcome.reason


def searched(made: SparkPostProvider, question: Question) -> tuple[dict[str, Outcome], list[str]]:
    """What a search found, and the addresses it asked."""
    asking = made.search(question)
    urls = []
    try:
        request = next(asking)
        while True:
            urls.append(request.url)
            answer = httpx.get(request.url, headers=dict(request.headers), trust_env=False)
            request = asking.send(Response(answer.status_code, {}, answer.content))
    except StopIteration as end:
        return dict(end.value), urls


class TestSearch:
    def test_it_goes_through_pages_and_many_addresses(self, fake: FakeSparkPost) -> None:
        fake.page = 7
        made = provider(fake)
        for number in range(1, 21):
            call(made, Batch(f"nl-1-{number}", [make_message(number)]))
        asked = {f"d-{number}": f"reader{number}@example.com" for number in range(1, 221)}
        found, urls = searched(made, Question("nl-1-1", datetime.now(UTC), asked))
        assert {d: o.provider_id for d, o in found.items()} == {
            e["delivery_id"]: e["id"] for e in fake.ledger.entries
        }
        assert all(len(url) < 4096 for url in urls)
        assert all(url.startswith(fake.url) for url in urls)

    def test_another_issue_to_the_same_reader_is_not_taken_for_this_one(self, fake: FakeSparkPost) -> None:
        call(provider(fake), make_batch(1))
        found, _ = searched(
            provider(fake), Question("k", datetime.now(UTC), {"d-other": "reader1@example.com"})
        )
        assert found == {}

    def test_it_asks_from_before_the_claim_on(self, fake: FakeSparkPost) -> None:
        at = datetime(2026, 1, 6, 9, 0, tzinfo=UTC)
        _, [url] = searched(provider(fake), Question("k", at, {"d-1": "a+b@example.com"}))
        query = parse_qs(urlsplit(url).query)
        assert query["from"] == [f"{at - timedelta(minutes=5):%Y-%m-%dT%H:%M}"]
        assert query["recipients"] == ["a+b@example.com"]

    @pytest.mark.parametrize(
        ("kinds", "expected"),
        [
            (["injection", "bounce"], OutcomeKind.ACCEPTED),
            (["generation_rejection"], OutcomeKind.REJECTED),
            (["policy_rejection"], OutcomeKind.REJECTED),
            (["generation_rejection", "injection"], OutcomeKind.ACCEPTED),
            (["injection", "generation_rejection"], OutcomeKind.ACCEPTED),
            (["tomorrow"], None),
        ],
    )
    def test_what_each_event_says(self, kinds: list[str], expected: OutcomeKind | None) -> None:
        asking = provider().search(Question("k", datetime.now(UTC), {"d-1": "a@example.com"}))
        next(asking)
        found = [
            {"type": kind, "rcpt_meta": {"delivery_id": "d-1"}, "transmission_id": "9"} for kind in kinds
        ]
        with pytest.raises(StopIteration) as end:
            asking.send(Response(200, {}, json.dumps({"results": found, "links": {}}).encode()))
        outcome = end.value.value.get("d-1")
        assert (outcome.kind if outcome else None) == expected

    def test_a_cursor_that_leads_nowhere_new_ends_it(self) -> None:
        asking = provider().search(Question("k", datetime.now(UTC), {"d-1": "a@example.com"}))
        next(asking)
        page = {"results": [], "links": {"next": "https://evil.example/api/v1/events/message?cursor=x"}}
        request = asking.send(Response(200, {}, json.dumps(page).encode()))
        assert request.url.startswith("https://api.sparkpost.com/")
        with pytest.raises(StopIteration):
            asking.send(Response(200, {}, json.dumps(page).encode()))

    def test_a_key_that_may_not_read_events_is_said(self, fake: FakeSparkPost) -> None:
        fake.may_read_events = False
        with pytest.raises(NewsletterError, match="403") as caught:
            searched(provider(fake), Question("k", datetime.now(UTC), {"d-1": "a@example.com"}))
        assert "Event Search" in (caught.value.hint or "")


def events(payload: Any) -> list[Event]:
    return list(provider().parse_webhook({}, json.dumps(payload).encode()))


EXPECTED = {
    "test_ping_event": [],
    "test_injection_event": [EventType.QUEUED],
    "test_delivery_event": [EventType.DELIVERED],
    "test_bounce_event": [EventType.BOUNCED],
    "test_delay_event": [EventType.DEFERRED],
    "test_unsubscribe_event": [EventType.UNSUBSCRIBED],
    "test_generation_rejection_event": [EventType.REJECTED],
    "test_generation_failure_event": [EventType.FAILED],
    "test_bounce_challenge_response": [EventType.AUTORESPONDED],
    "test_open_event": [EventType.OPENED],
    "test_initial_open_event_as_opened": [EventType.UNKNOWN],
    "test_initial_open_event_as_unknown": [EventType.UNKNOWN],
    "test_click_event": [EventType.CLICKED],
    "test_amp_events": [EventType.OPENED, EventType.UNKNOWN, EventType.CLICKED],
}


class TestEvents:
    @pytest.fixture
    def corpus(self, shared_data: Path) -> dict[str, Any]:
        path = shared_data / "corpora" / "anymail-webhook-payloads" / "sparkpost-webhooks.json"
        return {case["test"].partition(".")[2]: case["value"] for case in json.loads(path.read_text())}

    def test_the_payloads_of_the_corpus(self, corpus: dict[str, Any]) -> None:
        assert {name: [e.type for e in events(value)] for name, value in corpus.items()} == EXPECTED

    def test_their_fields(self, corpus: dict[str, Any]) -> None:
        [event] = events(corpus["test_bounce_event"])
        assert (event.event_id, event.message_id) == ("84345317653491230", "84345317650824116")
        assert (event.recipient, event.bounce_class) == ("bounce@example.com", BounceClass.HARD)
        assert event.at == datetime(2016, 6, 1, 23, 42, 28, tzinfo=UTC)
        assert "User unknown" in event.reason
        [event] = events(corpus["test_delivery_event"])
        assert event.recipient == "Recipient@example.com"
        [event] = events(corpus["test_generation_failure_event"])
        assert event.at == datetime(2018, 10, 11, 23, 24, 45, tzinfo=UTC)
        [event] = events(corpus["test_click_event"])
        assert event.url == "http://example.com"

    def test_our_id_comes_back(self) -> None:
        fields = {"type": "delivery", "event_id": "1", "rcpt_meta": {"delivery_id": "d-7"}}
        [event] = events([{"msys": {"message_event": fields}}])
        assert event.delivery_id == "d-7"

    @pytest.mark.parametrize(
        ("code", "kind", "bounce"),
        [
            ("10", EventType.BOUNCED, BounceClass.HARD),
            ("30", EventType.BOUNCED, BounceClass.HARD),
            ("22", EventType.BOUNCED, BounceClass.SOFT),
            ("51", EventType.BOUNCED, BounceClass.BLOCK),
            ("25", EventType.BOUNCED, BounceClass.BLOCK),
            ("1", EventType.BOUNCED, BounceClass.SOFT),
            ("?", EventType.BOUNCED, BounceClass.SOFT),
            ("90", EventType.UNSUBSCRIBED, BounceClass.NONE),
            ("100", EventType.AUTORESPONDED, BounceClass.NONE),
        ],
    )
    def test_classes_of_bounces(self, code: str, kind: EventType, bounce: BounceClass) -> None:
        [event] = events([{"msys": {"message_event": {"type": "bounce", "bounce_class": code}}}])
        assert (event.type, event.bounce_class) == (kind, bounce)

    def test_a_report_without_an_id_of_its_own_has_the_same_each_time(self) -> None:
        one, two = ([{"msys": {"track_event": {"type": "open", "rcpt_to": r}}}] for r in ("a@b.c", "d@e.f"))
        assert events(one)[0].event_id == events(one)[0].event_id != events(two)[0].event_id

    @given(st.recursive(st.none() | st.text(max_size=5) | st.integers() | st.floats(), lambda i: st.lists(i, max_size=3) | st.dictionaries(st.sampled_from(["msys", "message_event", "type", "timestamp", "rcpt_meta", "bounce_class"]), i, max_size=5), max_leaves=15))  # fmt: skip
    def test_anything_at_all_is_events_or_a_value_error(self, tree: Any) -> None:
        for payload in (
            tree,
            [{"msys": {"message_event": tree}}],
            [{"msys": {"x": {"timestamp": tree, "rcpt_meta": tree}}}],
        ):
            try:
                assert all(isinstance(event, Event) for event in events(payload))
            except ValueError:
                continue
