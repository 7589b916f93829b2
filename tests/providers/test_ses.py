"""What is Amazon SES's own: signatures against botocore, its template language, statuses of entries, its events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from newsletter.app import Workspace
from newsletter.config import Secrets, Settings
from newsletter.errors import UsageError
from newsletter.model.event import BounceClass, Event, EventType
from newsletter.model.template import CompiledIssue, InlineImage, Template
from newsletter.providers.base import Batch, BatchResult, ProviderOptions, Response
from newsletter.providers.ses import SesProvider
from newsletter.providers.ses.signature import Credentials, signed_headers
from newsletter.providers.ses.template import translated
from newsletter.send.transport import body_hash
from tests.fakes.ledger import Fault
from tests.fakes.ses import FakeSes, RefusedError, parsed, render
from tests.providers.conftest import call
from tests.providers.contract import COMPILED, as_it_should_arrive, batch_for, recipient

KEY = FakeSes.secret
CAPABILITIES = SesProvider.capabilities


@pytest.fixture
def fake() -> Iterator[FakeSes]:
    with FakeSes() as server:
        yield server


def provider(fake: FakeSes | None = None, **options: Any) -> SesProvider:
    url = fake.url if fake else ""
    plain = ProviderOptions("ses", base_url=url, region="eu-central-1", secret=SecretStr(KEY))
    return SesProvider(replace(plain, **options))


def some(count: int = 3, compiled: CompiledIssue = COMPILED) -> Batch:
    return batch_for(CAPABILITIES, [recipient(n) for n in range(1, count + 1)], compiled=compiled)


def body(batch: Batch, **options: Any) -> Any:
    return json.loads(b"".join(provider(**options).build_request(batch).body))


def kinds(result: BatchResult) -> list[str]:
    return [outcome.kind.value for outcome in result.outcomes]


def entries(*results: dict[str, str]) -> Response:
    return Response(200, {}, json.dumps({"BulkEmailEntryResults": results}).encode())


def said(status: int, name: str, message: str = "") -> Response:
    return Response(status, {"x-amzn-errortype": f"{name}:"}, json.dumps({"message": message}).encode())


@cache
def service() -> Any:
    """What AWS publishes about SES v2."""
    return botocore.session.get_session().get_service_model("sesv2")


class TestSignatures:
    @pytest.mark.parametrize("token", ["", "FwoGZXIvYXdzEB4aDK+/=="])
    @pytest.mark.parametrize(
        "url",
        [
            "https://email.eu-central-1.amazonaws.com/v2/email/outbound-bulk-emails",
            "https://email.eu-central-1.amazonaws.com:443/v2/email/outbound-bulk-emails",
            "http://127.0.0.1:8005/some%20where/v2/email/outbound-bulk-emails",
        ],
    )
    @given(content=st.binary(max_size=50))
    def test_they_are_those_of_botocore(self, url: str, token: str, content: bytes) -> None:
        theirs = AWSRequest("POST", url, data=content, headers={"Content-Type": "application/json"})
        SigV4Auth(BotoCredentials("AKID", "s3cr/et+", token or None), "ses", "eu-central-1").add_auth(theirs)
        at = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        ours = signed_headers(
            "POST",
            url,
            {"Content-Type": "application/json"},
            [content[:7], content[7:]],
            credentials=Credentials("AKID", "s3cr/et+", token),
            region="eu-central-1",
            service="ses",
            at=at,
        )
        assert ours == dict(theirs.headers.items())

    def test_a_batch_has_the_same_body_at_any_time_and_a_signature_of_its_own(self) -> None:
        options = ProviderOptions("ses", region="eu-central-1", secret=SecretStr(KEY))
        moments = iter(datetime(2026, 1, 6, 9, minute, tzinfo=UTC) for minute in (0, 30))
        made = SesProvider(options, now=lambda: next(moments))
        one, two = made.build_request(some()), made.build_request(some())
        assert body_hash(one) == body_hash(two)
        assert one.headers["Authorization"] != two.headers["Authorization"]

    def test_nobody_reads_the_secret_in_what_is_printed(self) -> None:
        assert "wJalr" not in repr(Credentials("AKID", "wJalr", "wJalr"))


class TestRequests:
    @pytest.mark.parametrize("pictures", [0, 2])
    def test_they_fit_the_shape_aws_publishes(self, pictures: int) -> None:
        images = tuple(
            InlineImage(f"picture{n}", f"flow-{n}.png", "image/png", b"\x89PNG") for n in range(pictures)
        )
        issue = replace(COMPILED, images=images)
        call = body(some(50, issue), stream="weekly")
        shape = service().operation_model("SendBulkEmail").input_shape
        assert ParamValidator().validate(call, shape).generate_report() == ""
        assert known_members(call, shape) == []
        assert ParamValidator().validate({**call, "BulkEmailEntries": "x"}, shape).has_errors()
        attached = call["DefaultContent"]["Template"].get("Attachments", [])
        assert [a["ContentId"] for a in attached] == [image.content_id for image in images]

    def test_a_name_outside_ascii_is_an_encoded_word(self, fake: FakeSes) -> None:
        assert kinds(call(provider(fake), some())) == ["accepted"] * 3
        assert {entry["from"] for entry in fake.ledger.entries} == {
            "Production “AI” Notes <news@example.com>"
        }

    def test_our_id_and_the_batch_ride_along(self) -> None:
        sent = body(some())
        assert sent["DefaultEmailTags"] == [{"Name": "batch", "Value": "nl-1-0123456789abcdef"}]
        assert sent["BulkEmailEntries"][1]["ReplacementTags"] == [{"Name": "delivery_id", "Value": "d-2"}]
        names = [header["Name"] for header in sent["BulkEmailEntries"][1]["ReplacementHeaders"]]
        assert names == ["List-Unsubscribe", "X-Newsletter-Delivery"]

    def test_the_issue_travels_once_however_many_it_is_for(self) -> None:
        long = replace(COMPILED, html=Template(("<p>", "x" * 20_000, "</p>")))
        one, fifty = (sum(map(len, provider().build_request(some(n, long)).body)) for n in (1, 50))
        assert fifty - one < 50 * 1_500

    def test_a_configuration_set_is_named_and_a_missing_one_holds(self, fake: FakeSes) -> None:
        assert kinds(call(provider(fake, stream="weekly"), some(1))) == ["accepted"]
        result = call(provider(fake, stream="daily"), some(1))
        assert kinds(result) == ["deferred"]
        assert result.hold is not None
        assert "stream" in result.hold.hint

    @pytest.mark.parametrize(
        ("region", "url"),
        [
            ("us-east-1", "https://email.us-east-1.amazonaws.com/v2/email/outbound-bulk-emails"),
            ("cn-north-1", "https://email.cn-north-1.amazonaws.com.cn/v2/email/outbound-bulk-emails"),
        ],
    )
    def test_a_region_is_a_host(self, region: str, url: str) -> None:
        assert provider(region=region).build_request(some(1)).url == url

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"region": ""}, "region"),
            ({"region": "eu"}, "region"),
            ({"region": "example.com/"}, "region"),
            ({"secret": SecretStr("AKIDEXAMPLE")}, "secret"),
            ({"secret": SecretStr(":secret")}, "secret"),
            ({"secret": SecretStr(" ")}, "missing"),
            ({"stream": "two words"}, "configuration set"),
            ({"sandbox": True}, "sandbox"),
        ],
    )
    def test_settings_that_cannot_work_are_refused(self, change: dict[str, Any], words: str) -> None:
        with pytest.raises(UsageError, match=words) as caught:
            provider(**change)
        assert caught.value.hint

    def test_the_way_out_of_the_sandbox_is_the_mailbox_simulator(self) -> None:
        with pytest.raises(UsageError) as caught:
            provider(sandbox=True)
        assert "success@simulator.amazonses.com" in (caught.value.hint or "")


def known_members(value: Any, shape: Any, path: str = "") -> list[str]:
    """Members `shape` doesn't know: `ParamValidator` looks past them."""
    if shape.type_name == "structure":
        unknown = [f"{path}.{name}" for name in value if name not in shape.members]
        inner = [
            known_members(value[name], member, f"{path}.{name}")
            for name, member in shape.members.items()
            if name in value
        ]
        return unknown + [name for names in inner for name in names]
    if shape.type_name == "list":
        return [name for item in value for name in known_members(item, shape.member, path)]
    return []


