"""Who must not be mailed again, whatever list they turn up on, known by a keyed hash alone.

The key comes from the workspace's secret, which is not in the database: a copied database tells
nobody who left. The other side of it: under another key suppressions would match no one, in
silence, and the links in mail already sent would be refused; so the store remembers a fingerprint
of its key, and once anybody is suppressed or an issue is sent it is not opened without that key.

A rotation adds a key and changes nothing here: of the ring, the key with the fingerprint is used.
The hashes can't be moved to a newer key, because nobody knows the addresses of those who were erased.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from newsletter.errors import StoreError
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store.base import Database, Transaction

_FINGERPRINT_KEY = "suppression_key_fingerprint"
_IN_USE = "SELECT 1 WHERE EXISTS (SELECT 1 FROM suppressions) OR EXISTS (SELECT 1 FROM sends)"
LEFT = frozenset({SubscriberStatus.UNSUBSCRIBED, SubscriberStatus.BOUNCED, SubscriberStatus.COMPLAINED})


class Suppressions:
    """The suppressions of one store.

    Args:
        database: the store.
        secret: the workspace's newest secret key.
        older: the others, where keys were rotated.

    Raises:
        StoreError: somebody was suppressed, or an issue sent, under a key that is not among them.
    """

    def __init__(self, database: Database, secret: bytes, *older: bytes) -> None:
        self._pepper = _pepper(secret)
        rows = database.query("SELECT value FROM meta WHERE key = ?", (_FINGERPRINT_KEY,))
        for key in (secret, *older) if rows else ():
            if hmac.compare_digest(str(rows[0][0]), fingerprint(key)):
                self._pepper = _pepper(key)
                return
        self._adopt(database, fingerprint(secret))

    def _adopt(self, database: Database, fingerprint: str) -> None:
        """Make the key this store's own, which is harmless as long as no suppression and no mail depends on another."""
        with database.write() as tx:
            rows = tx.query("SELECT value FROM meta WHERE key = ?", (_FINGERPRINT_KEY,))
            if rows and rows != [(fingerprint,)] and tx.query(_IN_USE):
                raise StoreError(
                    "this store was made with another secret key: with the present one, people who left"
                    " wouldn't be recognised, nor the unsubscribe links in mail already sent",
                    hint="put the old key back: NEWSLETTER_SECRET_KEY, or the file .newsletter/secret.key;"
                    " newsletter keys rotate puts a new one before it",
                )
            tx.execute(
                "INSERT INTO meta (key, value) VALUES (?, ?) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (_FINGERPRINT_KEY, fingerprint),
            )

    def address_hmac(self, key: str) -> bytes:
        """What is kept of an address: HMAC-SHA256 of its match key."""
        return hmac.digest(self._pepper, key.encode(), "sha256")

    def reason(self, tx: Transaction, key: str) -> str:
        """Why the address with this match key must not be mailed; empty where it may be."""
        rows = tx.query("SELECT reason FROM suppressions WHERE address_hmac = ?", (self.address_hmac(key),))
        return str(rows[0][0]) if rows else ""

    def add(self, tx: Transaction, key: str, reason: str, at: str) -> None:
        """Suppress an address. The caller sets the subscriber's status in the same transaction; the first reason stays."""
        tx.execute(
            "INSERT INTO suppressions (address_hmac, reason, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (self.address_hmac(key), reason, at),
        )

    def remove(self, tx: Transaction, key: str) -> None:
        """Let an address be mailed again, because the person asked; the caller sets the status and records consent."""
        tx.execute("DELETE FROM suppressions WHERE address_hmac = ?", (self.address_hmac(key),))


def fingerprint(secret: bytes) -> str:
    """What a store keeps of the key its suppressions are bound to; tells nothing of the key."""
    return sha256(b"newsletter:fingerprint" + _pepper(secret)).hexdigest()[:32]


def bound_to(source: Database | Transaction) -> str:
    """The fingerprint of the key a store's suppressions are bound to; empty where there is none yet."""
    rows = source.query("SELECT value FROM meta WHERE key = ?", (_FINGERPRINT_KEY,))
    return str(rows[0][0]) if rows else ""


def _pepper(secret: bytes) -> bytes:
    return hmac.digest(secret, b"newsletter:suppression", "sha256")
