"""How much has gone through a provider lately? Counted from the ledger, so that it holds across sends and restarts."""

from __future__ import annotations

from datetime import datetime

from newsletter.store.base import Database, Transaction, utc_moment, utc_text


def left_since(source: Database | Transaction, provider: str, since: datetime) -> list[tuple[datetime, int]]:
    """Each batch claimed after `since`: when, and how many of it left or may have."""
    rows = source.query(
        "SELECT b.first_claimed_at, count(*) FROM sends s JOIN deliveries d ON d.send_id = s.id "
        "JOIN batches b ON b.id = d.batch_id WHERE s.provider = ? AND d.state IN (1, 2, 5) "
        "AND s.id IN (SELECT send_id FROM batches WHERE first_claimed_at > ?) "
        "AND b.first_claimed_at > ? GROUP BY b.id, b.first_claimed_at ORDER BY b.first_claimed_at",
        (provider, utc_text(since), utc_text(since)),
    )
    return [(utc_moment(at), count) for at, count in rows]


def newest_batch(source: Database | Transaction) -> int:
    """The highest batch id there is; 0 where there is none."""
    [(number,)] = source.query("SELECT coalesce(max(id), 0) FROM batches")
    return int(number)


def claimed_by_others(
    source: Database | Transaction, provider: str, send_id: int, after: int
) -> list[tuple[int, datetime, int]]:
    """Batches above the id `after` that other sends claimed for the provider: id, when, how many."""
    rows = source.query(
        "SELECT b.id, b.first_claimed_at, b.size FROM batches b JOIN sends s ON s.id = b.send_id "
        "WHERE b.id > ? AND s.provider = ? AND b.send_id <> ? ORDER BY b.id",
        (after, provider, send_id),
    )
    return [(number, utc_moment(at), size) for number, at, size in rows]
