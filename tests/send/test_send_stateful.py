"""Whatever happens in whatever order, a send keeps its promises; see `send_machine.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fakes.resend import FakeResend
from tests.send.send_machine import SendMachine

SETTINGS = settings(
    max_examples=100,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture
def machine() -> Iterator[type[SendMachine]]:
    with FakeResend(keep=False) as server:

        class Machine(SendMachine):
            pass

        Machine.server = server
        yield Machine


def test_nothing_that_happens_breaks_the_promise(machine: type[SendMachine]) -> None:
    run_state_machine_as_test(machine, settings=SETTINGS)
