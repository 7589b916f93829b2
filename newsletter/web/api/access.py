"""Who calls, may they, and not too often? A key in the `Authorization` header; each key has its pace."""

from __future__ import annotations

import math
from collections import OrderedDict
from contextlib import suppress
from typing import Final

from starlette.requests import Request

from newsletter.errors import StoreError
from newsletter.store import api_keys
from newsletter.store.api_keys import PREFIX, ApiKey, Scope
from newsletter.store.base import utc_text
from newsletter.web.api.problems import ProblemError
from newsletter.web.limits import network_of
from newsletter.web.service import Service

_REALM: Final = 'Bearer realm="newsletter"'
# Guessing 192 bits is hopeless at any rate; this keeps a program gone wrong from filling the log.
_WRONG_KEYS_PER_MINUTE: Final = 30
_NOTE_PATIENCE: Final = 0.5
_MOST_REMEMBERED: Final = 10_000


class Pace:
    """So many a minute for each caller, evenly (generic cell rate algorithm); kept in this process.

    Args:
        per_minute: how many, and how many at once.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._step = 60.0 / per_minute
        self._full_again: OrderedDict[str, float] = OrderedDict()

    def wait(self, caller: str, now: float, *, take: bool = True) -> float:
        """Seconds until the caller may; 0.0 where it may now, and then one is used up unless not to `take`."""
        full_again = max(self._full_again.get(caller, now), now)
        over = full_again + self._step - now - 60.0
        if over > 1e-6:
            return over
        if take:
            self._full_again[caller] = full_again + self._step
            self._full_again.move_to_end(caller)
            # The one unheard of for longest is whole again, or one of so many that nobody can be told apart.
            while len(self._full_again) > _MOST_REMEMBERED:
                self._full_again.popitem(last=False)
        return 0.0


class Doorman:
    """Tells whose key a request brings.

    Args:
        service: what a request needs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._pace = Pace(service.settings.api_requests_per_minute)
        self._wrong = Pace(_WRONG_KEYS_PER_MINUTE)

    async def admit(self, request: Request, *allowed: Scope) -> ApiKey:
        """The key, where one of `allowed` is among its scopes.

        Raises:
            ProblemError: 401 without a key that works, 403 where it may not, 429 where it is too fast.
        """
        now = self._service.clock.monotonic()
        network = network_of(self._service.client_address(request))
        if wait := self._wrong.wait(network, now, take=False):
            raise _too_fast(wait, "too many requests with keys that don't work came from your network")
        key = self._key_of(request)
        if key is None:
            self._wrong.wait(network, now)
            raise ProblemError(
                401, "send a key as `Authorization: Bearer nlk_…`", headers={"www-authenticate": _REALM}
            )
        if wait := self._pace.wait(str(key.id), now):
            raise _too_fast(wait, f"this key may make {self._pace.per_minute:,} requests a minute")
        if not key.scopes & set(allowed):
            needed = " or ".join(allowed)
            raise ProblemError(
                403,
                f"this key lacks the scope {needed}",
                headers={"www-authenticate": f'{_REALM}, error="insufficient_scope", scope="{allowed[0]}"'},
            )
        await self._note_use(key)
        return key

    def _key_of(self, request: Request) -> ApiKey | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token.startswith(PREFIX) or len(token) > 100:
            return None
        return api_keys.find(self._service.database, token)

    async def _note_use(self, key: ApiKey) -> None:
        now = self._service.clock.now()
        if key.last_used_at != utc_text(now)[:10]:
            # Whoever only reads isn't refused because this can't be written now: the next request says it again.
            with suppress(StoreError):
                await self._service.write(lambda tx: api_keys.used(tx, key.id, now), patience=_NOTE_PATIENCE)


def _too_fast(wait: float, detail: str) -> ProblemError:
    return ProblemError(429, detail, headers={"retry-after": str(math.ceil(wait))})
