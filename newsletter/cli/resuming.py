"""What must be said before a send is gone on with: not a cancelled one, the refused again, or from a copy of the store?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from newsletter.cli.output import counted
from newsletter.cli.sending import confirm
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.delivery import SendState
from newsletter.store import undelivered
from newsletter.store.send_records import SendRecord
from newsletter.store.sends import SendLedger

if TYPE_CHECKING:
    from newsletter.send.run import Desk


def refuse_cancelled(ledger: SendLedger, record: SendRecord) -> None:
    """A cancelled send is over.

    Raises:
        NewsletterError: it was cancelled; says how to reach the others.
    """
    if record.state is not SendState.CANCELLED:
        return
    when = f" on {record.finished_at:%Y-%m-%d}" if record.finished_at else ""
    again = " --new-only" if ledger.reached_by(record.slug) else ""
    raise NewsletterError(
        f"the send of `{record.slug}` was cancelled{when}: it isn't gone on with",
        hint=f"to whoever it didn't reach: newsletter send {record.number}{again}",
    )


def retry_failed(desk: Desk, record: SendRecord, *, yes: bool, expect: int | None) -> None:
    """Make the refused of a send pending again, after asking with the count.

    Raises:
        NewsletterError: nobody of it was refused and may still be written to.
    """
    from newsletter.send.reconcile import retry_failed as retry

    ledger = desk.ledger
    count = undelivered.count_retryable(ledger.db, record.id)
    if not count:
        refused = ledger.tally(record.id).rejected
        why = f": the {refused:,} who were have left the list since" if refused else ""
        raise NewsletterError(
            f"nobody of the last send of `{record.slug}` was refused and can be tried again{why}",
            hint=f"newsletter status {record.slug} --failed lists everybody who didn't get it",
        )
    question = f"Try {counted(count, 'refused delivery', 'refused deliveries')} again?"
    if not confirm(question, count=count, yes=yes, expect=expect, verb="try again"):
        raise typer.Exit(1)
    retry(ledger.db, desk.state_dir, record, count, desk.clock.now())


def agree_to_take_over(desk: Desk, record: SendRecord, *, yes: bool, expect: int | None) -> None:
    """Say what going on from a copy of the store means, and ask.

    Raises:
        UsageError: the store is the one that last sent, or nobody can be asked and the count wasn't said.
    """
    doubt = desk.origin.doubt()
    if not doubt:
        raise UsageError(
            "this store is the one that last sent: there is nothing to take over",
            hint=f"newsletter resume {record.slug}",
        )
    count = desk.ledger.tally(record.id).open
    people = counted(count, "delivery that is", "deliveries that are")
    # Beside the result: that may be JSON.
    print(
        f"{doubt[:1].upper()}{doubt[1:]}.\n"
        f"Taking over makes {people} unsent here unknown: none is sent before newsletter reconcile has found out, "
        "or you have said so. The original must send nothing more.",
        file=sys.stderr,
    )
    if not confirm("Take this send over?", count=count, yes=yes, expect=expect, verb="take over"):
        raise typer.Exit(1)
