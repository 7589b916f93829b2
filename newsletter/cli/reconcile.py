"""`newsletter reconcile`, and who didn't get it: what does the provider know, and what shall become of the rest?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.output import counted, from_here, paint, print_json
from newsletter.cli.sending import Named, confirm, find_named
from newsletter.cli.terminal_text import printable
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.delivery import SendState
from newsletter.store import undelivered
from newsletter.store.send_records import SendRecord, Tally, UnknownDelivery
from newsletter.store.sends import SendLedger

if TYPE_CHECKING:
    # Providers and HTTP are imported to ask, not to print the help.
    from newsletter.model.event import Event
    from newsletter.send.reconcile import Asked, Settled

app = typer.Typer()

_SHOWN = 20
# Seconds a provider is asked for; Ctrl-C ends it earlier, and what was found by then is kept.
_ASKING_SECONDS = 600.0


@app.command()
def reconcile(
    issue: str = typer.Argument(
        ..., metavar="ISSUE", help="A number, a slug or a file; the file may be gone."
    ),
    mark_sent: bool = typer.Option(False, "--mark-sent", help="You know that they were delivered."),
    resend: bool = typer.Option(False, "--resend", help="You know that they were not: send them again."),
    events: Path | None = typer.Option(
        None, "--events", metavar="FILE", help="Bodies of the provider's webhooks: one JSON, or one a line."
    ),
    offline: bool = typer.Option(False, "--offline", help="Don't ask the provider."),
    yes: bool = typer.Option(False, "--yes", help="Don't ask; needs --expect-count."),
    expect_count: int | None = typer.Option(None, "--expect-count", metavar="N", help="How many you mean."),
    json_: bool = typer.Option(False, "--json", help="Print it as JSON."),
) -> None:
    """Ask the provider about deliveries whose answer was lost, list what stays unknown, and decide about that.

    Only what the provider is certain of changes anything by itself; without a flag the rest is left as it is.

    Example: newsletter reconcile 42, then newsletter reconcile 42 --mark-sent
    """
    if mark_sent and resend:
        raise UsageError("--mark-sent and --resend exclude each other", hint="choose one")
    workspace = open_workspace()
    with workspace.open_database() as database:
        ledger = SendLedger(database)
        named = find_named(workspace, ledger, issue)
        _ = named.latest
        settled = _settle_file(workspace, ledger, named, events) if events else None
        asked = [] if offline else list(_ask(workspace, ledger, named))
        unknown = ledger.unknown(named.slug)
        changed = 0
        if not json_:
            _print_learnt(named, settled, asked)
        if (mark_sent or resend) and unknown:
            if not json_:
                _print_unknown(named, unknown)
            verb = "mark as sent" if mark_sent else "send to again"
            question = f"{verb.capitalize()} {counted(len(unknown), 'delivery', 'deliveries')}?"
            if not confirm(question, count=len(unknown), yes=yes, expect=expect_count, verb=verb):
                raise typer.Exit(1)
            from newsletter.send.reconcile import decide

            now = workspace.clock.now()
            changed = decide(database, named.records, unknown, resend=resend, now=now)
        if json_:
            _print_json(named, unknown, changed, asked, settled)
        elif changed:
            done = "to be sent again" if resend else "marked as sent"
            print(f"{changed:,} {done}." + (f"\nNext: newsletter resume {named.slug}" if resend else ""))
        else:
            _print_unknown(named, unknown)
            if unknown:
                print("Look them up at your provider. Then:")
                print(f"  newsletter reconcile {named.slug} --mark-sent   they were delivered")
                print(f"  newsletter reconcile {named.slug} --resend      they were not")
                if named.latest.provider not in ("outbox", "smtp"):
                    print("What its webhooks said settles them too: --events FILE")


# What the provider knows ------------------------------------------------------------------------------


def _ask(workspace: Workspace, ledger: SendLedger, named: Named) -> Iterator[Asked]:
    """Ask the provider of each send of the issue that has unknown deliveries."""
    from newsletter.cli.progress_bar import ProgressBar
    from newsletter.send.reconcile import Asked, Inquest
    from newsletter.send.run import send_name
    from newsletter.send.search import Patience

    for record in named.records:
        unknown = ledger.tally(record.id).unknown
        if not unknown or record.sandbox:
            continue
        name = send_name(record.number, record.slug, record.id)
        try:
            provider = workspace.provider(record.provider, name)
        except NewsletterError as error:
            yield Asked(record.provider, unasked=unknown, trouble=f"{error.message} ({error.hint})")
            continue
        patience = Patience(workspace.clock, _ASKING_SECONDS)
        with ProgressBar() as bar:
            show = partial(bar, "asking")
            answer = Inquest(ledger.db, workspace.signer, provider, record.id, patience, show).run()
        yield answer


def _sentences(named: Named, asked: Asked) -> Iterator[str]:
    """What asking came to."""
    name = asked.provider
    if asked.asked:
        parts = [f"{asked.accepted:,} {'was' if asked.accepted == 1 else 'were'} accepted"]
        parts += [f"{asked.rejected:,} refused"] if asked.rejected else []
        parts += [f"{asked.not_sent:,} never left"] if asked.not_sent else []
        parts += [f"{asked.not_found:,} not found"] if asked.not_found else []
        lag = "; its index may lag: ask again in some minutes" if asked.not_found else ""
        yield f"asked {name} about {asked.asked:,}: {', '.join(parts)}{lag}"
    if asked.not_sent:
        yield f"who never left is sent by: newsletter resume {named.slug}"
    if asked.replayable > asked.accepted + asked.rejected:
        yield (
            f"{name} still knows the key of {asked.replayable:,}: newsletter resume {named.slug} "
            "asks for them again and doubles nobody"
        )
    if asked.trouble:
        yield f"{name} wasn't asked about {asked.unasked:,}: {printable(asked.trouble)}"
    elif asked.unasked and asked.asked:
        yield f"{asked.unasked:,} can't be asked about: never claimed from this store, or erased since"
    elif asked.unasked and not asked.replayable:
        yield f"{name} can't be asked about single messages"


def _print_learnt(named: Named, settled: Settled | None, asked: list[Asked]) -> None:
    if settled is not None:
        print(
            f"read {counted(settled.events, 'event')}: {settled.accepted:,} turned out to be accepted, "
            f"{settled.rejected:,} refused"
        )
    for answer in asked:
        for sentence in _sentences(named, answer):
            print(sentence)


# What webhooks say ------------------------------------------------------------------------------------


def _settle_file(workspace: Workspace, ledger: SendLedger, named: Named, path: Path) -> Settled:
    from newsletter.send.reconcile import settle_from_events

    return settle_from_events(ledger.db, workspace.signer, _read_events(workspace, named, path))


def _read_events(workspace: Workspace, named: Named, path: Path) -> list[Event]:
    """The events in a file of webhook bodies, read as the provider of the issue's last send writes them.

    Raises:
        UsageError: it can't be read, isn't JSON, or isn't what this provider sends.
    """
    from newsletter.providers.base import Webhook

    shown, name = from_here(path), named.latest.provider
    provider = workspace.provider(name)
    if not isinstance(provider, Webhook):
        raise UsageError(f"{name} has no webhooks", hint="leave --events out")
    try:
        bodies = _bodies(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{shown} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(
            f"{shown}: {error}", hint="one JSON document, or the body of one call a line"
        ) from None
    found: list[Event] = []
    for number, body in enumerate(bodies, 1):
        try:
            found += provider.parse_webhook({}, body)
        except ValueError as error:
            try:
                found += [event for part in _parts(body) for event in provider.parse_webhook({}, part)]
            except ValueError:
                raise UsageError(
                    f"{shown}: body {number} is not what {name} sends: {error}", hint="nothing was changed"
                ) from None
    return found


def _bodies(data: bytes) -> list[bytes]:
    """The bodies of calls in a file: the whole of it where that is JSON, else each line.

    Raises:
        ValueError: a line isn't JSON; says which.
    """
    try:
        json.loads(data)
    except ValueError:
        pass
    else:
        return [data]
    lines = [(number, line) for number, line in enumerate(data.splitlines(), 1) if line.strip()]
    for number, line in lines:
        try:
            json.loads(line)
        except ValueError:
            msg = f"line {number} is not JSON"
            raise ValueError(msg) from None
    return [line for _, line in lines]


def _parts(body: bytes) -> list[bytes]:
    """The elements of a list of bodies, as a tool that collects them writes it; none where it is no list."""
    tree = json.loads(body)
    if not isinstance(tree, list):
        raise ValueError  # noqa: TRY004 - the same to the caller: not what the provider sends
    return [json.dumps(part).encode() for part in tree]


# What is left -----------------------------------------------------------------------------------------


def _print_unknown(named: Named, unknown: list[UnknownDelivery]) -> None:
    if not unknown:
        print(f"{named.title}: nothing is unknown.")
        return
    print(f"{named.title}: the answer was lost for {len(unknown):,}")
    for delivery in unknown[:_SHOWN]:
        who = delivery.email or f"subscriber {delivery.subscriber_id}"
        print(f"  {who:<40} {delivery.claimed_at:<24}  {printable(delivery.reason)}")
    if len(unknown) > _SHOWN:
        print(f"  … and {len(unknown) - _SHOWN:,} more: --json lists all")


def _print_json(
    named: Named, unknown: list[UnknownDelivery], changed: int, asked: list[Asked], settled: Settled | None
) -> None:
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
        {
            "issue": named.slug,
            "unknown": len(unknown),
            "changed": changed,
            "asked": [asdict(answer) | {"not_found": answer.not_found} for answer in asked],
            "events": asdict(settled) if settled else None,
            "deliveries": listed,
        }
    )


# Who didn't get it ------------------------------------------------------------------------------------


def show_undelivered(ledger: SendLedger, named: Named, *, json_: bool) -> None:
    """`newsletter status ISSUE --failed`: who was refused, lost, put off or left out, and why."""
    _ = named.latest
    if json_:
        print_json(
            {
                "issue": named.slug,
                "deliveries": [
                    {
                        "send": record.id,
                        "subscriber": one.subscriber_id,
                        "email": one.email,
                        "state": one.state.name.lower(),
                        "reason": one.reason,
                        "attempts": one.attempts,
                    }
                    for record in named.records
                    for one in undelivered.undelivered(ledger.db, record.id)
                ],
            }
        )
        return
    for record in named.records:
        _print_undelivered(ledger, record, several=len(named.records) > 1)
    if named.latest.state is not SendState.CANCELLED and ledger.tally(named.latest.id).rejected:
        print(f"Try the refused again: newsletter resume {named.slug} --failed")


def _print_undelivered(ledger: SendLedger, record: SendRecord, *, several: bool) -> None:
    tally = ledger.tally(record.id)
    when = f", sent on {record.created_at:%Y-%m-%d}" if several and record.created_at else ""
    print(f"{paint(record.title + when, 1)}: {_counts(tally)}")
    total = tally.rejected + tally.unknown + tally.deferred + tally.skipped
    for number, one in enumerate(undelivered.undelivered(ledger.db, record.id)):
        if not number:
            print(f"  {'address':<40} {'state':<9} {'attempts':>8}  reason")
        if number == _SHOWN:
            print(f"  … and {total - _SHOWN:,} more: --json lists all")
            break
        who = one.email or f"subscriber {one.subscriber_id}"
        state = one.state.name.lower()
        print(f"  {printable(who):<40} {state:<9} {one.attempts:>8}  {printable(one.reason)}")


def _counts(tally: Tally) -> str:
    named = (
        (tally.rejected, "refused"),
        (tally.unknown, "unknown"),
        (tally.deferred, "put off"),
        (tally.skipped, "left out"),
    )
    return (
        ", ".join(f"{count:,} {word}" for count, word in named if count) or "nobody was refused or left out"
    )
