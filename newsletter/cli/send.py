"""`newsletter send` and `newsletter resume`: look once more, then let it go, and go on after anything that stopped it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli import run_long
from newsletter.cli.output import counted, from_here, paint, print_json
from newsletter.cli.sending import agreed, as_json, at_a_terminal, confirm, find_named, next_command, table
from newsletter.cli.terminal_text import printable
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.delivery import SendState
from newsletter.model.message import OutcomeKind
from newsletter.store.sends import SendLedger

if TYPE_CHECKING:
    # Rendering and HTTP are imported to send, not to print the help.
    from newsletter.providers.base import Provider
    from newsletter.send.engine import Ending
    from newsletter.send.plan import Preparation, Prepared
    from newsletter.send.run import Desk, StopSwitch
    from newsletter.store.send_records import NewSend, Tally
    from newsletter.store.sqlite import SqliteDatabase

app = typer.Typer()

_ISSUE = typer.Argument(..., metavar="ISSUE", help="A number, a slug or a file.")
_JSON = typer.Option(False, "--json", help="Print the result as JSON.")


@app.command()
def send(
    issue: str = _ISSUE,
    test: str = typer.Option(
        "", "--test", metavar="ADDR", help="Send one marked message to ADDR; drafts too."
    ),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Do everything but send; shows a message's headers."
    ),
    tag: str = typer.Option("", "--tag", metavar="TAG", help="Only to subscribers with this tag."),
    new_only: bool = typer.Option(
        False, "--new-only", help="Of an issue sent before: only to those it has not reached."
    ),
    yes: bool = typer.Option(False, "--yes", help="Don't ask; needs --expect-count."),
    expect_count: int | None = typer.Option(
        None, "--expect-count", metavar="N", min=0, help="Refuse unless exactly N people would get it."
    ),
    provider: str = typer.Option(
        "", "--provider", metavar="NAME", help="Instead of the one in the settings."
    ),
    json_: bool = _JSON,
) -> None:
    """Send an issue to your subscribers: shows what will happen, asks, and counts everybody.

    Example: newsletter send 42 --test you@example.com, then newsletter send 42
    """
    from newsletter.cli.send_page import page, page_as_json, sample_headers
    from newsletter.send.plan import find_audience, prepare, require_ready
    from newsletter.send.run import start

    workspace = open_workspace()
    path = workspace.find_issue(issue)
    through = workspace.provider(provider, "test" if test else "")
    with _findings_shown(json_=json_):
        prepared = prepare(
            path,
            preparation(workspace),
            through.capabilities,
            local=through.name == "outbox",
            display=str(from_here(path)),
        )
    with workspace.open_database() as database:
        desk = make_desk(workspace, database)
        if test:
            _send_test(desk, prepared, through, test, json_=json_)
            return
        ledger = SendLedger(database)
        slug, number = prepared.issue.slug, prepared.issue.front.number
        earlier = {r.id: r for r in (*ledger.sends_numbered(number), *ledger.sends(slug))}
        counting = [r for _, r in sorted(earlier.items()) if r.unfinished or ledger.reached_anybody(r.id)]
        require_ready(prepared, counting, new_only=new_only)
        # Asked before the audience is counted: what a script must say doesn't depend on the list.
        if yes and expect_count is None and not dry_run:
            raise UsageError(
                "--yes needs --expect-count: how many people you mean to reach",
                hint="newsletter send ISSUE --dry-run shows the number",
            )
        audience = find_audience(ledger, slug, tag, expect=expect_count)
        outlook = desk.forecast(through, prepared.frozen, audience.count)
        sandbox = workspace.settings.provider.sandbox
        if dry_run:
            headers = sample_headers(desk, prepared, through)
            if json_:
                shown = page_as_json(prepared, audience, through, outlook, sandbox=sandbox)
                print_json(shown | {"headers": headers})
            else:
                print(page(prepared, audience, through, outlook, sandbox=sandbox))
                print(paint("\nA message's headers", 1))
                print("\n".join(f"  {line}" for line in headers))
                print("\nNothing was sent.")
            return
        if not json_:
            print(page(prepared, audience, through, outlook, sandbox=sandbox), flush=True)
        if not confirm(
            f"Send to {counted(audience.count, 'person', 'people')}?",
            count=audience.count,
            yes=yes,
            expect=expect_count,
            verb="reach",
        ):
            print("Nothing was sent.")
            raise typer.Exit(1)
        new = new_send(prepared, through.name, tag)
        _run(
            workspace, desk, slug, lambda: start(desk, new, expect=expect_count), audience.count, json_=json_
        )


@app.command()
def resume(
    issue: str = typer.Argument(
        ..., metavar="ISSUE", help="A number, a slug or a file; the file may be gone."
    ),
    yes: bool = typer.Option(False, "--yes", help="Don't ask."),
    json_: bool = _JSON,
) -> None:
    """Go on with a send that was paused or interrupted, as often as needed. Nobody is mailed twice.

    Example: newsletter resume 42 --yes --json
    """
    from newsletter.send.run import resume as resume_send

    workspace = open_workspace()
    with workspace.open_database() as database:
        ledger = SendLedger(database)
        named = find_named(workspace, ledger, issue)
        record, tally = named.latest, ledger.tally(named.latest.id)
        if record.unfinished and not yes and at_a_terminal():
            print(table(record, tally))
        if record.unfinished and not agreed(f"Go on with the remaining {tally.open:,}?", yes=yes):
            raise typer.Exit(1)
        desk = make_desk(workspace, database)
        _run(workspace, desk, record.slug, lambda: resume_send(desk, record.id), tally.total, json_=json_)


def preparation(workspace: Workspace) -> Preparation:
    """What an issue of this newsletter is prepared with."""
    from newsletter.send.plan import Preparation

    settings = workspace.settings
    return Preparation(
        publication=settings.publication,
        renderer=workspace.renderer,
        kinds=settings.kinds,
        images=settings.sending.images,
        off=settings.checks.off,
        errors=settings.checks.errors,
        issues=tuple(from_here(path) for path in workspace.issue_files()),
    )


def make_desk(workspace: Workspace, database: SqliteDatabase) -> Desk:
    """What sending needs of this workspace."""
    from newsletter.send.limits import Wishes
    from newsletter.send.run import Desk

    sending = workspace.settings.sending
    return Desk(
        db=database,
        state_dir=workspace.state_dir,
        clock=workspace.clock,
        signer=workspace.signer,
        provider=workspace.provider,
        dkim=workspace.dkim,
        wishes=Wishes(
            rate=sending.rate,
            batch=sending.batch,
            connections=sending.connections,
            hold=sending.hold,
            burst=sending.burst,
            calls=sending.calls,
            daily_quota=sending.daily_quota,
        ),
    )


def new_send(prepared: Prepared, provider: str, tag: str) -> NewSend:
    """What is frozen of a prepared issue."""
    from newsletter.send.frozen import freeze, frozen_hash
    from newsletter.store.send_records import NewSend

    content = freeze(prepared.frozen)
    front = prepared.issue.front
    return NewSend(
        prepared.issue.slug, front.number, front.title, content, frozen_hash(content), provider, tag
    )


def _send_test(desk: Desk, prepared: Prepared, provider: Provider, address: str, *, json_: bool) -> None:
    from newsletter.send.run import send_test

    if "@" not in address.strip("@"):
        raise UsageError(f"`{address}` is not an address", hint="--test you@example.com")
    outcome = send_test(desk, prepared.frozen, provider, address)
    if json_:
        print_json(
            {
                "to": address,
                "outcome": outcome.kind.value,
                "id": outcome.provider_id,
                "reason": outcome.reason,
            }
        )
    elif outcome.kind is OutcomeKind.ACCEPTED:
        print(
            f"Sent one test message to {address} through {provider.name} ({outcome.provider_id or 'accepted'})."
        )
    if outcome.kind is not OutcomeKind.ACCEPTED:
        raise NewsletterError(
            f"the test message to {address} was not accepted: {printable(outcome.reason) or outcome.kind.value}"
        )


@contextmanager
def _findings_shown(*, json_: bool) -> Iterator[None]:
    """Print the findings that stand in the way before the error that sums them up."""
    from newsletter.send.plan import FindingsError

    try:
        yield
    except FindingsError as error:
        from newsletter.cli.diagnostic_formats import formatted

        if not json_:
            print(formatted(error.diagnostics, "text", 1), file=sys.stderr)
        else:
            print(formatted(error.diagnostics, "concise", 1), file=sys.stderr, end="")
        raise
