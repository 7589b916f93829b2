"""How long does the service run, and how does it stop? uvicorn on one address until it is told to end.

With several workers, each is a process with its own connections to the store and its own writer; SQLite
lets them commit in turn. The address is bound once, before any of them starts.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

import uvicorn
from starlette.applications import Starlette

from newsletter.app import Workspace
from newsletter.app.http_server import BACKLOG, Server, listen
from newsletter.errors import NewsletterError
from newsletter.interrupts import SIGNALS, leave_at_once, say, told_on_signals
from newsletter.web.app import make_app
from newsletter.web.connection import Connection, allow_many_connections
from newsletter.web.service import open_service
from newsletter.web.tally import Sheet, Tally

_GRACE_SECONDS: Final = 10
_ENDS: Final = "ending: finishing what was begun (again to end at once)"
# A worker that ends sooner than this never worked: starting it again would only repeat it.
_SHORTEST_LIFE: Final = 2.0


def serve(
    workspace: Workspace,
    host: str,
    port: int,
    workers: int = 1,
    *,
    told: Callable[[str], None] = lambda _: None,
) -> None:
    """Answer requests until SIGINT, SIGTERM or SIGHUP; what was begun is finished, unless told so once more.

    Args:
        workspace: whose pages.
        host: the address to listen on.
        port: the port; 0 for any free one.
        workers: how many processes answer.
        told: called with the service's own address once it is listened on.

    Raises:
        StoreError: the store can't be opened.
        UsageError: the address can't be listened on, or a template can't be read.
        NewsletterError: the workers keep ending.
    """
    allow_many_connections()
    with listen(host, port) as listening:
        serving = _Worker(workspace, listening) if workers == 1 else _Workers(workspace, listening, workers)
        with told_on_signals(serving.end_or_leave):
            # What is wrong is said once, here, and before anybody is told to come.
            open_service(workspace).close()
            name = f"[{host}]" if ":" in host else host
            told(f"http://{name}:{listening.getsockname()[1]}")
            serving.run()


def make_server(app: Starlette) -> Server:
    """Uvicorn around the application, not started yet."""
    return Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            # Below an error it only warns of what others send, and anybody can send anything.
            log_level="error",
            access_log=False,
            server_header=False,
            # Who the client is, is read by `ProxyTrust`: uvicorn's own way believes anybody on this machine.
            proxy_headers=False,
            lifespan="on",
            timeout_graceful_shutdown=_GRACE_SECONDS,
            backlog=BACKLOG,
        )
    )


class _Worker:
    """One process that answers, and may be told to end from its first moment on."""

    def __init__(self, workspace: Workspace, listening: socket.socket) -> None:
        self._workspace, self._listening = workspace, listening
        self._server: Server | None = None
        self._asked = False

    def run(self, sheet: Sheet | None = None) -> None:
        """Answer until told to end; what is done is counted on `sheet`."""
        server = make_server(make_app(open_service(self._workspace, sheet)))
        self._server = server
        server.should_exit = self._asked
        server.run([self._listening])

    def end(self) -> None:
        """Finish what was begun, then return from `run`."""
        self._asked = True
        if self._server is not None:
            self._server.should_exit = True

    def end_or_leave(self) -> None:
        """`end`; told so once more, leave without waiting for what is under way."""
        if self._asked:
            leave_at_once()
        say(_ENDS)
        self.end()

    def end_with(self, parent: int) -> None:
        """Also end when the other end of the pipe is closed, as it is when the process that holds it dies."""

        def wait() -> None:
            os.read(parent, 1)
            self.end()

        threading.Thread(target=wait, name="parent", daemon=True).start()


class _Workers:
    """Processes that share one listening socket; one that dies is replaced."""

    def __init__(self, workspace: Workspace, listening: socket.socket, count: int) -> None:
        self._workspace = workspace
        self._listening = listening
        self._count = count
        self._tally = Tally(count)
        # When each began, and its sheet, which whoever takes its place goes on with.
        self._started: dict[int, tuple[float, int]] = {}
        self._ending = False
        self._life_seen, self._life = os.pipe()

    def run(self) -> None:
        """Keep them running until told to end.

        Raises:
            NewsletterError: one ended as soon as it began.
        """
        for sheet in range(self._count):
            self._start(sheet)
        gave_up = False
        while self._started:
            pid, _ = os.wait()
            if pid not in self._started:  # process 1 of a container buries the orphans of others
                continue
            began, sheet = self._started.pop(pid)
            if not self._ending and time.monotonic() - began < _SHORTEST_LIFE:
                gave_up = True
                self._end()
            else:
                self._start(sheet)
        if gave_up:
            raise NewsletterError("a worker ended as soon as it began", hint="look at what it said above")

    def _start(self, sheet: int) -> None:
        # Nobody may be told to end between being made and being known, or knowing how.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            if self._ending:
                return
            pid = os.fork()
            if not pid:
                self._be_worker(sheet)
            self._started[pid] = (time.monotonic(), sheet)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _be_worker(self, sheet: int) -> NoReturn:
        status = 1
        try:
            worker = _Worker(self._workspace, self._listening)
            # Ctrl-C and a closed terminal reach all of them, but are told to the one who keeps the others.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, lambda _number, _frame: worker.end())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            os.close(self._life)
            worker.end_with(self._life_seen)
            worker.run(self._tally.sheet(sheet))
            status = 0
        except NewsletterError as error:
            print(f"error: {error.message}", file=sys.stderr)  # noqa: T201 - a process of its own, whose parent can't say it
        except Exception:  # noqa: BLE001 - as above; `os._exit` would end it in silence
            traceback.print_exc()
        finally:
            os._exit(status)

    def end_or_leave(self) -> None:
        """As that of `_Worker`, for all of them."""
        if self._ending:
            self._tell(signal.SIGKILL)
            leave_at_once()
        say(_ENDS)
        self._end()

    def _end(self) -> None:
        self._ending = True
        self._tell(signal.SIGTERM)

    def _tell(self, number: int) -> None:
        for pid in list(self._started):
            with suppress(ProcessLookupError):  # buried, and not yet forgotten
                os.kill(pid, number)