class TestKeys:
    """From where the workspace takes them."""

    @staticmethod
    def made(home: Path, **environ: str) -> SesProvider:
        settings = Settings.model_validate({"provider": {"name": "ses", "region": "eu-central-1"}})
        made = Workspace(home, settings, Secrets(home, environ)).provider()
        assert isinstance(made, SesProvider)
        return made

    def test_ours_comes_first(self, tmp_path: Path) -> None:
        made = self.made(
            tmp_path,
            NEWSLETTER_SES_API_KEY="OURS:secret",
            AWS_ACCESS_KEY_ID="THEIRS",
            AWS_SECRET_ACCESS_KEY="other",
        )
        assert "Credential=OURS/" in made.build_request(some(1)).headers["Authorization"]

    def test_those_of_aws_do_as_well_with_a_session(self, tmp_path: Path) -> None:
        keys = {"AWS_ACCESS_KEY_ID": "THEIRS", "AWS_SECRET_ACCESS_KEY": "other", "AWS_SESSION_TOKEN": "t0k=="}
        headers = self.made(tmp_path, **keys).build_request(some(1)).headers
        assert "Credential=THEIRS/" in headers["Authorization"]
        assert headers["X-Amz-Security-Token"] == "t0k=="

    @pytest.mark.parametrize("keys", [{}, {"AWS_ACCESS_KEY_ID": "THEIRS"}])
    def test_without_any_both_ways_are_named(self, tmp_path: Path, keys: dict[str, str]) -> None:
        with pytest.raises(UsageError, match="NEWSLETTER_SES_API_KEY") as caught:
            self.made(tmp_path, **keys)
        assert "AWS_ACCESS_KEY_ID" in (caught.value.hint or "")


