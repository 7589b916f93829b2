"""What is said before a send begins: how long it takes, and what won't fit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from newsletter.clock import FakeClock, SystemClock
from newsletter.errors import UsageError
from newsletter.model.message import Message
from newsletter.providers.base import Capabilities, ContentForm, ProviderOptions
from newsletter.providers.resend import ResendProvider
from newsletter.send.forecast import forecast
from newsletter.send.limits import Limits, Meter
from newsletter.send.pace import paced_batch
from newsletter.send.sizes import fits_in_a_call, message_bytes, require_size
from tests.send.desk import FROZEN, make_desk

MORNING = datetime(2026, 1, 6, 9, 6, tzinfo=UTC)


@pytest.fixture(autouse=True)
def local_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("count", "limits", "words"),
    [
        (5054, Limits(14, 4, 14), "at most 14 messages a second: about 6 minutes, until 09:12"),
        (10, Limits(14, 4, 14), "at most 14 messages a second: at once"),
        (
            60_100,
            Limits(100, 2, calls=2),
            "at most 2 calls of 100 messages a second: about 5 minutes, until 09:11",
        ),
        (2000, Limits(500, 2, calls=10 / 60), "at most 10 calls of 500 messages a minute: about 19 seconds"),
        (
            100_000,
            Limits(1, 4, 1),
            "at most 1 message a second: about 27.8 hours, until Wednesday 2026-01-07 12:52",
        ),
        (5000, Limits(100, 4, 10, calls=2), "at most 10 messages a second: about 8 minutes"),
        (5000, Limits(1, 4, 10, calls=2), "at most 2 calls a second: about 44 minutes"),
        (5000, Limits(1000, 4), "as fast as the provider takes them"),
        (120_000, Limits(1000, 4, daily_quota=50_000), "at most 50,000 messages a day: about 2 days"),
        (
            60_000,
            Limits(14, 4, 14, daily_quota=50_000),
            "at most 14 messages a second and 50,000 messages a day",
        ),
    ],
)
def test_the_finishing_time_is_said_with_the_limit_that_decides_it(
    count: int, limits: Limits, words: str
) -> None:
    assert forecast(count, limits, MORNING).pace().startswith(words)


def test_the_hold_comes_before_the_first_message() -> None:
    outlook = forecast(15, Limits(1, 1, 1, hold=60), MORNING)
    assert outlook.begins == MORNING + timedelta(seconds=60)
    assert outlook.ends == MORNING + timedelta(seconds=74)


def test_what_the_quota_leaves_out_is_said_with_the_number() -> None:
    limits = Limits(1000, 4, daily_quota=50_000)
    outlook = forecast(30_000, limits, MORNING, used=38_000)
    assert outlook.today == 12_000
    assert "room for 12,000 now" in outlook.quota()
    assert "the other 18,000" in outlook.quota()
    assert forecast(12_000, limits, MORNING, used=38_000).quota() == ""
    assert forecast(10, limits, MORNING, used=60_000).today == 0


@given(
    count=st.integers(1, 3000),
    rate=st.floats(0.5, 500),
    calls=st.sampled_from([0.0, 0.2, 2.0, 30.0]),
    burst=st.integers(0, 100),
)
def test_the_forecast_is_what_the_meter_then_does(count: int, rate: float, calls: float, burst: int) -> None:
    limits = Limits(paced_batch(100, rate, burst, calls), 4, rate, burst=burst, calls=calls)
    outlook = forecast(count, limits, MORNING)
    meter, now, left = Meter(limits), 0.0, count
    while left:
        now += meter.wait(now, min(limits.batch, left))
        meter.spend(min(limits.batch, left), now)
        left -= min(limits.batch, left)
    assert outlook.seconds is not None
    # Off by what one batch or one burst may leave early.
    assert abs(outlook.seconds - now) <= (limits.batch + meter.burst) / rate + 1e-6


# Sizes ----------------------------------------------------------------------------------------------


def resend(max_call_bytes: int = 0) -> ResendProvider:
    provider = ResendProvider(ProviderOptions("resend", secret=SecretStr("re_test")))
    vars(provider)["capabilities"] = replace(provider.capabilities, max_call_bytes=max_call_bytes)
    return provider


def test_a_batch_is_made_as_small_as_a_call_must_be(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, clock=FakeClock())
    assert desk.limits(resend(), FROZEN).batch == 100
    fits = desk.limits(resend(max_call_bytes=20_000), FROZEN).batch
    assert 5 <= fits < 40
    # Really so: a call of as many is below the limit, and a much larger one is not.
    source = desk.source(FROZEN, resend(), 0)
    assert fits_in_a_call(resend(max_call_bytes=40_000), source) == pytest.approx(2 * fits, abs=2)


def test_a_message_no_call_can_carry_is_refused_with_both_sizes(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, clock=FakeClock())
    with pytest.raises(
        UsageError, match=r"a single message .* a call of \d KB, and resend takes 1 KB"
    ) as error:
        desk.limits(resend(max_call_bytes=600), FROZEN)
    assert "shorter" in (error.value.hint or "")


def test_a_message_that_is_too_large_is_refused_with_both_sizes() -> None:
    capabilities = Capabilities(ContentForm.FIELDS, max_batch=1, max_message_bytes=5 * 1024**2)
    message = Message("1", "a@example.com", "b@example.com", html_json=(b"x" * 6 * 1024**2,))
    with pytest.raises(UsageError, match=r"has 6\.0 MB, and this provider takes 5\.0 MB at most"):
        require_size(message, capabilities)
    require_size(message._replace(html_json=(b"x",)), capabilities)


def test_the_size_of_a_message_is_that_of_its_text_not_of_its_escapes() -> None:
    message = Message("1", "a", "b", html_json=(b'a\\n\\"', "é".encode()), text_json=(b"\\u00e9",))
    assert message_bytes(message) == 3 + 2 + 2
    assert message_bytes(Message("1", "a", "b", mime=b"12345")) == 5


# The clock ------------------------------------------------------------------------------------------


def test_the_clock_of_leases_goes_on_while_the_machine_sleeps() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    measured = SystemClock().monotonic()
    assert before <= measured <= time.clock_gettime(time.CLOCK_BOOTTIME)
