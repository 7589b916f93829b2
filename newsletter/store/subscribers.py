"""Who is on the list? Reading people, and the single changes to them that a transaction is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from newsletter.model.subscriber import Subscriber, SubscriberStatus
from newsletter.store.base import Database, Row, Transaction, utc_moment

_COLUMNS = "s.id, s.email, s.status, s.name, s.metadata, s.created_at"


@dataclass(frozen=True, slots=True)
class SubscriberFilter:
    """Which people; every part that is set has to fit.

    Attributes:
        status: exactly this status.
        tag: has this tag.
        search: part of the address or the name, whatever the case of ASCII letters.
        limit: at most so many; 0 for all.
    """

    status: SubscriberStatus | None = None
    tag: str = ""
    search: str = ""
    limit: int = 0

    def where(self) -> tuple[str, list[str]]:
        """The condition on `subscribers s` and its parameters."""
        parts, values = ["1 = 1"], []
        if self.status is not None:
            parts.append("s.status = ?")
            values.append(self.status.value)
        if self.tag:
            parts.append(
                "EXISTS (SELECT 1 FROM subscriber_tags t WHERE t.subscriber_id = s.id AND t.tag = ?)"
            )
            values.append(self.tag)
        if self.search:
            # LIKE itself is blind to the case of ASCII letters, and of those alone.
            escaped = self.search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            parts.append("(s.email LIKE ? ESCAPE '\\' OR s.name LIKE ? ESCAPE '\\')")
            values += [f"%{escaped}%"] * 2
        return " AND ".join(parts), values


EVERYONE = SubscriberFilter()


def find(source: Database | Transaction, *, match_key: str = "", id: int = 0) -> Subscriber | None:  # noqa: A002 - the column's name
    """The person with this match key, or with this id; None where there is none."""
    column, value = ("s.match_key", match_key) if match_key else ("s.id", id)
    rows = source.query(f"SELECT {_COLUMNS} FROM subscribers s WHERE {column} = ?", (value,))
    return _with_tags(source, rows)[0] if rows else None


def stream(database: Database, which: SubscriberFilter = EVERYONE) -> Iterator[Subscriber]:
    """People in the order they joined, from one snapshot, with flat memory."""
    where, values = which.where()
    limit = f" LIMIT {which.limit}" if which.limit else ""
    # Tags come with the row, as one JSON array: a second query would see another snapshot.
    for row in database.stream(
        f"SELECT {_COLUMNS}, (SELECT json_group_array(tag) FROM subscriber_tags g WHERE g.subscriber_id = s.id) "
        f"FROM subscribers s WHERE {where} ORDER BY s.id{limit}",
        values,
    ):
        yield _subscriber(row[:6], sorted(json.loads(row[6])) if row[6] != "[]" else ())


def count(database: Database, which: SubscriberFilter = EVERYONE) -> int:
    """How many people fit, whatever the limit."""
    where, values = which.where()
    [(number,)] = database.query(f"SELECT count(*) FROM subscribers s WHERE {where}", values)
    return int(number)


def counts_by_status(database: Database) -> dict[SubscriberStatus, int]:
    """How many people there are of each status, every status named."""
    counts = dict.fromkeys(SubscriberStatus, 0)
    for status, number in database.query("SELECT status, count(*) FROM subscribers GROUP BY status"):
        counts[SubscriberStatus(status)] = number
    return counts


def counts_by_tag(database: Database) -> dict[str, int]:
    """How many active people have each tag, the most used first."""
    return dict(
        database.query(
            "SELECT t.tag, count(*) FROM subscriber_tags t JOIN subscribers s ON s.id = t.subscriber_id "
            "WHERE s.status = 'active' GROUP BY t.tag ORDER BY count(*) DESC, t.tag"
        )
    )


def insert(
    tx: Transaction,
    *,
    email: str,
    match_key: str,
    status: SubscriberStatus,
    at: str,
    name: str = "",
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Put a new person on the list; returns the id. The match key has to be new."""
    return tx.insert(
        "INSERT INTO subscribers (email, match_key, name, status, metadata, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (
            email,
            match_key,
            name,
            status.value,
            json.dumps(dict(metadata or {}), ensure_ascii=False),
            at,
        ),
    )


