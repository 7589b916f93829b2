"""What does the public service answer from outside, and under which certificate? One request at a time, nothing followed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import httpx

from newsletter.providers.this_machine import is_this_machine

_LARGEST: Final = 64 * 1024
# What a mail program is expected to send (RFC 8058 §3.2, §8).
ONE_CLICK_BODY: Final = b"List-Unsubscribe=One-Click"


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer, or why there is none.

    Attributes:
        status: 0 where none came.
        headers: names in lower case.
        body: its first 64 KB.
        failed: why none came.
        untrusted: it is because of the certificate.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    failed: str = ""
    untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a server shows, or why that can't be told.

    Attributes:
        until: when it ends, where it is trusted.
        problem: why it isn't.
        failed: why nothing was seen of it.
    """

    until: datetime | None = None
    problem: str = ""
    failed: str = ""


class Outside:
    """Makes requests as a stranger would: no cookies, nothing followed, every certificate verified.

    Args:
        seconds: for each request.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # SSL_CERT_FILE is honoured, as it is where mail is sent.
        self._trust = ssl.create_default_context()

    def get(self, url: str) -> Seen:
        """GET."""
        return self._request("GET", url, b"")

    def post_one_click(self, url: str) -> Seen:
        """POST, as a mail program does for a reader who pressed “Unsubscribe”."""
        return self._request("POST", url, ONE_CLICK_BODY)

    def _request(self, method: str, url: str, body: bytes) -> Seen:
        headers = {"User-Agent": "newsletter-doctor", "Accept": "*/*"}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            with (
                httpx.Client(
                    timeout=self._seconds,
                    verify=self._trust,
                    follow_redirects=False,
                    trust_env=not is_this_machine(urlsplit(url).hostname),
                ) as client,
                client.stream(method, url, headers=headers, content=body) as answer,
            ):
                data = b""
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > _LARGEST:
                        break
                said = {name.lower(): value for name, value in answer.headers.items()}
                return Seen(answer.status_code, said, data[:_LARGEST].decode("utf-8", "replace"))
        except httpx.TimeoutException:
            return Seen(failed=f"no answer within {self._seconds:g} seconds")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            words = " ".join(str(error).split()) or type(error).__name__
            return Seen(failed=words[:200], untrusted="CERTIFICATE_VERIFY_FAILED" in words)

    def certificate(self, host: str, port: int) -> Certificate:
        """What the server at `host` shows."""
        try:
            with (
                socket.create_connection((host, port), timeout=self._seconds) as plain,
                self._trust.wrap_socket(plain, server_hostname=host) as secured,
            ):
                shown = secured.getpeercert() or {}
        except ssl.SSLCertVerificationError as error:
            return Certificate(problem=error.verify_message)
        except (OSError, UnicodeError) as error:
            words = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return Certificate(failed=str(words))
        ends = shown.get("notAfter")
        if not isinstance(ends, str):
            return Certificate(failed="it shows no certificate")
        return Certificate(until=datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC))
