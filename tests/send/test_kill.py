"""`kill -9` at random moments of a real `newsletter send`, through every provider: its fake's own ledger is the judge.

In the suite each provider's sender dies a few times over up to two thousand people. The soak shares ten thousand
deaths over all providers, takes some hours, and says after each send how far it is:

    NEWSLETTER_KILLS=10000 python -m pytest tests/send/test_kill.py -s

It keeps what it did in the file that NEWSLETTER_KILLS_LOG names (`newsletter-kills.jsonl` in the temporary
folder unless given), a line a send, and goes on from there when it is started again.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from newsletter.model.delivery import DeliveryState
from newsletter.providers.base import ProviderOptions
from newsletter.store.sqlite import SqliteDatabase
from tests.running import environment
from tests.send.desk import add_subscribers, in_memory
from tests.send.judge import Books, states_of, verdict
from tests.send.receivers import EVERY_PROVIDER, Receiver, open_receiver, unpaced
from tests.send.test_crashes import MUTE_KEYS

SOAK = int(os.environ.get("NEWSLETTER_KILLS", "0"))
LOG = Path(os.environ.get("NEWSLETTER_KILLS_LOG") or Path(tempfile.gettempdir()) / "newsletter-kills.jsonl")
KILLS = -(-SOAK // len(EVERY_PROVIDER)) if SOAK else 3
# Deaths of one send; a soak begins another with fresh people after that.
A_SEND = 25
MOST_PEOPLE = 2000
# Where each call has one recipient, as many calls as elsewhere would take minutes.
CALLS = 250
# Small batches without the account's limits: many moments to die at.
SENDING = "\n[sending]\nbatch = 20\nconnections = 4\nrate = 1000000\ncalls = 1000000\n"


@dataclass
class Home:
    """A newsletter with so many people on its list, as a user has it."""

    folder: Path
    people: int = MOST_PEOPLE
    secret: tuple[str, str] = ("", "")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        secret = dict([self.secret] if self.secret[0] else [])
        return subprocess.Popen(
            [sys.executable, "-m", "newsletter", *arguments],
            cwd=self.folder,
            env=environment(NEWSLETTER_HOME=str(self.folder), **secret),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def database(self) -> SqliteDatabase:
        return SqliteDatabase(self.folder / ".newsletter" / "newsletter.db")

    def verdict(self, mailed: Counter[str]) -> list[str]:
        """What the judge says about a send that has ended."""
        with self.database() as db:
            return verdict(
                Books(mailed, states_of(db, 1), [f"r{n}@example.org" for n in range(1, self.people + 1)])
            )

    def unknown(self) -> set[str]:
        with self.database() as db:
            return {email for email, state in states_of(db, 1).items() if state is DeliveryState.UNKNOWN}


@pytest.fixture(scope="module")
def prototype() -> Iterator[Path]:
    """What every send begins with; copied before anything was sent from it."""
    with in_memory() as folder:
        home = Home(folder / "notes")
        home.folder.mkdir()
        process = home.start(
            "init", ".", "--name", "Notes", "--from", "a@example.com", "--postal-address", "1 Street"
        )
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        with home.database() as db:
            add_subscribers(db, MOST_PEOPLE)
            db.checkpoint()
        yield home.folder


@pytest.fixture
def home_folder() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


def as_settings(options: ProviderOptions) -> str:
    """`[provider]` as a user writes it."""
    names = ("base_url", "host", "port", "starttls", "username", "region", "domain", "stream")
    values = {name: getattr(options, name) for name in names}
    lines = [f'name = "{options.name}"']
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items() if value not in ("", 0, None)]
    if options.starttls is False:
        lines.append("starttls = false")
    return "\n[provider]\n" + "\n".join(dict.fromkeys(lines)) + "\n" + SENDING


def make_home(prototype: Path, folder: Path, options: ProviderOptions, max_batch: int) -> Home:
    shutil.copytree(prototype, folder)
    with (folder / "newsletter.toml").open("a") as file:
        file.write(as_settings(options) if options.name != "outbox" else SENDING)
    secret = options.secret.get_secret_value() if options.secret else ""
    home = Home(
        folder,
        min(MOST_PEOPLE, CALLS * max_batch),
        (f"NEWSLETTER_{options.name.upper()}_API_KEY" if secret else "", secret),
    )
    with home.database() as db, db.write() as tx:
        tx.execute("DELETE FROM subscribers WHERE id > ?", (home.people,))
    return home


def kill_until_sent(home: Home, kills: int, dice: random.Random) -> tuple[int, dict[str, Any]]:
    """Send, die, resume, die …; at most `kills` deaths. How many there were, and the state at the end.

    A life ends when so many messages were recorded as a random point of the whole send says, and at
    least one batch more than at its beginning; one in five ends at any moment, also before it sends.
    """
    points, died = sorted(dice.sample(range(home.people), kills)), 0
    with home.database() as db:

        def recorded() -> int:
            [(count,)] = db.query("SELECT coalesce(sum(size), 0) FROM batches WHERE finished_at <> ''")
            return int(count)

        def live(process: subprocess.Popen[str]) -> None:
            if dice.random() < 0.2:
                time.sleep(dice.uniform(0.1, 1.0))
                return
            point = max(points[died], recorded() + 1)
            while process.poll() is None and recorded() < point:
                time.sleep(0.002)
            time.sleep(dice.uniform(0, 0.005))

        while True:
            begun = bool(db.query("SELECT 1 FROM sends"))
            process = home.start(
                *(["resume", "1"] if begun else ["send", "1", "--expect-count", str(home.people)]),
                "--yes",
                "--json",
            )
            if died < kills:
                live(process)
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    died += 1
            out, err = process.communicate(timeout=120)
            if process.returncode == 0:
                return died, json.loads(out)
            assert process.returncode == -signal.SIGKILL, err


def logged() -> list[dict[str, Any]]:
    return [json.loads(line) for line in LOG.read_text().splitlines()] if SOAK and LOG.exists() else []


def log(provider: str, died: int, unknown: int) -> None:
    before = [entry["kills"] for entry in logged() if entry["provider"] == provider]
    with LOG.open("a") as file:
        file.write(json.dumps({"provider": provider, "kills": died, "unknown": unknown}) + "\n")
    print(f"{provider}: {sum(before) + died} of {KILLS} kills", flush=True)


def one_send(home: Home, receiver: Receiver, kills: int, dice: random.Random) -> tuple[int, int]:
    """One send by senders that are killed; judged. How often, and how many are unknown in the end."""
    before = receiver.mailed
    died, state = kill_until_sent(home, kills, dice)
    mailed = receiver.mailed
    mailed.subtract(before)
    assert state["state"] == "sent"
    assert state["accepted"] + state["unknown"] == home.people
    assert home.verdict(+mailed) == []
    # Whoever is unknown is named, and a provider that can be asked is.
    process = home.start("reconcile", "1", "--json")
    said, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    named = {entry["email"] for entry in json.loads(said)["deliveries"]}
    assert home.verdict(+mailed) == []
    assert named == home.unknown()
    return died, state["unknown"]


@pytest.mark.timeout(0 if SOAK else 240)
@pytest.mark.parametrize("provider", EVERY_PROVIDER)
def test_nobody_is_mailed_twice_or_lost_however_often_the_sender_is_killed(
    home_folder: Path, prototype: Path, provider: str
) -> None:
    earlier = [entry for entry in logged() if entry["provider"] == provider]
    died, unknown = (sum(entry[what] for entry in earlier) for what in ("kills", "unknown"))
    sends = len(earlier)
    dice = random.Random(f"{provider} {sends}")
    while died < KILLS:
        sends += 1
        folder = home_folder / str(sends)
        receiver = open_receiver(provider, folder / ".newsletter")
        try:
            declared = unpaced(receiver.options())(provider, "").capabilities
            home = make_home(prototype, folder, receiver.options(), declared.max_batch)
            killed, lost = one_send(home, receiver, min(A_SEND, KILLS - died), dice)
        finally:
            receiver.close()
        shutil.rmtree(folder)
        died, unknown = died + killed, unknown + lost
        if declared.look_up or (declared.idempotency_ttl and provider not in MUTE_KEYS):
            assert lost == 0, "the provider could have told"
        if SOAK:
            log(provider, killed, lost)
    print(f"{provider}: {died} kills in {sends} sends: none twice, none lost, {unknown} unknown")