def set_status(tx: Transaction, subscriber_id: int, status: SubscriberStatus, at: str) -> bool:
    """Change a person's status; False where it was so already, or nobody has the id."""
    sql = "UPDATE subscribers SET status = ?, updated_at = ? WHERE id = ? AND status <> ?"
    return tx.execute(sql, (status.value, at, subscriber_id, status.value)) > 0


def set_name(tx: Transaction, subscriber_id: int, name: str, at: str) -> bool:
    """Change a person's name; False where it was so already, or nobody has the id."""
    sql = "UPDATE subscribers SET name = ?, updated_at = ? WHERE id = ? AND name <> ?"
    return tx.execute(sql, (name, at, subscriber_id, name)) > 0


def add_tags(tx: Transaction, subscriber_id: int, tags: Sequence[str]) -> int:
    """Give a person tags; returns how many were new."""
    sql = "INSERT INTO subscriber_tags (subscriber_id, tag) VALUES (?, ?) ON CONFLICT DO NOTHING"
    return sum(tx.execute(sql, (subscriber_id, tag)) for tag in tags)


def remove_tags(tx: Transaction, subscriber_id: int, tags: Sequence[str]) -> int:
    """Take tags from a person; returns how many there were."""
    sql = "DELETE FROM subscriber_tags WHERE subscriber_id = ? AND tag = ?"
    return sum(tx.execute(sql, (subscriber_id, tag)) for tag in tags)


def delete(tx: Transaction, subscriber_id: int) -> None:
    """Remove a person and every word about them; what is left names them by number only.

    Mails to them that wait, requests and mailed links go with the row.
    """
    for email, key in tx.query("SELECT email, match_key FROM subscribers WHERE id = ?", (subscriber_id,)):
        tx.execute("DELETE FROM join_requests WHERE match_key = ?", (key,))
        # A report that isn't matched to anybody yet, or that nobody's mail fits, has the address in it all the same.
        tx.execute(
            "UPDATE events SET payload = '' WHERE subscriber_id IS NULL AND payload <> '' AND ("
            "CASE WHEN json_valid(payload) THEN lower(json_extract(payload, '$.recipient')) IN (lower(?), lower(?)) END "
            # So has one that can't be read; what still waits to be applied may be about somebody whose address ends alike.
            "OR (applied_at <> '' AND instr(lower(payload), lower(?)) > 0))",
            (email, key, json.dumps(email)[1:-1]),
        )
    tx.execute("DELETE FROM subscriber_tags WHERE subscriber_id = ?", (subscriber_id,))
    tx.execute("DELETE FROM subscribers WHERE id = ?", (subscriber_id,))
    # A Message-ID finds the address in a provider's log.
    tx.execute(
        "UPDATE consent_events SET ip = '', user_agent = '', detail = '', message_id = '' WHERE subscriber_id = ?",
        (subscriber_id,),
    )
    tx.execute("UPDATE events SET payload = '' WHERE subscriber_id = ?", (subscriber_id,))
    # What was done with an issue says more of somebody than that it was sent; and a link in an old mail has their number.
    tx.execute(
        "DELETE FROM hits WHERE send_id IN (SELECT id FROM sends) AND subscriber_id = ?", (subscriber_id,)
    )
    # A provider's answer often repeats the address.
    tx.execute(
        "UPDATE deliveries SET reason = NULL WHERE send_id IN (SELECT id FROM sends) AND subscriber_id = ?",
        (subscriber_id,),
    )


def _subscriber(row: Row, tags: Sequence[str]) -> Subscriber:
    number, email, status, name, metadata, created_at = row
    return Subscriber(
        id=number,
        email=email,
        status=SubscriberStatus(status),
        name=name,
        tags=tuple(tags),
        metadata=json.loads(metadata) if metadata != "{}" else {},
        created_at=utc_moment(created_at),
    )


def _with_tags(source: Database | Transaction, rows: Sequence[Row]) -> list[Subscriber]:
    found = []
    for row in rows:
        tags = source.query("SELECT tag FROM subscriber_tags WHERE subscriber_id = ? ORDER BY tag", (row[0],))
        found.append(_subscriber(row, [tag for (tag,) in tags]))
    return found
