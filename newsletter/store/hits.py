"""Who loaded the picture or followed a link of an issue? Kept by number for some days, then as counts alone."""

from __future__ import annotations

from typing import Final

from newsletter.store.base import Database, Transaction, utc_moment

# The picture's number; links count from one, and zero is the link nobody sees.
OPEN: Final = -1
# Stands for any link, where only counts are left.
ANY_LINK: Final = -2
# A scanner goes through all links at once: what it follows within a minute of the unseen one is its own doing.
_SCAN_SECONDS: Final = 60
_BY_A_PERSON: Final = f"(c.link IS NULL OR h.last_at > c.last_at + {_SCAN_SECONDS} OR h.first_at < c.first_at - {_SCAN_SECONDS})"
_HITS: Final = (
    "FROM hits h LEFT JOIN hits c ON c.send_id = h.send_id AND c.subscriber_id = h.subscriber_id AND c.link = 0 "
    f"WHERE h.send_id = ? AND {_BY_A_PERSON}"
)


def record(tx: Transaction, delivery: tuple[int, int], link: int, at: int) -> None:
    """Write down a hit at `at`, in seconds since 1970; of a delivery that left, and for any link twice at most."""
    tx.execute(
        "INSERT INTO hits (send_id, subscriber_id, link, first_at, last_at) "
        "SELECT send_id, subscriber_id, ?, ?, ? FROM deliveries "
        "WHERE send_id = ? AND subscriber_id = ? AND state IN (1, 2, 5) "
        "ON CONFLICT (send_id, subscriber_id, link) DO UPDATE SET "
        "first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)",
        (link, at, at, *delivery),
    )


def readers(source: Database | Transaction, send_id: int) -> dict[int, int]:
    """How many people loaded the picture (`OPEN`), followed a link (its number) or any link (`ANY_LINK`)."""
    kept: dict[int, int] = dict(
        source.query("SELECT link, readers FROM hit_counts WHERE send_id = ?", (send_id,))
    )
    live: dict[int, int] = dict(
        source.query(
            f"SELECT h.link, count(*) {_HITS} AND h.link <> 0 GROUP BY h.link",
            (send_id,),
        )
    )
    [(clicked,)] = source.query(
        f"SELECT count(DISTINCT h.subscriber_id) {_HITS} AND h.link > 0",
        (send_id,),
    )
    if clicked:
        live[ANY_LINK] = clicked
    return {link: kept.get(link, 0) + live.get(link, 0) for link in kept.keys() | live.keys()}


def aggregate(tx: Transaction, before: str) -> int:
    """Of sends begun before then, keep the counts and forget who it was; returns how many hits were forgotten."""
    sends = tx.query(
        "SELECT id FROM sends n WHERE created_at < ? AND EXISTS (SELECT 1 FROM hits WHERE send_id = n.id)",
        (before,),
    )
    forgotten = 0
    for (send_id,) in sends:
        counts = readers(tx, send_id)
        tx.execute("DELETE FROM hit_counts WHERE send_id = ?", (send_id,))
        tx.executemany(
            "INSERT INTO hit_counts (send_id, link, readers) VALUES (?, ?, ?)",
            [(send_id, link, count) for link, count in counts.items()],
        )
        forgotten += tx.execute("DELETE FROM hits WHERE send_id = ?", (send_id,))
    return forgotten


def begun_at(db: Database, send_id: int) -> float | None:
    """When a send began, in seconds since 1970; None where there is none."""
    rows = db.query("SELECT created_at FROM sends WHERE id = ?", (send_id,))
    return utc_moment(rows[0][0]).timestamp() if rows else None
