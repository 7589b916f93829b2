"""Published DKIM keys, good and bad, and our own key as it has to be published."""

from __future__ import annotations

import base64
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from newsletter.checks.setup.dkim_key import parse_key
from newsletter.checks.setup.line import DnsRecord
from newsletter.render.dkim import DkimSigner


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    # Short keys are made to be refused.
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def public(bits: int) -> str:
    der = (
        rsa_key(bits)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(der).decode()


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.mark.parametrize(
    "spelling", ["v=DKIM1; k=rsa; p={}", "p={}", "k=rsa; p={};", "v=DKIM1;t=s;h=sha256:sha1; p= {}"]
)
def test_a_good_key_is_read_in_every_spelling(spelling: str) -> None:
    key = parse_key(spelling.format(public(2048)))
    assert (key.kind, key.bits, key.problem, key.testing) == ("rsa", 2048, "", False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("v=DKIM1; p=", "revoked"),
        ("v=DKIM1; k=rsa", "no `p=`"),
        ("v=DKIM2; p=abcd", "version"),
        ("p=abcd; v=DKIM1", "first"),
        ("v=DKIM1; p=not base64!", "base64"),
        ("v=DKIM1; p=AAAA", "cut off"),
        ("v=DKIM1; k=ed25519; p=AAAA", "32 bytes"),
        ("v=DKIM1; k=dsa; p=AAAA", "kind"),
        ("v=DKIM1; nonsense", "no tag"),
        ("v=DKIM1; p=AAAA; p=AAAA", "twice"),
        ("v=spf1 -all", "no `p=`"),
    ],
)
def test_what_keeps_receivers_from_using_a_key_is_said(text: str, problem: str) -> None:
    assert problem in parse_key(text).problem


def test_short_keys_other_hashes_and_other_services_are_refused() -> None:
    assert "512 bits" in parse_key(f"p={SHORT}").problem
    assert "sha1" in parse_key(f"h=sha1; p={public(2048)}").problem
    assert "s=other" in parse_key(f"s=other; p={public(2048)}").problem
    assert parse_key(f"t=y:s; p={public(2048)}").testing


# 512 bits: the library makes none so short any more.
SHORT = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="


def test_our_own_key_is_published_as_verifiers_read_it() -> None:
    message = b"From: a@example.com\r\nTo: b@example.org\r\nSubject: x\r\n\r\nbody\r\n"
    headers = [("From", b" a@example.com"), ("To", b" b@example.org"), ("Subject", b" x")]
    for private in (rsa_key(2048), ed25519.Ed25519PrivateKey.generate()):
        signer = DkimSigner("s1", "example.com", pem(private))
        kind = signer.algorithm.partition("-")[0]
        text = f"v=DKIM1; k={kind}; p={signer.public_key}"
        assert parse_key(text).problem == ""
        signed = signer.sign(headers, b"body\r\n", 1_700_000_000) + message
        assert dkim.verify(signed, dnsfunc=lambda *_, text=text, **__: text.encode())


def test_a_long_record_is_split_into_strings_that_join_to_the_same() -> None:
    value = f"v=DKIM1; k=rsa; p={public(3072)}"
    parts = DnsRecord("s1._domainkey.example.com", "TXT", value).pasteable
    strings = [part.strip('"') for part in parts.split('" "')]
    assert len(strings) > 2
    assert all(len(part) <= 255 for part in strings)
    assert "".join(strings) == value
    assert DnsRecord("x", "TXT", "v=spf1 -all").pasteable == "v=spf1 -all"
