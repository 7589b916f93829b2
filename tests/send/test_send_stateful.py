"""Whatever happens in whatever order, a send keeps its promises; see `send_machine.py`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.send.send_machine import tell

SETTINGS = settings(
    max_examples=100,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def test_nothing_that_happens_breaks_the_promise() -> None:
    tell(SETTINGS)
