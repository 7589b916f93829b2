"""Whose calls are believed: the official vectors, each provider's own scheme, and every bit that can be flipped."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.providers.base import Webhook
from newsletter.providers.registry import PROVIDERS, webhook_reader
from newsletter.providers.ses.sns import confirmation_in
from newsletter.providers.signatures import (
    TOKEN_HEADER,
    WebhookCall,
    WebhookRefusedError,
    WebhookSecrets,
    verify_ecdsa,
    verify_standard_webhook,
)

NOW = datetime(2026, 1, 6, 9, 0, tzinfo=UTC)
AT = str(int(NOW.timestamp()))
TOPIC = "arn:aws:sns:eu-west-1:123456789012:reports"
CERTIFICATE_URL = (
    "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
)


@dataclass(frozen=True)
class Signed:
    """A genuine call, and what it is verified with.

    Attributes:
        signature: the header that holds the signature or the token; empty where it is in the body.
        uncovered: the scheme doesn't sign the body.
    """

    provider: str
    secrets: WebhookSecrets
    headers: dict[str, str]
    body: bytes
    signature: str = ""
    timestamp: str = ""
    uncovered: bool = False
    now: datetime = field(default=NOW)

    def check(self) -> None:
        reader(self.provider).verify_webhook(self.secrets, WebhookCall(self.headers, self.body, self.now))


def reader(name: str) -> Webhook:
    made = webhook_reader(name)
    assert made is not None
    return made


def resend() -> Signed:
    key, body = base64.b64encode(b"k" * 24).decode(), b'{"type":"email.sent"}'
    mac = hmac.digest(b"k" * 24, b"msg_1." + AT.encode() + b"." + body, "sha256")
    headers = {
        "svix-id": "msg_1",
        "svix-timestamp": AT,
        "svix-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
    return Signed(
        "resend",
        WebhookSecrets(keys=("whsec_" + key,)),
        headers,
        body,
        "svix-signature",
        "svix-timestamp",
    )


EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def sendgrid() -> Signed:
    public = EC_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    body = b'[{"event":"delivered"}]\r\n'
    made = EC_KEY.sign(AT.encode() + body, ec.ECDSA(SHA256()))
    prefix = "x-twilio-email-event-webhook-"
    headers = {f"{prefix}timestamp": AT, f"{prefix}signature": base64.b64encode(made).decode()}
    keys = (base64.b64encode(public).decode(),)
    return Signed(
        "sendgrid", WebhookSecrets(keys=keys), headers, body, f"{prefix}signature", f"{prefix}timestamp"
    )


def hexadecimal(provider: str, header: str) -> Signed:
    body = b'{"type":"activity.sent","data":{}}'
    headers = {header: hmac.digest(b"secret", body, "sha256").hex()}
    return Signed(provider, WebhookSecrets(keys=("secret",)), headers, body, header)


def mailgun() -> Signed:
    signature = hmac.digest(b"secret", f"{AT}token".encode(), "sha256").hex()
    report = {
        "signature": {"timestamp": AT, "token": "token", "signature": signature},
        "event-data": {"event": "opened"},
    }
    secrets = WebhookSecrets(keys=("secret",), tokens=("ours",))
    body = json.dumps(report).encode()
    return Signed("mailgun", secrets, {TOKEN_HEADER: "ours"}, body, TOKEN_HEADER, uncovered=True)


def token(provider: str) -> Signed:
    secrets = WebhookSecrets(tokens=("old-token", "token"))
    return Signed(provider, secrets, {TOKEN_HEADER: "token"}, b"{}", TOKEN_HEADER, uncovered=True)


def certificate(name: str = "sns.amazonaws.com", days: int = 30) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(RSA_KEY.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=30))
        .not_valid_after(NOW + timedelta(days=days))
        .sign(RSA_KEY, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def envelope(version: str = "2", **changes: str) -> bytes:
    """An envelope as SNS makes one, signed after `changes`; an empty change leaves the field out."""
    fields = {
        "Type": "Notification",
        "MessageId": "m-1",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES",
        "Message": '{"eventType":"Send","mail":{"messageId":"x"}}',
        "Timestamp": "2026-01-06T08:59:00.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        **changes,
    }
    kept = {name: value for name, value in fields.items() if value}
    names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{kept[name]}\n" for name in names if name in kept).encode()
    made = RSA_KEY.sign(text, padding.PKCS1v15(), SHA1() if version == "1" else SHA256())
    return json.dumps({**kept, "Signature": base64.b64encode(made).decode()}).encode()


def ses(version: str = "2", pem: Callable[[str], bytes] = lambda _: certificate(), **changes: str) -> Signed:
    secrets = WebhookSecrets(topics=(TOPIC,), certificate=pem)
    return Signed("ses", secrets, {}, envelope(version, **changes))


ALL = [
    resend(),
    sendgrid(),
    hexadecimal("mailersend", "signature"),
    hexadecimal("mailtrap", "mailtrap-signature"),
    mailgun(),
    *map(token, ("postmark", "brevo", "mailjet", "sparkpost")),
    ses("1"),
    ses("2"),
]
EACH = pytest.mark.parametrize("call", ALL, ids=lambda call: call.provider)


def test_every_provider_with_webhooks_is_here() -> None:
    without = {"outbox", "smtp"}
    assert {call.provider for call in ALL} == PROVIDERS.keys() - without


@EACH
def test_a_genuine_call_is_believed(call: Signed) -> None:
    call.check()


@EACH
def test_without_any_secret_nothing_is_believed(call: Signed) -> None:
    with pytest.raises(WebhookRefusedError):
        replace(call, secrets=WebhookSecrets()).check()


@EACH
def test_without_its_headers_nothing_is_believed(call: Signed) -> None:
    if call.provider == "ses":
        return
    with pytest.raises(WebhookRefusedError):
        replace(call, headers={}).check()


def flip(data: bytes, bit: int) -> bytes:
    at = bit % (len(data) * 8)
    changed = bytearray(data)
    changed[at // 8] ^= 1 << (at % 8)
    return bytes(changed)


@EACH
@given(bit=st.integers(min_value=0))
@settings(max_examples=60)
def test_a_flipped_bit_in_the_body_is_refused(call: Signed, bit: int) -> None:
    if call.uncovered:
        return
    changed = flip(call.body, bit)
    if call.provider == "ses" and same_envelope(changed, call.body):
        return
    with pytest.raises(WebhookRefusedError):
        replace(call, body=changed).check()


def same_envelope(changed: bytes, body: bytes) -> bool:
    """SNS signs fields, not bytes: a changed name of a field that isn't signed, or other space, says the same."""
    unsigned = ("SignatureVersion", "SigningCertURL")
    try:
        parsed = json.loads(changed)
    except ValueError:
        return False
    original = json.loads(body)
    names = original.keys() - set(unsigned)
    return isinstance(parsed, dict) and all(parsed.get(name) == original[name] for name in names)


