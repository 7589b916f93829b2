"""How is the index kept? A file that is made anew where it is damaged or of another version, or memory where there is no place for one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from newsletter import __version__
from newsletter.content.installation import installation
from newsletter.errors import NewsletterError
from newsletter.site.passage import ArchiveFiles

_VERSION = 4
_FORM = f"{_VERSION} "
# As long as another process may take to make the whole index.
_PATIENCE_SECONDS = 60
_TABLES = ("about", "files", "passages", "found", "words", "vocabulary")


def opened(path: Path | None) -> sqlite3.Connection:
    """A connection to the file, which is made where it is missing; to memory where it can't be, or for None.

    Raises:
        sqlite3.DatabaseError: the file is damaged, or is something else.
    """
    if path is None:
        return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, _PATIENCE_SECONDS, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.OperationalError):
        return opened(None)
    try:
        # Readers go on while a writer writes; a cache that is lost to a power cut is made anew.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.OperationalError:
        pass  # not to be written, or just now taken by another process: it can be read all the same
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def begun_anew(path: Path) -> sqlite3.Connection:
    """A connection to an empty file in the place of a damaged one; to memory where that can't be deleted."""
    for name in ("", "-wal", "-shm"):
        with suppress(OSError):
            Path(f"{path}{name}").unlink(missing_ok=True)
    try:
        return opened(path)
    except sqlite3.DatabaseError:  # it can't be deleted
        return opened(None)


def tokenizer(*, english: bool) -> str:
    """How a table cuts texts into words (https://www.sqlite.org/fts5.html, section 4.3): English ones to their stems.

    A vowel sign of Hindi, Tamil or Thai is part of its word, and what only chooses how an emoji is drawn isn't.
    """
    stems = "porter " if english else ""
    return f"tokenize = \"{stems}unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc' separators '\ufe0e\ufe0f'\""


@contextmanager
def written(db: sqlite3.Connection) -> Iterator[None]:
    """Write all of it or nothing; nobody else writes meanwhile."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def make_tables(db: sqlite3.Connection, *, english: bool) -> None:
    """Begin with nothing.

    Raises:
        NewsletterError: SQLite has no FTS5.
    """
    # Whatever was there, of whatever version.
    for table in reversed(_TABLES):
        db.execute(f"DROP TABLE IF EXISTS {table}")
    try:
        db.execute(
            f"CREATE VIRTUAL TABLE found USING fts5(title, heading, tags, text, names, {tokenizer(english=english)})"
        )
    except sqlite3.OperationalError as error:
        if "no such module" not in str(error):
            raise
        raise NewsletterError(
            "this Python's SQLite has no full-text search (FTS5)",
            hint="use a Python built with it, as most are",
        ) from None
    # What words there are as they are written, for "did you mean"; `found` knows them by their stems.
    words = "word, content = '', detail = none, columnsize = 0"
    db.execute(f"CREATE VIRTUAL TABLE words USING fts5({words}, {tokenizer(english=False)})")
    db.execute("CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, row)")
    db.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT)")
    db.execute(
        "CREATE TABLE files (path TEXT PRIMARY KEY, changed INTEGER, size INTEGER, claims TEXT, shown INTEGER)"
    )
    db.execute(
        "CREATE TABLE passages (rowid INTEGER PRIMARY KEY, file TEXT, page TEXT, position INTEGER, id TEXT, "
        "url TEXT, title TEXT, heading TEXT, kind TEXT, date TEXT, tags TEXT, text TEXT)"
    )
    db.execute("CREATE INDEX passages_file ON passages (file)")
    db.execute("CREATE INDEX passages_id ON passages (id)")


def about(db: sqlite3.Connection, name: str) -> str:
    """A value that is kept with the index; empty where there is none, or no index."""
    with closing(db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'about'")) as tables:
        if not tables.fetchone():
            return ""
    row = db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else ""


def key_of(files: ArchiveFiles, *, english: bool) -> str:
    """What decides what the index holds, but for the files."""
    kinds = [(kind.name, kind.heading, list(kind.model.model_fields)) for kind in files.kinds]
    parts = [__version__, files.base_url, english, files.drafts, kinds, installation()]
    return _FORM + blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def is_of_this_form(key: str) -> bool:
    """Whether an index with that key was made by these rules: one of before may show what isn't published."""
    return key.startswith(_FORM)
