"""A model is asked once, at one address; whatever comes back is an answer or a sentence that says what to do."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from newsletter.errors import NewsletterError, UsageError
from newsletter.site.chat_endpoint import ChatEndpoint, chat_endpoint
from tests.fakes.chat import FakeChat
from tests.fakes.http import Answer
from tests.fakes.ledger import Fault

KEY = "sk-very-secret"
ASKED = [{"role": "user", "content": "Why?"}]


@pytest.fixture
def chat() -> Iterator[FakeChat]:
    with FakeChat(secret=KEY) as fake:
        yield fake


def endpoint(chat: FakeChat, **values: Any) -> ChatEndpoint:
    defaults: dict[str, Any] = {"base_url": chat.base_url, "model": "small", "key": KEY, "patience": 5.0}
    return ChatEndpoint(**defaults | values)


def refusal(chat: FakeChat, **values: Any) -> NewsletterError:
    with pytest.raises(NewsletterError) as caught:
        endpoint(chat, **values).reply(ASKED)
    assert KEY not in f"{caught.value.message}{caught.value.hint}"
    assert "\n" not in caught.value.message
    return caught.value


def test_the_model_gets_the_messages_and_its_words_come_back(chat: FakeChat) -> None:
    reply = endpoint(chat).reply(ASKED)
    assert (reply.text, reply.cut) == ("It depends [1].", False)
    assert chat.asked == [ASKED]
    assert chat.calls[0].headers["authorization"] == f"Bearer {KEY}"


def test_words_in_parts_are_joined_and_an_answer_that_was_cut_is_known_to_be(chat: FakeChat) -> None:
    chat.says = lambda _: [{"type": "text", "text": "One "}, {"type": "text", "text": "two."}]
    chat.finish = "length"
    reply = endpoint(chat).reply(ASKED)
    assert (reply.text, reply.cut) == ("One two.", True)


def test_a_wrong_key_is_named_by_its_variable_and_never_shown(chat: FakeChat) -> None:
    chat.secret = "another"
    error = refusal(chat)
    assert "answered 401: Incorrect API key provided: Bearer …" in error.message
    assert "NEWSLETTER_ASK_API_KEY" in error.hint


def test_a_model_that_does_not_exist(chat: FakeChat) -> None:
    error = refusal(chat, model="large")
    assert "answered 404: The model `large` does not exist" in error.message
    assert "`large`" in error.hint


@pytest.mark.parametrize(
    ("fault", "message", "hint"),
    [
        (Fault("POST", "429", headers={"Retry-After": "7"}), "429: Rate limit", "in 7 seconds"),
        (Fault("POST", "429", body="busy", headers={"X": "y"}), "429: busy", "check your quota"),
        (Fault("POST", "400", body='{"error": "context too long"}'), "400: context too long", "fewer"),
        (Fault("POST", "503", body="<h1>down</h1>"), "503: <h1>down", "try again later"),
        (Fault("POST", "malformed"), "is not JSON", "appended"),
        (Fault("POST", "empty"), "is not JSON", "appended"),
        (Fault("POST", "200", body="[]"), "without any words", "another model"),
        (Fault("POST", "200", body='{"error": {"message": "overloaded"}}'), "an error: overloaded", "later"),
        (Fault("POST", "200", body='{"choices": []}'), "without any words", "another model"),
        (Fault("POST", "200", body="[" * 100_000), "is not JSON", "appended"),
        (Fault("POST", "close"), "can't be reached", "passages alone"),
        (Fault("POST", "reset"), "can't be reached", "passages alone"),
    ],
    ids=lambda value: getattr(value, "do", ""),
)
def test_what_goes_wrong_is_said_with_a_way_out(
    chat: FakeChat, fault: Fault, message: str, hint: str
) -> None:
    chat.faults.add(fault)
    error = refusal(chat)
    assert message in error.message
    assert hint in error.hint
    assert len(chat.calls) == 1


@pytest.mark.parametrize("content", [None, "", " ", 7, [{"type": "image"}]])
def test_a_model_without_words_is_no_answer(chat: FakeChat, content: object) -> None:
    chat.says = lambda _: content
    assert "without any words" in refusal(chat).message


def test_what_a_model_thought_before_it_answered_is_no_part_of_its_answer(chat: FakeChat) -> None:
    chat.says = lambda _: "<think>\nMaybe [7]?\n</think>\n\nIt depends [1]."
    assert endpoint(chat).reply(ASKED).text == "It depends [1]."
    chat.says = lambda _: "<think>\nMaybe [7]?"
    assert "without any words" in refusal(chat).message


STREAM = b"".join(
    b"data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"
    for delta, finish in (
        ({"role": "assistant"}, None),
        ({"content": "Ün"}, None),
        ({"content": " [1]"}, None),
    )
)
STOPPED = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        (STREAM + STOPPED, False),
        (STREAM + b"data: [DONE]", False),
        (STREAM, True),
        (STREAM + b"data: {", True),
    ],
)
def test_an_answer_in_pieces_is_put_together(
    chat: FakeChat, monkeypatch: pytest.MonkeyPatch, data: bytes, cut: bool
) -> None:
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    monkeypatch.setattr(chat, "answer", lambda _: Answer(200, data, headers))
    reply = endpoint(chat).reply(ASKED)
    assert (reply.text, reply.cut) == ("Ün [1]", cut)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not JSON (text/event-stream)"),
        (b"data: [DONE]\n\n", "is not JSON"),
        (STOPPED, "without any words"),
        (b'data: {"error":{"message":"overloaded"}}\n\n', "an error: overloaded"),
    ],
)
def test_pieces_without_words_are_no_answer(
    chat: FakeChat, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    monkeypatch.setattr(chat, "answer", lambda _: Answer(200, data, {"Content-Type": "text/event-stream"}))
    assert message in refusal(chat).message


def test_a_redirect_is_not_followed_and_the_key_stays(chat: FakeChat) -> None:
    with FakeChat(secret=KEY) as elsewhere:
        chat.faults.add(Fault("POST", "307", body="", headers={"Location": elsewhere.base_url}))
        error = refusal(chat)
        assert elsewhere.base_url in error.message
        assert elsewhere.calls == []


def test_an_answer_without_end_is_given_up(chat: FakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "answer", lambda _: Answer(200, b" " * 10_000_000))
    assert "more than 2 MB" in refusal(chat).message


def test_an_answer_that_nobody_reads_is_refused(chat: FakeChat) -> None:
    chat.says = lambda _: "word [1] " * 10_000
    assert "answered with 90,000 characters" in refusal(chat).message


def test_a_compressed_answer_nobody_asked_for_is_not_unpacked(
    chat: FakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    monkeypatch.setattr(chat, "answer", lambda _: Answer(200, bomb, {"Content-Encoding": "gzip"}))
    assert "is not JSON" in refusal(chat).message


def test_silence_is_waited_for_only_so_long(chat: FakeChat) -> None:
    chat.faults.add(Fault("POST", "hang", seconds=60))
    started = time.monotonic()
    assert "no answer within 0 seconds" in refusal(chat, patience=0.2).message
    assert time.monotonic() - started < 30


def test_an_answer_that_drips_is_waited_for_no_longer(chat: FakeChat) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                for _ in range(1000):
                    time.sleep(0.05)
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        error = refusal(chat, base_url=f"http://127.0.0.1:{port}", patience=0.4)
        assert "no answer within" in error.message
        thread.join(60)
        assert not thread.is_alive()


def test_nobody_listens(chat: FakeChat) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "can't be reached" in refusal(chat, base_url=f"http://127.0.0.1:{port}").message


def test_a_server_on_this_machine_needs_no_key(chat: FakeChat) -> None:
    with pytest.raises(NewsletterError, match="401"):
        chat_endpoint(chat.base_url, "small", None).reply(ASKED)
    assert "authorization" not in chat.calls[0].headers


@pytest.mark.parametrize(
    ("base_url", "key", "message"),
    [
        ("https://api.example.com/v1", "", "NEWSLETTER_ASK_API_KEY is missing"),
        ("https://api.example.com/v1", "two words", "a character no key has"),
        ("http://api.example.com/v1", KEY, "in clear text"),
        (f"https://user:{KEY}@api.example.com/v1", KEY, "is no address"),
        (f"https://user:p@ss/{KEY}@api.example.com/v1", KEY, "is no address"),
        (f"https://api.example.com/v1?api-key={KEY}", KEY, "`https://api.example.com/v1?…` is no address"),
        ("file:///etc/passwd", KEY, "is no address"),
        ("api.example.com", KEY, "is no address"),
        ("http://[::1/v1", KEY, "is no address"),
        ("https://api.example.com:99999/v1", KEY, "is no address"),
        ("", KEY, "there is no address"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_leaves(
    base_url: str, key: str, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        chat_endpoint(base_url, "small", SecretStr(key) if key else None)
    assert message in caught.value.message
    assert KEY not in caught.value.message
