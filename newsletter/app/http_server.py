"""How does a server of ours begin and end? As uvicorn does, but for the process's signals, and with no connection left behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    """uvicorn, which ends when `should_exit` is set, and leaves the process's signals alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: whoever runs it was told before it began, and raises none of them again."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in whom the last turn of the loop accepted, then end as uvicorn does.

        Before Python 3.13, asyncio drops a connection, unclosed, that was accepted when its listener is closed
        and hasn't got its transport yet (CPython, gh-109564).
        """
        for listening in sockets or ():
            asyncio.get_running_loop().remove_reader(listening)
        # In the first turn it gets its transport, in the second it is made known to uvicorn.
        for _ in range(2):
            await asyncio.sleep(0)
        await super().shutdown(sockets)