@EACH
@given(bit=st.integers(min_value=0))
@settings(max_examples=60)
def test_a_flipped_bit_in_the_signature_is_refused(call: Signed, bit: int) -> None:
    if not call.signature:
        return
    changed = flip(call.headers[call.signature].encode(), bit).decode("latin-1")
    with pytest.raises(WebhookRefusedError):
        replace(call, headers={**call.headers, call.signature: changed}).check()


@pytest.mark.parametrize("call", [resend(), sendgrid()], ids=lambda call: call.provider)
@given(bit=st.integers(min_value=0))
@settings(max_examples=60)
def test_a_flipped_bit_in_the_time_is_refused(call: Signed, bit: int) -> None:
    changed = flip(call.headers[call.timestamp].encode(), bit).decode("latin-1")
    with pytest.raises(WebhookRefusedError):
        replace(call, headers={**call.headers, call.timestamp: changed}).check()


@given(bit=st.integers(min_value=0), name=st.sampled_from(["timestamp", "token", "signature"]))
@settings(max_examples=100)
def test_a_flipped_bit_in_what_mailgun_signs_is_refused(bit: int, name: str) -> None:
    call = mailgun()
    report = json.loads(call.body)
    report["signature"][name] = flip(report["signature"][name].encode(), bit).decode("latin-1")
    with pytest.raises(WebhookRefusedError):
        replace(call, body=json.dumps(report).encode()).check()


@pytest.mark.parametrize("call", [resend(), sendgrid(), mailgun(), ses()], ids=lambda call: call.provider)
def test_a_call_of_two_days_ago_or_of_tomorrow_is_refused(call: Signed) -> None:
    with pytest.raises(WebhookRefusedError, match="too old"):
        replace(call, now=NOW + timedelta(days=2)).check()
    with pytest.raises(WebhookRefusedError, match="future"):
        replace(call, now=NOW - timedelta(days=1)).check()


