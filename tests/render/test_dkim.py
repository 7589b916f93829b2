"""Signatures verify with dkimpy, for both algorithms, and any change to what they cover breaks them."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from dkim.canonicalization import Relaxed
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import UsageError
from newsletter.model.delivery import Recipient
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue, Context, InlineImage, Slot, Template
from newsletter.render.dkim import DkimSigner, relaxed_body, relaxed_header, relaxed_lines
from newsletter.render.message import MessageWriter

AT = datetime(2026, 1, 6, 9, tzinfo=UTC)
PUBLICATION = Publication(
    name="Prödüction Notes, " + "a long name " * 9,
    from_email="notes@example.com",
    from_name="Nötes",
    base_url="https://notes.example.com",
    list_id="notes.example.com",
)
URL = "https://notes.example.com/u/AbCdEf"
PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey


def pem(key: PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()


def record(key: PrivateKey) -> bytes:
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return b"v=DKIM1; k=ed25519; p=" + base64.b64encode(public.public_bytes_raw())
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


def verifies(message: bytes, key: PrivateKey) -> bool:
    names: list[bytes] = []

    def dns(name: bytes, timeout: int = 5) -> bytes:
        names.append(name)
        return record(key)

    verdict = bool(dkim.verify(message, dnsfunc=dns))
    assert names == [b"2026a._domainkey.example.com."]
    return verdict


def message(
    key: PrivateKey,
    *,
    name: str = "Zoë",
    url: str = URL,
    html: Template | None = None,
    to: str = "a@example.org",
) -> bytes:
    slot = Slot("subscriber.name", "you", Context.HTML)
    html = html or Template(("<p>Hi  \t", slot, "</p>\n\n  <pre>a\t b  \n</pre>\n\n\n"))
    text = Template(("Hi  ", Slot("subscriber.name", "you", Context.TEXT), "  two  spaces \n\n\n"))
    image = InlineImage("flow@notes", "flow.png", "image/png", bytes(range(256)))
    subject = Template(("An  issue for ", Slot("subscriber.name", "you", Context.HEADER), " and you" * 10))
    writer = MessageWriter(
        CompiledIssue(subject, html, text, (image,), "https://notes.example.com/1"),
        PUBLICATION,
        send_key="1",
        dkim=DkimSigner("2026a", "example.com", pem(key)),
        non_ascii_mailbox=True,
    )
    return writer.mime(Recipient("D", 1, to, {"subscriber.name": name, "unsubscribe_url": url}), AT).mime


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, b"rsa-sha256"), (ED25519, b"ed25519-sha256")])
def test_a_signed_message_verifies_with_another_implementation(key: PrivateKey, algorithm: bytes) -> None:
    signed = message(key)
    assert signed.startswith(b"DKIM-Signature: v=1; a=" + algorithm + b"; c=relaxed/relaxed;")
    assert max(len(line) for line in signed.split(b"\r\n")) <= 998
    assert verifies(signed, key)


def test_the_signature_covers_both_list_headers_and_names_from_once_more() -> None:
    signature = message(ED25519).partition(b"\r\nFrom:")[0]
    covered = re.sub(rb"\s", b"", signature).partition(b";h=")[2].partition(b";")[0].split(b":")
    assert {b"List-Unsubscribe", b"List-Unsubscribe-Post", b"List-Id", b"Reply-To"} <= set(covered)
    assert {b"MIME-Version", b"Content-Type", b"Message-ID", b"Date", b"To"} <= set(covered)
    assert covered.count(b"From") == 2
    assert covered.count(b"Subject") == 2


@pytest.mark.parametrize(
    "name",
    ["From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id",
     "MIME-Version", "Content-Type", "Feedback-ID", "List-Archive", "List-Help"],
)  # fmt: skip
def test_changing_or_removing_a_signed_header_breaks_the_signature(name: str) -> None:
    signed = message(ED25519)
    line = re.search(rb"\r\n" + name.encode() + rb": [^\r]*(?:\r\n [^\r]*)*", signed)
    assert line is not None
    assert not verifies(
        signed.replace(line[0], b"\r\n" + name.encode() + b": other <o@example.com>"), ED25519
    )
    if name != "From":  # dkimpy refuses a message without From before it asks for the key
        assert not verifies(signed.replace(line[0], b""), ED25519)


@pytest.mark.parametrize("name", ["From", "Subject", "Reply-To", "To", "Date"])
def test_a_second_header_in_front_breaks_the_signature(name: str) -> None:
    assert not verifies(name.encode() + b": evil <evil@example.net>\r\n" + message(ED25519), ED25519)


def test_changing_a_letter_of_the_body_breaks_the_signature_and_trailing_space_does_not() -> None:
    signed = message(ED25519)
    assert not verifies(signed.replace(b"<p>Hi", b"<p>HI"), ED25519)
    assert verifies(signed + b"\r\n\r\n", ED25519)
    assert verifies(signed.replace(b"</pre>", b"</pre>  \t"), ED25519)


def test_a_mailto_way_out_is_signed_without_the_one_click_header() -> None:
    signed = message(ED25519, url="mailto:leave@example.com?subject=1")
    assert b"List-Unsubscribe-Post" not in signed
    assert verifies(signed, ED25519)


@settings(max_examples=200)
@given(
    name=st.text(st.characters(exclude_categories=()), max_size=120) | st.text(" \t.=a", max_size=200),
    literal=st.text(st.characters(exclude_categories=()), max_size=80) | st.text(" \t\r\n.=a", max_size=200),
)
def test_any_name_and_any_text_verify(name: str, literal: str) -> None:
    slot = Slot("subscriber.name", " ", Context.HTML)
    assert verifies(message(ED25519, name=name, html=Template((slot, literal, slot, slot, literal))), ED25519)


def test_headers_and_a_body_of_any_origin_are_signed_in_their_relaxed_form() -> None:
    headers = [
        ("from", b" A  B \t<a@example.com> "),
        ("subject", b" folded\r\n\t  here"),
        ("Date", b" Tue, 06 Jan 2026 09:00:00 +0000"),
        ("X-Other", b" not signed"),
    ]
    body = b"a \t b \r\n\r\n c\r\n\r\n\r\n"
    raw = b"".join(name.encode() + b":" + value + b"\r\n" for name, value in headers) + b"\r\n" + body
    for key in (RSA, ED25519):
        signature = DkimSigner("2026a", "example.com", pem(key)).sign(headers, body, 1767690000)
        assert verifies(signature + raw, key)
        assert all(len(line) <= 78 for line in signature.split(b"\r\n"))


def test_a_header_that_stands_there_twice_is_refused() -> None:
    signer = DkimSigner("2026a", "example.com", pem(ED25519))
    with pytest.raises(ValueError, match="twice"):
        signer.sign([("To", b"a"), ("to", b"b")], b"", 0)


@given(st.lists(st.text(" \tab", max_size=8), max_size=9))
def test_the_relaxed_body_is_the_other_implementations(lines: list[str]) -> None:
    body = b"".join(line.encode() + b"\r\n" for line in lines)
    theirs = Relaxed.canonicalize_body(body)
    # RFC 6376 §3.4.4: a body of empty lines alone becomes empty.
    assert relaxed_body(body) == (b"" if theirs == b"\r\n" else theirs)


@given(st.lists(st.text(" \tab=", max_size=20).map(lambda s: s.encode() + b"\r\n"), max_size=6))
def test_whole_lines_may_be_relaxed_piece_by_piece(lines: list[bytes]) -> None:
    assert b"".join(map(relaxed_lines, lines)) == relaxed_lines(b"".join(lines))


@given(value=st.text(" \tab=", max_size=30), name=st.sampled_from(["Subject", "x-Y", "FROM"]))
def test_a_relaxed_header_is_the_other_implementations(value: str, name: str) -> None:
    (theirs,) = Relaxed.canonicalize_headers([(name.encode(), value.encode() + b"\r\n")])
    assert relaxed_header(name, value.encode() + b"\r\n") == theirs[0] + b":" + theirs[1]


@pytest.mark.parametrize("name", ["test2.message", "ed25519test2.msg"])
def test_the_body_hash_of_a_known_message_is_found_again(shared_data: Path, name: str) -> None:
    raw = (shared_data / "corpora" / "dkim-messages" / name).read_bytes()
    raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    claimed = re.search(rb"[;\s]bh=([A-Za-z0-9+/=\s]+)", head)
    assert claimed is not None
    found = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
    assert found == re.sub(rb"\s", b"", claimed[1])


SMALL = """-----BEGIN PRIVATE KEY-----
MIIBVAIBADANBgkqhkiG9w0BAQEFAASCAT4wggE6AgEAAkEAsecretsecretsecret
-----END PRIVATE KEY-----"""


@pytest.mark.parametrize(
    "key",
    [
        "",
        "not a key",
        "-----BEGIN PRIVATE KEY-----\nsecretsecretsecret\n-----END PRIVATE KEY-----",
        SMALL,
        pem(ec.generate_private_key(ec.SECP256R1())),
        RSA.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        ).decode(),
    ],
)
def test_a_bad_key_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        DkimSigner("2026a", "example.com", key)
    shown = f"{caught.value} {caught.value.message} {caught.value.hint}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for line in key.splitlines():
        if len(line) > 8 and not line.startswith("-----"):
            assert line not in shown


@pytest.mark.parametrize(
    ("selector", "domain"),
    [("a b", "example.com"), ("", "example.com"), ("s", "exa mple"), ("s;d=x", "e.com")],
)
def test_a_selector_or_domain_that_is_none_is_refused(selector: str, domain: str) -> None:
    with pytest.raises(UsageError):
        DkimSigner(selector, domain, pem(ED25519))


def test_an_address_beyond_ascii_is_signed_as_it_is() -> None:
    """RFC 8616: the header's own bytes, nothing encoded."""
    whole = message(ED25519, to="jürgen@example.org")
    assert "\r\nTo: jürgen@example.org\r\n".encode() in whole
    assert verifies(whole, ED25519)


def test_a_domain_with_umlauts_is_signed_for_in_a_labels() -> None:
    assert DkimSigner("s", "Exämple.com", pem(ED25519)).domain == "xn--exmple-cua.com"