class TestSizes:
    @staticmethod
    def batch(*numbers: int) -> Batch:
        """Readers of whom every third has a name too long for SES."""
        readers = [recipient(n) for n in numbers]
        for at in range(0, len(readers), 3):
            values = {**readers[at].values, "subscriber.name": "&" * 100_000}
            readers[at] = readers[at]._replace(values=values)
        return batch_for(CAPABILITIES, readers)

    def test_a_reader_who_brings_too_much_is_rejected_alone(self, fake: FakeSes) -> None:
        result = call(provider(fake), self.batch(1, 2, 3))
        found = {outcome.delivery_id: outcome for outcome in result.outcomes}
        assert {d: o.kind.value for d, o in found.items()} == {
            "d-1": "rejected",
            "d-2": "accepted",
            "d-3": "accepted",
        }
        assert "256 KB" in found["d-1"].reason
        assert sorted(fake.ledger.recipients) == ["reader2@example.com", "reader3@example.com"]
        assert {e["delivery_id"]: e["id"] for e in fake.ledger.entries} == {
            d: o.provider_id for d, o in found.items() if o.provider_id
        }

    def test_one_alone_holds_up_nobody(self, fake: FakeSes) -> None:
        result = call(provider(fake), self.batch(1))
        assert kinds(result) == ["rejected"]
        assert result.hold is None
        assert not fake.ledger.entries

    def test_a_lost_answer_leaves_the_others_unknown(self, fake: FakeSes) -> None:
        fake.faults.add(Fault("POST", "accept-500", times=1))
        result = call(provider(fake), self.batch(1, 2, 3))
        assert sorted(kinds(result)) == ["rejected", "unknown", "unknown"]

    @given(st.integers(262_000, 262_200), st.sampled_from('a"&日'))
    def test_the_limit_is_that_of_the_document_by_the_letter(self, size: int, letter: str) -> None:
        batch = some(1)
        assert batch.shared is not None
        content = translated(batch.shared)
        empty = batch.messages[0]._replace(values=("",) * len(batch.messages[0].values), subject="")
        spare = size - len(content.data(empty))
        width = len(json.dumps(letter, ensure_ascii=False)) - 2
        message = empty._replace(subject=letter * (spare // width))
        assert content.fits(message) is (len(content.data(message)) <= 262_144)


class TestTemplates:
    @pytest.mark.parametrize(
        "literal",
        [
            "{{x}}",
            "{{{x}}}",
            "\\{{x}}",
            "\\\\{{x}}",
            "{{{{raw}}}}",
            "{",
            "}",
            "\\",
            "{{",
            "}}",
            "{{!-- c --}}",
            "@media print{a{b:c}}",
            "{{#if a}}b{{/if}}",
            "{{valueA}}{{braceA}}{{subject}}",
        ],
    )
    def test_what_an_author_writes_before_behind_and_between_slots_comes_back(
        self, fake: FakeSes, literal: str
    ) -> None:
        name = COMPILED.html.slots[0]
        text = Template((literal, name, literal, name, name, literal))
        issue = CompiledIssue(Template((f"About {literal} braces",)), text, text, (), "")
        assert kinds(call(provider(fake), some(7, issue))) == ["accepted"] * 7
        for entry, number in zip(fake.ledger.entries, range(1, 8), strict=True):
            expected = as_it_should_arrive(recipient(number), issue)
            assert (entry["subject"], entry["html"]) == (expected.subject, expected.html)
        assert fake.undelivered == []

    @pytest.mark.parametrize(
        "source", ["{{#if a}}b{{/if}}", "{{a_b}}", "{{a.b}}", "{{{a}}}", "{{a}}}", "{{ a", "{{}}", "{{>a}}"]
    )
    def test_the_fake_refuses_what_inline_templates_cannot_do(self, source: str) -> None:
        with pytest.raises(RefusedError):
            parsed(source)

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("a{{x}}b", "a<{{y}}>b"),
            ("\\{{x}} {{x}}", "{{x}} <{{y}}>"),
            ("\\\\{{x}}", "\\<{{y}}>"),
            ("{ a } }} {{ x }}", "{ a } }} <{{y}}>"),
        ],
    )
    def test_the_fake_reads_templates_as_handlebars_does(self, source: str, text: str) -> None:
        assert render(parsed(source), {"x": "<{{y}}>"}) == text

    def test_what_lacks_a_value_is_taken_and_never_delivered(self, fake: FakeSes) -> None:
        batch = some(1)
        assert batch.shared is not None
        request = provider(fake).build_request(batch)
        fake.secret = KEY
        spoilt = json.loads(b"".join(request.body))
        spoilt["DefaultContent"]["Template"]["TemplateContent"]["Text"] += "{{missing}}"
        content = json.dumps(spoilt).encode()
        headers = signed_headers(
            "POST",
            request.url,
            {"Content-Type": "application/json"},
            [content],
            credentials=Credentials(*KEY.split(":")),
            region="eu-central-1",
            service="ses",
            at=datetime.now(UTC),
        )
        answer = httpx.post(request.url, headers=headers, content=content, trust_env=False)
        assert answer.json()["BulkEmailEntryResults"][0]["Status"] == "SUCCESS"
        assert not fake.ledger.entries
        assert fake.undelivered


