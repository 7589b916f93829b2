"""Does a webhook call really come from the provider? What the schemes of all of them are made of.

Each works on the raw bytes, before anything is parsed, and compares in constant time. An encoding that has
several spellings of the same bytes is taken in one of them only, so that no bit of a signature can be changed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from newsletter.errors import NewsletterError

# Carries our own token, for providers that sign nothing; the web service puts the path's token here.
TOKEN_HEADER: Final = "x-newsletter-token"  # noqa: S105 - a header's name
# A call may come a little before its time by our clock.
_AHEAD: Final = timedelta(minutes=5)
# Standard Webhooks: each attempt is signed anew.
FIVE_MINUTES: Final = timedelta(minutes=5)
# Where an attempt that is repeated keeps its first timestamp, and attempts go on for up to a day. That a call
# is taken once is for the event's id to see to; the window bounds how long an id has to be remembered.
A_DAY: Final = timedelta(hours=25)


class WebhookRefusedError(NewsletterError):
    """A webhook call that isn't believed.

    Attributes:
        final: the same call can never be believed, so that repeating it is useless; else our own
            settings may be what is wrong, and the provider had better try again.
    """

    def __init__(self, message: str, *, hint: str = "", final: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.final = final


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """A call as it arrived.

    Attributes:
        headers: names in lower case.
        body: the raw bytes.
        now: when it arrived.
    """

    headers: Mapping[str, str]
    body: bytes
    now: datetime


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """What the calls of one provider are verified with.

    Attributes:
        keys: the provider's signing secrets or public keys; several while one is being replaced.
        tokens: ours, in the address the provider was given; several after a rotation.
        topics: the ARNs of the SNS topics that are ours.
        certificate: the PEM certificate at an address of Amazon's; it may ask the network.
    """

    keys: Sequence[str] = field(default=(), repr=False)
    tokens: Sequence[str] = field(default=(), repr=False)
    topics: Sequence[str] = ()
    certificate: Callable[[str], bytes] | None = None


def verify_standard_webhook(secrets: WebhookSecrets, call: WebhookCall) -> None:
    """Standard Webhooks, which is Svix's: HMAC-SHA256 of `id.timestamp.body`, any `v1` signature of a list.

    Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.

    Raises:
        WebhookRefusedError: it isn't signed with one of our keys, or not now.
    """
    keys = [_standard_key(key) for key in require_keys(secrets)]
    prefix = "webhook" if "webhook-signature" in call.headers else "svix"
    number, at, given = (required(call, f"{prefix}-{part}") for part in ("id", "timestamp", "signature"))
    require_recent(at, call.now, FIVE_MINUTES)
    signed = b".".join((_ascii(number), _ascii(at), call.body))
    expected = [base64.b64encode(hmac.digest(key, signed, "sha256")) for key in keys]
    signatures = [part[3:] for part in given.split(" ")[:32] if part.startswith("v1,")]
    require_match(signatures, expected)


def _standard_key(key: str) -> bytes:
    try:
        return base64.b64decode(key.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookRefusedError("the webhook's signing secret isn't one", hint="copy it again") from None


def verify_hex_hmac(secrets: WebhookSecrets, call: WebhookCall, name: str) -> None:
    """HMAC-SHA256 of the body in lower-case hexadecimal, in the header called `name`.

    Raises:
        WebhookRefusedError: it isn't signed with one of our keys.
    """
    keys = require_keys(secrets)
    require_match([required(call, name)], [hex_hmac(key, call.body) for key in keys])


def hex_hmac(key: str, signed: bytes) -> bytes:
    """HMAC-SHA256 in lower-case hexadecimal."""
    return hmac.digest(key.encode(), signed, "sha256").hex().encode()


def verify_token(secrets: WebhookSecrets, call: WebhookCall) -> None:
    """Our own token, for a provider that signs nothing: in the address, as a header or as the password of Basic.

    Raises:
        WebhookRefusedError: it isn't there or isn't ours.
    """
    if not secrets.tokens:
        raise WebhookRefusedError("there is no token to compare with")
    given = call.headers.get(TOKEN_HEADER, "") or _basic_password(call.headers.get("authorization", ""))
    if not given:
        raise WebhookRefusedError(
            "the call brings no token", hint="give the provider the address of: newsletter webhooks url"
        )
    require_match([given], [token.encode() for token in secrets.tokens], "the token isn't ours")


def _basic_password(authorization: str) -> str:
    """The password of HTTP Basic (RFC 7617), whoever the user is."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def verify_ecdsa(key: str, signature: str, signed: bytes) -> bool:
    """Whether `signature` is that of ECDSA on P-256 with SHA-256 over `signed`.

    Args:
        key: the public key, DER in base64.
        signature: DER in base64.
        signed: what was signed.

    Raises:
        WebhookRefusedError: the key isn't one.
    """
    # Imported by who needs it: a command's start doesn't.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        public = load_der_public_key(base64.b64decode(key, validate=True))
    except ValueError:
        public = None
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise WebhookRefusedError("the webhook's public key isn't one", hint="copy it again")
    given = strict_base64(signature)
    if given is None:
        return False
    try:
        public.verify(given, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def strict_base64(text: str) -> bytes | None:
    """The bytes, or None unless `text` is their one canonical spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def require_keys(secrets: WebhookSecrets) -> Sequence[str]:
    """The keys.

    Raises:
        WebhookRefusedError: there is none.
    """
    if not secrets.keys:
        raise WebhookRefusedError("no signing secret is known", hint="see newsletter webhooks url")
    return secrets.keys


def required(call: WebhookCall, name: str) -> str:
    """The header called `name`.

    Raises:
        WebhookRefusedError: it isn't there.
    """
    value = call.headers.get(name, "")
    if not value:
        raise WebhookRefusedError(f"the call has no {name} header")
    return value


def require_match(
    given: Sequence[str], expected: Sequence[bytes], otherwise: str = "the signature doesn't fit"
) -> None:
    """See that one of `given` is one of `expected`; the time taken tells nothing about which.

    Raises:
        WebhookRefusedError: none is.
    """
    found = False
    for one in given:
        for other in expected:
            found |= hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other)
    if not found:
        raise WebhookRefusedError(otherwise)


def require_recent(seconds: str, now: datetime, window: timedelta) -> datetime:
    """See that a call was made just now; returns when it was.

    Args:
        seconds: since 1970, in digits.
        now: the time.
        window: how old it may be.

    Raises:
        WebhookRefusedError: it is no time, or too far from `now`.
    """
    if not re.fullmatch(r"[0-9]{1,11}", seconds):
        raise WebhookRefusedError("the call's timestamp isn't one", final=True)
    at = datetime.fromtimestamp(int(seconds), UTC)
    require_between(at, now, window)
    return at


def require_between(at: datetime, now: datetime, window: timedelta) -> None:
    """See that `at` is no longer ago than `window`, and not ahead.

    Raises:
        WebhookRefusedError: it is.
    """
    if at < now - window:
        raise WebhookRefusedError("the call is too old: it may be a replay", final=True)
    if at > now + _AHEAD:
        raise WebhookRefusedError("the call is from the future", hint="check this machine's clock")


def _ascii(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def fingerprint(body: bytes) -> str:
    """Names a body that can't be read, so that it is kept once."""
    return sha256(body).hexdigest()[:32]
