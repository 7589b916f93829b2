"""What do preparing and sending need of a newsletter's folder? Its settings and store, in the terms of `send`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.app import Workspace
from newsletter.cli.output import from_here

if TYPE_CHECKING:
    # Rendering and HTTP are imported to send, not to print the help.
    from newsletter.send.plan import Preparation, Prepared
    from newsletter.send.run import Desk
    from newsletter.store.send_records import NewSend
    from newsletter.store.sqlite import SqliteDatabase


def preparation(workspace: Workspace) -> Preparation:
    """What an issue of this newsletter is prepared with."""
    return workspace.preparation(
        [from_here(path) for path in workspace.issue_files()], named=lambda path: str(from_here(path))
    )


def make_desk(workspace: Workspace, database: SqliteDatabase) -> Desk:
    """What sending needs of this workspace."""
    return workspace.desk(database)


def new_send(prepared: Prepared, provider: str, tag: str) -> NewSend:
    """What is frozen of a prepared issue."""
    from newsletter.content.slots import to_nobody
    from newsletter.send.frozen import freeze, frozen_hash
    from newsletter.store.send_records import NewSend

    content = freeze(prepared.frozen)
    front = prepared.issue.front
    title = to_nobody(front.title)
    return NewSend(prepared.issue.slug, front.number, title, content, frozen_hash(content), provider, tag)