STATUSES = [
    ("MESSAGE_REJECTED", "The message contained a virus", "deferred", "hold"),
    ("MAIL_FROM_DOMAIN_NOT_VERIFIED", "", "deferred", "verify"),
    ("CONFIGURATION_SET_NOT_FOUND", "", "deferred", "stream"),
    ("TEMPLATE_NOT_FOUND", "", "deferred", "hold"),
    ("ACCOUNT_SUSPENDED", "", "deferred", "console"),
    ("ACCOUNT_THROTTLED", "", "deferred", "wait"),
    ("ACCOUNT_DAILY_QUOTA_EXCEEDED", "", "deferred", "quota"),
    ("INVALID_SENDING_POOL_NAME", "", "deferred", "stream"),
    ("ACCOUNT_SENDING_PAUSED", "", "deferred", "console"),
    ("CONFIGURATION_SET_SENDING_PAUSED", "", "deferred", "stream"),
    ("INVALID_PARAMETER", "Invalid email address: no @domain", "rejected", ""),
    ("INVALID_PARAMETER", "Header value is too long", "deferred", "hold"),
    ("INVALID_PARAMETER", "Invalid From address", "deferred", "hold"),
    ("TRANSIENT_FAILURE", "", "deferred", ""),
    ("FAILED", "", "deferred", ""),
    ("SOMETHING_NEW", "", "unknown", ""),
    ("", "", "unknown", ""),
]


