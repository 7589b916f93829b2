"""Ctrl-C, SIGTERM and a closed terminal, told twice as `timeout` and a terminal do: each command ends once, tidied."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import pytest

from tests.fakes.smtp import FakeSmtp
from tests.running import NEWSLETTER, environment, python
from tests.waiting import wait_for

READERS = 200
SEND = ("send", "1", "--yes", "--expect-count", str(READERS))


class Command:
    """A command in a session of its own, what it says in files."""

    def __init__(self, home: Path, *arguments: str, **streams: int) -> None:
        self._said = [home.parent / "output", home.parent / "errors"]
        with self._said[0].open("wb") as output, self._said[1].open("wb") as errors:
            streams = {"stdin": subprocess.DEVNULL, "stdout": output.fileno()} | streams
            self.running: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload] # of the streams
                [sys.executable, "-m", "newsletter", *arguments],
                cwd=home,
                env=environment(TMPDIR=str(home.parent / "tmp")),
                stderr=errors,
                start_new_session=True,
                **streams,
            )

    @property
    def output(self) -> str:
        return self._said[0].read_text()

    @property
    def errors(self) -> str:
        return self._said[1].read_text()

    def says(self, words: str) -> None:
        """Wait until it has said so."""
        wait_for(lambda: words in self.output + self.errors or self.running.poll() is not None)
        assert words in self.output + self.errors

    def press(self, number: signal.Signals) -> None:
        """To the process, and to its group."""
        self.running.send_signal(number)
        os.killpg(self.running.pid, number)

    def ended(self) -> int:
        """The exit code, once nothing of it is left, and nothing was said that only its makers understand."""
        code = self.running.wait(timeout=90)
        wait_for(lambda: not in_session(self.running.pid))
        for noise in ("Traceback", "Exception ignored", "KeyboardInterrupt"):
            assert noise not in self.output + self.errors
        return code


Start = Callable[..., Command]


def in_session(leader: int) -> list[str]:
    """What still runs of a session (proc(5), stat)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append(stat.parent.name)
    return found


def waiting_in(pipe: int) -> int:
    """How many bytes nobody has read yet (tty_ioctl(4), FIONREAD)."""
    count: int = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]
    return count


@pytest.fixture(scope="module")
def newsletter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With people on its list."""
    home = tmp_path_factory.mktemp("signals") / "letter"

    sender = "Field Notes <notes@example.com>"
    init = (
        "init",
        "letter",
        "--name",
        "Field Notes",
        "--from",
        sender,
        "--postal-address",
        "1 Example Street",
    )
    python(*NEWSLETTER, *init, cwd=home.parent).check_returncode()
    people = "".join(f"reader{number}@example.com,Reader {number}\n" for number in range(READERS))
    add = ("subscribers", "import", "-")
    python(*NEWSLETTER, *add, cwd=home, stdin=f"email,name\n{people}").check_returncode()
    return home


@pytest.fixture
def home(newsletter: Path, tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return Path(shutil.copytree(newsletter, tmp_path / "letter"))


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Starts commands in `home`, and leaves none behind."""
    started: list[Command] = []

    def begin(*arguments: str, **streams: int) -> Command:
        started.append(Command(home, *arguments, **streams))
        return started[-1]

    yield begin
    for command in started:
        for process in in_session(command.running.pid):
            os.kill(int(process), signal.SIGKILL)
        command.running.wait()


@pytest.fixture
def server(home: Path) -> Iterator[FakeSmtp]:
    """Takes its time; the newsletter sends through it."""
    with FakeSmtp(latency=0.02) as smtp:
        with (home / "newsletter.toml").open("a") as settings:
            settings.write(f'[provider]\nname = "smtp"\nhost = "127.0.0.1"\nport = {smtp.port}\n')
            settings.write("starttls = false\n[sending]\nconnections = 1\nbatch = 5\n")
        yield smtp


def status(start: Start) -> dict[str, Any]:
    command = start("status", "1", "--json")
    assert command.ended() == 0
    shown: dict[str, Any] = json.loads(command.output)
    return shown


