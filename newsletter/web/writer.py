"""How do many requests write to one SQLite file without waiting in line? One thread writes, and commits for all who wait.

A request hands over a function; whatever has gathered while the last commit was made goes into the
next one. The future is done only after that commit: what it says is on disk. Whoever gives up before
the function was begun is sure that it never will be.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from newsletter.errors import StoreError
from newsletter.store.base import Database, Transaction

_T = TypeVar("_T")
_Done = tuple["Future[Any] | asyncio.Future[Any]", Any, BaseException | None]
# One transaction takes so many at most, so that the first doesn't wait for the last of a flood.
_LARGEST_GROUP: Final = 500
# Who waits behind more than this is told to come back: memory and patience are finite.
LONGEST_QUEUE: Final = 5_000


class _Job:
    """A function that was handed over, and the future of what it returns."""

    __slots__ = ("_begun", "_turn", "future", "work")

    def __init__(self, work: Callable[[Transaction], Any], future: Future[Any] | asyncio.Future[Any]) -> None:
        self.work, self.future = work, future
        # Taken once: by the writer that begins, or by whoever gives up.
        self._turn = threading.Lock()
        self._begun = False

    def begin(self) -> bool:
        """Whether it is to be run: nobody has given up on it, nor will."""
        self._begun = self._begun or self._turn.acquire(blocking=False)
        return self._begun

    def give_up(self) -> None:
        """Fail, unless it was begun; for the loop the future belongs to."""
        if self._turn.acquire(blocking=False) and not self.future.done():
            self.future.set_exception(
                StoreError("the store can't be written now", hint="try again in a few seconds")
            )


class Writer:
    """The one thread of a process that writes to `database` for requests.

    A function that raises undoes its whole group; the others of the group are then run again, each alone.
    A store that can't be written fails the whole group at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        # What is handed over after the last word would never be looked at, and be waited for without end.
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="web-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many changes wait for the next commit, more or less."""
        return self._jobs.qsize()

    def submit(self, work: Callable[[Transaction], _T]) -> Future[_T]:
        """Run `work` in the next transaction; the future is done when that is committed.

        Raises:
            StoreError: too many wait already, or the service is stopping.
        """
        future: Future[_T] = Future()
        self._hand_over(_Job(work, future))
        return future

    async def write(self, work: Callable[[Transaction], _T], patience: float | None = None) -> _T:
        """`submit` for a coroutine: all who waited for one commit are woken together.

        Args:
            work: what is done.
            patience: seconds it may take to be begun; None for as long as the store itself waits.

        Raises:
            StoreError: see `submit`; or it can't be written, or not soon enough, and nothing was changed.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        job = _Job(work, future)
        self._hand_over(job)
        if patience is None:
            return await future
        # A timer of its own: `wait_for` costs as much as the rest of a short request.
        timer = loop.call_later(patience, job.give_up)
        try:
            return await future
        finally:
            timer.cancel()

    def _hand_over(self, job: _Job) -> None:
        with self._gate:
            if self._closed or self._jobs.qsize() >= LONGEST_QUEUE:
                raise StoreError(
                    "the service is too busy to write this down", hint="try again in a few seconds"
                )
            self._jobs.put(job)

    def close(self) -> None:
        """Finish what was handed over, then end."""
        with self._gate:
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            group = [first]
            ending = False
            with suppress(Empty):
                while len(group) < _LARGEST_GROUP:
                    job = self._jobs.get_nowait()
                    if job is None:
                        ending = True
                        break
                    group.append(job)
            done = self._commit(group)
            _tell(done)
            if ending:
                return
            failed = next((error for _, _, error in done if isinstance(error, StoreError)), None)
            if self._closed and failed is not None:
                # A store that can't be written isn't waited for once more by each group: the process is to end.
                self._refuse_rest(failed)
                return

    def _refuse_rest(self, error: StoreError) -> None:
        with suppress(Empty):
            while (job := self._jobs.get_nowait()) is not None:
                _tell([(job.future, None, error)])

    def _commit(self, group: list[_Job]) -> list[_Done]:
        begun: list[_Job] = []
        results: list[Any] = []
        try:
            with self._database.write() as tx:
                begun.extend(job for job in group if job.begin())
                results.extend(job.work(tx) for job in begun)
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to whoever waits for it
            if len(group) == 1 or isinstance(error, StoreError):
                return [(job.future, None, error) for job in group]
            return [done for job in begun for done in self._commit([job])]
        return [(job.future, result, None) for job, result in zip(begun, results, strict=True)]


def _tell(done: list[_Done]) -> None:
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Done]] = defaultdict(list)
    for one in done:
        if isinstance(one[0], asyncio.Future):
            by_loop[one[0].get_loop()].append(one)
        else:
            _settle([one])
    for loop, waiting in by_loop.items():
        # A loop that has ended has nobody left to tell.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, waiting)


def _settle(done: list[_Done]) -> None:
    for future, result, error in done:
        if future.done():  # who waited has gone away
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
