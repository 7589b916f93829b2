"""What in the index is otherwise than in the files, and how is it brought up to date? Passage by passage."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from newsletter.site.passage import ArchiveFiles, Passage
from newsletter.site.query import for_index, signed_names

if TYPE_CHECKING:
    from newsletter.diagnostics import Diagnostic

COLUMNS = "id, url, title, heading, kind, date, tags, text"


@dataclass(frozen=True)
class Updated:
    """What an update came to.

    Attributes:
        added: passages that are new, or say something else.
        removed: passages that are gone, or said something else.
        findings: errors of published files; what was known of those is kept.
    """

    added: int = 0
    removed: int = 0
    findings: tuple[Diagnostic, ...] = ()


class _File(NamedTuple):
    path: str
    display: str
    changed: int
    size: int
    slugs: Sequence[str]
    shown: bool


class Stale(NamedTuple):
    """Files that are otherwise than in the index, and those that are gone."""

    changed: list[_File]
    gone: list[str]

    @property
    def any(self) -> bool:
        """Whether there is something to do."""
        return bool(self.changed or self.gone)


def stale_files(db: sqlite3.Connection, files: ArchiveFiles) -> Stale:
    """What is not in the index as it is on the disk."""
    known = {row[0]: row[1:] for row in db.execute("SELECT path, changed, size, slugs, shown FROM files")}
    changed: list[_File] = []
    seen: set[str] = set()
    for issue, pairs in ((True, files.issues), (False, files.guides)):
        for path, display in pairs:
            name = str(path)
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            seen.add(name)
            before = known.get(name)
            same = before is not None and before[:2] == (status.st_mtime_ns, status.st_size)
            # What is published changes with every send, without its file.
            if before and same and (not issue or files.publishes(json.loads(before[2])) == bool(before[3])):
                continue
            slugs = _slugs(path)
            shown = files.publishes(slugs) if issue else True
            changed.append(_File(name, str(display), status.st_mtime_ns, status.st_size, slugs, shown))
    return Stale(changed, [path for path in known if path not in seen])


def bring_up_to_date(db: sqlite3.Connection, files: ArchiveFiles, stale: Stale) -> Updated:
    """Read what changed, and put it in the place of what was known of it.

    Raises:
        NewsletterError: a file can't be read.
    """
    from newsletter.site.passages import Passages
    from newsletter.site.published import read_published

    chosen = {path for path, *_ in stale.changed}
    published = read_published(
        replace(
            files,
            issues=[pair for pair in files.issues if str(pair[0]) in chosen],
            guides=[pair for pair in files.guides if str(pair[0]) in chosen],
        )
    )
    split = Passages(files.base_url, files.kinds)
    made = {issue.path: split.issue(issue) for issue in published.issues}
    made |= {guide.path: split.guide(guide) for guide in published.guides}
    wrong = {finding.path for finding in published.findings}
    added = removed = 0
    for path in stale.gone:
        removed += _replace(db, path, ())[1]
        db.execute("DELETE FROM files WHERE path = ?", (path,))
    for path, display, changed, size, slugs, shown in stale.changed:
        if display in wrong and path not in made:
            # It is looked at again until it is mended; what it said before still stands.
            continue
        counts = _replace(db, path, made.get(path, ()))
        added, removed = added + counts[0], removed + counts[1]
        db.execute(
            "REPLACE INTO files VALUES (?, ?, ?, ?, ?)", (path, changed, size, json.dumps(slugs), shown)
        )
    return Updated(added, removed, published.findings)


def passage_of(row: Sequence[str]) -> Passage:
    """The passage in a row of `COLUMNS`."""
    id_, url, title, heading, kind, date, tags, text, *_ = row
    return Passage(id_, url, title, heading, kind, date, tuple(json.loads(tags)), text)


def _replace(db: sqlite3.Connection, path: str, passages: Sequence[Passage]) -> tuple[int, int]:
    """Put these passages in the place of those of a file; how many were added and removed."""
    rows = db.execute(f"SELECT rowid, {COLUMNS} FROM passages WHERE file = ?", (path,)).fetchall()  # noqa: S608 - constants
    before = {row[1]: (row[0], passage_of(row[1:])) for row in rows}
    after = {passage.id: passage for passage in passages}
    gone = [rowid for id_, (rowid, old) in before.items() if after.get(id_) != old]
    for rowid in gone:
        words = db.execute(
            "SELECT title, heading, tags, text FROM found WHERE rowid = ?", (rowid,)
        ).fetchone()
        db.execute("INSERT INTO words (words, rowid, word) VALUES ('delete', ?, ?)", (rowid, " ".join(words)))
        db.execute("DELETE FROM found WHERE rowid = ?", (rowid,))
        db.execute("DELETE FROM passages WHERE rowid = ?", (rowid,))
    fresh = [
        (position, passage)
        for position, passage in enumerate(passages)
        if passage.id not in before or before[passage.id][1] != passage
    ]
    for position, passage in fresh:
        _insert(db, path, position, passage)
    return len(fresh), len(gone)


def _insert(db: sqlite3.Connection, path: str, position: int, passage: Passage) -> None:
    page = f"{'~' if passage.id.startswith('guides/') else passage.date}/{passage.id.partition('#')[0]}"
    rowid = db.execute(
        f"INSERT INTO passages (file, page, position, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        (
            path,
            page,
            position,
            passage.id,
            passage.url,
            passage.title,
            passage.heading,
            passage.kind,
            passage.date,
            json.dumps(passage.tags, ensure_ascii=False),
            passage.text,
        ),
    ).lastrowid
    columns = [
        for_index(part) for part in (passage.title, passage.heading, " ".join(passage.tags), passage.text)
    ]
    names = signed_names(f"{passage.title} {passage.heading} {passage.text}")
    db.execute(
        "INSERT INTO found (rowid, title, heading, tags, text, names) VALUES (?, ?, ?, ?, ?, ?)",
        (rowid, *columns, names),
    )
    db.execute("INSERT INTO words (rowid, word) VALUES (?, ?)", (rowid, " ".join(columns)))


def _slugs(path: Path) -> tuple[str, ...]:
    from newsletter.checks.across import read_claims

    return read_claims(path).slugs
