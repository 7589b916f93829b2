"""What each provider says about a key and a domain: documented answers over real HTTP, official schemas, and any answer at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import botocore.session
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from newsletter.providers.base import HttpProvider, ProviderOptions, Response
from newsletter.providers.diagnosis import Access, Diagnosable, Diagnosis, DomainState
from newsletter.providers.registry import PROVIDERS, make_provider
from newsletter.send.transport import HttpSession
from tests.fakes.http import Answer, Call, FakeHttp

KEY: Final = "key-that-nobody-may-see:with-its-secret"
DOMAIN: Final = "ada.dev"
ASKABLE: Final = tuple(name for name in PROVIDERS if name not in ("outbox", "smtp"))

# What an account that is set up well answers, by path; as the sources of `providers.accounts` have it.
GOOD: Final[dict[str, dict[str, Any]]] = {
    "resend": {
        "/domains": {
            "object": "list",
            "has_more": False,
            "data": [{"id": "d-1", "name": DOMAIN, "status": "verified", "region": "eu-west-1"}],
        },
        "/domains/d-1": {
            "object": "domain",
            "id": "d-1",
            "name": DOMAIN,
            "status": "verified",
            "records": [
                {
                    "record": "SPF",
                    "name": "send",
                    "type": "MX",
                    "ttl": "Auto",
                    "status": "verified",
                    "value": "feedback-smtp.eu-west-1.amazonses.com",
                    "priority": 10,
                },
                {
                    "record": "DKIM",
                    "name": "resend._domainkey",
                    "type": "TXT",
                    "ttl": "Auto",
                    "status": "verified",
                    "value": "p=AAAA",
                },
            ],
        },
    },
    "postmark": {"/server": {"ID": 1, "Name": "news", "ApiTokens": ["x"], "DeliveryType": "Live"}},
    "sendgrid": {
        "/v3/scopes": {"scopes": ["mail.send", "whitelabel.read"]},
        f"/v3/whitelabel/domains?domain={DOMAIN}": [
            {
                "id": 1,
                "domain": DOMAIN,
                "valid": True,
                "dns": {
                    "dkim1": {
                        "valid": True,
                        "type": "cname",
                        "host": f"s1._domainkey.{DOMAIN}",
                        "data": "s1.domainkey.u1.wl.sendgrid.net",
                    }
                },
            }
        ],
    },
    "mailgun": {
        f"/v4/domains/{DOMAIN}": {
            "domain": {"name": DOMAIN, "state": "active"},
            "sending_dns_records": [
                {
                    "record_type": "TXT",
                    "name": f"pic._domainkey.{DOMAIN}",
                    "value": "k=rsa; p=AAAA",
                    "valid": "valid",
                }
            ],
        }
    },
    "ses": {
        "/v2/email/account": {"ProductionAccessEnabled": True, "SendingEnabled": True},
        f"/v2/email/identities/{DOMAIN}": {
            "IdentityType": "DOMAIN",
            "VerifiedForSendingStatus": True,
            "DkimAttributes": {
                "SigningEnabled": True,
                "Status": "SUCCESS",
                "Tokens": ["abc", "def"],
                "SigningAttributesOrigin": "AWS_SES",
            },
        },
    },
    "brevo": {
        f"/v3/senders/domains/{DOMAIN}": {
            "domain": DOMAIN,
            "verified": True,
            "authenticated": True,
            "dns_records": {
                "dkim_record": {
                    "type": "TXT",
                    "value": "k=rsa;p=AAAA",
                    "host_name": "mail._domainkey.",
                    "status": True,
                }
            },
        }
    },
    "mailjet": {
        f"/v3/REST/dns/{DOMAIN}": {
            "Count": 1,
            "Data": [
                {
                    "Domain": DOMAIN,
                    "DKIMStatus": "OK",
                    "DKIMRecordName": f"mailjet._domainkey.{DOMAIN}.",
                    "DKIMRecordValue": "k=rsa; p=AAAA",
                }
            ],
            "Total": 1,
        }
    },
    "mailersend": {
        "/v1/domains?limit=100": {"data": [{"id": "d1", "name": DOMAIN, "is_verified": True}]},
        "/v1/domains/d1/dns-records": {
            "data": {
                "id": "d1",
                "dkim": {
                    "hostname": f"mlsend2._domainkey.{DOMAIN}",
                    "type": "CNAME",
                    "value": "mlsend2._domainkey.mailersend.net",
                },
            }
        },
    },
    "sparkpost": {
        f"/api/v1/sending-domains/{DOMAIN}": {
            "results": {
                "status": {"ownership_verified": True, "dkim_status": "valid", "compliance_status": "valid"},
                "dkim": {"selector": "scph0126", "public": "AAAA", "headers": "from:to:subject:date"},
            }
        }
    },
    "mailtrap": {
        "/api/accounts": [{"id": 26730, "name": "Ada", "access_levels": [100]}],
        "/api/accounts/26730/sending_domains": {
            "data": [
                {
                    "id": 1,
                    "domain_name": DOMAIN,
                    "dns_verified": True,
                    "compliance_status": "compliant",
                    "dns_records": [
                        {
                            "key": "dkim1",
                            "type": "CNAME",
                            "name": "rwmt1._domainkey",
                            "value": "rwmt1.dkim.smtp.mailtrap.live",
                            "status": "pass",
                        }
                    ],
                }
            ]
        },
    },
}
SELECTORS: Final = {
    "resend": ("resend",), "postmark": (), "sendgrid": ("s1",), "mailgun": ("pic",), "ses": ("abc", "def"),
    "brevo": ("mail",), "mailjet": ("mailjet",), "mailersend": ("mlsend2",), "sparkpost": ("scph0126",), "mailtrap": ("rwmt1",),
}  # fmt: skip


@dataclass
class FakeAccount(FakeHttp):
    """Answers what it is told to, by path, and takes no call that could change anything."""

    name: ClassVar[str] = "account"
    answers: dict[str, Any] = field(default_factory=dict)

    def answer(self, call: Call) -> Answer:
        assert call.method == "GET"
        assert call.body == b""
        found = self.answers.get(call.path, Answer(404, {"message": "not found"}))
        return found if isinstance(found, Answer) else Answer(200, found)


@pytest.fixture(scope="module")
def server() -> Iterator[FakeAccount]:
    with FakeAccount() as server:
        yield server


def provider(name: str, url: str = "") -> HttpProvider:
    made = make_provider(
        ProviderOptions(
            name=name,
            base_url=url,
            domain=DOMAIN,
            secret=SecretStr(KEY),
            region="eu-central-1" if name == "ses" else "",
        )
    )
    assert isinstance(made, HttpProvider)
    return made


def ask(server: FakeAccount, name: str, answers: dict[str, Any]) -> Diagnosis:
    server.answers = answers
    server.calls.clear()
    asked = provider(name, server.url)
    assert isinstance(asked, Diagnosable)
    session = HttpSession(asked)
    try:
        questions = asked.diagnose(DOMAIN)
        request = next(questions)
        while True:
            assert request.method == "GET"
            request = questions.send(session.ask(request))
    except StopIteration as end:
        found: Diagnosis = end.value
        assert KEY not in repr(found)
        assert KEY.partition(":")[2] not in repr(found)
        return found
    finally:
        session.close()


def test_every_provider_with_an_api_can_be_asked() -> None:
    assert set(GOOD) == set(ASKABLE)
    assert all(isinstance(provider(name), Diagnosable) for name in ASKABLE)


@pytest.mark.parametrize("name", ASKABLE)
def test_an_account_that_is_set_up_well_is_understood(server: FakeAccount, name: str) -> None:
    found = ask(server, name, GOOD[name])
    assert found.access is Access.ACCEPTED
    # A server's token of Postmark may not read domains.
    assert found.domain is (DomainState.UNKNOWN if name == "postmark" else DomainState.VERIFIED)
    assert found.selectors == SELECTORS[name]
    assert all(record.found and record.name.endswith(DOMAIN) for record in found.records)
    assert found.warnings == ()


@pytest.mark.parametrize("name", ASKABLE)
@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_is_refused_and_never_repeated(server: FakeAccount, name: str, status: int) -> None:
    said = Answer(status, {"message": f"the key {KEY} is wrong"})
    found = ask(server, name, dict.fromkeys(GOOD[name], said))
    assert found.access is Access.REFUSED
    assert found.hint
    assert str(status) in found.said


@pytest.mark.parametrize("name", ASKABLE)
def test_trouble_on_their_side_says_nothing_about_us(server: FakeAccount, name: str) -> None:
    for answer in (
        Answer(500, {"message": "oops"}),
        Answer(429, {}),
        Answer(302, b"", {"Location": "/login"}),
    ):
        found = ask(server, name, dict.fromkeys(GOOD[name], answer))
        assert found.access is Access.UNKNOWN, answer
        assert len(server.calls) == 1


@pytest.mark.parametrize("name", [name for name in ASKABLE if name != "postmark"])
def test_a_domain_they_dont_know_is_missing(server: FakeAccount, name: str) -> None:
    answers = {
        path: _without_domain(answer)
        for path, answer in GOOD[name].items()
        if DOMAIN not in urlsplit(path).path
    }
    found = ask(server, name, answers)
    assert (found.access, found.domain) == (Access.ACCEPTED, DomainState.MISSING)


def _without_domain(answer: Any) -> Any:
    return json.loads(json.dumps(answer).replace(DOMAIN, "other.dev"))


@pytest.mark.parametrize("name", [name for name in ASKABLE if name != "postmark"])
def test_a_domain_with_records_missing_names_them(server: FakeAccount, name: str) -> None:
    text = json.dumps(GOOD[name])
    for good, bad in (
        ('"verified"', '"pending"'), ('"valid": true', '"valid": false'), ('"valid": "valid"', '"valid": "unknown"'),
        ('"active"', '"unverified"'), ('"SUCCESS"', '"PENDING"'), ('"authenticated": true', '"authenticated": false'),
        ('"status": true', '"status": false'), ('"OK"', '"Error"'), ('"is_verified": true', '"is_verified": false'),
        ('"dkim_status": "valid"', '"dkim_status": "unverified"'), ('"dns_verified": true', '"dns_verified": false'),
        ('"pass"', '"fail"'),
    ):  # fmt: skip
        text = text.replace(good, bad)
    found = ask(server, name, json.loads(text))
    assert (found.access, found.domain) == (Access.ACCEPTED, DomainState.PENDING)
    assert [record for record in found.records if not record.found and record.value]


def test_keys_that_may_only_send_are_good_keys(server: FakeAccount) -> None:
    restricted = Answer(
        401,
        {
            "statusCode": 401,
            "name": "restricted_api_key",
            "message": "This API key is restricted to only send emails",
        },
    )
    assert ask(server, "resend", {"/domains": restricted}).access is Access.LIMITED
    assert ask(server, "sendgrid", {"/v3/scopes": {"scopes": ["mail.send"]}}).access is Access.LIMITED
    assert ask(server, "sendgrid", {"/v3/scopes": {"scopes": ["stats.read"]}}).access is Access.REFUSED
    denied = Answer(
        403, {"message": "User: arn:aws:iam::1:user/x is not authorized to perform: ses:GetAccount"}
    )
    assert ask(server, "ses", {"/v2/email/account": denied}).access is Access.LIMITED


def test_what_keeps_an_account_from_sending_is_said(server: FakeAccount) -> None:
    sandbox = GOOD["ses"] | {"/v2/email/account": {"ProductionAccessEnabled": False, "SendingEnabled": False}}
    assert len(ask(server, "ses", sandbox).warnings) == 2
    assert ask(server, "postmark", {"/server": {"DeliveryType": "Sandbox"}}).warnings
    assert (
        ask(server, "postmark", {"/server": Answer(422, {"ErrorCode": 10, "Message": "no"})}).access
        is Access.REFUSED
    )


def test_an_identity_of_the_domain_above_covers_ours(server: FakeAccount) -> None:
    server.answers = {}
    above = {path.replace(DOMAIN, "dev-team.ada.dev"): answer for path, answer in GOOD["ses"].items()}
    assert ask(server, "ses", GOOD["ses"] | above).domain is DomainState.VERIFIED
    asked = provider("ses", server.url)
    assert isinstance(asked, Diagnosable)
    questions = asked.diagnose("news.ada.dev")
    next(questions)
    request = questions.send(Response(200, {}, b'{"SendingEnabled": true}'))
    assert request.url.endswith("/news.ada.dev")
    assert questions.send(Response(404, {}, b"")).url.endswith("/identities/ada.dev")


@settings(max_examples=60)
@given(
    name=st.sampled_from(ASKABLE),
    status=st.sampled_from([200, 200, 200, 201, 204, 400, 401, 404, 500]),
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "data",
                        "Data",
                        "dns",
                        "records",
                        "id",
                        "name",
                        "scopes",
                        "results",
                        "dns_records",
                        "domain",
                        "DkimAttributes",
                        "Tokens",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    raw=st.none() | st.binary(max_size=30),
)
def test_any_answer_becomes_a_diagnosis(name: str, status: int, body: Any, raw: bytes | None) -> None:
    asked = provider(name)
    assert isinstance(asked, Diagnosable)
    questions = asked.diagnose(DOMAIN)
    next(questions)
    response = Response(status, {}, json.dumps(body).encode() if raw is None else raw)
    found = None
    for _ in range(12):
        try:
            questions.send(response)
        except StopIteration as end:
            found = end.value
            break
    assert isinstance(found, Diagnosis)


class TestOfficialSpecs:
    """The calls exist, and what the fakes above answer is what they answer."""

    def test_resend(self, shared_data: Path) -> None:
        document = json.loads((shared_data / "provider-specs" / "resend" / "resend.json").read_text())
        for path, template in (("/domains", "/domains"), ("/domains/d-1", "/domains/{domain_id}")):
            schema = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"][
                "schema"
            ]
            self._validate(document, schema, GOOD["resend"][path])

    def test_postmark(self, shared_data: Path) -> None:
        path = shared_data / "provider-specs" / "postmark" / "apisguru-server-openapi30.json"
        document = json.loads(path.read_text())
        operation = document["paths"]["/server"]["get"]
        assert [p["name"] for p in operation["parameters"] if p["in"] == "header"] == [
            "X-Postmark-Server-Token"
        ]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        self._validate(document, schema, GOOD["postmark"]["/server"])

    def test_mailgun(self, shared_data: Path) -> None:
        text = (shared_data / "provider-specs" / "mailgun" / "openapi.yaml").read_text()
        found = re.search(r"^  /v4/domains/\{name\}:\n(.*?)^  /", text, re.MULTILINE | re.DOTALL)
        assert found is not None
        operation = yaml.safe_load(f"x:\n{found[1]}")["x"]["get"]
        assert {p["name"] for p in operation["parameters"]} == {"name"}
        assert set(operation["responses"]) >= {"200", "401", "404"}
        [records] = (record for record in GOOD["mailgun"][f"/v4/domains/{DOMAIN}"]["sending_dns_records"])
        assert all(f"{name}:" in text for name in (*records, "sending_dns_records", "state"))

    def test_ses(self) -> None:
        model = botocore.session.get_session().get_service_model("sesv2")
        for path, operation in (
            ("/v2/email/account", "GetAccount"),
            (f"/v2/email/identities/{DOMAIN}", "GetEmailIdentity"),
        ):
            described = model.operation_model(operation)
            assert described.http["method"] == "GET"
            assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", described.http["requestUri"]), path)
            shape = described.output_shape
            assert shape is not None
            for name, value in GOOD["ses"][path].items():
                assert name in shape.members
                if isinstance(value, dict):
                    assert set(value) <= set(shape.members[name].members)

    @staticmethod
    def _validate(document: Any, schema: Any, answer: Any) -> None:
        registry: Registry[Any] = Registry().with_resource("urn:spec", DRAFT202012.create_resource(document))
        text = json.dumps(schema).replace('"#/', '"urn:spec#/')
        Draft202012Validator(json.loads(text), registry=registry).validate(answer)
