"""What is special to Mailgun: the form, its own variables, refusals that name nobody, waits in words, its events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import Message as Mime
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from newsletter.errors import NewsletterError, UsageError
from newsletter.model.event import BounceClass, EventType
from newsletter.model.message import OutcomeKind
from newsletter.model.template import CompiledIssue, Context, InlineImage, Slot, Template
from newsletter.providers.base import Batch, BatchResult, ProviderOptions, Question, Request, Response
from newsletter.providers.mailgun import MailgunProvider
from tests.fakes.http import Answer, Call
from tests.fakes.mailgun import FakeMailgun
from tests.providers.conftest import call
from tests.providers.contract import AT, COMPILED, as_it_should_arrive, batch_for, recipient

KEY = "key-0123456789abcdef"


@pytest.fixture
def fake() -> Iterator[FakeMailgun]:
    with FakeMailgun() as server:
        yield server


def provider(**options: Any) -> MailgunProvider:
    made = ProviderOptions(name="mailgun", domain="mg.example.com", secret=SecretStr(KEY))
    return MailgunProvider(replace(made, **options))


def batch_of(count: int = 3, compiled: CompiledIssue = COMPILED) -> Batch:
    readers = [recipient(n) for n in range(1, count + 1)]
    return batch_for(MailgunProvider.capabilities, readers, compiled=compiled)


def form_of(request: Request) -> list[Mime]:
    """The parts of the form as the standard library reads them."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parsed = BytesParser().parsebytes(head + b"".join(request.body))
    assert parsed.is_multipart()
    assert not parsed.defects
    return [part for part in parsed.get_payload() if isinstance(part, Mime)]


def fields_of(request: Request) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for part in form_of(request):
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is None:
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            fields.setdefault(str(name), []).append(payload.decode())
    return fields


def taken(fake: FakeMailgun, request: Request) -> Answer:
    """What the fake answers, without a network between."""
    headers = {n.lower(): v for n, v in request.headers.items()}
    path = request.url.removeprefix(fake.url)
    return fake.answer(Call(request.method, path, headers, b"".join(request.body)))


def kinds(result: BatchResult) -> list[str]:
    return [outcome.kind.value for outcome in result.outcomes]


def says(status: int, message: str, **headers: str) -> Response:
    return Response(status, headers, json.dumps({"message": message}).encode())


