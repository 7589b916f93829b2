"""Would the proof notice? Each classic mistake is planted into the real engine, and the proof's own checks must catch it.

    python -m pytest tests/send/test_planted_bugs.py -s

prints which check caught which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.send import checks
from tests.send.crashes import Dying, Runner, running
from tests.send.planted import PLANTED
from tests.send.send_machine import tell

Check = Callable[[], list[str]]

STAGED: Mapping[str, Check] = {
    "answers lost by a mail server": partial(checks.lost_answers, "smtp"),
    "answers lost by an API without keys": partial(checks.lost_answers, "resend", keys=False),
    "answers lost by an API with keys": partial(checks.lost_answers, "resend"),
    "requests lost on their way": partial(checks.swallowed_requests, "resend", keys=False),
    "addresses refused inside a batch": checks.refusals,
    "people who leave while it runs": checks.leavers,
    "a sleeper and its heir": checks.a_sleeper_and_its_heir,
}
DYING = "dying at every point"
DYING_WITH_KEYS = "dying at every point, with keys"
MODEL = "the model"

# Who must catch it; others may.
CAUGHT_BY: Mapping[str, set[str]] = {
    "record before send": {DYING, MODEL, "requests lost on their way"},
    "send before record": {DYING, DYING_WITH_KEYS},
    "checkpoint at fetch": {DYING, MODEL, "requests lost on their way"},
    "retry on a lost answer": {
        MODEL,
        "answers lost by a mail server",
        "answers lost by an API without keys",
        "answers lost by an API with keys",
    },
    "one refusal releases the batch": {"addresses refused inside a batch"},
    "a success counts for the whole batch": {"addresses refused inside a batch"},
    "suppression is not looked at again": {"people who leave while it runs"},
    "nobody is fenced": {"a sleeper and its heir"},
    "resume gives back what was claimed": {DYING, MODEL},
    "a replay gets a new key": {DYING_WITH_KEYS},
}


# A transaction that stays open keeps everybody else waiting: planted only in processes that die.
KEEPS_THE_LOCK = {"send before record"}


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with running() as process:
        yield process


@pytest.fixture(scope="module")
def table() -> Iterator[dict[str, list[str]]]:
    caught: dict[str, list[str]] = {}
    yield caught
    width = max(map(len, caught), default=0)
    print("\n\n" + f"{'planted':<{width}}  caught by")
    for bug, names in caught.items():
        print(f"{bug:<{width}}  {'; '.join(names) or '—'}")


def model() -> list[str]:
    """As many histories as it takes, always the same ones; threads decide what becomes of them."""
    many = settings(
        max_examples=200,
        stateful_step_count=14,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        tell(many)
    except AssertionError as found:
        return [str(found)]
    return []


def dying(runner: Runner, bug: str, *, keys: bool) -> list[str]:
    return Dying(runner, "resend", keys=keys, bug=bug).everywhere(until_caught=True).breaches


def everything(runner: Runner, bug: str) -> dict[str, Any]:
    """Each check, ready to be called; the processes that die get the mistake planted in their own."""
    return {
        **STAGED,
        MODEL: model,
        DYING: partial(dying, runner, bug, keys=False),
        DYING_WITH_KEYS: partial(dying, runner, bug, keys=True),
    }


def test_the_checks_are_silent_about_the_engine_as_it_is() -> None:
    """So are dying at every point and the model: see `test_crashes.py` and `test_send_stateful.py`."""
    assert {name: found for name, check in STAGED.items() if (found := check())} == {}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(
    bug: str, runner: Runner, table: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if bug not in KEEPS_THE_LOCK:
        PLANTED[bug].plant(monkeypatch)
    wanted = CAUGHT_BY[bug]
    chosen = {
        name: check
        for name, check in everything(runner, bug).items()
        # What takes seconds is only asked where it must know.
        if name in wanted or (name in STAGED and bug not in KEEPS_THE_LOCK)
    }
    table[bug] = [name for name, check in chosen.items() if check()]
    assert wanted <= set(table[bug])
