"""How does the preview run? One socket on 127.0.0.1, the studio's addresses behind a guard, the watcher; and an end in order."""

from __future__ import annotations

import secrets
import socket
import threading
from urllib.parse import quote

import uvicorn

from newsletter.app.http_server import Server
from newsletter.errors import UsageError
from newsletter.interrupts import told_on_signals
from newsletter.preview.guard import Guard
from newsletter.preview.pages import WebPages
from newsletter.preview.routes import make_app
from newsletter.preview.studio import Studio
from newsletter.preview.variants import Scheme
from newsletter.preview.watch import Watcher

HOST = "127.0.0.1"


class PreviewServer:
    """A running preview: the socket, the studio and the watcher.

    Args:
        studio: what is shown.
        watcher: what tells of changes.
        port: 0 for any free one.

    Raises:
        UsageError: the port is taken or may not be used.
    """

    def __init__(self, studio: Studio, watcher: Watcher, port: int = 0) -> None:
        self._studio = studio
        self._watcher = watcher
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(16)
        self._pages = WebPages(studio, self._site_base)
        guard = Guard(make_app(studio, self._pages), self.port, self.token)
        config = uvicorn.Config(
            guard,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,
            ws="none",
        )
        self._server = Server(config)

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    def url_of(self, key: str) -> str:
        """The address that opens one issue."""
        return f"{self.url}#/{key}/email" if key else self.url

    def _site_base(self, key: str, scheme: Scheme) -> str:
        return f"{self.url}site/{scheme}/{quote(key)}"

    def run(self) -> None:
        """Serve until interrupted or stopped."""
        with told_on_signals(self.stop):
            self._watcher.start()
            indexer = threading.Thread(target=self._studio.check_all, name="check-all", daemon=True)
            indexer.start()
            try:
                self._server.run(sockets=[self._socket])
            finally:
                self._studio.close()
                self._pages.close()
                self._watcher.stop()
                self._socket.close()

    def _send_away(self) -> None:
        self._studio.send_away()
        self._pages.send_away()

    def stop(self) -> None:
        """End `run`, from another thread or a signal handler: takes no lock, and waits for nothing.

        The pages are sent away: an open event stream would hold it up.
        """
        self._server.should_exit = True
        self._send_away()

    @property
    def started(self) -> bool:
        """Whether it answers yet."""
        return self._server.started


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"port {port} on {HOST} can't be used: {reason}",
            hint="another program may listen there; leave --port out to take any free one",
        ) from None
    return listener
