"""The process dies at every commit and at every call: is anybody mailed twice, or lost silently?"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from newsletter.model.delivery import DeliveryState
from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.resend import FakeResend
from tests.fakes.smtp import FakeSmtp
from tests.send.crash_runner import DIED
from tests.send.desk import add_subscribers, in_memory, outbox_recipients

Do = Callable[[dict[str, Any]], dict[str, Any]]
PEOPLE = 8
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def do() -> Iterator[Do]:
    """Carries out one command in a child of a process without threads."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("crash_runner.py"))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def command(what: dict[str, Any]) -> dict[str, Any]:
            stdin.write(json.dumps(what) + "\n")
            stdin.flush()
            return dict(json.loads(stdout.readline()))

        yield command
        stdin.close()


class Scenario:
    """One list, one receiving side, and a process that dies."""

    def __init__(self, do: Do, provider: str, folder: Path, template: bytes) -> None:
        self._do, self._provider, self._folder = do, provider, folder
        (folder / "newsletter.db").write_bytes(template)
        self._server: FakeResend | FakeSmtp | None = None
        if provider.startswith("resend"):
            self._server = FakeResend()
        elif provider == "smtp":
            self._server = FakeSmtp()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def go(self, die_at: int = 0) -> dict[str, Any]:
        port = self._server.port if self._server else 0
        what = {"folder": str(self._folder), "provider": self._provider, "port": port, "die_at": die_at}
        return self._do(what)

    @property
    def mailed(self) -> Counter[str]:
        """Who really got it, by the receiving side's own ledger."""
        if self._server is None:
            return Counter(outbox_recipients(self._folder))
        return self._server.ledger.recipients

    def check(self) -> Counter[DeliveryState]:
        """The promise: mailed at most once; whoever is not accepted for certain is named unknown."""
        time.sleep(0.005)  # a request written before the crash may still be on its way
        mailed = self.mailed
        with SqliteDatabase(self._folder / "newsletter.db") as db:
            rows = db.query(
                "SELECT s.email, d.state FROM deliveries d JOIN subscribers s ON s.id = d.subscriber_id"
            )
        states = {email: DeliveryState(state) for email, state in rows}
        assert len(states) == PEOPLE
        assert not [email for email, count in mailed.items() if count > 1], "mailed twice"
        for email, state in states.items():
            assert state in (DeliveryState.ACCEPTED, DeliveryState.UNKNOWN), f"{email} is {state.name}"
            assert state is DeliveryState.UNKNOWN or mailed[email] == 1, f"{email} was lost silently"
        return Counter(states.values())


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store with a list in it."""
    path = tmp_path_factory.mktemp("template") / "newsletter.db"
    with SqliteDatabase(path) as db:
        add_subscribers(db, PEOPLE)
        db.query("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


@pytest.fixture
def scenario(do: Do, template: bytes) -> Iterator[Callable[[str], Scenario]]:
    with ExitStack() as stack:

        def make(provider: str) -> Scenario:
            made = Scenario(do, provider, stack.enter_context(in_memory()), template)
            stack.callback(made.close)
            return made

        yield make


# Whoever has keys or can be asked knows everything in the end.
CERTAIN = {"outbox": True, "resend": True, "resend-without-keys": False, "smtp": False}


@pytest.mark.parametrize("provider", CERTAIN)
def test_a_crash_at_any_point_doubles_nobody_and_loses_nobody_silently(
    scenario: Callable[[str], Scenario], provider: str
) -> None:
    points = scenario(provider).go()["points"]
    assert points > 20
    unknown = 0
    for die_at in range(1, points + 1):
        run = scenario(provider)
        first = run.go(die_at)
        assert first["exit"] in (DIED, 0), first
        last = run.go()
        assert (last["exit"], last.get("state")) == (0, "sent"), (die_at, last)
        counts = run.check()
        unknown += counts[DeliveryState.UNKNOWN]
        assert not CERTAIN[provider] or counts[DeliveryState.ACCEPTED] == PEOPLE, die_at
    # Where nobody can tell, a crash must have left traces: else the points were not where it hurts.
    assert bool(unknown) is not CERTAIN[provider]


@pytest.mark.parametrize("provider", CERTAIN)
def test_a_process_that_dies_again_and_again_gets_there_too(
    scenario: Callable[[str], Scenario], provider: str
) -> None:
    """Each life is a few points longer than what a start needs."""
    for first_life in (7, 11, 18):
        run = scenario(provider)
        lives = (run.go(life) for life in range(first_life, first_life + 60))
        ended = next(life for life in lives if life["exit"] == 0)
        assert ended["state"] == "sent"
        counts = run.check()
        assert not CERTAIN[provider] or counts[DeliveryState.ACCEPTED] == PEOPLE
