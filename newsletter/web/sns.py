"""What is asked of Amazon SNS: its certificates, kept once read, and that a subscription of ours is confirmed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import httpx

from newsletter.clock import Clock
from newsletter.providers.api import USER_AGENT
from newsletter.providers.ses.sns import Confirmation
from newsletter.providers.signatures import WebhookRefusedError

_TIMEOUT: Final = 5.0  # SNS itself waits 15 seconds
_LONGEST: Final = 64 * 1024
_MOST_KEPT: Final = 32
# A certificate serves for a year. Who makes up addresses of others doesn't make us ask for them without end.
_MOST_ASKED: Final = 10
_PER_SECONDS: Final = 60.0


class Sns:
    """Amazon SNS, asked over HTTPS; usable from several threads.

    Args:
        clock: tells how long ago something was asked.
        origin: where a host of Amazon's is reached.
    """

    def __init__(self, clock: Clock, origin: Callable[[str], str] = str) -> None:
        self._clock = clock
        self._origin = origin
        self._lock = threading.Lock()
        self._certificates: dict[str, bytes] = {}
        self._asked: deque[float] = deque(maxlen=_MOST_ASKED)

    def certificate(self, url: str) -> bytes:
        """The PEM certificate at `url`, which is one of Amazon's already.

        Raises:
            WebhookRefusedError: it can't be had now.
        """
        with self._lock:
            known = self._certificates.get(url)
            if known is None:
                self._allow()
                known = self._ask("GET", url, {})
                if len(self._certificates) >= _MOST_KEPT:
                    self._certificates.clear()
                self._certificates[url] = known
            return known

    def confirm(self, asked: Confirmation) -> None:
        """Confirm a subscription by `ConfirmSubscription`; the address in the envelope isn't used.

        Raises:
            WebhookRefusedError: Amazon says no, or can't be reached.
        """
        query = {
            "Action": "ConfirmSubscription",
            "TopicArn": asked.topic,
            "Token": asked.token,
            "Version": "2010-03-31",
        }
        self._ask("POST", f"{asked.origin}/", query)

    def _allow(self) -> None:
        now = self._clock.monotonic()
        if len(self._asked) == _MOST_ASKED and now - self._asked[0] < _PER_SECONDS:
            raise WebhookRefusedError("too many certificates were asked for")
        self._asked.append(now)

    def _ask(self, method: str, url: str, form: dict[str, str]) -> bytes:
        host, _, path = url.removeprefix("https://").partition("/")
        try:
            with httpx.stream(
                method,
                f"{self._origin(f'https://{host}')}/{path}",
                data=form or None,
                headers={"User-Agent": USER_AGENT},
                timeout=_TIMEOUT,
                follow_redirects=False,
            ) as response:
                body = b""
                for part in response.iter_bytes():
                    body += part
                    if len(body) > _LONGEST:
                        break
        except httpx.HTTPError as error:
            raise WebhookRefusedError(f"Amazon SNS can't be asked: {type(error).__name__}") from None
        if response.status_code != 200 or len(body) > _LONGEST:
            raise WebhookRefusedError(f"Amazon SNS answered {response.status_code}")
        return body
