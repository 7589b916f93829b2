"""`newsletter status`, `pause`, `cancel` and `reconcile`: how far is a send, and what shall become of it?"""

from __future__ import annotations

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.output import print_json
from newsletter.cli.sending import (
    NOT_SENT,
    Named,
    agreed,
    as_json,
    confirm,
    find_named,
    next_command,
    table,
)
from newsletter.cli.terminal_text import printable
from newsletter.errors import UsageError
from newsletter.model.delivery import DeliveryState, SendState
from newsletter.send.lease import holder
from newsletter.store import deliveries
from newsletter.store.send_records import SendRecord, Tally, UnknownDelivery
from newsletter.store.sends import SendLedger

app = typer.Typer()

_ISSUE = typer.Argument(..., metavar="ISSUE", help="A number, a slug or a file; the file may be gone.")
_JSON = typer.Option(False, "--json", help="Print it as JSON.")
_SHOWN = 20


@app.command()
def status(
    issue: str = typer.Argument(
        "", metavar="[ISSUE]", help="A number, a slug or a file; all sends without it."
    ),
    json_: bool = _JSON,
) -> None:
    """Show how far a send is, or all of them.

    Example: newsletter status 42 --json
    """
    workspace = open_workspace()
    with workspace.open_database() as database:
        ledger = SendLedger(database)
        if not issue:
            _list_sends(workspace, ledger, json_=json_)
            return
        named = find_named(workspace, ledger, issue)
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
        for other in earlier:
            print(f"\nBefore, on {other.created_at:%Y-%m-%d}: " + table(other, ledger.tally(other.id)))


def _list_sends(workspace: Workspace, ledger: SendLedger, *, json_: bool) -> None:
    found = []
    for record in ledger.sends():
        named = Named(record.slug, record.number, record.title, (record,))
        found.append((named, record, ledger.tally(record.id), holder(workspace.state_dir, record.id)))
    if json_:
        print_json([as_json(*entry) for entry in found])
        return
    if not found:
        print("Nothing was sent yet.\nNext: newsletter send ISSUE")
        return
    print(f"{'issue':>5}  {'state':<9}  {'accepted':>9} of {'audience':<9}  {'unknown':>7}  title")
    for _, record, tally, process in found:
        state = record.state.value
        mark = "" if process or state != "sending" else " (stopped: newsletter resume)"
        print(
            f"{record.number:>5}  {state:<9}  {tally.accepted:>9,} of {tally.total:<9,}  {tally.unknown:>7,}  {record.title}{mark}"
        )


@app.command()
def pause(issue: str = _ISSUE, json_: bool = _JSON) -> None:
    """Stop a send for now; what is being sent this moment is finished. `newsletter resume` goes on.

    Example: newsletter pause 42
    """
    _steer(issue, SendState.PAUSED, "paused by the operator", json_=json_)


@app.command()
def cancel(
    issue: str = _ISSUE,
    yes: bool = typer.Option(False, "--yes", help="Don't ask."),
    json_: bool = _JSON,
) -> None:
    """Give a send up: who has not been mailed yet will not be. What left stays sent.

    Example: newsletter cancel 42
    """
    if not agreed(f"Cancel the send of {issue}?", yes=yes):
        raise typer.Exit(1)
    _steer(issue, SendState.CANCELLED, "cancelled by the operator", json_=json_)


def _steer(issue: str, wanted: SendState, note: str, *, json_: bool) -> None:
    workspace = open_workspace()
    with workspace.open_database() as database:
        ledger = SendLedger(database)
        named = find_named(workspace, ledger, issue)
        record = named.latest
        allowed = [SendState.FREEZING, SendState.SENDING, SendState.PAUSED]
        if wanted is SendState.PAUSED:
            # While the audience is written down nothing can leave; to pause that would hide where it stood.
            allowed = [SendState.SENDING]
        changed = ledger.change_state(record.id, wanted, allowed, note=note, now=workspace.clock.now())
        record = ledger.get(record.id)
        if not changed and record.state is not wanted:
            raise UsageError(
                f"the send of `{record.slug}` is {record.state.value}: there is nothing to stop",
                hint=next_command(record, ledger.tally(record.id)) or f"newsletter status {record.slug}",
            )
        tally, process = ledger.tally(record.id), holder(workspace.state_dir, record.id)
        print_json(as_json(named, record, tally, process)) if json_ else print(table(record, tally, process))


