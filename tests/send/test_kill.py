"""`kill -9` at random moments of a real `newsletter send`: the receiving side's own ledger is the judge.

Fifty random points of sends of 10,000: half of them into the outbox, half through SMTP. More:

    NEWSLETTER_KILLS=100 python -m pytest tests/send/test_kill.py -s
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from newsletter.store.sqlite import SqliteDatabase
from tests.fakes.ledger import read_ledger
from tests.send.desk import add_subscribers, in_memory, outbox_recipients

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("NEWSLETTER_KILLS", "25"))
PEOPLE = 10_000


class Home:
    """A newsletter with a list of ten thousand, as a user has it."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.folder = folder
        folder.mkdir()
        self.run("init", ".", "--name", "Notes", "--from", "a@example.com", "--postal-address", "1 Street")
        with (folder / "newsletter.toml").open("a") as file:
            file.write(settings)
        with SqliteDatabase(folder / ".newsletter" / "newsletter.db") as db:
            add_subscribers(db, PEOPLE)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("NEWSLETTER_")}
        return subprocess.Popen(
            [sys.executable, "-m", "newsletter", *arguments],
            cwd=self.folder,
            env=clean | {"NEWSLETTER_HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return out


@pytest.fixture
def home_folder() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


def kill_until_sent(home: Home, kills: int, dice: random.Random) -> tuple[int, dict[str, Any]]:
    """Send, die, resume, die …; at most `kills` deaths. How many there were, and the state at the end.

    A life ends when so many messages were recorded as a random point of the whole send says, and at
    least one batch more than at its beginning.
    """
    points = sorted(dice.sample(range(PEOPLE - 1000), kills))
    command: tuple[str, ...] = ("send", "1", "--yes", "--expect-count", str(PEOPLE), "--json")
    died = 0
    with SqliteDatabase(home.folder / ".newsletter" / "newsletter.db") as db:

        def recorded() -> int:
            [(count,)] = db.query("SELECT coalesce(sum(size), 0) FROM batches WHERE finished_at <> ''")
            return int(count)

        while True:
            process = home.start(*command)
            if died < kills:
                point = max(points[died], recorded() + 1)
                while process.poll() is None and recorded() < point:
                    time.sleep(0.002)
                time.sleep(dice.uniform(0, 0.01))
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    died += 1
            out, err = process.communicate(timeout=120)
            if process.returncode == 0:
                return died, json.loads(out)
            assert process.returncode == -signal.SIGKILL, err
            command = ("resume", "1", "--yes", "--json")


def test_the_outbox_has_everybody_exactly_once_however_often_the_sender_is_killed(home_folder: Path) -> None:
    dice, died, sends = random.Random(1), 0, 0
    while died < KILLS:
        sends += 1
        home = Home(home_folder / str(sends), "")
        deaths, state = kill_until_sent(home, KILLS - died, dice)
        assert deaths
        died += deaths
        assert (state["state"], state["accepted"], state["unknown"]) == ("sent", PEOPLE, 0)
        counts = Counter(outbox_recipients(home.folder / ".newsletter"))
        assert len(counts) == PEOPLE
        assert set(counts.values()) == {1}
    print(f"outbox: {died} kills in {sends} sends of {PEOPLE}: all exactly once, none unknown")


@pytest.fixture
def mail_server(home_folder: Path) -> Iterator[tuple[int, Path]]:
    """A mail server in a process of its own: its port and its ledger."""
    port_file, ledger = home_folder.with_name(home_folder.name + ".port"), home_folder / "smtp.ledger"
    server = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "tests" / "fakes" / "smtp.py"),
            "--port-file",
            str(port_file),
            "--ledger",
            str(ledger),
        ],
        cwd=ROOT,
    )
    try:
        for _ in range(200):
            if port_file.exists():
                break
            time.sleep(0.05)
        yield int(port_file.read_text()), ledger
    finally:
        server.kill()
        server.wait()
        port_file.unlink(missing_ok=True)


def test_a_mail_server_gets_nobody_twice_and_whoever_is_missing_is_named_unknown(
    home_folder: Path, mail_server: tuple[int, Path]
) -> None:
    port, ledger = mail_server
    settings = f'\n[provider]\nname = "smtp"\nhost = "127.0.0.1"\nport = {port}\nstarttls = false\n'
    everybody = {f"r{n}@example.org" for n in range(1, PEOPLE + 1)}
    dice, died, sends, lost = random.Random(2), 0, 0, 0
    while died < KILLS:
        sends += 1
        home = Home(home_folder / str(sends), settings)
        before = len(read_ledger(ledger))
        deaths, state = kill_until_sent(home, KILLS - died, dice)
        assert deaths
        died += deaths
        assert state["state"] == "sent"
        assert state["accepted"] + state["unknown"] == PEOPLE
        listed = json.loads(home.run("reconcile", "1", "--json"))["deliveries"]
        unknown = {entry["email"] for entry in listed}
        mailed = Counter(entry["recipient"] for entry in read_ledger(ledger)[before:])
        assert len(unknown) == state["unknown"]
        assert set(mailed.values()) == {1}, "mailed twice"
        assert everybody - set(mailed) <= unknown, "lost silently"
        lost += len(unknown)
    print(f"smtp: {died} kills in {sends} sends of {PEOPLE}: none twice, {lost} held as unknown")
