"""What does a build remember of the one before it? What was made of each source, and which files it wrote."""

from __future__ import annotations

import hashlib
import marshal
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from newsletter.errors import NewsletterError
from newsletter.site.entry import Body, Entry, PictureFile, entry_from_plain

if TYPE_CHECKING:
    from newsletter.site.compiled import CompiledTemplates

# Time of the last change and size of files, by path.
Stamps = dict[str, tuple[int, int]]


class _Made(NamedTuple):
    """What was made of a file: its time of the last change and size, and the rest."""

    found: tuple[int, int]
    entry: Entry
    body: Body
    code: dict[str, str]


class Cache:
    """What was made of sources and what was written, kept between builds; a damaged file is begun anew.

    Args:
        path: the file; nothing is lost with it but time.
        key: of all that decides how any page looks; another key, and nothing of it holds.

    Raises:
        NewsletterError: another build has the file for more than half a minute, or it can't be written.
    """

    def __init__(self, path: Path, key: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open(path, key)
        except sqlite3.OperationalError as error:
            # Such as by a build into another folder, which is at work with this file.
            taken = (error.sqlite_errorcode or 0) & 0xFF == sqlite3.SQLITE_BUSY
            hint = (
                "try again when the other build has ended" if taken else "make room on the disk, or delete it"
            )
            raise NewsletterError(f"{path}: {error}", hint=hint) from None
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._open(path, key)

    def _open(self, path: Path, key: str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        # One transaction for a build: a build that fails leaves the cache of the last good one.
        self._db.executescript(
            "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = OFF;"
            "CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT);"
            # A thousand entries, or files, are one value: rows would take ten times as long to read.
            "CREATE TABLE IF NOT EXISTS wholes (name TEXT PRIMARY KEY, value BLOB);"
            "CREATE TABLE IF NOT EXISTS bodies (path TEXT PRIMARY KEY, html TEXT, markdown TEXT, "
            "code BLOB) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS templates (key TEXT PRIMARY KEY, code BLOB);"
        )
        self._new: dict[str, _Made] = {}
        self._entries: dict[str, tuple[Any, ...]] = {}
        self._db.execute("BEGIN IMMEDIATE")
        if self.about("key") != key:
            for table in ("about", "wholes", "bodies", "templates"):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
            self.set_about("key", key)

    def about(self, name: str) -> str:
        """A value of the last good build; empty where there is none."""
        found = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""

    def set_about(self, name: str, value: str) -> None:
        """Keep a value."""
        self._db.execute("REPLACE INTO about VALUES (?, ?)", (name, value))

    def entries(self) -> dict[str, tuple[tuple[int, int], Entry]]:
        """All kept entries by path, with what their files were."""
        self._entries = self._whole("entries")
        return {path: (found, entry_from_plain(entry)) for path, (found, entry) in self._entries.items()}

    def body(self, path: str) -> Body:
        """The body of a kept entry."""
        if path in self._new:
            return self._new[path].body
        html, markdown = self._db.execute(
            "SELECT html, markdown FROM bodies WHERE path = ?", (path,)
        ).fetchone()
        return Body(html, markdown)

    def code(self, path: str) -> dict[str, str]:
        """The code blocks of a file as they were coloured, by what they are made of."""
        if path not in self._entries:
            return {}
        found = self._db.execute("SELECT code FROM bodies WHERE path = ?", (path,)).fetchone()
        return dict(_loaded(found[0])) if found else {}

    def keep(self, found: tuple[int, int], entry: Entry, body: Body, code: dict[str, str]) -> None:
        """Keep what was made of a file, its code blocks as `code` gives them."""
        self._new[entry.path] = _Made(found, entry, body, code)

    def pages(self, out: str) -> dict[str, tuple[str, int, int]]:
        """What was written below `out`: key, time of the last change and size, by path."""
        return self._whole(f"pages:{out}")

    def keep_pages(self, out: str, pages: Mapping[str, tuple[str, int, int]]) -> None:
        """Keep what is below `out` now."""
        self._keep_whole(f"pages:{out}", dict(pages))

    def compiled(self) -> CompiledTemplates:
        """Keeps templates compiled, which takes longer than most edits."""
        from newsletter.site.compiled import CompiledTemplates

        return CompiledTemplates(self._db)

    def commit(self, sources: Collection[str]) -> None:
        """Keep it all for the next build, of entries those whose files are among `sources`."""
        gone = self._entries.keys() - sources
        if self._new or gone:
            made = {path: (one.found, one.entry.plain()) for path, one in self._new.items()}
            kept = self._entries | made
            self._keep_whole("entries", {path: one for path, one in kept.items() if path not in gone})
            self._db.executemany("DELETE FROM bodies WHERE path = ?", [(path,) for path in gone])
            bodies = (
                (path, one.body.html, one.body.markdown, marshal.dumps(one.code))
                for path, one in self._new.items()
            )
            self._db.executemany("REPLACE INTO bodies VALUES (?, ?, ?, ?)", bodies)
        self._db.execute("COMMIT")

    def _whole(self, name: str) -> dict[str, Any]:
        found = self._db.execute("SELECT value FROM wholes WHERE name = ?", (name,)).fetchone()
        return dict(_loaded(found[0])) if found else {}

    def _keep_whole(self, name: str, value: dict[str, Any]) -> None:
        self._db.execute("REPLACE INTO wholes VALUES (?, ?)", (name, marshal.dumps(value)))

    def close(self) -> None:
        """Let go of the file; what was not committed is forgotten."""
        self._db.close()


def _loaded(value: bytes) -> Any:
    return marshal.loads(value)  # noqa: S302 - the file is our own, and holds the code of templates as well


def unchanged(pictures: Iterable[PictureFile]) -> bool:
    """Whether the files are as they were."""
    for picture in pictures:
        try:
            status = Path(picture.file).stat()
        except OSError:
            return False
        if (status.st_mtime_ns, status.st_size) != (picture.changed, picture.size):
            return False
        if picture.made and not Path(picture.made).is_file():
            return False
    return True


def digest(*parts: str) -> str:
    """A short hash of texts, the same on every machine."""
    made = hashlib.blake2b(digest_size=16)
    for part in parts:
        made.update(part.encode() + b"\0")
    return made.hexdigest()
