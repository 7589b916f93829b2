"""Where in the archive is it? A full-text index of its passages in SQLite (FTS5), kept up to date file by file.

The index is a cache: it is made anew where it is damaged or of another version, and in memory where it can't be
written. Readers see the state before an update until that is complete.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from newsletter.errors import NewsletterError
from newsletter.site.index_file import (
    about,
    begun_anew,
    is_of_this_form,
    key_of,
    make_tables,
    opened,
    written,
)
from newsletter.site.index_update import COLUMNS, Updated, bring_up_to_date, passage_of, stale_files
from newsletter.site.passage import ArchiveFiles, Passage
from newsletter.site.query import Query, Term, is_of_a_word, parse_query
from newsletter.site.unspaced import BETWEEN, is_unspaced

# Around a match in a snippet; an author's text has none of them.
MATCH_BEGINS, MATCH_ENDS = "\x01", "\x02"
# Of what bm25 counts in title, heading, tags, text and signed names: on the questions of the archive, more weight for
# titles found no more answers, and stems found more of them than words as they are (tests/benchmarks/search.py).
_WEIGHTS = (1.0, 6.0, 1.0, 1.0, 1.0)
_SNIPPET_WORDS = 28
# Where each letter is a word to the index; FTS5 has no longer snippets than 64.
_SNIPPET_LETTERS = 60
_LIST_MARK = re.compile(r"(?:^|\n)[ \t]*[-*] ")
_RULE = re.compile(r"-{3,}")
# Of a word that may be mistyped: a shorter one is close to too many others.
_SHORTEST = 4


class Hit(NamedTuple):
    """A passage that answers.

    Attributes:
        passage: all of it.
        snippet: the words around the matches, each match between `MATCH_BEGINS` and `MATCH_ENDS`, on one line.
        score: the higher, the better; comparable within one search.
        heading: the passage's, its matches marked in the same way; empty where it has none.
    """

    passage: Passage
    snippet: str
    score: float
    heading: str = ""


class Results(NamedTuple):
    """What a search found.

    Attributes:
        hits: best first.
        total: how many passages match.
        loosened: whether no passage has all the words, so that these have only some.
        instead: the query with unknown words replaced by words of the archive; empty where there is none.
    """

    hits: tuple[Hit, ...] = ()
    total: int = 0
    loosened: bool = False
    instead: str = ""


class SearchIndex:
    """The index of one archive. One connection; used by one thread at a time.

    Args:
        path: its file; what it lacks is made by `update`.
        language: of the newsletter; words of English are searched by their stems.

    Raises:
        NewsletterError: SQLite has no FTS5.
    """

    def __init__(self, path: Path, language: str) -> None:
        self._path, self._english = path, language.lower().startswith("en")
        # Looked at before it is opened: what is put in its place meanwhile is another.
        self._number = _file_number(path)
        try:
            self._db = opened(path)
        except sqlite3.DatabaseError:
            self._db = begun_anew(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # Reading ------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether there is anything to search: an update was completed, and by the rules of today."""
        try:
            return is_of_this_form(about(self._db, "key"))
        except sqlite3.DatabaseError:
            return False

    @property
    def replaced(self) -> bool:
        """Whether another file may be in the place of the one that was opened: then it has to be opened anew."""
        return self._number != _file_number(self._path)

    def search(self, words: str | Query, limit: int = 10, offset: int = 0, *, every: bool = True) -> Results:
        """The passages that have the words of a reader, best first; those that have some where none has all.

        Args:
            words: what the reader typed, see `parse_query`; or what was made of it.
            limit: how many hits, at most.
            offset: how many of the best are left out.
            every: whether passages with all the words are looked for first. A question in whole sentences is
                better asked without.

        Raises:
            NewsletterError: the index is damaged; an update mends it.
        """
        query = parse_query(words) if isinstance(words, str) else words
        if not query.wanted:
            return Results()
        with self._reading():
            if every and (total := self._count(query, every=True)):
                return Results(self._hits(query, limit, offset, every=True), total)
            pieces = query.in_pieces()
            total = self._count(pieces, every=False)
            instead = self._instead(query) if every else ""
            hits = self._hits(pieces, limit, offset, every=False) if total else ()
        return Results(hits, total, every and len(pieces.wanted) > 1 and total > 0, instead)

    def number_with(self, term: Term) -> int:
        """How many passages have it.

        Raises:
            NewsletterError: as `search`.
        """
        with self._reading():
            return self._count(Query((term,), ()), every=True)

    def passage(self, id_: str) -> Passage | None:
        """The passage of that id.

        Raises:
            NewsletterError: as `search`.
        """
        with self._reading():
            rows = self._db.execute(f"SELECT {COLUMNS} FROM passages WHERE id = ? LIMIT 1", (id_,))  # noqa: S608 - constants
            return next(map(passage_of, rows), None)

    def passages(self) -> tuple[Passage, ...]:
        """All of them, issues oldest first.

        Raises:
            NewsletterError: as `search`.
        """
        with self._reading():
            rows = self._db.execute(f"SELECT {COLUMNS} FROM passages ORDER BY page, position, rowid")  # noqa: S608 - constants
            return tuple(map(passage_of, rows))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise NewsletterError(
                f"{self._path} can't be read: {error}", hint='newsletter search "words" makes it anew'
            ) from None

    def _count(self, query: Query, *, every: bool) -> int:
        expression = query.expression(every=every)
        return int(
            self._db.execute("SELECT count(*) FROM found WHERE found MATCH ?", (expression,)).fetchone()[0]
        )

    def _hits(self, query: Query, limit: int, offset: int, *, every: bool) -> tuple[Hit, ...]:
        columns = ", ".join(f"p.{name}" for name in COLUMNS.split(", "))
        weights = ", ".join(map(str, _WEIGHTS))
        unspaced = any(is_unspaced(term.text) for term in query.wanted)
        words = _SNIPPET_LETTERS if unspaced else _SNIPPET_WORDS
        # The snippet is made of the rows that are shown, not of all that match.
        rows = self._db.execute(
            f"SELECT {columns}, highlight(found, 1, ?, ?), snippet(found, 3, ?, ?, '…', {words}), best.score FROM ("  # noqa: S608 - constants
            f"SELECT rowid, bm25(found, {weights}) AS score FROM found WHERE found MATCH ? "
            "ORDER BY score, rowid DESC LIMIT ? OFFSET ?) AS best "
            "JOIN found ON found.rowid = best.rowid JOIN passages AS p ON p.rowid = best.rowid "
            "WHERE found MATCH ? ORDER BY best.score, best.rowid DESC",
            (
                *(MATCH_BEGINS, MATCH_ENDS) * 2,
                query.expression(every=every),
                limit,
                offset,
                query.expression(every=every),
            ),
        )
        return tuple(
            Hit(passage_of(row), _on_one_line(snippet), -score, heading.replace(BETWEEN, ""))
            for *row, heading, snippet, score in rows
        )

    def _instead(self, query: Query) -> str:
        from newsletter.content.suggest import nearest

        words: list[str] = []
        for term in query.wanted:
            known = self._known(term)
            word = term.text.strip(".,;:!?()")
            near = (
                nearest(word, self._like(word.lower()))
                if len(word) >= _SHORTEST
                and not known
                and all(map(is_of_a_word, word))
                and not is_unspaced(word)
                else ""
            )
            words.append(near or (f'"{term.text}"' if term.phrase else term.text))
        asked = [f'"{term.text}"' if term.phrase else term.text for term in query.wanted]
        return " ".join(words) if words != asked else ""

    def _known(self, term: Term) -> bool:
        expression = Query((term,), ()).expression(every=True)
        return bool(
            self._db.execute("SELECT 1 FROM found WHERE found MATCH ? LIMIT 1", (expression,)).fetchone()
        )

    def _like(self, word: str) -> list[str]:
        """Words of the archive of about that length, which share one of its first two letters."""
        rows = self._db.execute(
            "SELECT term FROM vocabulary WHERE length(term) BETWEEN ? AND ? "
            "AND (substr(term, 1, 1) IN (?, ?) OR substr(term, 2, 1) = ?) ORDER BY doc DESC LIMIT 2000",
            (len(word) - 2, len(word) + 2, word[:1], word[1:2], word[1:2]),
        )
        return [row[0] for row in rows]

    # Updating -----------------------------------------------------------------------------------

    def update(self, files: ArchiveFiles) -> Updated:
        """Bring the index up to the files as they are; what didn't change is not read again.

        Raises:
            NewsletterError: a file can't be read.
            OSError: as above.
        """
        key = key_of(files, english=self._english)
        try:
            if self.ready and about(self._db, "key") == key and not stale_files(self._db, files).any:
                return Updated()
            return self._updated(files, key)
        except sqlite3.OperationalError:
            # Full, or not to be written: this process gets an index all the same.
            self._db.close()
            self._db = opened(None)
        except sqlite3.DatabaseError:
            self.begin_anew()
        return self._updated(files, key)

    def begin_anew(self) -> None:
        """Forget what a damaged file holds; the next update makes it again."""
        self._db.close()
        self._db = begun_anew(self._path)

    def _updated(self, files: ArchiveFiles, key: str) -> Updated:
        with written(self._db):
            if about(self._db, "key") != key:
                make_tables(self._db, english=self._english)
                self._db.execute("REPLACE INTO about VALUES ('key', ?)", (key,))
            # Another process may have done it while this one waited.
            stale = stale_files(self._db, files)
            return bring_up_to_date(self._db, files, stale) if stale.any else Updated()


def _file_number(path: Path) -> int:
    """Tells a file from another of that name; 0 where there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _on_one_line(snippet: str) -> str:
    """A snippet without what only shapes lines: marks of lists, rules of tables, the columns of code."""
    text = _LIST_MARK.sub(" · ", _RULE.sub(" ", snippet.replace(BETWEEN, "")))
    return " ".join(text.split()).removeprefix("· ")
