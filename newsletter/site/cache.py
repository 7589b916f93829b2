"""What does a build remember of the one before it? What was made of each source, and which files it wrote."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError
from newsletter.site.entry import Body, Entry, PictureFile, entry_from_json

if TYPE_CHECKING:
    from newsletter.site.compiled import CompiledTemplates


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
            "CREATE TABLE IF NOT EXISTS sources (path TEXT PRIMARY KEY, changed INTEGER, size INTEGER, entry TEXT, "
            "html TEXT, markdown TEXT) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS pages (out TEXT, path TEXT, key TEXT, changed INTEGER, size INTEGER, "
            "PRIMARY KEY (out, path)) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS templates (key TEXT PRIMARY KEY, code BLOB);"
        )
        self._new: dict[str, tuple[tuple[int, int], Entry, Body]] = {}
        self._db.execute("BEGIN IMMEDIATE")
        if self.about("key") != key:
            for table in ("about", "sources", "pages", "templates"):
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
        rows = self._db.execute("SELECT path, changed, size, entry FROM sources")
        return {path: ((changed, size), entry_from_json(entry)) for path, changed, size, entry in rows}

    def body(self, path: str) -> Body:
        """The body of a kept entry."""
        if path in self._new:
            return self._new[path][2]
        html, markdown = self._db.execute(
            "SELECT html, markdown FROM sources WHERE path = ?", (path,)
        ).fetchone()
        return Body(html, markdown)

    def keep(self, found: tuple[int, int], entry: Entry, body: Body) -> None:
        """Keep what was made of a file."""
        self._new[entry.path] = (found, entry, body)

    def pages(self, out: str) -> dict[str, tuple[str, int, int]]:
        """What was written below `out`: key, time of the last change and size, by path."""
        rows = self._db.execute("SELECT path, key, changed, size FROM pages WHERE out = ?", (out,))
        return {path: (key, changed, size) for path, key, changed, size in rows}

    def keep_pages(self, out: str, pages: Mapping[str, tuple[str, int, int]]) -> None:
        """Keep what is below `out` now."""
        self._db.execute("DELETE FROM pages WHERE out = ?", (out,))
        self._db.executemany(
            "INSERT INTO pages VALUES (?, ?, ?, ?, ?)", ((out, path, *rest) for path, rest in pages.items())
        )

    def compiled(self) -> CompiledTemplates:
        """Keeps templates compiled, which takes longer than most edits."""
        from newsletter.site.compiled import CompiledTemplates

        return CompiledTemplates(self._db)

    def commit(self) -> None:
        """Keep it all for the next build."""
        self._db.executemany(
            "REPLACE INTO sources VALUES (?, ?, ?, ?, ?, ?)",
            (
                (path, *found, entry.to_json(), body.html, body.markdown)
                for path, (found, entry, body) in self._new.items()
            ),
        )
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file; what was not committed is forgotten."""
        self._db.close()


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
