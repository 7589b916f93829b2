"""The service as a process: killed in a storm of unsubscribes, told to end in the middle of one, several on one port."""

from __future__ import annotations

import contextlib
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from newsletter.app import open_workspace
from newsletter.audience.tokens import TokenSigner
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.web.webhook_secrets import webhook_token
from tests.waiting import wait_for
from tests.web.conftest import ROOT, SECRET

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
READERS = 3_000


class Process:
    """`newsletter serve` on a free port."""

    def __init__(self, home: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.running = subprocess.Popen(
            [sys.executable, "-m", "newsletter", "serve", "--port", str(self.port), *options],
            cwd=home,
            env={"PATH": os.environ["PATH"], "NEWSLETTER_SECRET_KEY": SECRET, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        deadline = time.monotonic() + 90
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/healthz", timeout=60).status_code == 200:
                    return
            assert self.running.poll() is None, self.said()
            assert time.monotonic() < deadline, "it doesn't answer"
            time.sleep(0.05)

    def said(self) -> str:
        assert self.running.stderr is not None
        return self.running.stderr.read().decode()

    def tell(self, number: signal.Signals) -> None:
        self.running.send_signal(number)

    def ended(self) -> int:
        return self.running.wait(timeout=60)

    def kill_all(self) -> None:
        """The process and its workers, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.running.pid, signal.SIGKILL)
        self.running.wait(timeout=30)
        for stream in (self.running.stdout, self.running.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def launch(home: Path) -> Iterator[Callable[..., Process]]:
    """Starts processes, and ends them with the test."""
    with contextlib.ExitStack() as stack:

        def begin(*options: str) -> Process:
            process = Process(home, *options)
            stack.callback(process.kill_all)
            return process

        yield begin


@pytest.fixture
def readers(home: Path) -> list[int]:
    """Many people on the list."""
    with open_workspace(home).open_database() as database, database.write() as tx:
        return [
            people.insert(
                tx,
                email=f"r{number}@example.com",
                match_key=f"r{number}@example.com",
                status=SubscriberStatus.ACTIVE,
                at="2026-01-06T09:00:00.000Z",
            )
            for number in range(READERS)
        ]


def storm(
    url: str, readers: list[int], answered: list[int], ending: threading.Event
) -> list[threading.Thread]:
    """Eight mail programs that unsubscribe everybody; who was answered 200 is noted after the answer."""
    signer = TokenSigner(SECRET.encode())

    def unsubscribe(share: list[int]) -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            for reader in share:
                if ending.is_set():
                    return
                with contextlib.suppress(httpx.TransportError):
                    if client.post(f"/u/{signer.unsubscribe(reader)}", data=ONE_CLICK).status_code == 200:
                        answered.append(reader)

    threads = [threading.Thread(target=unsubscribe, args=(readers[at::8],)) for at in range(8)]
    for thread in threads:
        thread.start()
    return threads


def left(home: Path) -> set[int]:
    with open_workspace(home).open_database() as database:
        return {
            number for (number,) in database.query("SELECT id FROM subscribers WHERE status = 'unsubscribed'")
        }


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_killed_in_a_storm_every_answered_unsubscribe_is_kept(
    launch: Callable[..., Process], home: Path, readers: list[int], options: tuple[str, ...]
) -> None:
    process = launch(*options)
    answered: list[int] = []
    ending = threading.Event()
    threads = storm(process.url, readers, answered, ending)
    wait_for(lambda: len(answered) >= 200)
    time.sleep(random.uniform(0, 0.05))
    process.kill_all()
    ending.set()
    for thread in threads:
        thread.join(timeout=60)
    assert 200 <= len(answered) < READERS, "it was killed in the middle"
    assert set(answered) <= left(home)


def test_killed_while_the_store_is_held_what_was_spooled_is_kept(
    launch: Callable[..., Process], home: Path, readers: list[int]
) -> None:
    import sqlite3

    process = launch()
    answered: list[int] = []
    holder = sqlite3.connect(open_workspace(home).database_path, isolation_level=None)
    with contextlib.closing(holder):
        holder.execute("BEGIN IMMEDIATE")
        threads = storm(process.url, readers[:64], answered, threading.Event())
        wait_for(lambda: len(answered) >= 16)
        process.kill_all()
        for thread in threads:
            thread.join(timeout=60)
    assert set(answered) <= left(home)


def test_killed_in_a_flood_of_reports_every_answered_one_is_kept_and_carried_out_once(
    launch: Callable[..., Process], home: Path, readers: list[int]
) -> None:
    with (home / "newsletter.toml").open("a", encoding="utf-8") as toml:
        toml.write("[tracking]\nflood_percent = 100\n")
    with open_workspace(home).open_database() as database, database.write() as tx:
        tx.execute(
            "INSERT INTO sends (id, slug, number, title, state, content, content_hash, provider, audience, created_at) "
            "VALUES (1, 'hello', 1, 'Hello', 'sent', '', '', 'postmark', ?, '2026-01-06T09:00:00.000Z')",
            (READERS,),
        )
        tx.execute("INSERT INTO deliveries (send_id, subscriber_id, state) SELECT 1, id, 2 FROM subscribers")
    signer, address = TokenSigner(SECRET.encode()), webhook_token(SECRET.encode(), "postmark")
    process = launch("--workers", "2")
    answered: list[int] = []
    ending = threading.Event()

    def report(share: list[int]) -> None:
        with httpx.Client(base_url=process.url, timeout=60) as client:
            for reader in share:
                told = {
                    "RecordType": "Bounce",
                    "ID": reader,
                    "Type": "HardBounce",
                    "Email": f"r{reader}@example.com",
                    "Metadata": {"delivery_id": signer.delivery(1, reader)},
                }
                with contextlib.suppress(httpx.TransportError):
                    if client.post(f"/hooks/postmark/{address}", json=told).status_code == 200:
                        answered.append(reader)
                if ending.is_set():
                    return

    # Two tell the same, at once: providers repeat themselves.
    threads = [threading.Thread(target=report, args=(readers[at::4],)) for at in range(4) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answered) >= 200)
    process.kill_all()
    ending.set()
    for thread in threads:
        thread.join(timeout=120)
    launch_again = launch("--workers", "2")
    with open_workspace(home).open_database() as database:
        wait_for(lambda: database.query("SELECT count(*) FROM events WHERE applied_at = ''") == [(0,)])
        bounced: dict[int, int] = dict(
            database.query(
                "SELECT s.id, count(*) FROM subscribers s JOIN consent_events c ON c.subscriber_id = s.id "
                "WHERE s.status = 'bounced' AND c.action = 'bounced' GROUP BY s.id"
            )
        )
    assert set(answered) <= set(bounced)
    assert set(bounced.values()) == {1}
    launch_again.tell(signal.SIGTERM)
    assert launch_again.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_told_to_end_it_finishes_what_was_begun(
    launch: Callable[..., Process],
    home: Path,
    readers: list[int],
    number: signal.Signals,
    options: tuple[str, ...],
) -> None:
    process = launch(*options)
    token = TokenSigner(SECRET.encode()).unsubscribe(readers[0])
    body = b"List-Unsubscribe=One-Click"
    with socket.create_connection(("127.0.0.1", process.port), timeout=60) as connection:
        head = f"POST /u/{token} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        # It has read the head and waits for the rest (RFC 9110 §10.1.1).
        assert connection.recv(4096).startswith(b"HTTP/1.1 100")
        process.tell(number)
        connection.sendall(body[:5])
        time.sleep(0.2)
        connection.sendall(body[5:])
        readable, _, _ = select.select([connection], [], [], 60)
        assert readable
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert process.ended() == 0
    served, links, ends = process.said().splitlines()
    assert served == f"Field Notes is served on {process.url}; Ctrl-C ends it"
    assert links.startswith("Links in its mails lead to http")
    assert ends == "ending: finishing what was begun (again to end at once)"
    assert left(home) == {readers[0]}


def test_a_worker_that_dies_is_replaced(launch: Callable[..., Process], readers: list[int]) -> None:
    process = launch("--workers", "2")

    def children() -> set[int]:
        listed = Path(f"/proc/{process.running.pid}/task/{process.running.pid}/children")
        if not listed.exists():
            pytest.skip("this system doesn't list a process's children")
        return {int(pid) for pid in listed.read_text("ascii").split()}

    def counted() -> float:
        """What one of them, whichever it is, says of all."""
        text = httpx.get(f"{process.url}/metrics", timeout=30).text
        sample = 'newsletter_http_requests_total{method="GET",route="/join",status="200"} '
        return float(text.partition(f"\n{sample}")[2].partition("\n")[0] or "0")

    before = children()
    assert len(before) == 2
    for _ in range(20):
        assert httpx.get(f"{process.url}/join", timeout=30).status_code == 200
    wait_for(lambda: counted() == 20)
    time.sleep(2.1)  # one that dies sooner is taken for one that can't start
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(children() - {victim}) >= 2)
    token = TokenSigner(SECRET.encode()).unsubscribe(readers[0])
    assert httpx.post(f"{process.url}/u/{token}", data=ONE_CLICK, timeout=60).status_code == 200
    for _ in range(20):
        assert httpx.get(f"{process.url}/join", timeout=30).status_code == 200
    # Whoever answers, and though one of them is dead.
    wait_for(lambda: counted() == 40)
    assert {counted() for _ in range(8)} == {40}
    process.tell(signal.SIGTERM)
    assert process.ended() == 0


def test_workers_end_with_the_process_that_made_them(launch: Callable[..., Process]) -> None:
    process = launch("--workers", "2")
    process.tell(signal.SIGKILL)
    process.ended()
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", process.port), timeout=60).close()
        except ConnectionRefusedError:
            return
        assert time.monotonic() < deadline, "somebody still listens"
        time.sleep(0.02)


def test_an_address_that_is_taken_is_said_so(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "-m", "newsletter", "serve", "--port", str(taken.getsockname()[1])],
            cwd=home,
            env={"PATH": os.environ["PATH"], "NEWSLETTER_SECRET_KEY": SECRET, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert re.search(r"can't listen on 127\.0\.0\.1 port \d+", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_no_newsletter_is_not_served_and_stays_empty(tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NEWSLETTER_")}
    done = subprocess.run(
        [sys.executable, "-m", "newsletter", "serve", "--port", "0"],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "newsletter init" in done.stderr
    assert not list(tmp_path.iterdir())
