"""A language model behind an OpenAI-compatible address on loopback; it says what a test has it say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.fakes.http import Answer, Call, FakeHttp

Messages = list[dict[str, str]]


@dataclass
class FakeChat(FakeHttp):
    """`POST /v1/chat/completions`.

    Attributes:
        says: the model's words for the messages it is given.
        finish: why it stopped.
        models: those it has.
    """

    name: ClassVar[str] = "chat"
    says: Callable[[Messages], Any] = lambda _: "It depends [1]."
    finish: str = "stop"
    models: tuple[str, ...] = ("small",)

    @property
    def base_url(self) -> str:
        """What to give as `base_url`."""
        return f"{self.url}/v1"

    @property
    def asked(self) -> list[Messages]:
        """The messages of each call."""
        return [json.loads(call.body)["messages"] for call in self.calls]

    def answer(self, call: Call) -> Answer:
        """As https://platform.openai.com/docs/api-reference/chat has it."""
        if call.headers.get("authorization") != f"Bearer {self.secret}":
            # OpenAI repeats a part of the key; some of its imitators all of it.
            return _error(401, f"Incorrect API key provided: {call.headers.get('authorization', '')}")
        if (call.method, call.path) != ("POST", "/v1/chat/completions"):
            return _error(404, "no such page")
        body = json.loads(call.body)
        if body["model"] not in self.models:
            return _error(404, f"The model `{body['model']}` does not exist")
        assert body["stream"] is False
        message = {"role": "assistant", "content": self.says(body["messages"])}
        return Answer(
            200,
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
            },
        )

    def too_many(self, wait: float) -> Answer:
        """One call too many."""
        return Answer(429, {"error": {"message": "Rate limit reached"}}, {"Retry-After": f"{wait:.0f}"})


def _error(status: int, message: str) -> Answer:
    return Answer(status, {"error": {"message": message, "type": "invalid_request_error"}})
