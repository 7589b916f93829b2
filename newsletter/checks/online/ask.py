"""Who is asked when? Several hosts at once, each host one address after the other, and no address twice."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from urllib.parse import urlsplit

from newsletter.checks.online.fetch import Answer, Failure, fetch

MOST_AT_ONCE = 8
# Seconds between two questions to one host: a reader who opens one link after the other is no faster.
PAUSE = 0.25
# Who doesn't answer once isn't asked for the other pages: ten seconds for each would be minutes.
_OF_THE_HOST = frozenset(
    (Failure.NO_HOST, Failure.OFFLINE, Failure.PRIVATE, Failure.UNREACHABLE, Failure.SLOW)
)


def ask_all(
    wanted: Iterable[tuple[str, bool]],
    *,
    ask: Callable[[str, bool], Answer] = lambda url, picture: fetch(url, picture=picture),
    pause: float = PAUSE,
) -> Generator[tuple[str, Answer], None, None]:
    """Addresses with what was answered, as answers come.

    An interrupt ends it at once: the threads that still wait for an answer don't keep the program alive.

    Args:
        wanted: addresses, and whether each is a picture; one that is named twice is asked once.
        ask: asks for one address; what it raises ends it all.
        pause: seconds between two questions to one host.
    """
    hosts: dict[str, dict[str, bool]] = {}
    for url, picture in wanted:
        pages = hosts.setdefault(_host(url), {})
        pages[url] = pages.get(url, False) or picture
    waiting: queue.SimpleQueue[dict[str, bool]] = queue.SimpleQueue()
    # The longest first, so that none is left alone at the end.
    for pages in sorted(hosts.values(), key=len, reverse=True):
        waiting.put(pages)
    answers: queue.SimpleQueue[tuple[str, Answer] | Exception] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                for answer in _of_one_host(waiting.get_nowait(), ask, pause, stop):
                    answers.put(answer)
        except queue.Empty:
            return
        except Exception as error:  # noqa: BLE001 - raised where somebody waits for the answer, who would wait for ever
            answers.put(error)

    for _ in range(min(MOST_AT_ONCE, len(hosts))):
        threading.Thread(target=work, daemon=True, name="link check").start()
    try:
        for _ in range(sum(map(len, hosts.values()))):
            answer = answers.get()
            if isinstance(answer, Exception):
                raise answer
            yield answer
    finally:
        stop.set()


def _of_one_host(
    pages: dict[str, bool], ask: Callable[[str, bool], Answer], pause: float, stop: threading.Event
) -> Iterator[tuple[str, Answer]]:
    lost: Answer | None = None
    for position, (url, picture) in enumerate(pages.items()):
        if lost is None and position and stop.wait(pause):
            return
        answer = lost or ask(url, picture)
        if answer.failure in _OF_THE_HOST:
            lost = answer
        yield url, answer


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.casefold()
    except ValueError:
        return ""
