"""What the threads of a send share: the bench they build at, and the wire a large call goes over."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

import pytest

from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.base import Batch, BatchResult, Capabilities, ContentForm, Request, Response
from newsletter.send.transport import HttpSession
from newsletter.send.workbench import Workbench
from tests.fakes.http import Answer, Call, FakeHttp
from tests.waiting import wait_for


def test_one_builds_at_a_time_and_a_writer_comes_before_builders_that_waited_longer() -> None:
    bench, order, begun = Workbench(), list[str](), threading.Event()
    let_go = threading.Event()

    def first() -> None:
        with bench.building():
            begun.set()
            let_go.wait(60)
            order.append("first")

    def later() -> None:
        with bench.building():
            order.append("later")

    def writer() -> None:
        with bench.writing() as done:
            order.append("writer")
            done()
            done()

    threads = [threading.Thread(target=first)]
    threads[0].start()
    begun.wait(60)
    threads += [threading.Thread(target=later) for _ in range(3)]
    for thread in threads[1:]:
        thread.start()
        thread.join(0.02)
    threads.append(threading.Thread(target=writer))
    threads[-1].start()
    wait_for(lambda: bench._wanted)
    assert order == []
    let_go.set()
    for thread in threads:
        thread.join(60)
    assert order == ["first", "writer", "later", "later", "later"]


def test_a_builder_that_fails_leaves_the_bench_to_the_others() -> None:
    bench = Workbench()
    with pytest.raises(ZeroDivisionError), bench.building():
        raise ZeroDivisionError
    passed: list[bool] = []

    def next_one() -> None:
        with bench.building():
            passed.append(True)

    thread = threading.Thread(target=next_one, daemon=True)
    thread.start()
    thread.join(60)
    assert passed


@dataclass
class Listener(FakeHttp):
    """Takes anything."""

    name = "listener"

    def answer(self, call: Call) -> Answer:
        return Answer(200, {"size": len(call.body)})


class LargeCalls:
    """A provider whose calls have many parts."""

    name = "large"
    capabilities = Capabilities(ContentForm.FIELDS, max_batch=10)

    def __init__(self, url: str, parts: list[bytes]) -> None:
        self._url, self._parts = url, parts

    def build_request(self, batch: Batch) -> Request:
        return Request("POST", self._url, {"X-Key": batch.key}, self._parts)

    def parse_response(self, batch: Batch, response: Response) -> BatchResult:
        size = str(json.loads(response.body)["size"])
        return BatchResult([Outcome(m.delivery_id, OutcomeKind.ACCEPTED, size) for m in batch.messages])


def test_a_call_leaves_whole_whatever_its_size_and_says_its_length() -> None:
    batch = Batch("k", [Message("d1", "a@example.com", "b@example.com")])
    with Listener() as server:
        for parts in (
            [b"{}"],
            [b"x" * 1000] * 700,
            [b"y" * 3_000_000],
            [b"", b"z" * 262_144, b"", b"end"],
        ):
            session = HttpSession(LargeCalls(server.url, parts))
            result = session.send(batch)
            session.close()
            body = b"".join(parts)
            call = server.calls[-1]
            assert result.outcomes[0].provider_id == str(len(body))
            assert call.body == body
            assert call.headers["content-length"] == str(len(body))
            assert "transfer-encoding" not in call.headers
