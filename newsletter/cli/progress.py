"""`newsletter status`, `pause` and `cancel`: how far is a send, and shall it go on?"""

from __future__ import annotations

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.output import print_json
from newsletter.cli.schedule import cancel_scheduled, pause_scheduled
from newsletter.cli.scheduled import retried, scheduled_as_json, scheduled_line, show_scheduled
from newsletter.cli.sending import (
    NOT_SENT,
    Named,
    agreed,
    as_json,
    find_named,
    next_command,
    table,
)
from newsletter.errors import UsageError
from newsletter.model.delivery import SendState
from newsletter.send.lease import holder
from newsletter.send.origin import Origin
from newsletter.store.base import Database
from newsletter.store.schedules import Schedules
from newsletter.store.send_records import SendRecord, Tally
from newsletter.store.sends import SendLedger

app = typer.Typer()

_ISSUE = typer.Argument(..., metavar="ISSUE", help="A number, a slug or a file; the file may be gone.")
_JSON = typer.Option(False, "--json", help="Print it as JSON.")


@app.command()
def status(
    issue: str = typer.Argument(
        "", metavar="ISSUE", help="A number, a slug or a file; all sends without it."
    ),
    failed: bool = typer.Option(False, "--failed", help="Who didn't get it, and why."),
    json_: bool = _JSON,
) -> None:
    """Show how far a send is, or all of them.

    Example: newsletter status 42 --json, or newsletter status 42 --failed
    """
    workspace = open_workspace()
    with workspace.open_database() as database:
        ledger = SendLedger(database)
        if failed:
            if not issue:
                raise UsageError("--failed needs an issue", hint="newsletter status ISSUE --failed")
            from newsletter.cli.reconcile import show_undelivered

            show_undelivered(ledger, find_named(workspace, ledger, issue), json_=json_)
            return
        if not issue:
            _list_sends(workspace, ledger, json_=json_)
            if not json_:
                _warn(database)
            return
        named = find_named(workspace, ledger, issue)
        if named.scheduled is not None:
            show_scheduled(workspace, ledger, named, json_=json_)
            return
        record = named.records[-1] if named.records else None
        if record is None:
            if json_:
                print_json(as_json(named, None, Tally()) | {"earlier": []})
            else:
                print(f"{named.title} · {NOT_SENT}\nNext: newsletter send {named.number}")
            return
        tally, process = ledger.tally(record.id), holder(workspace.state_dir, record.id)
        earlier = named.records[:-1]
        if json_:
            before = [as_json(named, other, ledger.tally(other.id)) for other in earlier]
            print_json(as_json(named, record, tally, process) | {"earlier": before})
            return
        print(table(record, tally, process))
        if record.unfinished and (doubt := Origin(database, workspace.state_dir).doubt()):
            print(f"Mind: {doubt}")
        if again := retried(workspace, database, record):
            print(again)
        for other in earlier:
            print(f"\nBefore, on {other.created_at:%Y-%m-%d}: " + table(other, ledger.tally(other.id)))


def _warn(database: Database) -> None:
    """Say so where a flood of reports waits for a person."""
    from newsletter.cli.webhooks import warnings
    from newsletter.store.events import holds

    for line in warnings(holds(database)):
        print(line)


def _list_sends(workspace: Workspace, ledger: SendLedger, *, json_: bool) -> None:
    found = []
    for record in ledger.sends():
        named = Named(record.slug, record.number, record.title, (record,))
        found.append((named, record, ledger.tally(record.id), holder(workspace.state_dir, record.id)))
    planned = Schedules(ledger.db).open()
    if json_:
        scheduled = [scheduled_as_json(workspace, Named(s.slug, s.number, s.title), s) for s in planned]
        print_json([*(as_json(*entry) for entry in found), *scheduled])
        return
    for schedule in planned:
        print(scheduled_line(workspace, schedule))
    if not found:
        print("Nothing was sent yet." + ("" if planned else "\nNext: newsletter send ISSUE"))
        return
    print(f"{'issue':>5}  {'state':<9}  {'accepted':>9} of {'audience':<9}  {'unknown':>7}  title")
    for _, record, tally, process in found:
        state = record.state.value
        mark = "" if process or state != "sending" else " (stopped: newsletter resume)"
        mark += " (sandbox)" if record.sandbox else ""
        print(
            f"{record.number:>5}  {state:<9}  {tally.accepted:>9,} of {tally.total:<9,}  {tally.unknown:>7,}  {record.title}{mark}"
        )


@app.command()
def pause(issue: str = _ISSUE, json_: bool = _JSON) -> None:
    """Stop a send for now; what is being sent this moment is finished. A scheduled one is held. `newsletter resume` goes on.

    Example: newsletter pause 42
    """
    _steer(issue, SendState.PAUSED, "paused by the operator", json_=json_)


@app.command()
def cancel(
    issue: str = _ISSUE,
    yes: bool = typer.Option(False, "--yes", help="Don't ask."),
    json_: bool = _JSON,
) -> None:
    """Give a send up, or take a schedule back: who has not been mailed yet will not be. What left stays sent.

    Example: newsletter cancel 42
    """
    _require_unfinished(issue)
    if not agreed(f"Cancel the send of {issue}?", yes=yes):
        raise typer.Exit(1)
    _steer(issue, SendState.CANCELLED, "cancelled by the operator", json_=json_)


def _require_unfinished(issue: str) -> None:
    """Nobody is asked about what can't be done."""
    workspace = open_workspace()
    with workspace.open_database() as database:
        ledger = SendLedger(database)
        named = find_named(workspace, ledger, issue)
        if named.scheduled is None and named.latest.state is SendState.SENT:
            raise _nothing_to_stop(named.latest, ledger)


def _nothing_to_stop(record: SendRecord, ledger: SendLedger) -> UsageError:
    return UsageError(
        f"the send of `{record.slug}` is {record.state.value}: there is nothing to stop",
        hint=next_command(record, ledger.tally(record.id)) or f"newsletter status {record.slug}",
    )


def _steer(issue: str, wanted: SendState, note: str, *, json_: bool) -> None:
    workspace = open_workspace()
    with workspace.open_database() as database:
        ledger = SendLedger(database)
        named = find_named(workspace, ledger, issue)
        if named.scheduled is not None:
            steer = pause_scheduled if wanted is SendState.PAUSED else cancel_scheduled
            if steer(workspace, database, named, json_=json_):
                return
            # It became a send this moment: that is stopped instead.
            named = find_named(workspace, ledger, issue)
        record = named.latest
        Schedules(database).forget_retry(record.id)
        allowed = [SendState.FREEZING, SendState.SENDING, SendState.PAUSED]
        if wanted is SendState.PAUSED:
            # While the audience is written down nothing can leave; to pause that would hide where it stood.
            allowed = [SendState.SENDING]
        changed = ledger.change_state(record.id, wanted, allowed, note=note, now=workspace.clock.now())
        record = ledger.get(record.id)
        if not changed and record.state is not wanted:
            raise _nothing_to_stop(record, ledger)
        tally, process = ledger.tally(record.id), holder(workspace.state_dir, record.id)
        print_json(as_json(named, record, tally, process)) if json_ else print(table(record, tally, process))
