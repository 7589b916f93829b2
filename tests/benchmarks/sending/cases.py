"""What is sent in the benchmarks, and by which kind of provider? One issue of values, one of whole bodies, and the engine over them."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr

from newsletter.model.message import Outcome, OutcomeKind
from newsletter.model.template import CompiledIssue, Context, Slot, Template
from newsletter.providers.base import (
    Batch,
    BatchResult,
    Capabilities,
    ContentForm,
    Provider,
    ProviderOptions,
    Request,
    Response,
)
from newsletter.providers.resend import ResendProvider
from newsletter.send.engine import Ending
from newsletter.send.frozen import Frozen, freeze, frozen_hash
from newsletter.send.run import Desk, Wishes, start
from newsletter.store.send_records import ClaimedBatch, NewSend, Person
from newsletter.store.sqlite import SqliteDatabase
from tests.benchmarks.sending.loopback import Measure, peak_mb
from tests.send.desk import PUBLICATION, make_desk

_WORDS = "Retrieval is a matter of taste, and of &lt;b&gt;recall&lt;/b&gt; measured on your own questions. "
_LEAVE = Slot("unsubscribe_url", "", Context.URL)
_FOOT = (
    '<p><a href="',
    _LEAVE,
    '">Leave</a> <a href="',
    Slot("preferences_url", "", Context.URL),
    '">Change</a></p>',
)
_NAME = Slot("subscriber.name", "reader", Context.HTML)


def issue(repeated: int) -> CompiledIssue:
    """An issue with a name and two links of the reader's own, its text `repeated` times 90 characters."""
    return CompiledIssue(
        subject=Template(("Hybrid retrieval without the hype",)),
        html=Template(("<p>Dear ", _NAME, f"</p><p>{_WORDS * repeated}</p>", *_FOOT)),
        text=Template((_WORDS * (repeated // 6), "\n\nLeave: ", _LEAVE)),
        images=(),
        web_url="",
    )


@dataclass(frozen=True, slots=True)
class Case:
    """One way of sending.

    Attributes:
        values: the provider keeps the content and takes a reader's values, some 250 bytes each; else it takes
            a whole body for each, 30 KB, as Resend does.
        latency: seconds until the other side answers.
    """

    values: bool = True
    batch: int = 1000
    connections: int = 4
    latency: float = 0.0

    def provider(self, url: str) -> Provider:
        """What sends to `url`."""
        return _ValuesProvider(url, self) if self.values else _BodiesProvider(url, self)


class _ValuesProvider:
    """A provider with 1,000 recipients a call that takes the content once and values for each of them."""

    name = "sink"

    def __init__(self, url: str, case: Case) -> None:
        self._url = url
        self._encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
        self.capabilities = Capabilities(
            ContentForm.VALUES, max_batch=case.batch, connections=case.connections
        )

    def build_request(self, batch: Batch) -> Request:
        shared = batch.shared
        assert shared is not None
        content = [shared.from_header, shared.subject, shared.headers]
        # The one header that differs, and the values; the delivery id would be metadata.
        people = [[m.recipient, m.delivery_id, m.headers[0][1], *m.values] for m in batch.messages]
        return Request(
            "POST", self._url, {"Idempotency-Key": batch.key}, [self._encode([content, people]).encode()]
        )

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        return _all_accepted(batch, response)


class _BodiesProvider(ResendProvider):
    """Writes whole bodies as for Resend; the sink doesn't answer as Resend does."""

    def __init__(self, url: str, case: Case) -> None:
        super().__init__(ProviderOptions("resend", base_url=url, secret=SecretStr("re_sink")))
        changed = replace(
            self.capabilities,
            max_batch=case.batch,
            connections=case.connections,
            idempotency_ttl=0,
            calls_per_second=0.0,
        )
        vars(self)["capabilities"] = changed

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        return _all_accepted(batch, response)


def _all_accepted(batch: Batch, response: Response) -> BatchResult:
    assert response.status == 200
    accepted = OutcomeKind.ACCEPTED
    return BatchResult([Outcome(m.delivery_id, accepted, m.delivery_id) for m in batch.messages])


@dataclass(frozen=True, slots=True)
class Sent:
    """A whole send: freeze, claim (`synchronous=FULL`), build, post, record.

    Attributes:
        peak: the most memory so far, in MB.
        turns: transactions of the engine.
        database: bytes on disk afterwards, and how many there were before.
        build: makes the body of one call, as a sender thread does.
    """

    took: Measure
    ending: Ending
    peak: float
    turns: int
    database: tuple[int, int]
    build: Callable[[], bytes]


def send(folder: Path, url: str, case: Case) -> Sent:
    """Send to everybody in `folder/newsletter.db`."""
    path = folder / "newsletter.db"
    before = path.stat().st_size
    frozen = Frozen(issue(6 if case.values else 300), PUBLICATION)
    content = freeze(frozen)
    new = NewSend("hello", 1, "Hello", content, frozen_hash(content), "sink")
    provider = case.provider(url)
    turns = 0

    def on_turn(_: object) -> None:
        nonlocal turns
        turns += 1

    with SqliteDatabase(path) as db:
        desk = make_desk(folder, provider, db=db, wishes=Wishes(connections=case.connections))
        desk.on_turn = on_turn
        gc.collect()
        with Measure() as took:
            ending = start(desk, new)
        peak = peak_mb()
        build = _builder(desk, frozen, provider, case)
        db.checkpoint()
    return Sent(took, ending, peak, turns, (path.stat().st_size, before), build)


def _builder(desk: Desk, frozen: Frozen, provider: Provider, case: Case) -> Callable[[], bytes]:
    assert isinstance(provider, (_ValuesProvider, _BodiesProvider))
    people = tuple(
        Person(n, f"reader{n}@example.org", f"Reader {n}", "{}", 1)
        for n in range(900_000, 900_000 + case.batch)
    )
    claimed = ClaimedBatch(1, "key", datetime.now(UTC), people)
    make = desk.source(frozen, provider, 1).maker()
    return lambda: b"".join(provider.build_request(make(claimed).batch).body)
