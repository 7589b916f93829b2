"""What in the index is otherwise than in the files, and how is it brought up to date? Passage by passage."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from newsletter.site.passage import ArchiveFiles, Passage
from newsletter.site.query import for_index, signed_names

if TYPE_CHECKING:
    from newsletter.content.guide import GuideResult
    from newsletter.content.issue import ParseResult
    from newsletter.diagnostics import Diagnostic
    from newsletter.model.guide import Guide
    from newsletter.model.issue import Issue

COLUMNS = "id, url, title, heading, kind, date, tags, text"
# An address, or the number of an issue.
_Claim = str | int


@dataclass(frozen=True)
class Updated:
    """What an update came to.

    Attributes:
        added: passages that are new, or say something else.
        removed: passages that are gone, or said something else.
        findings: errors of published files, and files that can't be read; what was known of those is kept.
        unknown: of the paths of `findings`, those of which nothing was known: they aren't searched at all.
    """

    added: int = 0
    removed: int = 0
    findings: tuple[Diagnostic, ...] = ()
    unknown: frozenset[str] = frozenset()


class _File(NamedTuple):
    """A file as it is on the disk; `wrong` says why it can't be read, and is empty where it can."""

    path: Path
    display: str
    guide: bool
    changed: int
    size: int
    wrong: str


class _Known(NamedTuple):
    """What the index has of a file."""

    changed: int
    size: int
    claims: frozenset[_Claim]
    shown: bool


class _Read(NamedTuple):
    """What a file says: its page is None where an error stands in its way, and where it isn't published."""

    claims: frozenset[_Claim]
    published: bool
    page: Issue | Guide | None = None
    findings: tuple[Diagnostic, ...] = ()


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
    known = _known(db)
    changed: list[_File] = []
    seen: set[str] = set()
    for guide, pairs in ((False, files.issues), (True, files.guides)):
        for path, display in pairs:
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            except OSError as error:  # a link to itself
                seen.add(str(path))
                changed.append(_File(path, str(display), guide, 0, 0, error.strerror or "it can't be read"))
                continue
            seen.add(str(path))
            before = known.get(str(path))
            same = before is not None and before[:2] == (status.st_mtime_ns, status.st_size)
            # What is published changes with every send, without its file.
            if before and same and (guide or _publishes(files, before.claims) == before.shown):
                continue
            wrong = "" if S_ISREG(status.st_mode) else "it is not an ordinary file"
            changed.append(_File(path, str(display), guide, status.st_mtime_ns, status.st_size, wrong))
    return Stale(changed, [path for path in known if path not in seen])


def bring_up_to_date(db: sqlite3.Connection, files: ArchiveFiles, stale: Stale) -> Updated:
    """Read what changed, and put it in the place of what was known of it.

    Where two files claim an address or a number, the ledger of what was sent doesn't tell whose text it is: the one
    that had it before stays, and the other isn't shown. Where neither had it, neither is.
    """
    from newsletter.content.source import by_place
    from newsletter.site.passages import Passages

    added = removed = 0
    for path in stale.gone:
        removed += _replace(db, path, ())[1]
        db.execute("DELETE FROM files WHERE path = ?", (path,))
    guides = {str(path) for path, _ in files.guides}
    held = {
        path: known.claims
        for path, known in _known(db).items()
        if known.shown and (path in guides or _publishes(files, known.claims))
    }
    read = {str(file.path): _read(file, files) for file in stale.changed}
    # What they can't tell us now, or can't be shown with, they still have.
    failed = {path for path, one in read.items() if one.findings}
    claimed = held | {path: one.claims if one.published else frozenset() for path, one in read.items()}
    taken = taken_by_others(claimed, held, failed)
    named = {str(path): str(display) for path, display in (*files.issues, *files.guides)}
    findings = [finding for one in read.values() for finding in one.findings]
    findings += [
        _contradiction(named[path], claim, named[other])
        for path, (claim, other) in taken.items()
        if path in read and path not in failed
    ]
    split = Passages(files.base_url, files.kinds)
    for file in stale.changed:
        path, one = str(file.path), read[str(file.path)]
        if path in failed or path in taken:
            # It is looked at again until it is mended; what it said before still stands, if that was published.
            if path not in held:
                removed += _replace(db, path, ())[1]
                db.execute("DELETE FROM files WHERE path = ?", (path,))
            continue
        counts = _replace(db, path, () if one.page is None else split.page(one.page))
        added, removed = added + counts[0], removed + counts[1]
        claims = json.dumps(sorted(one.claims, key=str))
        db.execute(
            "REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
            (path, file.changed, file.size, claims, one.published),
        )
    unknown = frozenset(named[path] for path in (*failed, *taken) if path not in held)
    return Updated(added, removed, tuple(sorted(findings, key=by_place)), unknown)


