"""Short keyed tokens that name a subscriber or a delivery, and can't be made by anyone without the key.

An unsubscribe token never expires and does nothing but unsubscribe. The first byte says which key
made it, so that keys can be rotated while links in old mails go on working.
"""

from __future__ import annotations

import base64
import hmac
import re
from binascii import b2a_base64
from functools import lru_cache
from hashlib import blake2b

from newsletter.audience.keys import key_id

_MAC_BYTES = 10  # 80 bits: a guess a nanosecond for a thousand years stays hopeless
_TOKEN = re.compile(r"[A-Za-z0-9_-]{12,64}")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")  # RFC 4648 §5
_SCOPES = (b"nl:unsubscribe", b"nl:delivery", b"nl:preferences", b"nl:left", b"nl:manage")
_UNSUBSCRIBE, _DELIVERY, _PREFERENCES, _LEFT, _MANAGE = range(len(_SCOPES))
_NEWEST_ONLY = (_LEFT, _MANAGE)
_LAST = tuple(bytes((n,)) for n in range(0x80))
_CONTINUED = tuple(bytes((n | 0x80,)) for n in range(0x80))


def _varint(number: int) -> bytes:
    return _LAST[number] if number < 0x80 else _CONTINUED[number & 0x7F] + _higher(number >> 7)


# A send counts upwards: all but the last seven bits are mostly those of the number before.
_higher = lru_cache(maxsize=64)(_varint)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise IndexError


class _Reader:
    """One key of the ring: a keyed state per scope, copied per token (0.7 µs instead of 2 for hmac.new)."""

    __slots__ = ("key_id", "scopes")

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            msg = "a secret key has at least 16 bytes"
            raise ValueError(msg)
        self.key_id = key_id(secret)
        self.scopes = [blake2b(key=secret[:64], digest_size=_MAC_BYTES, person=scope) for scope in _SCOPES]


class TokenSigner:
    """Makes the tokens of the newest key, and reads those of every key of the ring.

    What lives for an hour at most, and opens more than the way out, is read under the newest key alone:
    with an old one, perhaps rotated because it leaked, nobody gets at what is kept about a person.

    Args:
        newest: at least 16 bytes; see `audience.keys`.
        older: those that were the newest before.
    """

    def __init__(self, newest: bytes, *older: bytes) -> None:
        self._ring = tuple(_Reader(secret) for secret in (newest, *older))
        self._newest = self._ring[:1]
        self._key_id = self._ring[0].key_id
        self._unsubscribe, self._delivery, self._preferences, self._left, self._manage = self._ring[0].scopes

    def unsubscribe(self, subscriber_id: int) -> str:
        """The token in `List-Unsubscribe` and in the footer: some 19 characters, URL-safe."""
        return self._make(self._unsubscribe, _varint(subscriber_id))

    def read_unsubscribe(self, token: str) -> int | None:
        """The subscriber's id, or None where the token is not ours."""
        numbers = self._read(_UNSUBSCRIBE, token)
        return numbers[0] if numbers and len(numbers) == 1 else None

    def preferences(self, subscriber_id: int) -> str:
        """The token of the page that mails a fresh preferences link; it shows and changes nothing itself."""
        return self._make(self._preferences, _varint(subscriber_id))

    def read_preferences(self, token: str) -> int | None:
        """The subscriber's id, or None where the token is not ours."""
        numbers = self._read(_PREFERENCES, token)
        return numbers[0] if numbers and len(numbers) == 1 else None

    def left(self, subscriber_id: int, event_id: int, until: int) -> str:
        """Proof of having just left, for Undo and the reason.

        Args:
            subscriber_id: who left.
            event_id: the entry of the consent record that says so: Undo takes back that one and no later one.
            until: when the proof ends, in seconds since 1970.
        """
        return self._make(self._left, _varint(subscriber_id) + _varint(event_id) + _varint(until))

    def read_left(self, token: str, now: float) -> tuple[int, int] | None:
        """The subscriber and the entry, or None where the proof is not ours or `now` is past its end."""
        numbers = self._read(_LEFT, token)
        return (numbers[0], numbers[1]) if numbers and len(numbers) == 3 and now <= numbers[2] else None

    def manage(self, subscriber_id: int, until: int, serial: int) -> str:
        """The token of a mailed link that shows and changes what is kept about a person.

        Args:
            subscriber_id: who.
            until: when it ends, in seconds since 1970.
            serial: makes it one of a kind, so that it can be spent: random, below 2**63.
        """
        return self._make(self._manage, _varint(subscriber_id) + _varint(until) + _varint(serial))

    def read_manage(self, token: str, now: float) -> tuple[int, int, int] | None:
        """The subscriber, the end and the serial, or None where the token is not ours or `now` is past its end."""
        numbers = self._read(_MANAGE, token)
        if numbers is None or len(numbers) != 3 or now > numbers[1]:
            return None
        return numbers[0], numbers[1], numbers[2]

    def delivery(self, send_id: int, subscriber_id: int) -> str:
        """The delivery id that rides along with a message; letters, digits, `-` and `_`."""
        return self._make(self._delivery, _varint(send_id) + _varint(subscriber_id))

    def read_delivery(self, token: str) -> tuple[int, int] | None:
        """The send and the subscriber, or None where the id is not ours."""
        numbers = self._read(_DELIVERY, token)
        return (numbers[0], numbers[1]) if numbers and len(numbers) == 2 else None

    def _make(self, scope: blake2b, payload: bytes) -> str:
        state = scope.copy()
        state.update(payload)
        token = b2a_base64(self._key_id + payload + state.digest(), newline=False)
        return token.translate(_URL_SAFE, b"=").decode()

    def _read(self, scope: int, token: str) -> list[int] | None:
        # The decoder skips what isn't base64: without this, a token with anything in between would pass.
        if not _TOKEN.fullmatch(token):
            return None
        try:
            data = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except ValueError:
            return None
        payload, mac = data[1:-_MAC_BYTES], data[-_MAC_BYTES:]
        for reader in self._newest if scope in _NEWEST_ONLY else self._ring:
            if data[:1] == reader.key_id:
                state = reader.scopes[scope].copy()
                state.update(payload)
                if hmac.compare_digest(mac, state.digest()):
                    break
        else:
            return None
        numbers, at = [], 0
        try:
            while at < len(payload):
                number, at = _read_varint(payload, at)
                numbers.append(number)
        except IndexError:
            return None
        return numbers