class TestAnswers:
    @pytest.mark.parametrize(("status", "error", "kind", "then"), STATUSES)
    def test_each_status_of_an_entry(self, status: str, error: str, kind: str, then: str) -> None:
        good = {"Status": "SUCCESS", "MessageId": "m-1"}
        result = provider().parse_response(some(2), entries(good, {"Status": status, "Error": error}))
        assert kinds(result) == ["accepted", kind]
        assert result.outcomes[0].provider_id == "m-1"
        if not then:
            assert result.hold is None
            return
        assert result.hold is not None
        assert (result.hold.retry_after is not None) is (then == "wait")
        assert result.hold.hint
        if then not in ("wait", "hold"):
            assert then in result.hold.hint

    def test_every_status_aws_publishes_is_known(self) -> None:
        for status in service().shape_for("BulkEmailStatus").enum:
            result = provider().parse_response(some(1), entries({"Status": status, "MessageId": "m"}))
            assert kinds(result) != ["unknown"], status

    def test_every_error_aws_publishes_leaves_nobody_in_doubt(self) -> None:
        for shape in service().operation_model("SendBulkEmail").error_shapes:
            status = shape.metadata["error"]["httpStatusCode"]
            result = provider().parse_response(some(2), said(status, shape.name, "why"))
            assert kinds(result) == ["deferred"] * 2, shape.name
            assert result.hold is not None
            assert result.hold.hint

    def test_what_a_person_must_do_comes_before_what_waiting_mends(self) -> None:
        answer = entries({"Status": "ACCOUNT_THROTTLED"}, {"Status": "ACCOUNT_SUSPENDED"})
        result = provider().parse_response(some(2), answer)
        assert result.hold is not None
        assert result.hold.retry_after is None

    def test_an_account_in_the_sandbox_is_told_so(self, fake: FakeSes) -> None:
        fake.sandbox_account = True
        fake.verified_recipients = ("reader1@example.com",)
        result = call(provider(fake), some(2))
        assert kinds(result) == ["accepted", "deferred"]
        assert result.hold is not None
        assert "production access" in result.hold.hint

    def test_a_sender_nobody_verified_is_not_taken_for_the_sandbox(self, fake: FakeSes) -> None:
        fake.verified = ("elsewhere.example",)
        result = call(provider(fake), some(2))
        assert result.hold is not None
        assert "Identities" in result.hold.hint

    def test_half_a_quota_is_used_up_and_the_rest_waits(self, fake: FakeSes) -> None:
        fake.quota = 0
        result = call(provider(fake), some(3))
        assert kinds(result) == ["deferred"] * 3
        assert result.hold is not None
        assert "24 hours" in result.hold.hint

    @pytest.mark.parametrize(
        ("response", "hint"),
        [
            (
                said(403, "InvalidSignatureException", "Signature expired: 2026… is now earlier than …"),
                "clock",
            ),
            (said(403, "ExpiredTokenException", "The security token is expired"), "session token"),
            (said(403, "AccessDeniedException", "User is not authorized"), "ses:SendBulkEmail"),
            (said(403, "UnrecognizedClientException", "invalid token"), "NEWSLETTER_SES_API_KEY"),
            (said(404, "UnknownOperationException"), "base_url"),
            (said(413, "RequestEntityTooLargeException", "smaller"), "batch"),
            (said(400, "BadRequestException", "Template contains unsupported operations."), "names"),
            (said(429, "TooManyRequestsException", "Daily message quota exceeded."), "daily quota"),
        ],
    )
    def test_a_refusal_of_the_whole_call_says_what_to_do(self, response: Response, hint: str) -> None:
        result = provider().parse_response(some(2), response)
        assert kinds(result) == ["deferred"] * 2
        assert result.hold is not None
        assert result.hold.retry_after is None
        assert hint in result.hold.hint

    def test_throttling_under_another_number_is_throttling(self) -> None:
        result = provider().parse_response(some(1), said(400, "ThrottlingException", "Rate exceeded"))
        assert result.hold is not None
        assert result.hold.retry_after == 1.0

    def test_a_call_refused_over_its_only_address_rejects_that_one(self) -> None:
        answer = said(400, "BadRequestException", "Illegal address <reader1@example.com>")
        assert kinds(provider().parse_response(some(1), answer)) == ["rejected"]
        assert kinds(provider().parse_response(some(2), answer)) == ["deferred"] * 2

    def test_an_old_clock_is_noticed(self, fake: FakeSes) -> None:
        options = replace(fake.options())
        late = SesProvider(options, now=lambda: datetime(2020, 1, 1, tzinfo=UTC))
        result = call(late, some(1))
        assert kinds(result) == ["deferred"]
        assert result.hold is not None
        assert "clock" in result.hold.hint

    def test_an_outage_in_the_middle_is_never_called_unsent(self, fake: FakeSes) -> None:
        fake.faults.add(Fault("POST", "accept-500", times=1))
        assert kinds(call(provider(fake), some(3))) == ["unknown"] * 3


