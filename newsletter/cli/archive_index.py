"""The index of the archive for commands that ask it questions: up to date, or told why a part of it isn't."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from newsletter.cli.garbage import uncollected
from newsletter.cli.output import counted
from newsletter.cli.terminal_text import printable
from newsletter.errors import NewsletterError, UsageError

if TYPE_CHECKING:
    from newsletter.app import Workspace
    from newsletter.site.index import SearchIndex
    from newsletter.site.index_update import Updated
    from newsletter.site.passage import ArchiveFiles

# So many take longer than a moment.
_MANY = 100


def refuse_where_no_archive_is(workspace: Workspace) -> None:
    """A wrong folder would answer like an empty archive, and get an index of nothing.

    Raises:
        UsageError: there is no newsletter here.
    """
    if not workspace.issues_dir.is_dir():
        raise UsageError(
            f"there is no newsletter in {workspace.home}: it has no folder `{workspace.issues_dir.name}`",
            hint="go to your newsletter's folder, or name it as NEWSLETTER_HOME",
        )


@contextmanager
def current_index(workspace: Workspace, *, drafts: bool) -> Iterator[SearchIndex]:
    """The index with every published passage in it, for the length of the block.

    Raises:
        UsageError: there is no newsletter here.
        NewsletterError: a file can't be read.
    """
    refuse_where_no_archive_is(workspace)
    files = workspace.archive_files(drafts=drafts)
    with workspace.search_index(drafts=drafts) as index:
        updated = bring_up_to_date(index, files)
        try:
            index.passages()
        except (NewsletterError, sqlite3.DatabaseError):
            # Damage that only a look into it shows.
            index.begin_anew()
            updated = index.update(files)
        warn_of_errors(updated)
        yield index


def warn_of_errors(updated: Updated) -> None:
    """Say which files aren't in the index as they are."""
    for path in sorted({finding.path for finding in updated.findings}):
        how = "isn't searched" if path in updated.unknown else "is searched as it was before"
        name = printable(path)
        print(f"{name} has errors and {how}: newsletter check {name}", file=sys.stderr)


def bring_up_to_date(index: SearchIndex, files: ArchiveFiles) -> Updated:
    """Update the index, and say so where that takes a moment.

    Raises:
        NewsletterError: a file can't be read.
    """
    if not index.ready and len(files.issues) > _MANY and sys.stderr.isatty():
        print(f"indexing {counted(len(files.issues), 'issue')} …", file=sys.stderr)
    with uncollected():
        return index.update(files)
