"""The process dies at every effect it has on the world: is anybody mailed twice, or lost silently?

The points are found by watching a send from below (`fuse.py`), so that a new commit, file or socket is
died at from the day it is written; a new provider is too, once its fake is there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from newsletter.model.delivery import DeliveryState
from newsletter.providers.base import Capabilities
from tests.send.crashes import Crashes, Death, Dying, Runner, running
from tests.send.desk import in_memory
from tests.send.receivers import EVERY_PROVIDER, open_receiver, unpaced


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with running() as process:
        yield process


def capabilities(provider: str) -> Capabilities:
    with in_memory() as folder:
        receiver = open_receiver(provider, folder)
        receiver.close()
        return unpaced(receiver.options())(provider, "").capabilities


# The others share their sessions and the engine with these: there the first and the last passage do.
AT_EVERY_PASSAGE = {"outbox", "smtp", "resend"}
# A key used twice is refused there, without a word on what became of the first call.
MUTE_KEYS = {"brevo"}


def knows_the_end(provider: str) -> bool:
    """Whether there is a way to learn for certain what became of a batch whose answer was lost."""
    declared = capabilities(provider)
    return declared.look_up or (declared.idempotency_ttl > 0 and provider not in MUTE_KEYS)


def show(what: str, found: Crashes) -> None:
    counts = ", ".join(f"{count} {state.name.lower()}" for state, count in sorted(found.counts.items()))
    print(f"{what}: {len(found.points)} points, {found.deaths.total()} deaths; {counts}")


def check(found: Crashes, *, certain: bool) -> None:
    assert not found.breaches, "\n".join(found.breaches[:10])
    # Threads take turns as they like: one passage more or less is no finding, a point never died at is.
    assert found.points.keys() == found.deaths.keys()
    assert found.deaths.total() >= 0.8 * sum(min(count, 2) for count in found.points.values())
    # Where nobody can tell, deaths must have left traces: else the points were not where it hurts.
    assert (found.counts[DeliveryState.UNKNOWN] == 0) is certain


@pytest.mark.parametrize("provider", EVERY_PROVIDER)
def test_dying_at_any_point_of_a_send_doubles_nobody_and_loses_nobody_silently(
    runner: Runner, provider: str
) -> None:
    found = Dying(runner, provider).everywhere(every_passage=provider in AT_EVERY_PASSAGE)
    show(provider, found)
    check(found, certain=knows_the_end(provider))
    assert len(found.points) >= 20


def test_without_its_keys_a_provider_leaves_the_answers_that_were_lost_unknown(runner: Runner) -> None:
    found = Dying(runner, "resend", keys=False).everywhere()
    show("resend without keys", found)
    check(found, certain=False)


# One of each way to learn what became of a batch: a file, nothing, a key.
@pytest.mark.parametrize(
    ("provider", "first"),
    [
        ("outbox", Death("os.fsync in providers/outbox.py:_sync", 1)),
        ("smtp", Death("socket.recv in providers/smtp/connect.py:_fill", 4)),
        ("resend", Death("socket.recv in send/transport.py:_exchange", 1)),
    ],
)
def test_dying_at_any_point_of_the_recovery_from_a_death_is_no_worse(
    runner: Runner, provider: str, first: Death
) -> None:
    found = Dying(runner, provider).everywhere(first)
    show(f"{provider}, its recovery", found)
    assert found.deaths.pop(first.point, 0) >= 10
    found.points.pop(first.point, 0)
    check(found, certain=knows_the_end(provider))


@pytest.mark.parametrize("provider", ["outbox", "smtp", "resend"])
def test_a_send_whose_processes_die_again_and_again_gets_there_too(runner: Runner, provider: str) -> None:
    dying, dice = Dying(runner, provider), random.Random(3)
    with in_memory() as folder:
        points = dying.lives(folder, (), Crashes())
    runs = [dying.at_random(points, dice, deaths=12) for _ in range(8)]
    assert not [breach for run in runs for breach in run.breaches]
    assert sum(run.deaths.total() for run in runs) >= 16
