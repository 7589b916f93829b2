"""Through each provider: answers and requests that get lost, and people who leave while it sends."""

from __future__ import annotations

import pytest

from tests.fakes.catalogue import HTTP_PROVIDERS
from tests.send import checks
from tests.send.receivers import EVERY_PROVIDER

WITH_A_NETWORK = ("smtp", *HTTP_PROVIDERS)


@pytest.mark.parametrize("provider", WITH_A_NETWORK)
def test_an_answer_that_is_lost_or_unreadable_doubles_and_loses_nobody(provider: str) -> None:
    assert checks.lost_answers(provider) == []


@pytest.mark.parametrize("provider", WITH_A_NETWORK)
def test_a_request_that_is_lost_on_its_way_doubles_and_loses_nobody(provider: str) -> None:
    assert checks.swallowed_requests(provider) == []


@pytest.mark.parametrize("provider", EVERY_PROVIDER)
def test_nobody_is_mailed_after_leaving_but_for_what_was_under_way(provider: str) -> None:
    assert checks.leavers(provider) == []


def test_without_its_keys_a_provider_is_no_less_safe() -> None:
    assert checks.lost_answers("resend", keys=False) == []
    assert checks.swallowed_requests("resend", keys=False) == []
