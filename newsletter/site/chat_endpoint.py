"""One question to a language model behind any OpenAI-compatible address: `POST {base_url}/chat/completions`.

The key goes to that address and nowhere else: no redirect is followed, and it is in no error.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from newsletter.errors import NewsletterError, UsageError
from newsletter.providers.api import (
    JSON_BODY,
    call_headers,
    one_line,
    read_json,
    seconds_to_wait,
)
from newsletter.providers.this_machine import is_this_machine

KEY_VARIABLE: Final = "NEWSLETTER_ASK_API_KEY"
# A model may think for minutes; a connection is there at once or not at all.
PATIENCE: Final = 180.0
_CONNECT: Final = 10.0
# What a model thought on the way may be much longer than its answer.
_LARGEST: Final = 2 * 1024 * 1024
_LONGEST: Final = 50_000
# What models on one's own machine thought before they answered; without its end, all of it is.
_THOUGHT: Final = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Reply:
    """What a model said.

    Attributes:
        text: its words.
        cut: whether it was stopped before its end.
    """

    text: str
    cut: bool


def chat_endpoint(base_url: str, model: str, key: SecretStr | None) -> ChatEndpoint:
    """The model of that name at `base_url`.

    Raises:
        UsageError: there is no address, it is none, the key is missing, or it would travel in clear text.
    """
    if not base_url:
        raise UsageError(
            f"there is no address for the model `{model}`",
            hint="set base_url under [ask], or --base-url, such as https://api.openai.com/v1 or http://127.0.0.1:11434/v1",
        )
    return ChatEndpoint(base_url, model, key.get_secret_value().strip() if key else "")


class ChatEndpoint:
    """A model at an address.

    Args:
        base_url: what `/chat/completions` is appended to, such as `https://api.openai.com/v1`.
        model: its name there.
        key: sent as a bearer token; may be empty for a server on this machine.
        patience: seconds after which an answer is given up.

    Raises:
        UsageError: the address is none, the key is missing, or it would travel in clear text.
    """

    def __init__(self, base_url: str, model: str, key: str, patience: float = PATIENCE) -> None:
        base = base_url.rstrip("/")
        if not _is_address(base):
            # A name with a password, or a key behind a question mark, is what some write there.
            shown = re.sub(r"[?#].*", "?…", re.sub(r"//.*@", "//…@", base_url))
            raise UsageError(
                f"`{shown}` is no address of a model",
                hint="write all of it, such as https://api.openai.com/v1 or http://127.0.0.1:11434/v1",
            )
        local = is_this_machine(urlsplit(base).hostname)
        if not key and not local:
            raise UsageError(
                f"{KEY_VARIABLE} is missing",
                hint=f"put {KEY_VARIABLE}=… into the environment or .env; a server on this machine needs none",
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise UsageError(
                f"{KEY_VARIABLE} holds a character no key has", hint="copy the key again, without quotes"
            )
        if base.startswith("http:") and not local:
            raise UsageError(
                f"{base} would get your key and your question in clear text", hint="begin it with https://"
            )
        self._url, self._model, self._key, self._patience = f"{base}/chat/completions", model, key, patience
        self._local = local

    @property
    def host(self) -> str:
        """Who is asked: host and port."""
        return urlsplit(self._url).netloc

    def reply(self, messages: Sequence[dict[str, str]]) -> Reply:
        """What the model says to `messages`, asked once.

        Raises:
            NewsletterError: it can't be reached, refuses, takes too long, or answers with something else.
        """
        body = json.dumps({"model": self._model, "messages": list(messages), "stream": False}).encode()
        headers = call_headers("Authorization", f"Bearer {self._key}") if self._key else {}
        # Compressed, a small answer could be made to fill all memory.
        headers |= {**JSON_BODY, "Accept-Encoding": "identity"}
        host = self.host
        try:
            status, said, data = self._exchange(body, headers)
        except httpx.TimeoutException:
            raise NewsletterError(
                f"{host} gave no answer within {self._patience:.0f} seconds",
                hint="try again, or ask with fewer passages: --limit 3",
            ) from None
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
            words = one_line(re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__, self._key)
            raise NewsletterError(
                f"{host} can't be reached: {words}",
                hint="check the network and the address; without --model you get the passages alone",
            ) from None
        if status != 200:
            raise self._refusal(host, status, said, data)
        return self._read(host, said, data)

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        deadline = time.monotonic() + self._patience
        timeout = httpx.Timeout(self._patience, connect=min(_CONNECT, self._patience))
        # A proxy of the environment is for the world outside this machine.
        with (
            httpx.Client(timeout=timeout, follow_redirects=False, trust_env=not self._local) as client,
            client.stream("POST", self._url, content=body, headers=headers) as answer,
        ):
            data = bytearray()
            for chunk in answer.iter_raw():
                data += chunk
                if len(data) > _LARGEST:
                    raise NewsletterError(
                        f"{self.host} answered with more than {_LARGEST // 1024**2} MB",
                        hint="check the address: no answer to a question is as long as that",
                    )
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("it drips")
            return answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, bytes(data)

    def _refusal(self, host: str, status: int, said: dict[str, str], data: bytes) -> NewsletterError:
        told = read_json(data)
        error = told.get("error") if isinstance(told, dict) else None
        words = error.get("message") if isinstance(error, dict) else error
        text = one_line(words if isinstance(words, str) else data[:200].decode("utf-8", "replace"), self._key)
        message = f"{host} answered {status}: {text}" if text else f"{host} answered {status}"
        if status in {401, 403}:
            hint = f"check {KEY_VARIABLE}: the key is wrong, or may not use this model"
        elif status == 404:
            hint = f"check the model's name, `{self._model}`, and the address, which `/chat/completions` is appended to"
        elif status == 429:
            wait = seconds_to_wait(said)
            hint = f"ask again in {wait:.0f} seconds" if wait else "ask again later, or check your quota"
        elif 300 <= status < 400:
            where = one_line(said.get("location", "elsewhere"), self._key)
            message = f"{host} answered {status} and wants the question sent to {where}"
            hint = "the key isn't sent on: set the new address as base_url if you trust it"
        elif status in {400, 413, 422}:
            hint = "mend what it names; fewer passages may help: --limit 3"
        else:
            hint = "try again later; without --model you get the passages alone"
        return NewsletterError(message, hint=hint)

    def _read(self, host: str, said: dict[str, str], data: bytes) -> Reply:
        streamed = said.get("content-type", "").startswith("text/event-stream")
        parsed: Any = _gathered(data) if streamed else read_json(data)
        if parsed is None:
            kind = one_line(said.get("content-type", "without a type"), self._key)
            raise NewsletterError(
                f"{host} answered with something that is not JSON ({kind})",
                hint="check the address: `/chat/completions` is appended to it",
            )
        content, finish = _words(parsed)
        text = _THOUGHT.sub("", content)
        if not text.strip():
            # Some that pass a question on answer 200 whatever they were told themselves.
            error = parsed.get("error") if isinstance(parsed, dict) else None
            words = error.get("message") if isinstance(error, dict) else error
            if isinstance(words, str) and words.strip():
                raise NewsletterError(
                    f"{host} answered with an error: {one_line(words, self._key)}",
                    hint="try again later; without --model you get the passages alone",
                )
            raise NewsletterError(
                f"{host} answered without any words of the model",
                hint="it may have refused, or spent all it may write on thinking: try another model",
            )
        if len(text) > _LONGEST:
            raise NewsletterError(
                f"{host} answered with {len(text):,} characters", hint="ask for less, or try another model"
            )
        return Reply(text.strip(), cut=finish == "length")


def _words(parsed: Any) -> tuple[str, str]:
    """What the model said, and why it stopped; nothing where the answer has another shape."""
    try:
        choice = parsed["choices"][0]
        content = choice["message"]["content"]
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part.get("type") == "text")
        return (content if isinstance(content, str) else ""), str(choice.get("finish_reason"))
    except (TypeError, KeyError, IndexError, AttributeError):
        return "", ""


def _gathered(data: bytes) -> Any:
    """An answer that was sent in pieces though nobody asked for that, as if it had come whole; None where it has none.

    https://platform.openai.com/docs/api-reference/chat-streaming
    """
    lines = [line.partition(b"data:")[2] for line in data.splitlines() if line.startswith(b"data:")]
    pieces = [piece for piece in map(read_json, lines) if isinstance(piece, dict)]
    if not pieces:
        return None
    text, finish = "", ""
    for piece in pieces:
        if "error" in piece:
            return piece
        try:
            choice = piece["choices"][0]
            text += choice["delta"].get("content") or ""
            finish = choice.get("finish_reason") or finish
        except (TypeError, KeyError, IndexError, AttributeError):
            continue
    if not finish:
        # Without its last piece it may have broken off anywhere.
        finish = "stop" if any(line.strip() == b"[DONE]" for line in lines) else "length"
    return {"choices": [{"message": {"content": text}, "finish_reason": finish}]}


def _is_address(base: str) -> bool:
    """Whether it is the beginning of an HTTP address, without a name, a query or a fragment."""
    if not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", base):
        return False
    try:
        parts, _ = urlsplit(base), httpx.URL(base)
        return bool(parts.hostname) and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        return False
