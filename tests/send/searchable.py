"""A small HTTP provider that can be asked what it did: an adapter, and a server with an index that lags."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from newsletter.errors import NewsletterError
from newsletter.model.event import Event, EventType
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import (
    Batch,
    BatchResult,
    Capabilities,
    ContentForm,
    Provider,
    Question,
    Request,
    Response,
)
from tests.fakes.http import Answer, Call, FakeHttp


class Searchable:
    """Takes batches without keys; `GET /messages?delivery_id=…` says what became of one message."""

    name = "searchable"

    def __init__(self, url: str, *, batch: int = 10, key: str = "test-key") -> None:
        self.capabilities = Capabilities(
            content=ContentForm.FIELDS,
            max_batch=batch,
            connections=2,
            attachments=False,
            lookup_by="delivery_id",
        )
        self._url, self._headers = url, {"authorization": key, "content-type": "application/json"}

    def build_request(self, batch: Batch) -> Request:
        body = json.dumps([{"to": m.recipient, "delivery_id": m.delivery_id} for m in batch.messages])
        return Request("POST", f"{self._url}/send", self._headers, (body.encode(),))

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        ids = json.loads(response.body)["ids"] if response.status == 200 else None
        if ids is None:
            lost = [Outcome(m.delivery_id, OutcomeKind.UNKNOWN, reason="500") for m in batch.messages]
            return BatchResult(lost)
        pairs = zip(batch.messages, ids, strict=True)
        return BatchResult([Outcome(m.delivery_id, OutcomeKind.ACCEPTED, i) for m, i in pairs])

    def search(self, question: Question) -> Generator[Request, Response, Mapping[str, Outcome]]:
        found: dict[str, Outcome] = {}
        for delivery_id in question.recipients:
            url = f"{self._url}/messages?delivery_id={delivery_id}"
            response = yield Request("GET", url, self._headers, ())
            if response.status != 200:
                raise NewsletterError(f"searchable answered {response.status}", hint="look at the key")
            for row in json.loads(response.body):
                kind = OutcomeKind.REJECTED if row["refused"] else OutcomeKind.ACCEPTED
                found[delivery_id] = Outcome(delivery_id, kind, row["id"], row["refused"])
        return found

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Event]:
        tree: Any = json.loads(body)
        if not isinstance(tree, dict) or "event" not in tree:
            msg = "no event"
            raise ValueError(msg)
        return [
            Event(
                self.name,
                EventType(tree["event"]),
                tree.get("event_id", ""),
                datetime.fromisoformat("2026-01-06T09:00:00Z"),
                recipient=tree.get("email", ""),
                message_id=tree.get("id", ""),
                delivery_id=tree.get("delivery_id", ""),
                reason=tree.get("reason", ""),
            )
        ]


@dataclass
class FakeSearchable(FakeHttp):
    """The server.

    Attributes:
        refused: addresses it takes and then refuses, with what it says.
        lagging: addresses its index doesn't know yet.
    """

    name: ClassVar[str] = "searchable"

    refused: dict[str, str] = field(default_factory=dict)
    lagging: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._index: dict[str, dict[str, str]] = {}
        self._guard = threading.Lock()
        super().__post_init__()

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != self.secret:
            return Answer(401, {"message": "wrong key"})
        if call.method == "GET":
            [delivery_id] = parse_qs(urlsplit(call.path).query)["delivery_id"]
            row = self._index.get(delivery_id)
            return Answer(200, [row] if row and row["to"] not in self.lagging else [])
        ids = []
        for item in json.loads(call.body):
            with self._guard:
                number = f"m{len(self._index) + 1}"
                refused = self.refused.get(item["to"], "")
                self._index[item["delivery_id"]] = {"id": number, "to": item["to"], "refused": refused}
            ids.append(number)
            if not refused:
                self.deliver([{"recipient": item["to"], "id": number, "delivery_id": item["delivery_id"]}])
        return Answer(200, {"ids": ids})

    def too_many(self, wait: float) -> Answer:
        return Answer(429, {}, {"retry-after": str(wait)})

    def provider(self, *, key: str = "test-key", batch: int = 10) -> Provider:
        return Searchable(self.url, key=key, batch=batch)
