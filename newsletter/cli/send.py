"""`newsletter send` and `newsletter resume`: look once more, then let it go, now or at its hour, and go on after anything that stopped it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.desk import make_desk, new_send, preparation
from newsletter.cli.output import counted, from_here, paint, print_json
from newsletter.cli.running import run_send
from newsletter.cli.sending import agreed, at_a_terminal, confirm, find_named, table
from newsletter.cli.terminal_text import printable
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.message import OutcomeKind
from newsletter.store.events import holds
from newsletter.store.sends import SendLedger

if TYPE_CHECKING:
    # Rendering and HTTP are imported to send, not to print the help.
    from newsletter.cli.schedule import Plan
    from newsletter.providers.base import Provider
    from newsletter.send.forecast import Forecast
    from newsletter.send.plan import Audience, Prepared
    from newsletter.send.run import Desk
    from newsletter.store.send_records import NewSend, SendRecord

app = typer.Typer()

_JSON = typer.Option(False, "--json", help="Print the result as JSON.")


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options of `newsletter send`, as they were given."""

    test: str
    dry_run: bool
    tag: str
    new_only: bool
    yes: bool
    expect: int | None
    provider: str
    at: str | None
    json: bool


@app.command()
def send(
    issue: str = typer.Argument("", metavar="ISSUE", help="A number, a slug or a file."),
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
    at: str | None = typer.Option(
        None,
        "--at",
        metavar="WHEN",
        help='At that time instead of now: "Tuesday 09:00 Europe/London", "tomorrow 9:00", "in 2 hours".',
    ),
    now: bool = typer.Option(False, "--now", help="What is scheduled or held, now."),
    due: bool = typer.Option(
        False, "--due", help="Without ISSUE, for cron and CI: once, whatever is scheduled and due."
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

    Example: newsletter send 42 --at "Tuesday 09:00 Europe/London", and newsletter worker
    """
    asked = _Asked(test, dry_run, tag, new_only, yes, expect_count, provider, at, json_)
    _refuse_contradictions(issue, asked, now=now, due=due)
    workspace = open_workspace()
    if due:
        from newsletter.cli.worker import send_due

        send_due(workspace, json_=json_)
    elif now:
        from newsletter.cli.schedule import send_scheduled_now

        send_scheduled_now(workspace, issue, yes=yes, expect=expect_count, json_=json_)
    else:
        _send_issue(workspace, workspace.find_issue(issue), asked)


def _refuse_contradictions(issue: str, asked: _Asked, *, now: bool, due: bool) -> None:
    ways = [
        name
        for name, given in (
            ("--at", asked.at is not None),
            ("--now", now),
            ("--due", due),
            ("--test", asked.test),
        )
        if given
    ]
    if len(ways) > 1:
        raise UsageError(f"{ways[0]} and {ways[1]} exclude each other", hint="choose one")
    frozen = (asked.dry_run, asked.tag, asked.new_only, asked.provider)
    if (now or due) and any(frozen):
        raise UsageError(
            f"{ways[0]} sends what was scheduled, as it was scheduled",
            hint="take --dry-run, --tag, --new-only and --provider out, or schedule it again with --at",
        )
    if due and issue:
        raise UsageError(
            "--due sends every issue that is due", hint=f"for this one: newsletter send {issue} --now"
        )
    if not due and not issue:
        raise UsageError(
            "which issue?",
            hint="newsletter send ISSUE, or newsletter send --due for what is scheduled and due",
        )


def _send_issue(workspace: Workspace, path: Path, asked: _Asked) -> None:
    """Prepare the issue in `path`, show what would happen, ask, and do it now or write it down for its hour."""
    from newsletter.cli.schedule import planned_for, refuse_scheduled, schedule_issue
    from newsletter.send.plan import find_audience, prepare, require_ready

    plan = planned_for(workspace, path, asked.at) if asked.at is not None else None
    through = workspace.provider(asked.provider, "test" if asked.test else "")
    with _findings_shown(json_=asked.json):
        prepared = prepare(
            path,
            preparation(workspace),
            through.capabilities,
            local=through.name == "outbox",
            display=str(from_here(path)),
        )
    with workspace.open_database() as database:
        desk = make_desk(workspace, database)
        if asked.test:
            _send_test(desk, prepared, through, asked.test, json_=asked.json)
            return
        ledger, slug = SendLedger(database), prepared.issue.slug
        require_ready(prepared, _counting(ledger, prepared), new_only=asked.new_only)
        # Asked before the audience is counted: what a script must say doesn't depend on the list.
        if asked.yes and asked.expect is None and not asked.dry_run:
            raise UsageError(
                "--yes needs --expect-count: how many people you mean to reach",
                hint="newsletter send ISSUE --dry-run shows the number",
            )
        if plan is None and not asked.dry_run:
            refuse_scheduled(workspace, database, slug)
        if asked.new_only:
            desk.origin.require(slug)
        audience = find_audience(
            ledger, slug, asked.tag, expect=asked.expect, capabilities=through.capabilities
        )
        prepared = _with_cautions(prepared, desk, through, audience)
        outlook = desk.forecast(through, prepared.frozen, audience.count)
        if plan is not None:
            outlook = plan.outlook(outlook)
        _show(workspace, desk, prepared, audience, through, outlook, plan, asked)
        if plan is not None:
            new = new_send(prepared, through.name, asked.tag)
            schedule_issue(
                workspace,
                database,
                plan,
                new,
                audience.count,
                yes=asked.yes,
                expect=asked.expect,
                dry_run=asked.dry_run,
                json_=asked.json,
            )
            return
        if not asked.dry_run:
            _send_now(workspace, desk, new_send(prepared, through.name, asked.tag), audience.count, asked)


def _send_now(workspace: Workspace, desk: Desk, new: NewSend, count: int, asked: _Asked) -> None:
    """Ask, and send to the `count` people there are.

    Raises:
        typer.Exit: the answer is no.
    """
    from newsletter.send.run import start

    if not confirm(
        f"Send to {counted(count, 'person', 'people')}?",
        count=count,
        yes=asked.yes,
        expect=asked.expect,
        verb="reach",
    ):
        print("Nothing was sent.")
        raise typer.Exit(1)
    run_send(
        workspace,
        desk,
        new.slug,
        lambda: start(desk, new, expect=asked.expect),
        count,
        json_=asked.json,
        hold=desk.wishes.hold,
    )


def _with_cautions(prepared: Prepared, desk: Desk, through: Provider, audience: Audience) -> Prepared:
    """What to know about this audience and this store before sending, beside what is known of the issue."""
    cautions = []
    if through.capabilities.rate_note and not desk.wishes.rate:
        cautions.append(through.capabilities.rate_note)
    if audience.unreachable:
        cautions.append(
            f"{audience.unreachable:,} of {audience.count:,} can't be reached through {through.name}: "
            "a mailbox with non-ASCII letters (RFC 6531)"
        )
    if audience.if_offered:
        cautions.append(
            f"{audience.if_offered:,} of {audience.count:,} can be reached only if the mail server offers SMTPUTF8: "
            "a mailbox with non-ASCII letters (RFC 6531)"
        )
    if doubt := desk.origin.doubt():
        cautions.append(f"{doubt}; what was sent from there since is not known here")
    cautions += [
        f"{counted(hold.waiting, 'report')} of {hold.provider} held: those people are still mailed; "
        "see newsletter webhooks status"
        for hold in holds(desk.db)
        if hold.since
    ]
    return replace(prepared, warnings=(*prepared.warnings, *cautions))


def _counting(ledger: SendLedger, prepared: Prepared) -> list[SendRecord]:
    """Earlier sends of the same slug or number that are under way or reached somebody."""
    slug, number = prepared.issue.slug, prepared.issue.front.number
    earlier = {r.id: r for r in (*ledger.sends_numbered(number), *ledger.sends(slug))}
    return [r for _, r in sorted(earlier.items()) if r.unfinished or ledger.reached_anybody(r.id)]


def _show(
    workspace: Workspace,
    desk: Desk,
    prepared: Prepared,
    audience: Audience,
    through: Provider,
    outlook: Forecast,
    plan: Plan | None,
    asked: _Asked,
) -> None:
    """What a sender sees before saying yes; with a message's headers where that is all."""
    from newsletter.cli.send_page import page, page_as_json, sample_headers

    sandbox = workspace.settings.provider.sandbox
    headers = sample_headers(desk, prepared, through) if asked.dry_run else []
    if asked.json and asked.dry_run:
        shown = page_as_json(prepared, audience, through, outlook, sandbox=sandbox)
        print_json(shown | {"headers": headers} | ({"scheduled": plan.as_json()} if plan else {}))
    if asked.json:
        return
    print(page(prepared, audience, through, outlook, sandbox=sandbox), flush=True)
    if asked.dry_run:
        print(paint("\nA message's headers", 1))
        print("\n".join(f"  {line}" for line in headers))
        print("\nNothing was sent.")


@app.command()
def resume(
    issue: str = typer.Argument(
        ..., metavar="ISSUE", help="A number, a slug or a file; the file may be gone."
    ),
    failed: bool = typer.Option(False, "--failed", help="Try those again who were refused."),
    take_over: bool = typer.Option(
        False, "--take-over", help="From a copy of the store: whatever is unsent in it becomes unknown."
    ),
    yes: bool = typer.Option(
        False, "--yes", help="Don't ask; with --failed or --take-over it needs --expect-count."
    ),
    expect_count: int | None = typer.Option(None, "--expect-count", metavar="N", help="How many you mean."),
    json_: bool = _JSON,
) -> None:
    """Go on with a send that was paused, held or interrupted, as often as needed. Nobody is mailed twice.

    Example: newsletter resume 42 --yes --json
    """
    from newsletter.cli.resuming import agree_to_take_over, refuse_cancelled, retry_failed
    from newsletter.send.run import resume as resume_send
    from newsletter.store.schedules import Schedules

    workspace = open_workspace()
    with workspace.open_database() as database:
        ledger = SendLedger(database)
        named = find_named(workspace, ledger, issue)
        if named.scheduled is not None and not (failed or take_over):
            from newsletter.cli.schedule import resume_scheduled

            resume_scheduled(workspace, database, named, yes=yes, json_=json_)
            return
        record, tally = named.latest, ledger.tally(named.latest.id)
        refuse_cancelled(ledger, record)
        desk = make_desk(workspace, database)
        if record.unfinished and not yes and at_a_terminal():
            print(table(record, tally))
        if failed:
            desk.origin.require(record.slug)
            retry_failed(desk, record, yes=yes, expect=expect_count)
        elif take_over:
            agree_to_take_over(desk, record, yes=yes, expect=expect_count)
        elif record.unfinished and not agreed(f"Go on with the remaining {tally.open:,}?", yes=yes):
            raise typer.Exit(1)
        if record.unfinished and record.provider != workspace.settings.provider.name:
            print(
                f"It goes on through {record.provider}, as it was begun, at that provider's default address: "
                f"[provider] is about {workspace.settings.provider.name}. To change over, "
                f"newsletter cancel {record.slug}, then newsletter send {record.number} --new-only.",
                file=sys.stderr,
            )
        # From here on it is this person's: no worker goes on with it behind their back.
        Schedules(database).forget_retry(record.id)
        run_send(
            workspace,
            desk,
            record.slug,
            lambda: resume_send(desk, record.id, take_over=take_over),
            tally.total,
            json_=json_,
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
        said = "sandbox: nothing is delivered" if desk.sandbox else outcome.provider_id or "accepted"
        print(f"Sent one test message to {address} through {provider.name} ({said}).")
    if outcome.kind is OutcomeKind.UNKNOWN:
        raise NewsletterError(
            f"nobody can tell whether the test message to {address} was accepted: "
            f"{printable(outcome.reason) or 'no answer'}",
            hint="look into the mailbox before you send another",
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
