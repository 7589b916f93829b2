"""Runs sends that die on purpose: one JSON command a line in, one JSON answer a line out.

Each command is carried out by a forked child, which ends with `os._exit` at the n-th point: before a
transaction, before and after its commit, before and after each call to the provider. Nothing is
unwound, as with `kill -9`; the kernel closes what was open.

    {"folder": …, "provider": "outbox" | "resend" | "resend-without-keys" | "smtp", "port": …, "die_at": 7}
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from newsletter.model.message import Outcome
from newsletter.providers.base import (
    Batch,
    BatchResult,
    Capabilities,
    HttpProvider,
    Provider,
    Request,
    Response,
    Session,
    SessionProvider,
)
from newsletter.providers.outbox import OutboxProvider
from newsletter.send.run import Wishes, resume, start
from newsletter.store.base import Transaction
from newsletter.store.sqlite import SqliteDatabase
from tests.send.desk import make_desk, new_send, outbox_at, through_resend, through_smtp

DIED = 86


class Fuse:
    """Ends the process when it is passed for the n-th time; 0 never."""

    def __init__(self, die_at: int) -> None:
        self._die_at = die_at
        self.passed = 0
        self._lock = threading.Lock()

    def point(self) -> None:
        with self._lock:
            self.passed += 1
            if self.passed == self._die_at:
                # What was let go too early has the time to leave.
                time.sleep(0.01)
                os._exit(DIED)


class FusedDatabase(SqliteDatabase):
    """The real store; passes the fuse around every transaction."""

    fuse: Fuse

    @contextmanager
    def write(self) -> Iterator[Transaction]:  # type: ignore[override]  # the same, one type wider
        self.fuse.point()
        with super().write() as tx:
            yield tx
            self.fuse.point()
        self.fuse.point()


class FusedSession:
    """A real session; passes the fuse before and after every batch."""

    def __init__(self, session: Session, fuse: Fuse) -> None:
        self._session, self._fuse = session, fuse

    def send(self, batch: Batch) -> BatchResult:
        self._fuse.point()
        result = self._session.send(batch)
        self._fuse.point()
        return result

    def close(self) -> None:
        self._session.close()


class FusedSessionProvider:
    """A real provider with a transport of its own."""

    def __init__(self, provider: SessionProvider, fuse: Fuse) -> None:
        self._provider, self._fuse = provider, fuse
        self.name = provider.name
        self.capabilities: Capabilities = provider.capabilities

    def session(self) -> Session:
        return FusedSession(self._provider.session(), self._fuse)


class FusedOutbox(FusedSessionProvider):
    """The outbox, which can also be asked."""

    def look_up(self, delivery_ids: Sequence[str]) -> Mapping[str, Outcome]:
        self._fuse.point()
        assert isinstance(self._provider, OutboxProvider)
        return self._provider.look_up(delivery_ids)


class FusedHttpProvider:
    """A real HTTP provider: building a call comes before it, reading the answer after it."""

    def __init__(self, provider: HttpProvider, fuse: Fuse) -> None:
        self._provider, self._fuse = provider, fuse
        self.name = provider.name
        self.capabilities: Capabilities = provider.capabilities

    def build_request(self, batch: Batch) -> Request:
        self._fuse.point()
        return self._provider.build_request(batch)

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        self._fuse.point()
        return self._provider.parse_response(batch, response)


def fused(make: Callable[[str, str], Provider], fuse: Fuse) -> Callable[[str, str], Provider]:
    def make_fused(name: str, send_name: str) -> Provider:
        provider = make(name, send_name)
        if isinstance(provider, OutboxProvider):
            return FusedOutbox(provider, fuse)
        if isinstance(provider, SessionProvider):
            return FusedSessionProvider(provider, fuse)
        return FusedHttpProvider(provider, fuse)

    return make_fused


def provider_of(command: Mapping[str, Any]) -> Callable[[str, str], Provider]:
    match command["provider"]:
        case "outbox":
            return outbox_at(Path(command["folder"]))
        case "smtp":
            return through_smtp(command["port"])
        case "resend-without-keys":
            return through_resend(f"http://127.0.0.1:{command['port']}", ttl=0)
        case _:
            return through_resend(f"http://127.0.0.1:{command['port']}")


def send(command: Mapping[str, Any]) -> dict[str, Any]:
    """Begin the send, or go on with it."""
    folder, fuse = Path(command["folder"]), Fuse(command.get("die_at", 0))
    with FusedDatabase(folder / "newsletter.db") as db:
        db.fuse = fuse
        desk = make_desk(
            folder, fused(provider_of(command), fuse), db=db, wishes=Wishes(batch=3, connections=2)
        )
        records = desk.ledger.sends()
        name = "resend" if command["provider"].startswith("resend") else command["provider"]
        ending = resume(desk, records[-1].id) if records else start(desk, new_send(provider=name))
        return {"state": ending.state.value, "points": fuse.passed, **ending.tally.as_dict()}


def in_a_child(command: Mapping[str, Any]) -> dict[str, Any]:
    """Fork, send there, and say how the child ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        code = 1
        try:
            os.write(writer, json.dumps(send(command)).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return {"exit": os.waitstatus_to_exitcode(status), **(json.loads(said) if said else {})}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(in_a_child(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