def sns(message: Any, kind: str = "Notification") -> bytes:
    text = message if isinstance(message, str) else json.dumps(message)
    envelope = {
        "Type": kind,
        "MessageId": "sns-1",
        "TopicArn": "arn:aws:sns:eu-central-1:111111111111:ses",
        "Message": text,
        "Timestamp": "2026-01-06T09:00:00.123Z",
    }
    return json.dumps(envelope).encode()


def events(body: bytes) -> list[Event]:
    return list(provider().parse_webhook({}, body))


EXPECTED = {
    "test_bounce_event": [(EventType.BOUNCED, "jane@example.com", BounceClass.HARD)],
    "test_multiple_bounce_event": [
        (EventType.BOUNCED, "jane@example.com", BounceClass.HARD),
        (EventType.BOUNCED, "richard@example.com", BounceClass.HARD),
    ],
    "test_complaint_event": [(EventType.COMPLAINED, "richard@example.com", BounceClass.NONE)],
    "test_delivery_event": [(EventType.DELIVERED, "jane@example.com", BounceClass.NONE)],
    "test_send_event": [(EventType.SENT, "recipient@example.com", BounceClass.NONE)],
    "test_reject_event": [(EventType.REJECTED, "recipient@example.com", BounceClass.NONE)],
    "test_open_event": [(EventType.OPENED, "recipient@example.com", BounceClass.NONE)],
    "test_click_event": [(EventType.CLICKED, "recipient@example.com", BounceClass.NONE)],
    "test_rendering_failure_event": [(EventType.FAILED, "recipient@example.com", BounceClass.NONE)],
    "test_incorrect_received_event": [(EventType.UNKNOWN, "", BounceClass.NONE)],
}


