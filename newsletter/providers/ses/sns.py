"""Is an envelope really from Amazon SNS, and from a topic of ours?

Source: docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html. Anybody may own a topic, and
SNS signs for all of them: only the topics that are named in the settings are believed. The host of the
certificate is built from the name of such a topic; what the envelope says about it must be the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509.oid import NameOID

from newsletter.providers.signatures import (
    A_DAY,
    WebhookCall,
    WebhookRefusedError,
    WebhookSecrets,
    require_between,
    strict_base64,
)

_ARN: Final = re.compile(r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{1,32}):[0-9]{12}:[A-Za-z0-9_.-]{1,260}")
_PATH: Final = re.compile(r"/SimpleNotificationService-[0-9A-Za-z]{8,64}\.pem")
_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}  # fmt: skip
_HASHES: Final = {"1": SHA1, "2": SHA256}  # SignatureVersion


class Confirmation(NamedTuple):
    """SNS asks whether we want what a topic of ours posts.

    Attributes:
        origin: of the API of its region, `https://sns.eu-west-1.amazonaws.com`.
        topic: its ARN.
        token: what confirms it.
    """

    origin: str
    topic: str
    token: str


def sns_origin(topic: str) -> str:
    """Where SNS is for a topic: `https://sns.{region}.amazonaws.com`.

    Raises:
        WebhookRefusedError: `topic` isn't an ARN of SNS.
    """
    found = _ARN.fullmatch(topic)
    if found is None:
        raise WebhookRefusedError("the envelope names no topic of Amazon SNS", final=True)
    return f"https://sns.{found[2]}.amazonaws.com{'.cn' if found[1] == 'aws-cn' else ''}"


def verify_envelope(secrets: WebhookSecrets, call: WebhookCall) -> None:
    """See that a call is an envelope SNS signed for one of `secrets.topics`, versions 1 and 2.

    Raises:
        WebhookRefusedError: it isn't.
    """
    envelope, now = _envelope(call.body), call.now
    topic = envelope.get("TopicArn", "")
    if topic not in secrets.topics:
        raise WebhookRefusedError(
            "the call is from a topic that isn't ours",
            hint="name yours in newsletter.toml: [tracking] sns_topics",
        )
    origin, url = sns_origin(topic), urlsplit(envelope.get("SigningCertURL", ""))
    if f"{url.scheme}://{url.netloc}" != origin or not _PATH.fullmatch(url.path) or url.query or url.fragment:
        raise WebhookRefusedError("the certificate isn't where Amazon keeps it", final=True)
    require_between(_moment(envelope.get("Timestamp", "")), now, A_DAY)
    version, signature = envelope.get("SignatureVersion", ""), strict_base64(envelope.get("Signature", ""))
    if version not in _HASHES or signature is None or secrets.certificate is None:
        raise WebhookRefusedError("the envelope isn't signed in a way that can be verified")
    key = _key_of(secrets.certificate(f"{origin}{url.path}"), url.netloc, now)
    try:
        key.verify(signature, _signed_text(envelope), padding.PKCS1v15(), _HASHES[version]())
    except InvalidSignature:
        raise WebhookRefusedError("the signature doesn't fit") from None


def confirmation_in(body: bytes) -> Confirmation | None:
    """What an envelope that was verified asks to be confirmed; None where it is another."""
    envelope = _envelope(body)
    if envelope.get("Type") != "SubscriptionConfirmation":
        return None
    topic = envelope["TopicArn"]
    return Confirmation(sns_origin(topic), topic, envelope.get("Token", ""))


def _envelope(body: bytes) -> dict[str, str]:
    """The fields of an envelope that are text."""
    try:
        parsed: Any = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict) or parsed.get("Type") not in (*_SIGNED, "UnsubscribeConfirmation"):
        raise WebhookRefusedError(
            "this isn't an envelope of Amazon SNS", hint="switch raw message delivery off", final=True
        )
    return {name: value for name, value in parsed.items() if isinstance(value, str)}


def _signed_text(envelope: Mapping[str, str]) -> bytes:
    names = _SIGNED.get(envelope["Type"], _SIGNED["SubscriptionConfirmation"])
    lines = [f"{name}\n{envelope[name]}\n" for name in names if name in envelope]
    return "".join(lines).encode("utf-8", "surrogatepass")


def _key_of(pem: bytes, host: str, now: datetime) -> rsa.RSAPublicKey:
    """The key in a certificate of SNS that is valid now; it came over TLS from Amazon's own host."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = certificate.public_key()
    except ValueError:
        raise WebhookRefusedError("what Amazon keeps there isn't a certificate") from None
    if not isinstance(key, rsa.RSAPublicKey) or not any(
        name.value in ("sns.amazonaws.com", host) for name in names
    ):
        raise WebhookRefusedError("the certificate isn't that of Amazon SNS")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise WebhookRefusedError("the certificate of Amazon SNS isn't valid now")
    return key


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise WebhookRefusedError("the envelope has no timestamp", final=True) from None
