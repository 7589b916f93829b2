"""How long may somebody hold a connection who doesn't ask, or doesn't take the answer? uvicorn's HTTP/1.1, with an end to both.

A client that trickles its head byte by byte, or never reads, costs itself nothing and us a connection; enough of
them would shut everybody else out. (A body that is trickled is ended by `web.body`.)
"""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

# A head fits into one packet or two.
HEAD_SECONDS: Final = 15.0
# Whoever takes a hundred kilobytes at the pace of the slowest telephone is done before.
TAKING_SECONDS: Final = 300.0
_MOST_FILES: Final = 65_536


class Connection(H11Protocol):
    """One client's connection."""

    _head: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Whatever came; where it doesn't complete a request's head, the time goes on."""
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self._await_head()
        elif self._head is not None:
            self._head.cancel()
            self._head = None

    def pause_writing(self) -> None:
        """The client doesn't take what it asked for."""
        super().pause_writing()
        self._taking = self._taking or self.loop.call_later(TAKING_SECONDS, self._end)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        for timer in (self._head, self._taking):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._head is None and not self.transport.is_closing():
            self._head = self.loop.call_later(HEAD_SECONDS, self._end)

    def _end(self) -> None:
        self.transport.abort()


def allow_many_connections() -> None:
    """Let this process hold as many files open as it may: by default it stops at 1,024, a connection being one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