@app.command()
def reconcile(
    issue: str = _ISSUE,
    mark_sent: bool = typer.Option(False, "--mark-sent", help="You know that they were delivered."),
    resend: bool = typer.Option(False, "--resend", help="You know that they were not: send them again."),
    yes: bool = typer.Option(False, "--yes", help="Don't ask; needs --expect-count."),
    expect_count: int | None = typer.Option(None, "--expect-count", metavar="N", help="How many you mean."),
    json_: bool = _JSON,
) -> None:
    """List the deliveries whose answer was lost, and decide about them. Without a flag nothing is changed.

    Example: newsletter reconcile 42 --mark-sent
    """
    if mark_sent and resend:
        raise UsageError("--mark-sent and --resend exclude each other", hint="choose one")
    workspace = open_workspace()
    with workspace.open_database() as database:
        ledger = SendLedger(database)
        named = find_named(workspace, ledger, issue)
        _ = named.latest
        unknown = ledger.unknown(named.slug)
        changed = 0
        if (mark_sent or resend) and unknown:
            if not json_:
                _print_unknown(named, unknown)
            verb = "mark as sent" if mark_sent else "send to again"
            question = f"{verb.capitalize()} {len(unknown):,} deliveries?"
            if not confirm(question, count=len(unknown), yes=yes, expect=expect_count, verb=verb):
                raise typer.Exit(1)
            changed = _decide(workspace, ledger, named, unknown, resend=resend)
        if json_:
            listed = [
                {
                    "send": delivery.send_id,
                    "subscriber": delivery.subscriber_id,
                    "email": delivery.email,
                    "reason": delivery.reason,
                    "claimed_at": delivery.claimed_at,
                }
                for delivery in unknown
            ]
            print_json(
                {"issue": named.slug, "unknown": len(unknown), "changed": changed, "deliveries": listed}
            )
        elif changed:
            done = "to be sent again" if resend else "marked as sent"
            print(f"{changed:,} {done}." + (f"\nNext: newsletter resume {named.slug}" if resend else ""))
        else:
            _print_unknown(named, unknown)
            if unknown:
                print("Look them up at your provider. Then:")
                print(f"  newsletter reconcile {named.slug} --mark-sent   they were delivered")
                print(f"  newsletter reconcile {named.slug} --resend      they were not")


def _decide(
    workspace: Workspace, ledger: SendLedger, named: Named, unknown: list[UnknownDelivery], *, resend: bool
) -> int:
    """Mark them, all in one transaction; a cancelled send is not begun again."""
    now, changed = workspace.clock.now(), 0
    by_send: dict[int, list[int]] = {}
    for delivery in unknown:
        by_send.setdefault(delivery.send_id, []).append(delivery.subscriber_id)
    records: dict[int, SendRecord] = {record.id: record for record in named.records}
    latest = named.records[-1].id
    with ledger.db.write() as tx:
        for send_id, numbers in by_send.items():
            if not resend:
                changed += deliveries.mark(
                    tx,
                    send_id,
                    numbers,
                    from_state=DeliveryState.UNKNOWN,
                    to_state=DeliveryState.ACCEPTED,
                    reason="marked as sent by the operator",
                )
                continue
            if send_id != latest or records[send_id].state is SendState.CANCELLED:
                # `resume` goes on with the last send only: an older one's go back to "never reached",
                # where --new-only finds them.
                changed += deliveries.mark(
                    tx,
                    send_id,
                    numbers,
                    from_state=DeliveryState.UNKNOWN,
                    to_state=DeliveryState.SKIPPED,
                    reason="to be sent again with --new-only",
                )
                continue
            changed += deliveries.requeue(tx, send_id, numbers, from_state=DeliveryState.UNKNOWN)
            if records[send_id].state is SendState.SENT:
                note = f"{len(numbers)} to be sent again"
                deliveries.finish(tx, send_id, SendState.PAUSED, note, now)
    return changed


def _print_unknown(named: Named, unknown: list[UnknownDelivery]) -> None:
    if not unknown:
        print(f"{named.title}: nothing is unknown.")
        return
    print(f"{named.title}: the answer was lost for {len(unknown):,}")
    for delivery in unknown[:_SHOWN]:
        print(
            f"  {delivery.email or f'subscriber {delivery.subscriber_id}':<40} {delivery.claimed_at}  {printable(delivery.reason)}"
        )
    if len(unknown) > _SHOWN:
        print(f"  … and {len(unknown) - _SHOWN:,} more: --json lists all")
