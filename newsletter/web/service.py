"""What does a request need? The workspace, the store behind one writer, the pages, and what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from starlette.requests import Request

from newsletter.app import Workspace
from newsletter.audience.membership import Audience
from newsletter.audience.tokens import TokenSigner
from newsletter.clock import Clock
from newsletter.config import WebSettings
from newsletter.store.base import Transaction
from newsletter.store.sqlite import SqliteDatabase
from newsletter.web.client import ProxyTrust
from newsletter.web.pages import Pages
from newsletter.web.tally import WAITING, Sheet, Tally
from newsletter.web.writer import Writer

_T = TypeVar("_T")
_SIGNER_SECONDS: Final = 0.25
# The store may be held for a moment by another process. Nobody is kept waiting for longer.
PATIENCE: Final = 2.0


@dataclass
class Service:
    """One running service; made once, used by every request.

    Attributes:
        database: reads, on a connection of its own: whoever holds the store for writing doesn't hold up a page.
        audience: the list and its suppressions, over the connection the writer has to itself.
        writer: writes for all requests; see `write`.
        pages: what people see.
        proxies: tells who asks; see `client_address`.
        sheet: counts what this process does.
    """

    workspace: Workspace
    database: SqliteDatabase
    audience: Audience
    writer: Writer
    pages: Pages
    proxies: ProxyTrust
    sheet: Sheet
    _signer: tuple[float, TokenSigner] | None = field(default=None, repr=False)

    @property
    def settings(self) -> WebSettings:
        """The `[web]` table."""
        return self.workspace.settings.web

    @property
    def signer(self) -> TokenSigner:
        """Makes and reads tokens; a rotation of the keys is noticed within a moment, not at the cost of each request."""
        now = time.monotonic()
        if self._signer is None or now - self._signer[0] > _SIGNER_SECONDS:
            self._signer = (now, self.workspace.signer)
        return self._signer[1]

    @property
    def clock(self) -> Clock:
        """What time it is."""
        return self.workspace.clock

    async def write(self, work: Callable[[Transaction], _T], patience: float | None = None) -> _T:
        """Run `work` in a transaction shared with whoever else waits; returns when it is committed.

        Args:
            work: what is done.
            patience: seconds that whoever asked may wait for it to begin; as long as a person does unless given.

        Raises:
            StoreError: the store can't be written now, and nothing was changed.
        """
        return await self.writer.write(work, PATIENCE if patience is None else patience)

    def client_address(self, request: Request) -> str:
        """The network address of who asks; `[web] trusted_proxies` says whose word on it is believed."""
        return self.proxies.address(request)

    @property
    def root(self) -> str:
        """The path of `base_url`, which our own links begin with; empty where it has none."""
        return self.pages.root

    def address(self, path: str) -> str:
        """The public address of one of our pages; `path` alone where no `base_url` is set."""
        return self.workspace.settings.base_url.rstrip("/") + path

    def note_waiting(self) -> None:
        """Count how many changes wait for the next commit."""
        self.sheet.put((WAITING,), self.writer.waiting)

    def close(self) -> None:
        """Finish writing and let go of the store."""
        self.writer.close()
        self.database.close()
        self.audience.database.close()


def open_service(workspace: Workspace, sheet: Sheet | None = None) -> Service:
    """The service of a workspace, its store open.

    Args:
        workspace: whose.
        sheet: where this process counts; a tally of its own unless given.

    Raises:
        StoreError: see `Workspace.open_database`.
        UsageError: a template can't be read, or `[web] site` names no folder.
    """
    _ = workspace.served_site  # what is wrong is said before anything is opened
    pages = Pages(workspace.template_dirs, workspace.settings)
    audience = workspace.open_audience()
    try:
        reading = SqliteDatabase(workspace.database_path)
    except BaseException:
        audience.database.close()
        raise
    workspace.spool.reserve()
    trust = ProxyTrust(workspace.settings.web.trusted_proxies)
    writer = Writer(audience.database)
    return Service(workspace, reading, audience, writer, pages, trust, sheet or Tally().sheet())
