"""Nobody holds a connection for nothing: neither by never asking, nor by never taking the answer."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.web.connection import allow_many_connections
from tests.web.conftest import Running, make_home
from tests.web.joining import wait_for


def connect(site: Running) -> socket.socket:
    host, port = site.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=120)


def ended(connection: socket.socket) -> bool:
    """Waits for the other side to end the connection."""
    try:
        return connection.recv(65536) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        # An answered request, whose connection is kept, and the beginning of another one.
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost:",
        # An answered request, whose body is still coming.
        b"POST /u/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n",
    ],
)
def test_who_never_finishes_asking_is_let_go(
    site: Running, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    monkeypatch.setattr("newsletter.web.connection.HEAD_SECONDS", 0.5)
    stop = threading.Event()
    with connect(site) as connection:
        connection.sendall(before)

        def trickle() -> None:
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            while not ended(connection):
                pass
        finally:
            stop.set()
            thread.join()
    assert site.client.get("/healthz").status_code == 200


def test_a_body_may_take_longer_than_a_head(site: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.web.connection.HEAD_SECONDS", 0.3)
    body = b"List-Unsubscribe=One-Click"
    reader = site.add()
    with connect(site) as connection:
        head = f"POST {site.leave_path(reader)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode())
        threading.Event().wait(0.6)
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    assert site.status(reader) == "unsubscribed"


def test_who_never_takes_the_answer_is_let_go(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.web.connection.TAKING_SECONDS", 0.3)
    home = make_home(tmp_path / "n", '[web]\nsite = "built"\n')
    (home / "built").mkdir()
    (home / "built" / "large.bin").write_bytes(bytes(32 * 1024 * 1024))
    site = start(home)
    with connect(site) as connection:
        connection.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        # It is counted once it has ended.
        wait_for(lambda: 'route="/{page:path}"' in site.client.get("/metrics").text)
        received = 0
        try:
            while chunk := connection.recv(1 << 20):
                received += len(chunk)
        except ConnectionError:
            pass
        assert received < 32 * 1024 * 1024
    assert site.client.get("/healthz").status_code == 200


def test_a_process_holds_as_many_connections_as_it_may() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        allow_many_connections()
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert raised == (65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