@pytest.fixture(scope="module")
def request_schema(shared_data: Path) -> dict[str, Any]:
    """The form's schema, cut out of the large document."""
    text = (shared_data / "provider-specs" / "mailgun" / "openapi.yaml").read_text()
    name = "POST-v3-domain_name-messages-multipart-form-data-RequestBody"
    found = re.search(rf"^    {name}:\n(.*?)^    \S", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    schema: dict[str, Any] = yaml.safe_load(f"{name}:\n{found[1]}")[name]
    return schema


class TestRequests:
    def test_the_form_fits_the_official_schema(self, request_schema: dict[str, Any]) -> None:
        fields = fields_of(provider(sandbox=True, stream="pool").build_request(batch_of(20)))
        lists = {n for n, p in request_schema["properties"].items() if p.get("type") == "array"}
        document = {n: v if n in lists else v[0] for n, v in fields.items()}
        Draft202012Validator(request_schema).validate(document)
        known = set(request_schema["properties"])
        assert all(name in known or name[:2] in ("h:", "v:") for name in fields)

    def test_everybody_is_named_once_with_variables_of_their_own(self) -> None:
        batch = batch_of(5)
        fields = fields_of(provider().build_request(batch))
        variables = json.loads(fields["recipient-variables"][0])
        assert fields["to"] == [m.recipient for m in batch.messages] == list(variables)
        unsubscribe = re.fullmatch(r"%recipient\.(\w+)%", fields["h:List-Unsubscribe"][0])
        assert unsubscribe is not None
        for message in batch.messages:
            assert variables[message.recipient][unsubscribe[1]] == dict(message.headers)["List-Unsubscribe"]
        assert fields["h:List-Unsubscribe-Post"] == ["List-Unsubscribe=One-Click"]
        assert fields["h:Reply-To"] == ["editor@example.com"]
        assert fields["o:tag"] == [batch.key]
        assert fields["from"] == ["Production “AI” Notes <news@example.com>"]

    def test_values_have_no_escapes_but_those_json_can_t_do_without(self) -> None:
        reader = recipient(1)._replace(
            values={"subscriber.name": "Ñ & 🎉", "unsubscribe_url": "https://news.example.com/u/t"}
        )
        body = b"".join(provider().build_request(batch_for(MailgunProvider.capabilities, [reader])).body)
        assert b"\\u" not in body.partition(b'name="recipient-variables"')[2]

    @pytest.mark.parametrize(
        ("region", "host"), [("", "https://api.mailgun.net"), ("eu", "https://api.eu.mailgun.net")]
    )
    def test_europe_has_a_host_of_its_own(self, region: str, host: str) -> None:
        request = provider(region=region).build_request(batch_of())
        assert request.url == f"{host}/v3/mg.example.com/messages"

    @pytest.mark.parametrize(
        ("settings_", "names"),
        [
            ({"secret": None}, "NEWSLETTER_MAILGUN_API_KEY is missing"),
            ({"region": "asia"}, "no region"),
            ({"domain": ""}, r"provider\.domain"),
            ({"domain": "example.com/../x"}, r"provider\.domain"),
            ({"domain": "localhost"}, r"provider\.domain"),
        ],
    )
    def test_settings_that_cannot_work_are_refused(self, settings_: dict[str, Any], names: str) -> None:
        with pytest.raises(UsageError, match=names) as caught:
            provider(**settings_)
        assert caught.value.hint

    def test_pictures_travel_once_a_call_named_as_the_text_refers_to_them(self) -> None:
        data = bytes(range(256)) * 3
        issue = replace(COMPILED, images=(InlineImage("flow-1@notes", "flow-1.png", "image/png", data),))
        parts = [p for p in form_of(provider().build_request(batch_of(5, issue))) if p.get_filename()]
        assert [(p.get_filename(), p.get_content_type()) for p in parts] == [("flow-1@notes", "image/png")]

    def test_headers_beyond_sixteen_kilobytes_are_refused_before_anything_leaves(self) -> None:
        batch = batch_of()
        assert batch.shared is not None
        large = replace(batch.shared, headers=(*batch.shared.headers, ("X-Long", "x" * 17_000)))
        with pytest.raises(UsageError, match="16384"):
            provider().build_request(replace(batch, shared=large))

    def test_pool_and_test_mode_are_options(self) -> None:
        fields = fields_of(provider(stream="pool-1", sandbox=True).build_request(batch_of()))
        assert fields["o:sending-ip-pool"] == ["pool-1"]
        assert fields["o:testmode"] == ["yes"]
        assert "o:testmode" not in fields_of(provider().build_request(batch_of()))


class TestVariables:
    @given(
        st.lists(
            st.sampled_from(
                ["%", "recipient", ".v0", "unsubscribe_url", "_email", "%unsubscribe_url%", "%recipient%", "%recipient.v0", "x", " ", "\n"]
            ),
            max_size=8,
        )
    )  # fmt: skip
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_mailgun_s_own_variables_are_shown_and_never_filled_in(
        self, fake: FakeMailgun, pieces: list[str]
    ) -> None:
        written = "".join(pieces)
        line = written.replace("\n", " ")
        slot = Slot("subscriber.name", "you", Context.HTML)
        issue = CompiledIssue(
            Template((f"S{line}",)),
            Template((f"<p>{written}</p>", slot, "<p>")),
            Template((f"{written}\n", replace(slot, context=Context.TEXT), "\n")),
            (),
            "",
        )
        values = {"subscriber.name": f"N{written}N", "unsubscribe_url": "https://news.example.com/u/t"}
        reader = recipient(1)._replace(values=values)
        adapter = MailgunProvider(fake.options())
        before = len(fake.ledger.entries)
        batch = batch_for(adapter.capabilities, [reader], compiled=issue)
        assert taken(fake, adapter.build_request(batch)).status == 200
        got, expected = fake.ledger.entries[before], as_it_should_arrive(reader, issue)
        assert got["html"].replace("&#37;", "%") == expected.html
        assert got["text"].replace("\N{WORD JOINER}", "") == expected.text
        assert got["subject"].replace("\N{WORD JOINER}", "") == expected.subject

    @pytest.mark.parametrize(
        "before", ["%recipient", "%recipient.x", "https://a.example/%RECIPIENT.", "100%", "%"]
    )
    def test_a_percent_sign_before_a_slot_doesn_t_swallow_it(self, fake: FakeMailgun, before: str) -> None:
        slot = Slot("subscriber.name", "you", Context.TEXT)
        issue = replace(COMPILED, text=Template((before, slot, "\n")))
        adapter = MailgunProvider(fake.options())
        taken(fake, adapter.build_request(batch_of(1, issue)))
        got = fake.ledger.entries[0]["text"].replace("\N{WORD JOINER}", "")
        assert got == as_it_should_arrive(recipient(1), issue).text

    def test_a_reader_who_writes_one_of_our_variables_keeps_their_name(self, fake: FakeMailgun) -> None:
        html = fields_of(provider().build_request(batch_of()))["html"][0]
        ours = re.findall(r"%recipient\.nl\w+%", html)
        reader = recipient(2)._replace(
            values={"subscriber.name": ours[0], "unsubscribe_url": "https://news.example.com/u/t"}
        )
        adapter = MailgunProvider(fake.options())
        call(adapter, batch_for(adapter.capabilities, [reader]))
        assert fake.ledger.entries[0]["html"] == as_it_should_arrive(reader).html


LATER = "Mon, 25 Aug 2025 07:00:31 UTC"
NOW = {"date": "Mon, 25 Aug 2025 06:59:31 GMT"}
BAD_TO = "'to' parameter is not a valid address. please check documentation"
UNVERIFIED = (
    "Domain mg.example.com is not allowed to send: The domain is unverified and requires DNS configuration."
)


class TestAnswers:
    @pytest.mark.parametrize(
        ("response", "kind", "waits", "hint"),
        [
            (says(429, "requests-per-sec limit exceeded, try again after 120 seconds"), "deferred", 120.0, ""),
            (says(429, "slow down"), "deferred", 1.0, ""),
            (says(420, f"recipient limit exceeded, try again after {LATER}", **NOW), "deferred", 60.0, ""),
            (says(420, f"recipient limit exceeded, try again after {LATER}"), "deferred", None, "upgrade"),
            (says(420, "limit exceeded, try again after Sun, 32 Foo nonsense", **NOW), "deferred", None, "upgrade"),
            (says(403, "account monthly limit exceeded"), "deferred", None, "upgrade"),
            (says(402, "Payment required"), "deferred", None, "upgrade"),
            (Response(401, {}, b"Forbidden"), "deferred", None, 'region = "eu"'),
            (says(404, "Domain not found: mg.example.com"), "deferred", None, "mg/sending/domains"),
            (says(403, UNVERIFIED), "deferred", None, "verify the domain"),
            (says(403, "Domain x is not allowed to send: Please activate your Mailgun account."), "deferred", None, "log in"),
            (says(400, "'from' parameter is not a valid address. please check documentation"), "deferred", None, "mend"),
            (says(400, BAD_TO), "deferred", None, "batch = 1"),
            (says(413, "Message too large"), "deferred", None, "batch = 20"),
            (says(500, "Internal Server Error"), "unknown", 10.0, ""),
            (Response(200, {}, b"Mailgun Magnificent API"), "deferred", None, "base_url"),
        ],
    )  # fmt: skip
    def test_the_table(self, response: Response, kind: str, waits: float | None, hint: str) -> None:
        result = provider().parse_response(batch_of(), response)
        assert kinds(result) == [kind] * 3
        assert result.hold is not None
        assert result.hold.retry_after == waits
        assert hint in result.hold.hint
        assert result.hold.hint or waits

    @pytest.mark.parametrize(
        "body", [b"", b"{}", b'{"id": "<a@b>"}', b'{"message": "Queued. Thank you."}', b'{"id": 0, "message": "Queued"}', b"[]"]
    )  # fmt: skip
    def test_a_200_without_an_id_is_unknown(self, body: bytes) -> None:
        result = provider().parse_response(batch_of(), Response(200, {}, body))
        assert kinds(result) == ["unknown"] * 3

    @pytest.mark.parametrize(
        "odd",
        ["nobody@localhost", ".a@example.com", "a..b@example.com", '"a b"@example.com', "a.@example.com"],
    )
    def test_an_unusual_address_is_taken_for_the_one_that_is_refused(self, odd: str) -> None:
        readers = [
            recipient(1),
            recipient(2)._replace(email=odd),
            recipient(3, "o.k+tag@xn--bcher-kva.example"),
        ]
        batch = batch_for(MailgunProvider.capabilities, readers)
        result = provider().parse_response(batch, says(400, BAD_TO))
        assert kinds(result) == ["deferred", "rejected", "deferred"]
        assert result.hold is None

    def test_the_credentials_are_in_no_sentence(self) -> None:
        token = provider().build_request(batch_of()).headers["Authorization"].partition(" ")[2]
        result = provider().parse_response(batch_of(), says(403, f"wrong: {KEY} {token}"))
        assert KEY not in repr(result)
        assert token not in repr(result)

    def test_all_have_the_id_of_the_call(self, fake: FakeMailgun) -> None:
        result = call(MailgunProvider(fake.options()), batch_of())
        assert {o.provider_id for o in result.outcomes} == {fake.ledger.entries[0]["id"]}
        assert "<" not in result.outcomes[0].provider_id


class TestSearch:
    def test_it_turns_pages_on_the_host_it_was_told_and_stops_when_all_are_found(self) -> None:
        asked = {f"d-{n}": f"r{n}@example.com" for n in (1, 2, 3)}
        asking = provider(base_url="https://mail.example.com").search(Question("nl-1-k", AT, asked))
        first = next(asking)
        assert first.method == "GET"
        assert first.url == (
            "https://mail.example.com/v3/mg.example.com/events?tags=nl-1-k&event=accepted+OR+rejected"
            "&begin=1767686400&ascending=yes&limit=300"
        )
        second = asking.send(_page(_accepted("r1@example.com"), following="W3siY"))
        assert second.url == "https://mail.example.com/v3/mg.example.com/events/W3siY"
        rejected = {
            "event": "rejected",
            "recipient": "R2@example.com",
            "reject": {"reason": "Sandbox subdomains are for test purposes only."},
        }
        with pytest.raises(StopIteration) as end:
            asking.send(_page(_accepted("gone@example.com", delivery="d-3"), rejected, following="W4"))
        found = end.value.value
        assert {d: o.kind for d, o in found.items()} == {
            "d-1": OutcomeKind.ACCEPTED, "d-2": OutcomeKind.REJECTED, "d-3": OutcomeKind.ACCEPTED,
        }  # fmt: skip
        assert "Sandbox subdomains" in found["d-2"].reason
        assert found["d-1"].provider_id == "1@mg.example.com"

    def test_many_pages_are_read(self, fake: FakeMailgun) -> None:
        adapter = MailgunProvider(fake.options())
        batch = batch_of(700)
        call(adapter, batch)
        asked = {m.delivery_id: m.recipient for m in batch.messages} | {"d-0": "stranger@example.com"}
        asking = adapter.search(Question(batch.key, AT, asked))
        found, calls = None, 0
        request = next(asking)
        while found is None:
            calls += 1
            answer = taken(fake, request)
            try:
                request = asking.send(Response(answer.status, {}, answer.data))
            except StopIteration as end:
                found = end.value
        assert len(found) == 700
        assert calls == 4

    def test_a_refusal_says_what_to_check(self) -> None:
        asking = provider().search(Question("k", AT, {"d-1": "a@example.com"}))
        next(asking)
        with pytest.raises(NewsletterError) as caught:
            asking.send(Response(401, {}, b"Forbidden"))
        assert "NEWSLETTER_MAILGUN_API_KEY" in caught.value.hint


def _accepted(address: str, delivery: str = "%recipient.x%") -> dict[str, Any]:
    return {
        "event": "accepted",
        "recipient": address,
        "user-variables": {"delivery_id": delivery},
        "message": {"headers": {"message-id": "1@mg.example.com"}},
    }


def _page(*items: dict[str, Any], following: str) -> Response:
    paging = {"next": f"https://api.mailgun.net/v3/mg.example.com/events/{following}"}
    return Response(200, {}, json.dumps({"items": items, "paging": paging}).encode())


def report(**data: Any) -> bytes:
    """A webhook call in the form of documentation.mailgun.com's examples."""
    event = {
        "id": "hTWCTD81RtiDN",
        "timestamp": 1534108637.153125,
        "recipient": "recipient@example.com",
        "message": {"headers": {"to": "recipient@example.com", "message-id": "20180812.1.DF@example.org"}},
        "user-variables": {"delivery_id": "d-7"},
        **data,
    }
    signature = {"timestamp": "1534108637", "token": "651869375b9d", "signature": "…"}
    return json.dumps({"signature": signature, "event-data": event}).encode()


class TestEvents:
    @pytest.mark.parametrize(
        ("data", "kind", "bounce", "reason"),
        [
            ({"event": "accepted"}, EventType.QUEUED, BounceClass.NONE, ""),
            ({"event": "delivered", "delivery-status": {"code": 250, "message": "OK"}}, EventType.DELIVERED, BounceClass.NONE, "OK"),
            (
                {"event": "failed", "severity": "permanent", "reason": "bounce",
                 "delivery-status": {"code": 550, "message": "5.1.1 no such account"}},
                EventType.BOUNCED, BounceClass.HARD, "5.1.1 no such account",
            ),
            (
                {"event": "failed", "severity": "permanent", "reason": "bounce",
                 "delivery-status": {"code": 550, "message": "5.7.1 blocked"}},
                EventType.BOUNCED, BounceClass.BLOCK, "5.7.1 blocked",
            ),
            (
                {"event": "failed", "severity": "permanent", "reason": "old",
                 "delivery-status": {"description": "Too old"}},
                EventType.BOUNCED, BounceClass.SOFT, "Too old",
            ),
            (
                {"event": "failed", "severity": "permanent", "reason": "bounce",
                 "delivery-status": {"bounce-type": "soft", "message": "full"}},
                EventType.BOUNCED, BounceClass.SOFT, "full",
            ),
            (
                {"event": "failed", "severity": "temporary", "reason": "greylisted",
                 "delivery-status": {"code": 450, "message": "Greylisted"}},
                EventType.DEFERRED, BounceClass.NONE, "Greylisted",
            ),
            (
                {"event": "failed", "severity": "permanent", "reason": "suppress-bounce",
                 "delivery-status": {"code": 605, "message": "", "description": "Not delivering to previously bounced address"}},
                EventType.REJECTED, BounceClass.HARD, "Not delivering to previously bounced address",
            ),
            (
                {"event": "failed", "severity": "permanent", "reason": "suppress-unsubscribe"},
                EventType.REJECTED, BounceClass.NONE, "suppress-unsubscribe",
            ),
            ({"event": "rejected", "reject": {"reason": "Sandbox"}}, EventType.REJECTED, BounceClass.NONE, "Sandbox"),
            ({"event": "opened"}, EventType.OPENED, BounceClass.NONE, ""),
            ({"event": "clicked", "url": "https://e.example/"}, EventType.CLICKED, BounceClass.NONE, ""),
            ({"event": "unsubscribed"}, EventType.UNSUBSCRIBED, BounceClass.NONE, ""),
            ({"event": "complained"}, EventType.COMPLAINED, BounceClass.NONE, ""),
            ({"event": "list_member_uploaded"}, EventType.UNKNOWN, BounceClass.NONE, ""),
        ],
    )  # fmt: skip
    def test_each_kind(self, data: dict[str, Any], kind: EventType, bounce: BounceClass, reason: str) -> None:
        [event] = provider().parse_webhook({}, report(**data))
        assert (event.type, event.bounce_class, event.reason) == (kind, bounce, reason)
        assert event.message_id == "20180812.1.DF@example.org"
        assert event.delivery_id == "d-7"
        assert event.recipient == "recipient@example.com"
        assert event.at == datetime(2018, 8, 12, 21, 17, 17, 153125, UTC)
        assert event.event_id == "651869375b9d"
        assert event.url == data.get("url", "")

    def test_a_report_without_a_token_is_known_by_its_id_and_moment(self) -> None:
        unsigned = json.loads(report(event="opened"))
        del unsigned["signature"]
        [event] = provider().parse_webhook({}, json.dumps(unsigned).encode())
        assert event.event_id == "hTWCTD81RtiDN@1534108637.153125"

    @pytest.mark.parametrize(
        "body", [b"event=opened&recipient=a%40b.example", b"{}", b'{"event-data": []}', b'{"event-data": {}}', b"[{}]"]
    )  # fmt: skip
    def test_anything_else_is_refused(self, body: bytes) -> None:
        with pytest.raises(ValueError, match=r"."):
            provider().parse_webhook({}, body)


class TestFake:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"news@example.com", b"nobody"),
            (b'name="to"', b'name="tt"'),
            (b'"recipient-variables"\r\n\r\n{', b'"recipient-variables"\r\n\r\n['),
            (b'name="html"', b'name="v:html"'),
        ],
    )
    def test_it_asks_for_what_mailgun_asks_for(self, fake: FakeMailgun, old: bytes, new: bytes) -> None:
        issue = replace(COMPILED, html=Template(("x" * 17_000,))) if b"html" in old else COMPILED
        request = MailgunProvider(fake.options()).build_request(batch_of(2, issue))
        body = b"".join(request.body).replace(old, new)
        headers = {n.lower(): v for n, v in request.headers.items()}
        assert fake.answer(Call("POST", "/v3/example.com/messages", headers, body)).status == 400
        assert not fake.ledger.entries

    def test_a_domain_of_somebody_else_s_is_not_found(self, fake: FakeMailgun) -> None:
        fake.domains = ("mg.example.com",)
        result = call(MailgunProvider(fake.options()), batch_of())
        assert result.hold is not None
        assert "Domain not found: example.com" in result.hold.reason
