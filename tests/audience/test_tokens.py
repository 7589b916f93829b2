"""A token names what it was made for, and nobody without the key can make one."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.tokens import TokenSigner

SIGNER = TokenSigner(b"k" * 32)
IDS = st.integers(0, 2**62)


@given(IDS, IDS)
def test_a_token_names_what_it_was_made_for(send: int, subscriber: int) -> None:
    assert SIGNER.read_unsubscribe(SIGNER.unsubscribe(subscriber)) == subscriber
    assert SIGNER.read_preferences(SIGNER.preferences(subscriber)) == subscriber
    assert SIGNER.read_delivery(SIGNER.delivery(send, subscriber)) == (send, subscriber)


@given(IDS)
def test_a_token_opens_nothing_but_its_own_door(number: int) -> None:
    leave, prefer, delivery = (
        SIGNER.unsubscribe(number),
        SIGNER.preferences(number),
        SIGNER.delivery(1, number),
    )
    assert SIGNER.read_preferences(leave) is None
    assert SIGNER.read_delivery(leave) is None
    assert SIGNER.read_unsubscribe(prefer) is None
    assert SIGNER.read_unsubscribe(delivery) is None


@given(IDS)
def test_another_key_neither_reads_nor_makes_our_tokens(number: int) -> None:
    other = TokenSigner(b"j" * 32)
    assert other.read_unsubscribe(SIGNER.unsubscribe(number)) is None
    assert other.unsubscribe(number) != SIGNER.unsubscribe(number)


@given(IDS, st.data())
def test_changing_any_bit_makes_a_token_worthless(number: int, data: st.DataObject) -> None:
    token = SIGNER.unsubscribe(number)
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    forged = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert SIGNER.read_unsubscribe(forged) is None


@given(
    st.text(max_size=60)
    | st.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode().rstrip("="))
)
def test_any_string_that_is_not_ours_reads_as_none(token: str) -> None:
    assert SIGNER.read_unsubscribe(token) is None
    assert SIGNER.read_preferences(token) is None
    assert SIGNER.read_delivery(token) is None


@pytest.mark.parametrize("extra", ["!", " ", "\n", ".", "=", "%", "é", "\ud800", "A"])
def test_a_token_with_anything_added_is_not_ours(extra: str) -> None:
    token = SIGNER.unsubscribe(7)
    assert SIGNER.read_unsubscribe(token + extra) is None
    assert SIGNER.read_unsubscribe(extra + token) is None
    assert SIGNER.read_unsubscribe(token[:5] + extra + token[5:]) is None


def test_tokens_are_short_safe_in_an_address_and_the_same_each_time() -> None:
    for number in (1, 1_000_000, 2**40):
        token = SIGNER.unsubscribe(number)
        assert re.fullmatch(r"[A-Za-z0-9_-]{16,24}", token)
        assert SIGNER.unsubscribe(number) == token
    assert re.fullmatch(r"[A-Za-z0-9_-]{16,28}", SIGNER.delivery(10_000, 1_000_000))


def test_links_in_mails_already_sent_go_on_working() -> None:
    # Made by the first version with this key: if this fails, every link ever sent is dead.
    assert SIGNER.unsubscribe(123_456) == "78DEB2x2Ce2yh8nlWHk"
    assert SIGNER.delivery(42, 123_456) == "7yrAxAdlxawGLSv_cXJg"
    assert SIGNER.preferences(123_456) == "78DEB60yQ5Z0JRFbpSk"


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        TokenSigner(b"short")
