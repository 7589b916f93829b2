"""What may a program ask of the archive? Search, get, cite: read-only, by id, nothing by path."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock
from typing import Any, Final

from newsletter.errors import NewsletterError
from newsletter.site.index import MATCH_BEGINS, MATCH_ENDS, SearchIndex
from newsletter.site.passage import Passage
from newsletter.site.retrieval import Retriever

MOST_PASSAGES: Final = 20
LONGEST_QUERY: Final = 500
LONGEST_ID: Final = 400
LONGEST_QUOTE: Final = 4_000
# They would end the words of a Markdown link.
_NO_BRACKETS: Final = str.maketrans("[]", "()")


class ArchiveTools:
    """Answers from the index as the files are when it is asked; one call at a time.

    Args:
        name: of the newsletter.
        language: of its text.
        current: opens the index, up to date.
    """

    def __init__(
        self, name: str, language: str, current: Callable[[], AbstractContextManager[SearchIndex]]
    ) -> None:
        self._name, self._language, self._current = name, language, current
        self._lock = Lock()

    def search(self, query: str, limit: int = 5) -> dict[str, Any]:
        """The passages that have most of what a question or some words name, best first.

        Raises:
            NewsletterError: the index can't be read.
        """
        with self._lock, self._current() as index:
            found = Retriever(index, self._language).retrieve(
                query[:LONGEST_QUERY], min(max(limit, 1), MOST_PASSAGES)
            )
        return {
            "answers": found.answers,
            "passages": [
                {
                    **hit.passage.about(),
                    "snippet": hit.snippet.replace(MATCH_BEGINS, "").replace(MATCH_ENDS, ""),
                }
                for hit in found.hits
            ],
        }

    def get(self, id_: str) -> dict[str, Any]:
        """A passage with all of its text.

        Raises:
            NewsletterError: there is none of that id.
        """
        passage = self._passage(id_)
        return {**passage.about(), "text": passage.text, "sha256": passage.sha256}

    def cite(self, id_: str, quote: str = "") -> dict[str, Any]:
        """How to cite a passage, and whether a quotation stands in it word for word; spacing aside.

        Raises:
            NewsletterError: there is none of that id.
        """
        passage = self._passage(id_)
        part = passage.heading or passage.kind
        title = f"{passage.title}: {part}".translate(_NO_BRACKETS)
        cited: dict[str, Any] = {
            **passage.about(),
            "markdown": f"[{title}]({passage.url})",
            "text": f"{self._name}: “{passage.title}”, {part}, {passage.date}. {passage.url}",
            "sha256": passage.sha256,
        }
        if quote.strip():
            words = " ".join(quote[:LONGEST_QUOTE].split())
            cited["quote_found"] = words in " ".join(passage.text.split())
        return cited

    def _passage(self, id_: str) -> Passage:
        with self._lock, self._current() as index:
            passage = index.passage(id_[:LONGEST_ID])
        if passage is None:
            raise NewsletterError(
                f"no passage has the id `{id_[:LONGEST_ID]}`", hint="take one that search gave"
            )
        return passage
