"""Where in the archive is it, asks a reader? `GET /search?q=`: a page without scripts, made from the index of passages.

The index is made when somebody searches first, and looked over while people search; who never gets a search
never pays for it. Searches run on threads of their own, as many as keep a flood from holding up the mail links.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from newsletter.errors import NewsletterError
from newsletter.site.index import MATCH_BEGINS, MATCH_ENDS, Hit, Results, SearchIndex
from newsletter.site.page import spelled
from newsletter.site.query import MOST_CHARACTERS, parse_query
from newsletter.web.errors import note
from newsletter.web.service import Service
from newsletter.web.site_frame import SiteFrame

_PER_PAGE: Final = 10
_MOST_PAGES: Final = 20
_THREADS: Final = 2
# Searches that may wait; who comes after them is asked to come again.
_MOST_WAITING: Final = 64
_LOOK_SECONDS: Final = 30.0
# Where there is no index, it is made again no sooner.
_HURRY_SECONDS: Final = 5.0
# A small archive is indexed while its first reader waits.
_PATIENCE_SECONDS: Final = 3.0
_KEPT: Final = 256
_KEPT_SECONDS: Final = 60.0
_CACHE: Final = "public, max-age=60"
_RETRY: Final = {"retry-after": f"{_HURRY_SECONDS:.0f}", "cache-control": "no-store"}
_MARKED: Final = re.compile(f"{MATCH_BEGINS}([^{MATCH_ENDS}]*){MATCH_ENDS}")


class Search:
    """The search of one service.

    Args:
        service: what a request needs.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._frame = SiteFrame(service)
        self._root = service.root
        self._threads = ThreadPoolExecutor(_THREADS, "search")
        self._updates = ThreadPoolExecutor(1, "search-index")
        self._updating: Future[None] | None = None
        self._looked = self._hurried = float("-inf")
        self._damaged = False
        self._waiting = 0
        self._kept: OrderedDict[tuple[str, int], tuple[float, Results]] = OrderedDict()
        self._here = threading.local()
        self._opened: list[SearchIndex] = []

    def routes(self) -> list[BaseRoute]:
        """The page, and what it needs."""
        return [Route("/search", self.page, methods=["GET"]), *self._frame.routes()]

    def close(self) -> None:
        """Finish what is under way."""
        self._updates.shutdown(cancel_futures=True)
        self._threads.shutdown(cancel_futures=True)
        for index in self._opened:
            index.close()

    async def page(self, request: Request) -> Response:
        """The form, and what was found."""
        words = request.query_params.get("q", "")[:MOST_CHARACTERS].strip()
        number = _page_number(request.query_params.get("page", ""))
        if not parse_query(words).wanted:
            return self._shown(words, number, None)
        kept = self._kept.get((words, number))
        if kept is not None and time.monotonic() - kept[0] < _KEPT_SECONDS:
            return self._shown(words, number, kept[1])
        results = await self._results(words, number)
        if results is None:
            return self._service.pages.message(
                "The search is being prepared",
                "Please try again in a few seconds.",
                status=503,
                headers=_RETRY,
            )
        self._kept[words, number] = (time.monotonic(), results)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._shown(words, number, results)

    # Searching ----------------------------------------------------------------------------------

    async def _results(self, words: str, number: int) -> Results | None:
        """What was found; None where the index isn't there, or too many ask."""
        if self._waiting >= _MOST_WAITING:
            return None
        self._waiting += 1
        try:
            self._look()
            found = await self._searched(words, number)
            if found is None:
                # There is no index yet, or it turned out damaged. On a full disk it won't come, however often it is made.
                if time.monotonic() - self._hurried >= _HURRY_SECONDS:
                    self._hurried, self._looked = time.monotonic(), float("-inf")
                self._look()
                if self._updating is not None:
                    await asyncio.wait([asyncio.wrap_future(self._updating)], timeout=_PATIENCE_SECONDS)
                found = await self._searched(words, number)
            return found
        finally:
            self._waiting -= 1

    async def _searched(self, words: str, number: int) -> Results | None:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._search, words, number)

    def _search(self, words: str, number: int) -> Results | None:
        index = self._index()
        try:
            if index.ready:
                return index.search(words, _PER_PAGE, (number - 1) * _PER_PAGE)
        except NewsletterError as error:
            note({"method": "search"}, error)
            self._damaged = True
        # Whatever this thread looks into, another file may have taken its place.
        self._let_go()
        return None

    def _index(self) -> SearchIndex:
        """This thread's own connection, to the file that is there now."""
        held: SearchIndex | None = getattr(self._here, "index", None)
        if held is not None and not held.replaced:
            return held
        self._let_go()
        index = self._service.workspace.search_index()
        self._opened.append(index)
        self._here.index = index
        return index

    def _let_go(self) -> None:
        """Close this thread's own connection."""
        held: SearchIndex | None = getattr(self._here, "index", None)
        if held is not None:
            self._here.index = None
            self._opened.remove(held)
            held.close()

    # Keeping the index --------------------------------------------------------------------------

    def _look(self) -> None:
        """See to the index, unless that was done a moment ago or is under way."""
        if self._updating is not None and not self._updating.done():
            return
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        self._updating = self._updates.submit(self._update)

    def _update(self) -> None:
        workspace = self._service.workspace
        try:
            with workspace.search_index() as index:
                if self._damaged:
                    index.begin_anew()
                    self._damaged = False
                index.update(workspace.archive_files())
        except (NewsletterError, OSError) as error:
            note({"method": "search-index"}, error)

    # Showing ------------------------------------------------------------------------------------

    def _shown(self, words: str, number: int, results: Results | None) -> Response:
        # One page of what has only some of the words: beyond it there is nothing anybody looks for.
        last = 1
        if results is not None and not results.loosened:
            last = min(_MOST_PAGES, -(-results.total // _PER_PAGE))
        headers = {"cache-control": _CACHE}
        values: dict[str, Any] = {
            "action": f"{self._root}/search",
            "words": words,
            "longest": MOST_CHARACTERS,
            "results": results,
            "hits": [self._hit(hit) for hit in results.hits] if results is not None else [],
            "first": (number - 1) * _PER_PAGE + 1,
            "previous": self._asking(words, number - 1) if 1 < number <= last else "",
            "next": self._asking(words, number + 1) if number < last else "",
            "instead": self._asking(results.instead, 1) if results is not None and results.instead else "",
        }
        pages = self._service.pages
        title = f"{words} · Search" if words else "Search"
        framed = self._frame.page("/search/", title, pages.render("found.html", values), headers)
        return framed or pages.page("search.html", headers=headers, **values)

    def _hit(self, hit: Hit) -> dict[str, Any]:
        passage = hit.passage
        return {
            "address": self._address(passage.url),
            "heading": _pieces(hit.heading or passage.title),
            "title": passage.title if passage.heading else "",
            "date": passage.date,
            "day": spelled(passage.date, self._service.workspace.settings.language),
            "snippet": _pieces(hit.snippet),
        }

    def _asking(self, words: str, number: int) -> str:
        return f"{self._root}/search?" + urlencode(
            {"q": words} | ({"page": str(number)} if number > 1 else {})
        )

    def _address(self, url: str) -> str:
        """On this very service where it shows the site as well, whatever host the reader came by."""
        if self._service.workspace.settings.web.site:
            parts = urlsplit(url)
            return f"{parts.path}#{parts.fragment}"
        return url


def _pieces(text: str) -> list[tuple[str, bool]]:
    """A text in pieces, each with whether it matched: every second one stood between the marks."""
    return [(piece, at % 2 == 1) for at, piece in enumerate(_MARKED.split(text)) if piece]


def _page_number(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 1
    return min(max(number, 1), _MOST_PAGES)
