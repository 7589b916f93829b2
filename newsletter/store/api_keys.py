"""Which keys open the API? Each is shown once and kept as a hash; a copied store opens nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from newsletter.store.base import Database, Row, Transaction, utc_text

PREFIX = "nlk_"
_COLUMNS = "id, name, hint, scopes, created_at, last_used_at, revoked_at"


class Scope(StrEnum):
    """What a key may do."""

    READ = "subscribers:read"  # see people and their tags
    WRITE = "subscribers:write"  # ask people to join, tag them, take them off
    IMPORT = "subscribers:import"  # put people on the list who confirmed elsewhere


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, without the key.

    Attributes:
        hint: its first characters, to tell keys apart.
        last_used_at: the day, or empty.
        revoked_at: empty while it works.
    """

    id: int
    name: str
    hint: str
    scopes: frozenset[Scope]
    created_at: str
    last_used_at: str
    revoked_at: str


def create(tx: Transaction, name: str, scopes: Iterable[Scope], at: datetime) -> tuple[int, str]:
    """Make a key; returns its number and the key itself, 192 random bits, which nobody can show again."""
    key = PREFIX + secrets.token_urlsafe(24)
    number = tx.insert(
        "INSERT INTO api_keys (name, hint, key_hash, scopes, created_at) VALUES (?, ?, ?, ?, ?)",
        (name, key[: len(PREFIX) + 4], _hash(key), ",".join(sorted(set(scopes))), utc_text(at)),
    )
    return number, key


def find(source: Database | Transaction, key: str) -> ApiKey | None:
    """The key that this is; None where there is none, or it was revoked."""
    rows = source.query(
        f"SELECT {_COLUMNS} FROM api_keys WHERE key_hash = ? AND revoked_at = ''", (_hash(key),)
    )
    return _key(rows[0]) if rows else None


def all_keys(source: Database | Transaction) -> list[ApiKey]:
    """All keys there ever were, the oldest first."""
    return [_key(row) for row in source.query(f"SELECT {_COLUMNS} FROM api_keys ORDER BY id")]


def used(tx: Transaction, number: int, at: datetime) -> None:
    """Write down on which day a key was used."""
    tx.execute("UPDATE api_keys SET last_used_at = ? WHERE id = ?", (utc_text(at)[:10], number))


def revoke(tx: Transaction, number: int, at: datetime) -> bool:
    """Make a key useless; False where there is no such key, or it is so already."""
    sql = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at = ''"
    return tx.execute(sql, (utc_text(at), number)) > 0


def _key(row: Row) -> ApiKey:
    number, name, hint, scopes, created_at, last_used_at, revoked_at = row
    return ApiKey(
        number,
        name,
        hint,
        frozenset(Scope(scope) for scope in scopes.split(",")),
        created_at,
        last_used_at,
        revoked_at,
    )


def _hash(key: str) -> bytes:
    return sha256(key.encode("utf-8", "replace")).digest()
