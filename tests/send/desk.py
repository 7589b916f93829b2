"""A send without the files around it: a real store, a hand-compiled issue, and any provider."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from newsletter.audience.tokens import TokenSigner
from newsletter.clock import Clock, SystemClock
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue, Context, Slot, Template
from newsletter.providers.base import Provider, ProviderOptions
from newsletter.providers.outbox import OutboxProvider
from newsletter.providers.resend import ResendProvider
from newsletter.providers.smtp import SmtpProvider
from newsletter.send.frozen import Frozen, freeze, frozen_hash
from newsletter.send.run import Desk, Wishes
from newsletter.store.base import Database
from newsletter.store.send_records import NewSend
from newsletter.store.sqlite import SqliteDatabase

PUBLICATION = Publication(
    "Notes", "notes@example.com", postal_address="1 Example Street", base_url="https://notes.example.com"
)
COMPILED = CompiledIssue(
    subject=Template(("Hello ", Slot("subscriber.name", "you", Context.HEADER))),
    html=Template(('<a href="', Slot("unsubscribe_url", "", Context.URL), '">Leave</a>')),
    text=Template(
        (
            "For ",
            Slot("subscriber.tags", "all", Context.TEXT),
            " in ",
            Slot("subscriber.metadata.city", "town", Context.TEXT),
        )
    ),
    images=(),
    web_url="",
)
FROZEN = Frozen(COMPILED, PUBLICATION)
_NO_WISHES = Wishes()
SIGNER = TokenSigner(b"a key of tests, sixteen and more bytes long")


class HastyClock(SystemClock):
    """Time passes as it does, but waiting takes a thousandth of it."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._skipped)

    def monotonic(self) -> float:
        return super().monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 1000)
        self._skipped += seconds * 0.999


@contextmanager
def in_memory() -> Iterator[Path]:
    """A temporary folder that waits for no disk, where the system has one."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        yield Path(name)


def add_subscribers(db: Database, count: int, *, first: int = 1, status: str = "active") -> None:
    """`r1@example.org`, `r2@example.org`, …"""
    now = "2026-01-01T00:00:00.000Z"
    with db.write() as tx:
        tx.executemany(
            "INSERT INTO subscribers (email, match_key, name, status, metadata, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, '{}', ?, ?)",
            [
                (f"r{n}@example.org", f"r{n}@example.org", f"Reader {n}", status, now, now)
                for n in range(first, first + count)
            ],
        )


def set_status(db: Database, email: str, status: str) -> None:
    with db.write() as tx:
        assert tx.execute("UPDATE subscribers SET status = ? WHERE email = ?", (status, email)) == 1


def new_send(slug: str = "hello", provider: str = "outbox", tag: str = "") -> NewSend:
    content = freeze(FROZEN)
    return NewSend(slug, 1, "Hello", content, frozen_hash(content), provider, tag)


def outbox_at(folder: Path) -> Callable[[str, str], Provider]:
    return lambda name, send_name: OutboxProvider(
        ProviderOptions(name=name, outbox_dir=folder / "outbox", send_name=send_name)
    )


def make_desk(
    folder: Path,
    provider: Provider | Callable[[str, str], Provider] | None = None,
    *,
    clock: Clock | None = None,
    wishes: Wishes = _NO_WISHES,
    db: Database | None = None,
) -> Desk:
    """A desk in `folder`, through `provider` or the outbox."""
    make: Any = provider if callable(provider) else (lambda *_: provider) if provider else outbox_at(folder)
    return Desk(
        db=db or SqliteDatabase(folder / "newsletter.db"),
        state_dir=folder,
        clock=clock or SystemClock(),
        signer=SIGNER,
        provider=make,
        dkim=lambda: None,
        wishes=wishes,
    )


def outbox_recipients(folder: Path) -> list[str]:
    """Who has a file in the outbox."""
    found = []
    for path in sorted((folder / "outbox").glob("*/*.eml")):
        [line] = [line for line in path.read_text().splitlines() if line.startswith("To: ")]
        found.append(line.removeprefix("To: "))
    return found


def through_resend(url: str, *, ttl: int | None = None, batch: int = 10) -> Callable[[str, str], Provider]:
    """Resend at `url`; with `ttl=0` as a provider without idempotency keys."""

    def make(name: str, send_name: str) -> Provider:
        provider = ResendProvider(ProviderOptions(name=name, base_url=url, secret=SecretStr("re_test")))
        changes: dict[str, Any] = {"max_batch": batch, "calls_per_second": 0.0}
        if ttl is not None:
            changes["idempotency_ttl"] = ttl
        vars(provider)["capabilities"] = replace(provider.capabilities, **changes)
        return provider

    return make


def through_smtp(port: int) -> Callable[[str, str], Provider]:
    """A mail server on loopback."""
    return lambda name, send_name: SmtpProvider(
        ProviderOptions(name=name, host="127.0.0.1", port=port, starttls=False)
    )