@EACH
@given(
    headers=st.dictionaries(
        st.sampled_from(
            [
                *("svix-id", "svix-timestamp", "svix-signature", "signature", "mailtrap-signature"),
                *("x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"),
                *("authorization", TOKEN_HEADER),
            ]
        ),
        st.text(st.characters(max_codepoint=255), max_size=40) | st.just(AT),
    ),
    body=st.binary(max_size=80)
    | st.recursive(
        st.none() | st.text(max_size=5) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["signature", "timestamp", "token", "Type", "TopicArn", "Signature"]), inner
            )
        ),
    ).map(lambda made: json.dumps(made).encode()),
)
@settings(max_examples=60)
def test_whatever_comes_is_refused_and_never_another_error(
    call: Signed, headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises(WebhookRefusedError):
        replace(call, headers=headers, body=body).check()


# The vectors of others ------------------------------------------------------------------------------


def vectors(shared_data: Path, name: str) -> Any:
    return json.loads((shared_data / "corpora" / "webhook-signature-vectors" / name).read_text())


def test_the_vector_of_standard_webhooks(shared_data: Path) -> None:
    vector = vectors(shared_data, "standard-webhooks.json")
    now = datetime.fromtimestamp(vector["timestamp"], UTC)
    secrets = WebhookSecrets(keys=("bm90IHRoaXMgb25l", vector["secret"]))
    body = vector["payload"].encode()

    def check(signature: str, moment: datetime = now) -> None:
        headers = {
            "webhook-id": vector["msg_id"],
            "webhook-timestamp": str(vector["timestamp"]),
            "webhook-signature": signature,
        }
        verify_standard_webhook(secrets, WebhookCall(headers, body, moment))

    check(vector["expected"])
    check(" ".join([*vector["wrong"], "v1a,other", vector["expected"]]))
    within = timedelta(seconds=vector["tolerance_seconds"])
    check(vector["expected"], now + within)
    for late in (now + within + timedelta(seconds=1), now - within - timedelta(seconds=1)):
        with pytest.raises(WebhookRefusedError):
            check(vector["expected"], late)
    for wrong in (*vector["wrong"], "", vector["expected"].replace("v1,", "v2,"), " ".join(vector["wrong"])):
        with pytest.raises(WebhookRefusedError):
            check(wrong)


def test_the_vector_of_sendgrid(shared_data: Path) -> None:
    vector = vectors(shared_data, "sendgrid-ecdsa.json")
    signed = (vector["timestamp"] + vector["payload"]).encode()
    assert verify_ecdsa(vector["public_key"], vector["signature"], signed)
    assert not verify_ecdsa(vector["public_key"], vector["signature"], signed.rstrip())
    assert not verify_ecdsa(vector["public_key"], vector["bad_signature"], signed)
    assert not verify_ecdsa(vector["bad_public_key"], vector["signature"], signed)


# Secrets and tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["", "newsletter", "a"])
def test_a_token_may_come_as_the_password_of_basic(user: str) -> None:
    basic = base64.b64encode(f"{user}:token".encode()).decode()
    replace(token("postmark"), headers={"authorization": f"Basic {basic}"}).check()


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Bearer token", "Basic dG9rZW4=", "Basic /w=="])
def test_another_authorization_is_refused(value: str) -> None:
    with pytest.raises(WebhookRefusedError):
        replace(token("postmark"), headers={"authorization": value}).check()


def test_no_secret_is_shown() -> None:
    secrets = WebhookSecrets(keys=("sesame",), tokens=("open",))
    assert "sesame" not in repr(secrets)
    assert "open" not in repr(secrets)


@pytest.mark.parametrize("call", [resend(), sendgrid()], ids=lambda call: call.provider)
def test_a_key_that_is_none_is_said(call: Signed) -> None:
    with pytest.raises(WebhookRefusedError, match="isn't one") as refused:
        replace(call, secrets=WebhookSecrets(keys=("näh",))).check()
    assert not refused.value.final


# Amazon ---------------------------------------------------------------------------------------------


def no_certificate(_: str) -> bytes:
    pytest.fail("a certificate was asked for")


@pytest.mark.parametrize(
    "url",
    [
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://bucket.s3.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com:444/SimpleNotificationService-0123456789abcdef.pem",
        "https://u@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/?x=SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem?a",
        "file:///etc/passwd",
    ],
)
def test_a_certificate_from_elsewhere_is_never_fetched(url: str) -> None:
    with pytest.raises(WebhookRefusedError, match="certificate"):
        ses(pem=no_certificate, SigningCertURL=url).check()


def test_a_topic_of_somebody_else_is_refused_however_well_it_is_signed() -> None:
    with pytest.raises(WebhookRefusedError, match="topic"):
        ses(pem=no_certificate, TopicArn=TOPIC.replace("123456789012", "999999999999")).check()


@pytest.mark.parametrize(
    ("name", "days"), [("sns.evil.example", 30), ("sns.amazonaws.com", -1), ("amazonaws.com", 30)]
)
def test_a_certificate_that_isnt_theirs_or_has_ended_is_refused(name: str, days: int) -> None:
    with pytest.raises(WebhookRefusedError, match="certificate"):
        ses(pem=lambda _: certificate(name, days)).check()


@pytest.mark.parametrize("version", ["", "0", "3"])
def test_an_unknown_signature_version_is_refused(version: str) -> None:
    with pytest.raises(WebhookRefusedError):
        ses(SignatureVersion=version).check()


def test_what_amazon_asks_to_be_confirmed_is_read_from_what_is_signed() -> None:
    call = ses(
        Type="SubscriptionConfirmation", Token="t0k3n", SubscribeURL="https://evil.example/", Subject=""
    )
    call.check()
    asked = confirmation_in(call.body)
    assert asked == ("https://sns.eu-west-1.amazonaws.com", TOPIC, "t0k3n")
    assert confirmation_in(ses().body) is None


def test_raw_delivery_is_refused_with_what_to_do() -> None:
    with pytest.raises(WebhookRefusedError) as refused:
        replace(ses(), body=b'{"eventType":"Bounce"}').check()
    assert "raw message delivery" in refused.value.hint
