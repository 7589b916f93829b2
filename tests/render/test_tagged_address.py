from __future__ import annotations

from dataclasses import replace

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.tokens import TokenSigner
from newsletter.model.delivery import Recipient
from newsletter.model.message import Message
from newsletter.model.template import CompiledIssue, Template
from newsletter.render.dkim import DkimSigner
from newsletter.render.message import MessageWriter
from newsletter.render.tagged_address import tagged_address, token_of_tag, unsubscribe_mailto
from tests.render.test_dkim import AT, ED25519, PUBLICATION, URL, pem, record

SIGNER = TokenSigner(b"a key that is used in tests only")
MAILTO = unsubscribe_mailto("leave@example.com", SIGNER.unsubscribe(42))


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_a_tag_survives_mail_systems_that_fold_case(send: int, subscriber: int) -> None:
    token = SIGNER.delivery(send, subscriber)
    local, _, domain = tagged_address("bounces@example.com", token).rpartition("@")
    assert domain == "example.com"
    assert len(local) <= 64
    for spelt in (local, local.upper(), local.title()):
        assert SIGNER.read_delivery(token_of_tag(spelt.partition("+")[2])) == (send, subscriber)


def test_an_address_too_long_for_a_tag_stays_as_it_is() -> None:
    address = f"{'b' * 50}@example.com"
    assert tagged_address(address, SIGNER.delivery(1, 2)) == address


@given(st.text(max_size=80))
def test_any_text_in_place_of_a_tag_is_no_token_or_one_that_is_not_ours(text: str) -> None:
    token = token_of_tag(text)
    assert not token or SIGNER.read_delivery(token) is None


def written(*, bounces: str = "", mailto: str = MAILTO, url: str = URL) -> Message:
    content = Template(("Hello.\n",))
    writer = MessageWriter(
        CompiledIssue(Template(("Subject",)), content, content, (), ""),
        replace(PUBLICATION, bounce_address=bounces),
        send_key="1",
        dkim=DkimSigner("2026a", "example.com", pem(ED25519)),
    )
    values = {"unsubscribe_url": url, "unsubscribe_mailto": mailto}
    return writer.mime(Recipient(SIGNER.delivery(7, 42), 42, "a@example.org", values), AT)


def test_a_bounce_comes_back_to_an_address_that_names_the_delivery() -> None:
    message = written(bounces="bounces@example.com")
    local = message.sender.partition("@")[0]
    assert local.startswith("bounces+")
    assert SIGNER.read_delivery(token_of_tag(local.partition("+")[2])) == (7, 42)
    assert b"From: " in message.mime
    assert local.encode() not in message.mime
    assert written().sender == PUBLICATION.from_email


def test_leaving_by_mail_stands_behind_leaving_by_the_web_on_one_signed_line() -> None:
    mime = written().mime
    assert f"\r\nList-Unsubscribe: <{URL}>, <{MAILTO}>\r\nList-Unsubscribe-Post: ".encode() in mime
    assert dkim.verify(mime, dnsfunc=lambda name, timeout=5: record(ED25519))
    tampered = mime.replace(b"mailto:leave+", b"mailto:leaves+")
    assert not dkim.verify(tampered, dnsfunc=lambda name, timeout=5: record(ED25519))


@pytest.mark.parametrize(
    "mailto",
    ["", "mailto:a b@example.com", "mailto:x@example.com>\r\nBcc: y@example.com", "https://x"],
)
def test_what_no_header_can_carry_is_left_out(mailto: str) -> None:
    assert f"\r\nList-Unsubscribe: <{URL}>\r\n".encode() in written(mailto=mailto).mime


def test_a_long_web_address_keeps_its_line_for_itself() -> None:
    url = URL + "x" * 900
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in written(url=url).mime
