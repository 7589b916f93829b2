"""The server under the preview, as it ends: whoever came at that very moment is let go like the others."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest
import uvicorn

from newsletter.app.http_server import Server
from tests.waiting import finish


async def _ends_as_somebody_comes(turns: int) -> bytes:
    """What a client gets who is let in so many turns of the loop before the end."""

    async def app(_scope: object, _receive: object, _send: object) -> None:
        raise AssertionError("nobody asked for anything")

    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([listening])
    with socket.create_connection(listening.getsockname()) as client:
        client.settimeout(60)
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.shutdown([listening])
        try:
            return await asyncio.to_thread(client.recv, 1)
        except ConnectionResetError:
            # Still waiting to be let in when the door was closed.
            return b""


@pytest.mark.parametrize("turns", range(5))
def test_a_connection_that_comes_as_the_server_ends_is_closed(turns: int) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        assert finish(_ends_as_somebody_comes(turns)) == b""
        gc.collect()
    assert [str(warning.message) for warning in said] == []
