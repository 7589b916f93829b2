"""What every fake of an HTTP provider shares: a server on loopback, a ledger of its own, limits, and faults on demand.

A fake is a subclass that answers the provider's calls in `answer`; everything it accepts goes through
`deliver`, which writes the ledger before the answer leaves. A ledger line per accepted recipient has at
least `recipient` (bare address), `id`, `delivery_id` and `headers` (names in lower case: list headers and the
like, substitutions applied), `subject`, `html`, `text` (the final message, as the reader would see it) when
`keep` is on.

Each fake is a program too:

    python tests/fakes/postmark.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from newsletter.providers.base import ProviderOptions
from tests.fakes.ledger import Fault, Faults, Ledger, write_port_file


@dataclass
class Call:
    """One request, read whole; header names in lower case."""

    method: str
    path: str  # with the query
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What goes back; `body` is sent as JSON unless it is bytes."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The body as it leaves."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class FakeHttp:
    """A provider on 127.0.0.1; subclasses say what it answers.

    Attributes:
        ledger: who was accepted, by the receiving side's own record.
        faults: what it shall do wrong; `at` is the method (`POST`), `match` a text in the body.
        verified: sending domains it takes; empty for any.
        quota: recipients it takes before it is used up; None for any number.
        rate: calls a second before it says 429; 0 for no limit.
        latency: seconds a call takes.
        keep: whether the ledger has the messages' content, and `calls` every call.
        secret: the key it takes.
        clock: seconds; moves lifetimes of keys in tests.
    """

    name: ClassVar[str]  # of the provider, as registered

    ledger: Ledger = field(default_factory=Ledger)
    faults: Faults = field(default_factory=Faults)
    verified: tuple[str, ...] = ()
    quota: int | None = None
    rate: float = 0.0
    latency: float = 0.0
    keep: bool = True
    secret: str = "test-key"
    port: int = 0
    clock: Callable[[], float] = time.monotonic
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._window: list[float] = []
        self._closing = threading.Event()
        self._taken = 0
        fake = self

        class Handler(_Handler):
            server_fake = fake

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    # What a subclass says ---------------------------------------------------------------------------

    def answer(self, call: Call) -> Answer:
        """What the provider says to `call`; acceptances are recorded by `deliver`."""
        raise NotImplementedError

    def too_many(self, wait: float) -> Answer:
        """What it says to one call too many; `wait` seconds are left."""
        raise NotImplementedError

    def saying(self, status: int) -> Answer:
        """What it says with this status when a fault asks for it: an outage, a wrong key."""
        return Answer(status, {"message": f"fault {status}"})

    def shortened(self, answer: Answer) -> Answer:
        """`answer` without what it says about the last recipient, for the fault `short`."""
        return answer

    def shuffled(self, answer: Answer) -> Answer:
        """`answer` with its recipients in another order, for the fault `shuffled`; itself where the order is the only link."""
        return answer

    def options(self) -> ProviderOptions:
        """What the adapter needs to talk to this server."""
        from pydantic import SecretStr

        return ProviderOptions(
            name=self.name, base_url=self.url, domain="example.com", secret=SecretStr(self.secret)
        )

    # For subclasses -----------------------------------------------------------------------------------

    def deliver(self, messages: Iterable[Mapping[str, Any]]) -> None:
        """Record acceptances; on disk when this returns."""
        entries = [dict(message) for message in messages]
        if not self.keep:
            for entry in entries:
                for part in ("html", "text", "subject", "values"):
                    entry.pop(part, None)
        with self._lock:
            self._taken += len(entries)
        self.ledger.append(entries)

    def over_quota(self, count: int) -> bool:
        """Whether `count` more recipients are too many for the account."""
        return self.quota is not None and self._taken + count > self.quota

    # The server ---------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What to put into `base_url`."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Serve until the process ends."""
        self._thread.join()

    def close(self) -> None:
        """Stop; who is kept waiting is let go."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    def respond(self, call: Call) -> Answer:
        """The answer, after the limits that come before any provider's own logic."""
        if self.rate and call.method == "POST" and (wait := self._too_soon()):
            return self.too_many(wait)
        if self.latency:
            self._closing.wait(self.latency)
        return self.answer(call)

    def _too_soon(self) -> float:
        with self._lock:
            now = time.monotonic()
            self._window = [at for at in self._window if now - at < 1]
            if len(self._window) >= self.rate:
                return max(0.01, 1 - (now - self._window[0]))
            self._window.append(now)
        return 0.0

    @classmethod
    def main(cls) -> None:
        """Serve as a program until killed."""
        parser = argparse.ArgumentParser(description=cls.__doc__)
        parser.add_argument("--port", type=int, default=0)
        parser.add_argument("--port-file", type=Path, required=True)
        parser.add_argument("--ledger", type=Path, required=True)
        parser.add_argument("--secret", default=cls.secret)
        parser.add_argument("--fault", action="append", default=[], help="JSON of a Fault; may be repeated")
        parser.add_argument("--rate", type=float, default=0.0)
        parser.add_argument("--latency", type=float, default=0.0, help="seconds a call takes")
        options = parser.parse_args()
        server = cls(
            secret=options.secret,
            ledger=Ledger(options.ledger),
            faults=Faults(Fault(**json.loads(text)) for text in options.fault),
            rate=options.rate,
            latency=options.latency,
            keep=False,
            port=options.port,
        )
        write_port_file(options.port_file, server.port)
        server.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed, or a connection we cut: both are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_fake: FakeHttp

    def log_message(self, *args: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        """One call."""
        fake = self.server_fake
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        call = Call(self.command, self.path, headers, body)
        if fake.keep:
            fake.calls.append(call)
        fault = fake.faults.pick(self.command, body)
        if fault is None:
            self._write(fake.respond(call))
        else:
            self._make(fault, call)

    def do_GET(self) -> None:
        """One look-up."""
        self.do_POST()

    def _make(self, fault: Fault, call: Call) -> None:
        fake = self.server_fake
        accepts = fault.do in (
            "accept-close",
            "accept-reset",
            "accept-hang",
            "accept-500",
            "malformed",
            "empty",
            "short",
            "shuffled",
        )
        answer = fake.respond(call) if accepts else Answer(200, {})
        match fault.do:
            case "close" | "accept-close":
                self._drop()
            case "reset" | "accept-reset":
                self._reset()
            case "hang" | "accept-hang":
                fake._closing.wait(fault.seconds)
                self._drop()
            case "slow":
                fake._closing.wait(fault.seconds)
                self._write(fake.respond(call))
            case "malformed":
                self._write(Answer(answer.status, answer.data[: max(1, len(answer.data) // 2)]))
            case "empty":
                self._write(Answer(answer.status, b""))
            case "short":
                self._write(fake.shortened(answer))
            case "shuffled":
                self._write(fake.shuffled(answer))
            case "accept-500":
                self._write(fake.saying(500))
            case "429" if fault.body is None:
                limited = fake.too_many(fault.seconds or 1.0)
                self._write(Answer(limited.status, limited.body, fault.headers or limited.headers))
            case status:
                said = fake.saying(int(status))
                body = said.body if fault.body is None else fault.body.encode()
                self._write(Answer(int(status), body, {**said.headers, **fault.headers}))

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _reset(self) -> None:
        """RST instead of FIN, as a crashed or impatient balancer does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _write(self, answer: Answer) -> None:
        data = answer.data
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        # Headers and body in one write: two would wait for each other's acknowledgement.
        self._headers_buffer: list[bytes]
        head = b"".join(self._headers_buffer) + b"\r\n"
        self._headers_buffer = []
        self.wfile.write(head + data)
