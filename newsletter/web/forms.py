"""Did a person fill in our form? A signed token that is old enough, a field only programs see, and work for the browser.

None of it keeps out somebody who tries: it makes trying dearer. A form on another site is plain HTML and
has no token; there the limits and the press in the mail carry everything, and `[web] embedded_forms = false`
turns such forms into a look at our own. A token is good for a day, since pages stay open.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import blake2b, sha256
from typing import Final

# Nobody reads, types and presses faster; a browser that fills the field in is pressed once more.
MIN_AGE: Final = 1.0
_MAX_AGE: Final = 24 * 3600
_MAC_BYTES: Final = 12
_LONGEST_NONCE: Final = 32
HONEYPOT: Final = "website"
TOKEN: Final = "form_token"  # noqa: S105 - a field's name
WORK: Final = "work"


class Standing(Enum):
    """What a form's token says."""

    FINE = auto()
    ABSENT = auto()  # from another site, or from a program
    STALE = auto()  # too young, too old, or not ours: shown again, pressed again


@dataclass(frozen=True, slots=True)
class FormGuard:
    """Makes and judges the tokens of forms.

    Attributes:
        secret: the workspace's.
        bits: zero bits a proof of work has to begin with; 0 for none.
    """

    secret: bytes
    bits: int = 0

    def token(self, now: float) -> str:
        """A fresh token, for a form shown at `now` (seconds since 1970)."""
        payload = int(now * 10).to_bytes(6, "big") + secrets.token_bytes(6)
        return base64.urlsafe_b64encode(payload + self._mac(payload)).decode("ascii")

    def judge(self, token: str, now: float) -> Standing:
        """What a token is worth at `now`."""
        if not token:
            return Standing.ABSENT
        try:
            data = base64.urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return Standing.STALE
        payload, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        if len(payload) != 12 or not hmac.compare_digest(mac, self._mac(payload)):
            return Standing.STALE
        age = now - int.from_bytes(payload[:6], "big") / 10
        return Standing.FINE if MIN_AGE <= age <= _MAX_AGE else Standing.STALE

    def worked(self, token: str, email: str, nonce: str) -> bool:
        """Whether `nonce` is the work that is asked for: SHA-256 of `token:email:nonce` begins with `bits` zero bits.

        It is bound to the address, so each costs anew. Always so where no work is asked for.
        """
        if not self.bits:
            return True
        if not nonce or len(nonce) > _LONGEST_NONCE:
            return False
        digest = sha256(f"{token}:{email}:{nonce}".encode("utf-8", "replace")).digest()
        return int.from_bytes(digest, "big") >> (256 - self.bits) == 0

    def _mac(self, payload: bytes) -> bytes:
        return blake2b(payload, key=self.secret[:64], digest_size=_MAC_BYTES, person=b"nl:form").digest()