def test_a_send_stops_in_order_and_nothing_of_it_is_lost(home: Path, start: Start, server: FakeSmtp) -> None:
    command = start(*SEND)
    wait_for(lambda: server.messages)
    command.press(signal.SIGINT)
    assert command.ended() == 130
    assert command.errors.count("stopping: ") == 1
    assert "Stopped; nothing is lost" in command.errors
    shown = status(start)
    assert (shown["claimed"], shown["unknown"]) == (0, 0)
    assert shown["accepted"] == len(server.messages) < READERS
    assert shown["accepted"] + shown["pending"] == READERS


def test_an_import_that_waits_for_its_input_leaves_nothing(home: Path, start: Start) -> None:
    before = sorted((home / ".newsletter").iterdir())
    command = start("subscribers", "import", "-", stdin=subprocess.PIPE)
    standard_input: IO[bytes] = command.running.stdin  # type: ignore[assignment] # it is a pipe
    with standard_input:
        standard_input.write(b"email\nnew@example.com\n")
        standard_input.flush()
        wait_for(lambda: not waiting_in(standard_input.fileno()))
        command.press(signal.SIGHUP)
        assert command.ended() == 130
    assert "interrupted; nothing was imported" in command.errors
    assert sorted((home / ".newsletter").iterdir()) == before


def test_output_that_nobody_reads_keeps_nothing_alive(start: Start) -> None:
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        command = start("subscribers", "list", stdout=writer)
        # More follows than it holds, as into a pager.
        wait_for(lambda: waiting_in(reader))
        command.press(signal.SIGINT)
        assert command.ended() == 130
    finally:
        os.close(reader)
        os.close(writer)
    assert command.errors == "interrupted\n"


def test_a_service_ends_in_order_however_often_it_is_told(start: Start) -> None:
    command = start("serve", "--port", "0", "--workers", "2")
    command.says("is served on")
    command.press(signal.SIGHUP)
    assert command.ended() == 0
    assert command.errors.count("ending: ") == 1


def test_a_worker_ends_in_order_when_its_terminal_is_closed(home: Path) -> None:
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(home)
        os.execve(sys.executable, [sys.executable, *NEWSLETTER, "worker"], environment())
    shown = b""
    while b"worker started" not in shown:
        shown += os.read(screen, 4096)
    os.close(screen)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_server_of_one_program_doesnt_wait_for_it(start: Start) -> None:
    if find_spec("mcp") is None:
        pytest.skip("mcp isn't installed")
    client = {
        "protocolVersion": "2025-06-18",
        "clientInfo": {"name": "x", "version": "1"},
        "capabilities": {},
    }
    begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    command = start("mcp", stdin=subprocess.PIPE)
    standard_input: IO[bytes] = command.running.stdin  # type: ignore[assignment] # it is a pipe
    with standard_input:
        standard_input.write(json.dumps(begin).encode() + b"\n")
        standard_input.flush()
        command.says('"capabilities"')
        command.press(signal.SIGINT)
        assert command.ended() == 0
    assert command.errors == "ended\n"


def test_an_interrupt_that_gets_lost_comes_again(tmp_path: Path) -> None:
    # What a weak reference's callback raises is dropped; so is what Pydantic meets while it looks a key up.
    program = """
import os, signal, sys, weakref

class Loses:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            something = type("Something", (), {})()
            kept = weakref.ref(something, lambda _: os.kill(os.getpid(), signal.SIGINT))
            del something
            while True:
                pass

sys.meta_path.insert(0, Loses())
from newsletter.cli import main
main()
"""
    done = python("-c", program, "status", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_an_interrupt_that_was_answered_in_words_doesnt_come_again_while_the_output_is_written(
    home: Path,
) -> None:
    program = """
import io, os, signal, sys, time

def press(event, about):
    if event == "open" and str(about[0]).endswith("list.csv"):
        os.kill(os.getpid(), signal.SIGINT)

class TakenSlowly(io.TextIOWrapper):
    def flush(self):
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            pass
        super().flush()

sys.addaudithook(press)
sys.stdout = TakenSlowly(sys.stdout.detach())
from newsletter.cli import main
main()
"""
    (home / "list.csv").write_text("email\nnew@example.com\n")
    done = python("-c", program, "subscribers", "import", "list.csv", cwd=home)
    assert (done.returncode, done.stderr) == (130, "error: interrupted; nothing was imported\n")
