"""How did an issue do? Counts of what was reported about it, and of who left after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from newsletter.store import hits
from newsletter.store.base import Database
from newsletter.tracking.states import Seen, Standing

# Later than any time the store writes.
_NEVER: Final = "9999"


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one issue, over all of its sends.

    Attributes:
        sent_at: when its first send began; UTC as the store writes it.
        audience: whom it was meant for.
        accepted: whom the provider took it for.
        delivered: the receiving server took it.
        hard: the mailbox isn't there.
        soft: it came back for now.
        blocked: it came back over the sender or the content.
        refused: the provider took it and never tried.
        deferred: put off, and nothing newer was heard.
        unreported: taken, and nothing was heard of it since.
        complained: who reported it as spam.
        unsubscribed: who had it and left after it, before the next issue.
        opened: who opened it, as far as that can be known.
        clicked: who followed a link.
    """

    slug: str
    number: int
    title: str
    sent_at: str
    audience: int
    accepted: int
    delivered: int
    hard: int
    soft: int
    blocked: int
    refused: int
    deferred: int
    unreported: int
    complained: int
    unsubscribed: int
    opened: int
    clicked: int

    @property
    def bounced(self) -> int:
        """All that came back."""
        return self.hard + self.soft + self.blocked

    def share(self, count: int) -> float:
        """`count` in percent of what the provider took; 0 where it took nothing."""
        return 100 * count / self.accepted if self.accepted else 0.0


def issues_sent(db: Database) -> list[str]:
    """The slugs of all issues that were sent for real, in the order of their first sends."""
    return [
        slug
        for (slug,) in db.query("SELECT slug FROM sends WHERE sandbox = 0 GROUP BY slug ORDER BY min(id)")
    ]


def report_of(db: Database, slug: str) -> Report | None:
    """The figures of the issue with this slug; None where it was not sent for real."""
    sends = db.query(
        "SELECT id, number, title, created_at, audience FROM sends WHERE slug = ? AND sandbox = 0 ORDER BY id",
        (slug,),
    )
    if not sends:
        return None
    ids = [row[0] for row in sends]
    standings, seen = _tracked(db, ids)
    accepted = _accepted(db, ids)
    heard = sum(count for standing, count in standings.items() if standing not in _UNHEARD)
    _, number, title, *_ = sends[-1]
    followed = _followed(db, ids)
    return Report(
        slug=slug,
        number=number,
        title=title,
        sent_at=sends[0][3],
        # Who is sent to again because an earlier send didn't reach them is one person still.
        audience=_people(db, ids),
        accepted=accepted,
        delivered=standings.get(Standing.DELIVERED, 0),
        hard=standings.get(Standing.HARD, 0),
        soft=standings.get(Standing.SOFT, 0),
        blocked=standings.get(Standing.BLOCKED, 0),
        refused=standings.get(Standing.REFUSED, 0),
        deferred=standings.get(Standing.DEFERRED, 0),
        unreported=max(accepted - heard, 0),
        complained=seen.get(Seen.COMPLAINED, 0),
        unsubscribed=_left_after(db, ids, sends[0][3], _next_issue(db, slug, ids[-1])),
        # The provider may count as well, or instead of us.
        opened=max(seen.get(Seen.OPENED, 0), followed.get(hits.OPEN, 0)),
        clicked=max(seen.get(Seen.CLICKED, 0), followed.get(hits.ANY_LINK, 0)),
    )


_UNHEARD: Final = (Standing.SILENT, Standing.SENT)


def _tracked(db: Database, ids: Sequence[int]) -> tuple[dict[Standing, int], dict[Seen, int]]:
    standings: dict[Standing, int] = {}
    seen: dict[Seen, int] = {}
    for send_id in ids:
        for standing, marks, count in db.query(
            "SELECT standing, seen, count(*) FROM tracking WHERE send_id = ? GROUP BY standing, seen",
            (send_id,),
        ):
            standings[Standing(standing)] = standings.get(Standing(standing), 0) + count
            for mark in Seen(marks):
                seen[mark] = seen.get(mark, 0) + count
    return standings, seen


def _followed(db: Database, ids: Sequence[int]) -> Counter[int]:
    found: Counter[int] = Counter()
    for send_id in ids:
        found.update(hits.readers(db, send_id))
    return found


def _accepted(db: Database, ids: Sequence[int]) -> int:
    return sum(
        int(db.query("SELECT count(*) FROM deliveries WHERE send_id = ? AND state = 2", (number,))[0][0])
        for number in ids
    )


def _people(db: Database, ids: Sequence[int]) -> int:
    if len(ids) == 1:
        return int(db.query("SELECT audience FROM sends WHERE id = ?", ids)[0][0])
    marks = ", ".join("?" * len(ids))
    sql = f"SELECT count(DISTINCT subscriber_id) FROM deliveries WHERE send_id IN ({marks})"  # noqa: S608 - marks alone
    return int(db.query(sql, ids)[0][0])


def _next_issue(db: Database, slug: str, after: int) -> str:
    [(at,)] = db.query(
        "SELECT min(created_at) FROM sends WHERE id > ? AND slug <> ? AND sandbox = 0", (after, slug)
    )
    return at or _NEVER


def _left_after(db: Database, ids: Sequence[int], begin: str, end: str) -> int:
    marks = ", ".join("?" * len(ids))
    sql = (
        "SELECT count(DISTINCT c.subscriber_id) FROM consent_events c "  # noqa: S608 - marks alone
        "WHERE c.action = 'unsubscribed' AND c.at >= ? AND c.at < ? AND EXISTS (SELECT 1 FROM deliveries d "
        f"WHERE d.send_id IN ({marks}) AND d.subscriber_id = c.subscriber_id AND d.state = 2)"
    )
    [(count,)] = db.query(sql, (begin, end, *ids))
    return int(count)
