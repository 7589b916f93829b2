"""Tokens of forms and the work a browser is asked for."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.web.forms import FormGuard, Standing

GUARD = FormGuard(b"a secret key for tests, long enough")
NOW = 1_767_690_000.0


@pytest.mark.parametrize(
    ("age", "standing"),
    [
        (0.3, Standing.STALE),
        (1.5, Standing.FINE),
        (23 * 3600, Standing.FINE),
        (25 * 3600, Standing.STALE),
        (-5, Standing.STALE),
    ],
)
def test_a_token_is_good_from_a_second_to_a_day(age: float, standing: Standing) -> None:
    assert GUARD.judge(GUARD.token(NOW), NOW + age) is standing


def test_no_token_is_another_matter_than_a_wrong_one() -> None:
    assert GUARD.judge("", NOW) is Standing.ABSENT
    other = FormGuard(b"another secret key for tests, long").token(NOW)
    assert GUARD.judge(other, NOW + 5) is Standing.STALE


@given(st.integers(0, 8 * 24 - 1))
def test_a_flipped_bit_makes_a_token_worthless(bit: int) -> None:
    data = bytearray(base64.urlsafe_b64decode(GUARD.token(NOW)))
    data[bit // 8] ^= 1 << bit % 8
    assert GUARD.judge(base64.urlsafe_b64encode(data).decode(), NOW + 5) is Standing.STALE


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert GUARD.judge(text, NOW) in (Standing.ABSENT, Standing.STALE)


def test_work_is_bound_to_token_and_address_and_is_really_work() -> None:
    guard = FormGuard(b"a secret key for tests, long enough", bits=10)
    token = guard.token(NOW)
    tried = [n for n in range(20_000) if guard.worked(token, "ada@example.com", str(n))]
    assert 5 <= len(tried) <= 45, "about one in 1,024"
    nonce = str(tried[0])
    others = [guard.worked(token, f"b{n}@example.com", nonce) for n in range(200)]
    assert sum(others) <= 3
    assert not guard.worked(token, "ada@example.com", "")
    assert not guard.worked(token, "ada@example.com", nonce + " " * 40)
    assert FormGuard(b"a secret key for tests, long enough").worked(token, "x", "")