def taken_by_others(
    claimed: Mapping[str, frozenset[_Claim]],
    held: Mapping[str, frozenset[_Claim]],
    failed: set[str],
) -> dict[str, tuple[_Claim, str]]:
    """The files that claim what another one has or claims as well, each with one such claim and the other file.

    Args:
        claimed: what each file claims now.
        held: what those claimed that are shown already. Who alone had a claim before keeps it.
        failed: those that stay as they were, with what they had, because of what else is wrong with them.
    """
    taken: dict[str, tuple[_Claim, str]] = {}
    while True:
        claimants: dict[_Claim, list[str]] = defaultdict(list)
        for path, claims in claimed.items():
            # Who doesn't get something new keeps what it had: which may take that from a third.
            stays = path in failed or path in taken
            for claim in claims | held.get(path, frozenset()) if stays else claims:
                claimants[claim].append(path)
        more: dict[str, tuple[_Claim, str]] = {}
        for claim, paths in claimants.items():
            if len(paths) == 1:
                continue
            holders = [path for path in paths if claim in held.get(path, ())]
            for path in paths:
                if holders != [path] and path not in taken:
                    more[path] = claim, next(other for other in holders + paths if other != path)
        if not more:
            return taken
        taken |= more


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


def _known(db: sqlite3.Connection) -> dict[str, _Known]:
    rows = db.execute("SELECT path, changed, size, claims, shown FROM files")
    return {
        path: _Known(changed, size, frozenset(json.loads(claims)), bool(shown))
        for path, changed, size, claims, shown in rows
    }


def _publishes(files: ArchiveFiles, claims: frozenset[_Claim]) -> bool:
    return files.publishes(claim for claim in claims if isinstance(claim, str))


def _read(file: _File, files: ArchiveFiles) -> _Read:
    """What a file says now; a draft is not parsed further than its first lines."""
    from newsletter.checks.across import claims_in, claims_of
    from newsletter.content.addresses import head_of
    from newsletter.diagnostics import Severity
    from newsletter.errors import NewsletterError

    head, wrong = "", file.wrong
    try:
        head = "" if wrong else head_of(file.path)
    except OSError as error:
        wrong = error.strerror or str(error)
    # Of a file that can't be read, the name tells whose address it may have.
    claims = frozenset(_claims(*claims_in(file.path, head)[1:]))
    published = file.guide or _publishes(files, claims)
    if wrong:
        return _Read(claims, published, findings=(_unreadable(file.display, wrong),))
    if not published:
        return _Read(claims, published=False)
    try:
        parsed = _parsed(file, files)
    except NewsletterError as error:  # since a moment
        return _Read(claims, published, findings=(_unreadable(file.display, str(error)),))
    if parsed.front is not None:
        # As the parser reads them, which is how they are published.
        claims = frozenset(_claims(*claims_of(parsed)[1:]))
        published = (
            files.drafts or parsed.front.status != "draft" if file.guide else _publishes(files, claims)
        )
    if not published:
        return _Read(claims, published=False)
    page = parsed[0]
    errors = (found for found in parsed.diagnostics if found.severity is Severity.ERROR)
    return _Read(claims, published, page, () if page is not None else tuple(errors))


def _parsed(file: _File, files: ArchiveFiles) -> ParseResult | GuideResult:
    if file.guide:
        # Only who meets a guide imports what reads guides.
        from newsletter.content.guide import read_guide

        return read_guide(file.path, file.display)
    from newsletter.content.issue import read_issue

    return read_issue(file.path, files.kinds, file.display)


def _claims(number: int | None, slugs: Sequence[str]) -> Iterator[_Claim]:
    yield from slugs
    if number is not None:
        yield number


def _unreadable(display: str, why: str) -> Diagnostic:
    from newsletter.diagnostics import Diagnostic, Severity

    return Diagnostic("NL100", Severity.ERROR, f"the file can't be read: {why}", display)


def _contradiction(display: str, claim: _Claim, other: str) -> Diagnostic:
    from newsletter.checks.across import address_taken, number_taken
    from newsletter.diagnostics import Diagnostic, Severity

    if isinstance(claim, int):
        return Diagnostic("NL901", Severity.ERROR, number_taken(claim, other), display)
    return Diagnostic("NL902", Severity.ERROR, address_taken(claim, other), display)
