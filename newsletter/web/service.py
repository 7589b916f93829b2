"""What does a request need? The workspace, the store behind one writer, the pages, and what time it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from newsletter.app import Workspace
from newsletter.audience.membership import Audience
from newsletter.audience.tokens import TokenSigner
from newsletter.clock import Clock
from newsletter.config import WebSettings
from newsletter.store.base import Transaction
from newsletter.store.sqlite import SqliteDatabase
from newsletter.web.pages import Pages
from newsletter.web.writer import Writer

_T = TypeVar("_T")


@dataclass
class Service:
    """One running service; made once, used by every request.

    Attributes:
        audience: the list and its suppressions, over `database`.
        writer: writes for all requests; see `write`.
        pages: what people see.
    """

    workspace: Workspace
    database: SqliteDatabase
    audience: Audience
    writer: Writer
    pages: Pages

    @property
    def settings(self) -> WebSettings:
        """The `[web]` table."""
        return self.workspace.settings.web

    @property
    def signer(self) -> TokenSigner:
        """Makes and reads tokens."""
        return self.workspace.signer

    @property
    def clock(self) -> Clock:
        """What time it is."""
        return self.workspace.clock

    async def write(self, work: Callable[[Transaction], _T]) -> _T:
        """Run `work` in a transaction shared with whoever else waits; returns when it is committed.

        Raises:
            StoreError: the store can't be written now.
        """
        return await asyncio.wrap_future(self.writer.submit(work))

    def close(self) -> None:
        """Finish writing and let go of the store."""
        self.writer.close()
        self.database.close()


def open_service(workspace: Workspace) -> Service:
    """The service of a workspace, its store open.

    Raises:
        StoreError: see `Workspace.open_database`.
    """
    audience = workspace.open_audience()
    pages = Pages(workspace.template_dirs, workspace.settings)
    return Service(workspace, audience.database, audience, Writer(audience.database), pages)
