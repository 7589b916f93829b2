"""Resend's batch endpoint on loopback: its limits, answers and errors, a ledger of its own, and faults on demand.

    python tests/fakes/resend.py --port-file PORT --ledger FILE [--fault '{"at": "POST", "do": "429"}'] …

A ledger line per accepted recipient: `recipient`, `id`, `key`, `tags`, `headers`, `size`, written before the 200.
Sources: resend.com/docs/api-reference (errors, rate-limit, send-batch-emails), docs/dashboard/emails (idempotency-keys,
batch-validation-modes). Replays are not recorded again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from tests.fakes.ledger import Fault, Faults, Ledger, write_port_file

_MAX_BATCH = 100
_KEY_LIFETIME = 24 * 3600.0
_ADDRESS = re.compile(r"(?:[^<>]*<)?[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+>?")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass
class Answer:
    """What goes back."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def error(status: int, name: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    """An error in Resend's form."""
    return Answer(status, {"statusCode": status, "name": name, "message": message}, headers or {})


@dataclass
class _Remembered:
    digest: bytes
    at: float
    answer: Answer | None  # None while the first request is in progress


@dataclass
class FakeResend:
    """A server on 127.0.0.1.

    Attributes:
        api_key: the one key it takes.
        verified: domains that may stand in `from`; empty for any.
        rate: requests a second before it says 429; 0 for no limit (Resend's default is 2).
        latency: seconds a call takes.
        clock: seconds; moves the idempotency keys' 24 hours in tests.
    """

    api_key: str = "re_test"
    ledger: Ledger = field(default_factory=Ledger)
    faults: Faults = field(default_factory=Faults)
    verified: tuple[str, ...] = ()
    rate: float = 0.0
    latency: float = 0.0
    permissive_mode: bool = True
    keep: bool = True
    port: int = 0
    clock: Callable[[], float] = time.monotonic
    items: list[dict[str, Any]] = field(default_factory=list)  # accepted, whole
    calls: list[dict[str, str]] = field(default_factory=list)  # headers of every call, names in lower case

    def __post_init__(self) -> None:
        self._keys: dict[str, _Remembered] = {}
        self._lock = threading.Lock()
        self._window: list[float] = []
        fake = self

        class Handler(_Handler):
            server_fake = fake

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

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
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, headers: dict[str, str], body: bytes) -> Answer:
        """What Resend says to `POST /emails/batch`, acceptances recorded."""
        refusal = self._refusal(headers)
        if refusal is not None:
            return refusal
        key = headers.get("idempotency-key")
        if key is None:
            return self._create(headers, body, "")
        if not 1 <= len(key) <= 256:
            return error(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        digest = hashlib.sha256(body).digest()
        with self._lock:
            known = self._keys.get(key)
            if known is not None and self.clock() - known.at < _KEY_LIFETIME:
                if known.digest != digest:
                    text = "Same idempotency key used with a different request payload."
                    return error(409, "invalid_idempotent_request", text)
                if known.answer is None:
                    text = "Same idempotency key used while original request is still in progress."
                    return error(409, "concurrent_idempotent_requests", text)
                return known.answer
            mine = self._keys[key] = _Remembered(digest, self.clock(), None)
        answer = self._create(headers, body, key)
        with self._lock:
            if answer.status == 200:
                mine.answer = answer
            else:
                del self._keys[key]
        return answer

    def _refusal(self, headers: dict[str, str]) -> Answer | None:
        if not headers.get("user-agent"):
            return error(403, "forbidden", "error code: 1010")
        authorization = headers.get("authorization", "")
        if not authorization:
            return error(401, "missing_api_key", "Missing API key in the authorization header.")
        if authorization != f"Bearer {self.api_key}":
            return error(403, "invalid_api_key", "API key is invalid.")
        if self.rate:
            with self._lock:
                now = time.monotonic()
                self._window = [at for at in self._window if now - at < 1]
                if len(self._window) >= self.rate:
                    wait = {
                        "retry-after": "1",
                        "ratelimit-limit": f"{self.rate:g}",
                        "ratelimit-remaining": "0",
                    }
                    text = "Too many requests. You can only make 2 requests per second."
                    return error(429, "rate_limit_exceeded", text, {**wait, "ratelimit-reset": "1"})
                self._window.append(now)
        return None

    def _create(self, headers: dict[str, str], body: bytes, key: str) -> Answer:
        if headers.get("content-type", "").partition(";")[0] != "application/json":
            return error(415, "invalid_content_type", "The content type must be application/json.")
        try:
            items = json.loads(body)
        except ValueError:
            return error(400, "validation_error", "The request body is not valid JSON.")
        if not isinstance(items, list) or not 1 <= len(items) <= _MAX_BATCH:
            return error(422, "validation_error", "The batch must hold 1 to 100 emails.")
        if self.latency:
            time.sleep(self.latency)
        if self.verified and (strangers := [i for i in items if _domain(i.get("from")) not in self.verified]):
            text = f"The {_domain(strangers[0].get('from'))} domain is not verified. Please, add and verify your domain."
            return error(403, "validation_error", text)
        errors = [
            {"index": index, "message": m}
            for index, i in enumerate(items)
            if (m := _complaint(i)) is not None
        ]
        permissive = self.permissive_mode and headers.get("x-batch-validation") == "permissive"
        if errors and not permissive:
            return error(422, "validation_error", str(errors[0]["message"]))
        wrong = {e["index"] for e in errors}
        good = [(str(uuid.uuid4()), item) for index, item in enumerate(items) if index not in wrong]
        self.ledger.append(
            {
                "recipient": _only(item["to"]),
                "id": number,
                "key": key,
                "tags": {t["name"]: t["value"] for t in item.get("tags", [])},
                "headers": {n.lower(): v for n, v in item.get("headers", {}).items()},
                "size": len(item.get("html", "")) + len(item.get("text", "")),
            }
            for number, item in good
        )
        if self.keep:
            with self._lock:
                self.items += [item for _, item in good]
        data: dict[str, Any] = {"data": [{"id": number} for number, _ in good]}
        if permissive and errors:
            data["errors"] = errors
        return Answer(200, data)


def _only(to: Any) -> str:
    return str(to[0] if isinstance(to, list) else to)


def _domain(address: Any) -> str:
    return str(address).rpartition("@")[2].rstrip(">")


def _complaint(item: Any) -> str | None:
    """What Resend's validation says about one email of a batch."""
    if not isinstance(item, dict):
        return "Each email must be an object."
    for name in ("from", "to", "subject"):
        if not item.get(name):
            return f"Missing `{name}` field."
    if "attachments" in item or "scheduled_at" in item:
        return "The `attachments` and `scheduled_at` fields are not supported in a batch."
    if not item.get("html") and not item.get("text"):
        return "Missing `html` or `text` field."
    for name in ("from", "to"):
        if not _ADDRESS.fullmatch(_only(item[name])):
            form = "The email address needs to follow the `email@example.com` or `Name <email@example.com>` format."
            return f"Invalid `{name}` field. {form}"
    if not all(_TAG.fullmatch(str(t.get(part))) for t in item.get("tags", []) for part in ("name", "value")):
        return "Tags should only contain ASCII letters, numbers, underscores, or dashes."
    if not all(isinstance(v, str) for v in item.get("headers", {}).values()):
        return "The `headers` field must hold strings."
    return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is killed, or a connection we cut: both are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_fake: FakeResend

    def log_message(self, *args: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        """One call."""
        fake = self.server_fake
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        if fake.keep:
            fake.calls.append(headers)
        if self.path != "/emails/batch":
            self._write(error(404, "not_found", "The requested endpoint does not exist."))
            return
        fault = fake.faults.pick("POST", body)
        if fault is None:
            self._write(fake.answer(headers, body))
        else:
            self._make(fault, headers, body)

    def _make(self, fault: Fault, headers: dict[str, str], body: bytes) -> None:
        fake = self.server_fake
        if fault.do in ("accept-close", "accept-hang", "accept-500", "malformed", "short"):
            answer = fake.answer(headers, body)
        else:
            answer = Answer(200, {})
        match fault.do:
            case "close" | "accept-close":
                self._drop()
            case "hang" | "accept-hang":
                time.sleep(fault.seconds)
                self._drop()
            case "slow":
                time.sleep(fault.seconds)
                self._write(fake.answer(headers, body))
            case "malformed":
                self._send(200, b'{"data": [{"id": "', {})
            case "short":
                self._write(Answer(answer.status, {"data": answer.body.get("data", [])[:-1]}))
            case "accept-500":
                self._write(error(500, "internal_server_error", "An unexpected error occurred."))
            case status:
                text = json.dumps(_SAYINGS.get(status, {})) if fault.body is None else fault.body
                self._send(int(status), text.encode(), fault.headers)

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _write(self, answer: Answer) -> None:
        self._send(answer.status, json.dumps(answer.body).encode(), answer.headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        # Headers and body in one write: two would wait for each other's acknowledgement.
        self._headers_buffer: list[bytes]
        head = b"".join(self._headers_buffer) + b"\r\n"
        self._headers_buffer = []
        self.wfile.write(head + body)


_SAYINGS: dict[str, dict[str, Any]] = {
    "401": error(401, "missing_api_key", "Missing API key in the authorization header.").body,
    "403": error(403, "invalid_api_key", "API key is invalid.").body,
    "422": error(
        422, "missing_required_field", "The request body is missing one or more required fields."
    ).body,
    "429": error(
        429, "rate_limit_exceeded", "Too many requests. You can only make 2 requests per second."
    ).body,
    "500": error(500, "internal_server_error", "An unexpected error occurred.").body,
}


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--api-key", default="re_test")
    parser.add_argument("--fault", action="append", default=[], help="JSON of a Fault; may be repeated")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds a call takes")
    options = parser.parse_args()
    server = FakeResend(
        api_key=options.api_key,
        ledger=Ledger(options.ledger),
        faults=Faults(Fault(**json.loads(text)) for text in options.fault),
        rate=options.rate,
        latency=options.latency,
        keep=False,
        port=options.port,
    )
    write_port_file(options.port_file, server.port)
    server.wait()


if __name__ == "__main__":
    main()
