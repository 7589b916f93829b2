"""How many one-click unsubscribes does the service write down in a second, against the same server's bare hello?

Each is its own reader's and durably committed before its 200. `wrk` (Debian package `wrk`) drives both, in turns,
with 32 connections. Afterwards the store is counted: as many have left as were answered.

With `--signups`, instead: how many signups, each from a network and for an address of its own, written down durably before
the answer, while the confirmations leave into the outbox behind it.

    python tests/benchmarks/web.py [--rounds 3] [--seconds 5] [--workers 1] [--signups] [--memory 1000000]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
SECRET = "a-benchmark-secret-that-nobody-else-has"
CONNECTIONS = 32
PEOPLE = 20_000  # added in one transaction
SETTINGS = 'name = "Field Notes"\nfrom = "a@notes.example"\npostal_address = "x"\nbase_url = "https://notes.example"\n'
LUA = """\
local paths = {}
local at = 0
for line in io.lines("%s") do paths[#paths + 1] = line end
local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
function request()
  at = at + 1
  return wrk.format("POST", paths[(at - 1) %% #paths + 1], headers, "List-Unsubscribe=One-Click")
end
"""
# Each signup is somebody else's: its limits are its own, so that none is held back.
SIGNUPS = """\
local at = %d
function request()
  at = at + 1
  local client = math.floor(at / 65536) %% 200 + 1 .. "." .. math.floor(at / 256) %% 256 .. "." .. at %% 256 .. ".7"
  local headers = { ["Content-Type"] = "application/x-www-form-urlencoded", ["X-Forwarded-For"] = client }
  return wrk.format("POST", "/join", headers, "email=reader" .. at .. "%%40domain" .. at %% 50000 .. ".example")
end
"""
OPEN = '[web]\ntrusted_proxies = ["127.0.0.1"]\nsignups_per_hour = 1000000000\n'


@dataclass(frozen=True)
class Run:
    """One run of wrk."""

    per_second: float
    p99_ms: float
    answers: int
    failed: int


def wrk(url: str, seconds: int, script: Path | None = None) -> Run:
    """Drive `url` for `seconds`."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    if script is not None:
        command += ["-s", str(script)]
    text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout

    def found(pattern: str, default: str = "") -> str:
        match = re.search(pattern, text)
        if match is None and not default:
            raise SystemExit(text)
        return match[1] if match else default

    amount, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", found(r"\n\s+99%\s+(\S+)")).groups()  # type: ignore[union-attr]
    p99 = float(amount) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    failed = int(found(r"Non-2xx or 3xx responses: (\d+)", "0"))
    return Run(float(found(r"Requests/sec:\s+([\d.]+)")), p99, int(found(r"(\d+) requests in")), failed)


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextlib.contextmanager
def process(home: Path, *command: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server, until the end of the block."""
    environment = {**os.environ, "NEWSLETTER_SECRET_KEY": SECRET, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen([sys.executable, *command], cwd=home, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            if time.monotonic() > deadline or running.poll() is not None:
                raise SystemExit("the server didn't start")
            time.sleep(0.05)
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(timeout=60)


def hello(port: int) -> None:
    """The bare server: the same uvicorn and Starlette, a constant answer."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    from newsletter.app.http_server import listen
    from newsletter.web.server import make_server

    async def answer(_: Request) -> Response:
        return PlainTextResponse("hello\n")

    with listen("127.0.0.1", port) as listening:
        make_server(Starlette(routes=[Route("/", answer)])).run([listening])


class Readers:
    """People on the list, each of whom leaves once."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._next = 1

    def some(self, count: int) -> Path:
        """Add `count` people; returns the script that has each of them leave."""
        from newsletter.app import open_workspace
        from newsletter.audience.tokens import TokenSigner

        signer = TokenSigner(SECRET.encode())
        first, self._next = self._next, self._next + count
        with open_workspace(self._home).open_database() as database:
            for start in range(first, first + count, PEOPLE):
                rows = [
                    (n, f"r{n}@example.com", f"r{n}@example.com")
                    for n in range(start, min(start + PEOPLE, first + count))
                ]
                with database.write() as tx:
                    tx.executemany(
                        "INSERT INTO subscribers (id, email, match_key, status, created_at) "
                        "VALUES (?, ?, ?, 'active', '2026-01-06T09:00:00.000Z')",
                        rows,
                    )
        paths = self._home / "paths.txt"
        paths.write_text(
            "".join(f"/u/{signer.unsubscribe(n)}\n" for n in range(first, first + count)), "ascii"
        )
        script = self._home / "leave.lua"
        script.write_text(LUA % paths, "utf-8")
        return script

    def left(self) -> int:
        """How many have left."""
        from newsletter.app import open_workspace

        with open_workspace(self._home).open_database() as database:
            [(number,)] = database.query("SELECT count(*) FROM subscribers WHERE status = 'unsubscribed'")
        return int(number)


def resident_mb(pid: int) -> float:
    """What a process holds in memory."""
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def compare(home: Path, rounds: int, seconds: int, workers: int) -> None:
    """Both in turns; prints a line a round and the medians."""
    readers, ports = Readers(home), (free_port(), free_port())
    runs = []
    bare = process(home, str(Path(__file__).resolve()), "--hello", str(ports[0]), port=ports[0])
    options = ["-m", "newsletter", "serve", "--port", str(ports[1]), "--workers", str(workers)]
    with bare, process(home, *options, port=ports[1]):
        wrk(f"http://127.0.0.1:{ports[0]}/", 1)
        for number in range(rounds):
            first = wrk(f"http://127.0.0.1:{ports[0]}/", seconds)
            script = readers.some(int(first.per_second * seconds * workers) + 1000)
            before = readers.left()
            second = wrk(f"http://127.0.0.1:{ports[1]}/", seconds, script)
            kept = readers.left() - before
            if second.failed or kept < second.answers:
                raise SystemExit(f"{second.answers} answered, {kept} in the store, {second.failed} failed")
            ratio = second.per_second / first.per_second
            runs.append((ratio, second))
            print(
                f"round {number + 1}: hello {first.per_second:,.0f}/s p99 {first.p99_ms:.0f} ms · "
                f"one-click {second.per_second:,.0f}/s p99 {second.p99_ms:.0f} ms · ratio {ratio:.2f}"
            )
    ratio = statistics.median(ratio for ratio, _ in runs)
    p99 = statistics.median(run.p99_ms for _, run in runs)
    print(f"{workers} worker(s): ratio {ratio:.2f} (goal ≥0.25) · p99 {p99:.0f} ms (goal <50)")


def signups(home: Path, rounds: int, seconds: int, workers: int) -> None:
    """Signups and hello in turns; what was answered has to be in the store, held back by nothing."""
    from newsletter.app import open_workspace

    with (home / "newsletter.toml").open("a") as settings:
        settings.write(OPEN)
    script, ports = home / "join.lua", (free_port(), free_port())
    bare = process(home, str(Path(__file__).resolve()), "--hello", str(ports[0]), port=ports[0])
    options = ["-m", "newsletter", "serve", "--port", str(ports[1]), "--workers", str(workers)]
    answered, ratios = 0, []
    with bare, process(home, *options, port=ports[1]):
        for number in range(rounds):
            first = wrk(f"http://127.0.0.1:{ports[0]}/", seconds)
            script.write_text(SIGNUPS % (number * 1_000_000), "ascii")
            second = wrk(f"http://127.0.0.1:{ports[1]}/", seconds, script)
            if second.failed:
                raise SystemExit(f"{second.failed} failed")
            answered += second.answers
            ratios.append(second.per_second / first.per_second)
            print(
                f"round {number + 1}: hello {first.per_second:,.0f}/s · signups {second.per_second:,.0f}/s "
                f"p99 {second.p99_ms:.0f} ms · ratio {ratios[-1]:.2f}"
            )
    with open_workspace(home).open_database() as database:
        [(kept,)] = database.query(
            "SELECT (SELECT count(*) FROM join_requests WHERE held_back = '') + (SELECT count(*) FROM joinings)"
        )
        [(sent,)] = database.query("SELECT count(*) FROM outgoing WHERE state = 'sent'")
    if kept < answered:
        raise SystemExit(f"{answered} answered, {kept} in the store")
    print(
        f"{workers} worker(s): ratio {statistics.median(ratios):.2f}; {answered:,} kept, {sent:,} mailed meanwhile"
    )


def memory(home: Path, requests: int) -> None:
    """What the process holds after 10,000 requests, and after all."""
    readers, port = Readers(home), free_port()
    with process(home, "-m", "newsletter", "serve", "--port", str(port), port=port) as running:
        done, marks = 0, []
        script = readers.some(5_000)
        while done < requests:
            done += wrk(f"http://127.0.0.1:{port}/", 2 if done < 10_000 else 20, script).answers
            marks.append((done, resident_mb(running.pid)))
            print(f"after {done:>9,} requests: {marks[-1][1]:.1f} MB")
    at, early = next(mark for mark in marks if mark[0] >= min(10_000, requests))
    print(f"memory: {marks[-1][1] / early:.2f}× of what it was after {at:,}")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--memory", type=int, default=0, help="send so many requests and watch the memory instead"
    )
    parser.add_argument("--signups", action="store_true", help="measure signups instead")
    parser.add_argument("--hello", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hello:
        hello(options.hello)
        return
    os.environ["NEWSLETTER_SECRET_KEY"] = SECRET
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "newsletter.toml").write_text(SETTINGS, "utf-8")
        if options.memory:
            memory(home, options.memory)
        elif options.signups:
            signups(home, options.rounds, options.seconds, options.workers)
        else:
            compare(home, options.rounds, options.seconds, options.workers)


if __name__ == "__main__":
    main()
