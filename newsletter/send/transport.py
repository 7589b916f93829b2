"""Did the request leave, and was it answered? One HTTP provider's calls over a connection of their own.

Only a failure before the request was written counts as "not accepted". Everything after that is
unknown until the provider says otherwise, and nothing here sends an unknown request again.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from urllib.parse import urlsplit

import httpx

from newsletter.errors import NewsletterError
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.api import seconds_to_wait
from newsletter.providers.base import Asynchronous, Batch, BatchResult, Hold, HttpProvider, Request, Response
from newsletter.providers.this_machine import is_this_machine

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
# Idle connections are given up before common servers do so: a request written into a closing one is ambiguous.
_KEEPALIVE_SECONDS = 4.0
_PORTION = 256 * 1024
_LARGEST_ANSWER = 16 * 1024 * 1024
# How long a provider is asked what became of a batch it has taken, and how often, in seconds.
_PATIENCE = 30.0
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0
# Raised while no byte of the request was on the wire yet.
_BEFORE_WRITING = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)


def body_hash(request: Request) -> str:
    """SHA-256 of what would leave: a key may only be used again for the same bytes."""
    digest = hashlib.sha256(f"{request.method} {request.url}\n".encode())
    for part in request.body:
        digest.update(part)
    return digest.hexdigest()


class HttpSession:
    """A `Session` over an `HttpProvider`; made and used in one sender thread.

    Args:
        provider: the pure translation.
        timeout: seconds; the default waits 10 for a connection and 60 for an answer.
    """

    def __init__(self, provider: HttpProvider, timeout: httpx.Timeout = _TIMEOUT) -> None:
        self._provider = provider
        self._timeout = timeout
        self._client: httpx.Client | None = None

    def prepare(self, batch: Batch) -> Request:
        """The call that would send `batch`."""
        return self._provider.build_request(batch)

    def send(self, batch: Batch) -> BatchResult:
        """Build the call, make it, and read the answer."""
        return self.call(batch, self.prepare(batch))

    def call(self, batch: Batch, request: Request) -> BatchResult:
        """Make the call once; whatever happens becomes outcomes, never an exception."""
        try:
            response = self._exchange(request)
        except _BEFORE_WRITING as error:
            reason = f"{_host(request.url)} can't be reached: {_words(error)}"
            return not_sent(batch, reason, _cause(error, reason))
        except (httpx.HTTPError, httpx.StreamError, _TooLargeError) as error:
            return unknown(batch, f"no answer to be trusted from {_host(request.url)}: {_words(error)}")
        try:
            return self._provider.parse_response(batch, self._followed(batch, response))
        except Exception as error:  # noqa: BLE001 - whatever an answer does to its parser, the messages may be out
            return unknown(batch, f"the answer ({response.status}) can't be read: {_words(error)}")

    def _followed(self, batch: Batch, response: Response) -> Response:
        """The last word of a provider that checks a batch after it has taken it; `response` where it says no more."""
        if not isinstance(self._provider, Asynchronous):
            return response
        pause, patience = _FIRST_PAUSE, _PATIENCE
        while (request := self._provider.follow_up(batch, response)) is not None and patience > 0:
            time.sleep(pause)
            patience -= pause
            pause = min(pause * 2, _LONGEST_PAUSE)
            with contextlib.suppress(NewsletterError):
                answer = self.ask(request)
                if 200 <= answer.status < 300:
                    response = answer
                elif answer.status == 429:
                    # These calls share the account's allowance with those that send.
                    pause = min(_LONGEST_PAUSE, max(pause, seconds_to_wait(answer.headers) or 1.0))
        return response

    def ask(self, request: Request) -> Response:
        """Make a call that only reads: nothing depends on whether it arrived.

        Raises:
            NewsletterError: no answer came that can be read.
        """
        try:
            return self._exchange(request)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, _TooLargeError) as error:
            raise NewsletterError(
                f"no answer from {_host(request.url)}: {_words(error)}", hint="check the network"
            ) from error

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _exchange(self, request: Request) -> Response:
        client = self._client or self._connect(request.url)
        headers, size = dict(request.headers), sum(map(len, request.body))
        content: bytes | Iterable[bytes] = (
            b"".join(request.body) if size <= _PORTION else _portions(request.body)
        )
        if size > _PORTION:
            # Said, so that portions don't make it a chunked transfer (RFC 9112, section 6.1).
            headers["Content-Length"] = str(size)
        with client.stream(request.method, request.url, headers=headers, content=content) as answer:
            data = bytearray()
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > _LARGEST_ANSWER:
                    raise _TooLargeError
            said = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status_code, said, bytes(data))

    def _connect(self, url: str) -> httpx.Client:
        self._client = httpx.Client(
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=1, keepalive_expiry=_KEEPALIVE_SECONDS),
            follow_redirects=False,
            verify=_trust(),
            # A proxy of the environment is for the world outside this machine.
            trust_env=not is_this_machine(urlsplit(url).hostname),
        )
        return self._client


@cache
def _trust() -> ssl.SSLContext:
    """Which certificates are trusted: read once, not by each of a send's connections."""
    return httpx.create_ssl_context()


def _portions(parts: Sequence[bytes]) -> Iterator[bytes]:
    """`parts` in portions that stay in the processor's cache.

    One block of megabytes a call is memory the system hands out, zeroes and takes back each time: twice the CPU.
    """
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _PORTION:
            yield b"".join(held)
            held.clear()
            size = 0
    if held:
        yield b"".join(held)


class _TooLargeError(Exception):
    def __str__(self) -> str:
        return f"the answer is larger than {_LARGEST_ANSWER // 1024**2} MB"


def not_sent(batch: Batch, reason: str, hold: Hold | None = None) -> BatchResult:
    """Nothing of `batch` left: every message may be tried again."""
    return BatchResult(
        [Outcome(m.delivery_id, OutcomeKind.DEFERRED, reason=reason) for m in batch.messages], hold
    )


def unknown(batch: Batch, reason: str) -> BatchResult:
    """Nobody can tell what became of `batch`."""
    return BatchResult([Outcome(m.delivery_id, OutcomeKind.UNKNOWN, reason=reason) for m in batch.messages])


def _cause(error: Exception, reason: str) -> Hold:
    """Whether waiting may help: a name that doesn't resolve or a port that is closed may come back."""
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return Hold(reason, "mend `base_url` in `[provider]`")
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return Hold(reason, "its certificate isn't trusted: check `base_url` and the system's clock")
    return Hold(reason, "check the network and `base_url` in `[provider]`", retry_after=1.0)


def _words(error: Exception) -> str:
    # httpx hands the system's errors on as text, number and all.
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error).strip()) or type(error).__name__


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or url
