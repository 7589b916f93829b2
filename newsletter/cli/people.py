"""What do the commands about people share? The opened list, and which people are meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.audience.membership import Audience
    from newsletter.model.subscriber import SubscriberStatus
    from newsletter.store.subscribers import SubscriberFilter

JSON = typer.Option(False, "--json", help="Print JSON, for scripts.")
STATUS = typer.Option(
    "", "--status", metavar="STATUS", help="pending, active, unsubscribed, bounced or complained."
)
TAG = typer.Option("", "--tag", metavar="TAG", help="Only people with this tag.")


@contextmanager
def opened_audience() -> Iterator[Audience]:
    """The list of this folder's newsletter, closed at the end."""
    from newsletter.app import open_workspace

    audience = open_workspace().open_audience()
    try:
        yield audience
    finally:
        audience.database.close()


def people_filter(status: str, tag: str, search: str, limit: int) -> SubscriberFilter:
    """Who is meant by the options of a command; at most `limit` people, 0 for all.

    Raises:
        UsageError: see `status_named`.
    """
    from newsletter.store.subscribers import SubscriberFilter

    # A shell hands over bytes that are no text as halves of surrogate pairs, which no store takes.
    tag, search = (text.encode("utf-8", "replace").decode() for text in (tag, search))
    return SubscriberFilter(status=status_named(status), tag=tag, search=search, limit=limit)


def status_named(text: str) -> SubscriberStatus | None:
    """The status called `text`; None where nothing is named.

    Raises:
        UsageError: there is no such status.
    """
    from newsletter.model.subscriber import SubscriberStatus

    if not text:
        return None
    try:
        return SubscriberStatus(text)
    except ValueError:
        raise UsageError(
            f"there is no status `{text}`", hint=f"it is one of {', '.join(SubscriberStatus)}"
        ) from None
