"""How does a server of ours begin and end? On an address of its own, then as uvicorn does, but for the process's signals, and with no connection left behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn

from newsletter.errors import UsageError

BACKLOG: Final = 2048


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to an address of this machine.

    Raises:
        UsageError: it is taken, isn't ours, or isn't allowed.
    """
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"{host} is no address to listen on: {error.strerror}") from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except OSError as error:
        made.close()
        raise UsageError(
            f"can't listen on {host} port {port}: {error.strerror}",
            hint="stop what listens there, or name another with --port",
        ) from None
    return made


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
