"""Dies at every point a send passes, one life each, and lets the next process finish; then asks the judge."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from newsletter.model.delivery import DeliveryState
from newsletter.store.sqlite import SqliteDatabase
from tests.send.desk import add_subscribers, in_memory
from tests.send.fuse import DIED
from tests.send.judge import Books, states_of, verdict
from tests.send.receivers import as_json, open_receiver

PEOPLE = 8
AUDIENCE = [f"r{n}@example.org" for n in range(1, PEOPLE + 1)]
_ROOT = Path(__file__).parents[2]
# How often a point is sought again that no life passed.
_TRIES = 40


class Runner:
    """The process that forks the children which die; see `crash_runner.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, command: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command in a child."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))


@contextmanager
def running() -> Iterator[Runner]:
    """A runner without threads, so that it can fork."""
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("crash_runner.py"))],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Runner(process)
        assert process.stdin is not None
        process.stdin.close()


def store_with_a_list() -> bytes:
    """A store whose list is `AUDIENCE`."""
    with in_memory() as folder:
        path = folder / "newsletter.db"
        with SqliteDatabase(path) as db:
            add_subscribers(db, PEOPLE)
            db.checkpoint()
        return path.read_bytes()


class Death(NamedTuple):
    """Which passage of which point a process dies at."""

    point: str
    passage: int


@dataclass
class Crashes:
    """What came of dying everywhere.

    Attributes:
        points: every point of an undisturbed send, and how often it was passed.
        deaths: how often a process died at each.
        counts: what became of everybody, over all lives.
        breaches: what the judge found, with the point it was found at.
    """

    points: dict[str, int] = field(default_factory=dict)
    deaths: Counter[str] = field(default_factory=Counter)
    counts: Counter[DeliveryState] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)


@dataclass
class Dying:
    """Sends of eight people through one provider, by processes that die.

    Attributes:
        keys: whether the provider may use its idempotency keys.
        bug: of `planted.py`, in every process.
    """

    runner: Runner
    provider: str
    keys: bool = True
    bug: str = ""
    template: bytes = field(default_factory=store_with_a_list)
    closing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))

    def everywhere(self, *first: Death, every_passage: bool = True, until_caught: bool = False) -> Crashes:
        """Die once at each passage of each point of an undisturbed send, or of one that goes on after `first`.

        Args:
            first: how the processes before that one die.
            every_passage: else the first and the last of each point.
            until_caught: stop at the first breach.
        """
        found = Crashes()
        with in_memory() as folder:
            found.points = self.lives(folder, first, found)
        for point, passages in found.points.items():
            before = found.deaths[point]
            for passage in range(1, passages + 1) if every_passage else {1, passages}:
                with in_memory() as folder:
                    self.lives(folder, (*first, Death(point, passage)), found)
                if until_caught and found.breaches:
                    return found
            # Threads take turns as they like: what one life passes another may not, such as a batch's number, which is
            # noted only where it is the highest so far.
            for _ in range(_TRIES):
                if found.deaths[point] > before:
                    break
                with in_memory() as folder:
                    self.lives(folder, (*first, Death(point, 1)), found)
        return found

    def at_random(self, points: Mapping[str, int], dice: random.Random, deaths: int) -> Crashes:
        """Die `deaths` times in a row, somewhere in each life, before one life is let go to its end."""
        found = Crashes()
        # Early passages: a life that gets past them all is the last one.
        chosen = [Death(p, dice.randint(1, min(points[p], 2))) for p in dice.choices(list(points), k=deaths)]
        with in_memory() as folder:
            self.lives(folder, chosen, found)
        return found

    def lives(self, folder: Path, deaths: Sequence[Death], found: Crashes) -> dict[str, int]:
        """One send by processes that die at `deaths`, one after the other, and one that doesn't; the points of that one."""
        (folder / "newsletter.db").write_bytes(self.template)
        receiver = open_receiver(self.provider, folder)
        last: dict[str, Any] = {}
        try:
            for point, passage in (*deaths, Death("", 0)):
                last = self.runner.do(
                    {
                        "folder": str(folder),
                        "options": as_json(receiver.options()),
                        "keys": self.keys,
                        "bug": self.bug,
                        "die_at": point,
                        "passage": passage,
                    }
                )
                if last["exit"] == DIED:
                    found.deaths[point] += 1
                else:
                    break  # it ended: it died earlier at another passage, or there was no such one
            time.sleep(0.005)  # a request written before a crash may still be on its way
            mailed = receiver.mailed
        finally:
            # A server takes its time to stop; the next life needn't wait for that.
            self.closing.submit(receiver.close)
        with SqliteDatabase(folder / "newsletter.db") as db:
            states = states_of(db, 1)
        found.counts.update(states.values())
        finished = last.get("state") == "sent"
        said = last.get("error") or f"the send ended {last.get('state', 'without a word')}"
        at = ", then ".join(f"{point} ({passage})" for point, passage in deaths)
        found.breaches += [
            f"after dying at {at or 'no point'}: {breach}"
            for breach in (
                *([] if finished else [said]),
                *verdict(Books(mailed, states, AUDIENCE), finished=finished),
            )
        ]
        return dict(last.get("points", {}))