class TestEvents:
    @pytest.mark.parametrize("name", EXPECTED)
    @pytest.mark.parametrize("wrapped", [True, False])
    def test_the_payloads_of_the_corpus(self, shared_data: Path, name: str, wrapped: bool) -> None:
        corpus = shared_data / "corpora" / "anymail-webhook-payloads" / "amazon_ses-webhooks.json"
        cases = {case["test"].partition(".")[2]: case["value"] for case in json.loads(corpus.read_text())}
        assert set(cases) == set(EXPECTED)
        case = cases[name]
        is_envelope = "TopicArn" in case
        found = events(sns(case) if wrapped and not is_envelope else json.dumps(case).encode())
        assert [(e.type, e.recipient, e.bounce_class) for e in found] == EXPECTED[name]
        assert len({e.event_id for e in found}) == len(found)
        if not is_envelope:
            assert {e.message_id for e in found} == {case["mail"]["messageId"]}

    def test_words_times_and_links_are_kept(self, shared_data: Path) -> None:
        corpus = shared_data / "corpora" / "anymail-webhook-payloads" / "amazon_ses-webhooks.json"
        bounce, *_, click, failure, _ = (case["value"] for case in json.loads(corpus.read_text()))
        [event] = events(sns(bounce))
        assert event.reason == "smtp; 550 5.1.1 <jane@example.com>... User unknown"
        assert event.at == datetime(2016, 1, 27, 14, 59, 44, 101000, tzinfo=UTC)
        [event] = events(sns(click))
        assert event.url == "https://docs.aws.amazon.com/ses/latest/DeveloperGuide/"
        assert event.user_agent.startswith("Mozilla")
        [event] = events(sns(failure))
        assert "attributeName" in event.reason

    @pytest.mark.parametrize(
        "mail",
        [
            {"tags": {"delivery_id": ["d-7"], "batch": ["nl-1-x"]}},
            {
                "headers": [
                    {"name": "Subject", "value": "x"},
                    {"name": "X-Newsletter-Delivery", "value": "d-7"},
                ]
            },
        ],
    )
    def test_our_id_is_found_in_the_tag_and_in_the_header(self, mail: dict[str, Any]) -> None:
        message = {"eventType": "Send", "send": {}, "mail": {"destination": ["a@example.com"], **mail}}
        [event] = events(sns(message))
        assert event.delivery_id == "d-7"

    @pytest.mark.parametrize(
        ("kind", "sub", "expected"),
        [
            ("Permanent", "NoEmail", BounceClass.HARD),
            ("Permanent", "OnAccountSuppressionList", BounceClass.HARD),
            ("Transient", "MailboxFull", BounceClass.SOFT),
            ("Transient", "ContentRejected", BounceClass.BLOCK),
            ("Undetermined", "Undetermined", BounceClass.SOFT),
        ],
    )
    def test_how_final_a_bounce_is(self, kind: str, sub: str, expected: BounceClass) -> None:
        bounce = {"bounceType": kind, "bounceSubType": sub, "bouncedRecipients": [{"emailAddress": "a@b.c"}]}
        [event] = events(sns({"eventType": "Bounce", "bounce": bounce, "mail": {}}))
        assert event.bounce_class is expected

    @pytest.mark.parametrize(
        ("message", "expected"),
        [
            ({"eventType": "DeliveryDelay", "deliveryDelay": {"delayedRecipients": [{"emailAddress": "a@b.c"}]}}, EventType.DEFERRED),
            ({"eventType": "Subscription", "subscription": {"newTopicPreferences": {"unsubscribeAll": True}}}, EventType.UNSUBSCRIBED),
            ({"eventType": "Subscription", "subscription": {}}, EventType.UNKNOWN),
            ({"eventType": "Complaint", "complaint": {"complaintFeedbackType": "not-spam"}}, EventType.UNKNOWN),
            ({"eventType": "Tomorrow"}, EventType.UNKNOWN),
        ],
    )  # fmt: skip
    def test_other_kinds(self, message: dict[str, Any], expected: EventType) -> None:
        [event] = events(sns(message))
        assert event.type is expected

    @pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
    def test_what_sns_itself_asks_is_handed_on(self, kind: str) -> None:
        [event] = events(sns("You have chosen to subscribe", kind))
        assert (event.type, event.event_id, event.raw["Type"]) == (EventType.UNKNOWN, "sns-1", kind)

    def test_the_greeting_of_event_publishing_is_no_error(self) -> None:
        [event] = events(sns("Successfully validated SNS topic for Amazon SES event publishing."))
        assert event.type is EventType.UNKNOWN

    @given(st.recursive(st.none() | st.text(max_size=5) | st.integers(), lambda i: st.lists(i, max_size=3) | st.dictionaries(st.sampled_from(["mail", "eventType", "bounce", "bouncedRecipients", "destination", "tags", "delivery_id", "headers", "timestamp"]), i, max_size=5), max_leaves=15))  # fmt: skip
    def test_anything_at_all_is_events_or_a_value_error(self, tree: Any) -> None:
        for data in (
            sns(tree),
            sns({"eventType": "Bounce", "mail": tree, "bounce": tree}),
            json.dumps(tree).encode(),
        ):
            try:
                assert all(isinstance(event, Event) for event in events(data))
            except ValueError:
                continue
