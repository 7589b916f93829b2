"""`newsletter bounces`: what comes back by mail, read from its mailbox and applied."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.output import counted, paint, print_json
from newsletter.cli.terminal_text import printable
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.audience.membership import Audience
    from newsletter.store.events import Hold
    from newsletter.tracking.mailbox.boxes import BoxOptions
    from newsletter.tracking.mailbox.intake import Intake, Settled
    from newsletter.tracking.mailbox.poll import Look

app = typer.Typer(no_args_is_help=True, help="Bounces, complaints and unsubscribes that come by mail.")

_MOST_SHOWN = 50


@app.callback()
def _bounces() -> None:
    """A group, though it has one command."""


@app.command()
def poll(
    maildir: Path | None = typer.Option(
        None, "--maildir", help="Read this Maildir instead of the mailbox in `bounces`."
    ),
    once: bool = typer.Option(False, "--once", help="Look once and leave, as from cron."),
    json_: bool = typer.Option(False, "--json", help="Look once and print it as JSON."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Look once and change nothing, here or there."),
) -> None:
    """Read the bounce mailbox and apply what came back; goes on until it is stopped, unless told to look once.

    Only what is proven to be about a mail of ours moves anything: a hard bounce or a complaint takes the
    reader off the list, soft bounces after several in a row. The rest stays in the mailbox, for you.

    Example: newsletter bounces poll --maildir ~/Maildir/bounces --once
    """
    workspace = open_workspace()
    options = _options(workspace, maildir)
    if once or json_ or dry_run:
        found, holds = _look(workspace, options, dry_run=dry_run)
        if json_:
            print_json(_as_json(found) | {"held": sum(hold.waiting for hold in holds)})
        else:
            _print(found, dry_run=dry_run)
            _print_holds(holds)
        return
    _keep_looking(workspace, options)


def _keep_looking(workspace: Workspace, options: BoxOptions) -> None:
    from datetime import timedelta

    from newsletter.cli.running import stop_on_signals
    from newsletter.cli.worker import Diary, work
    from newsletter.send.run import StopSwitch

    stop, diary = StopSwitch(), Diary(workspace.clock)
    every = workspace.settings.bounces.every
    following = workspace.clock.now()

    def look_when_due() -> Any:
        nonlocal following
        if workspace.clock.now() >= following:
            found, holds = _look(workspace, options, dry_run=False)
            if found.read or found.aside:
                diary.say(_summary(found, dry_run=False))
                _print_holds(holds)
            diary.worked()
            # What is left over is read at once.
            following = workspace.clock.now() + timedelta(seconds=0 if found.more else every)
        return following

    with stop_on_signals(stop, settled="the next look"):
        diary.say(f"reading {_where(options)} every {counted(every, 'second')}; Ctrl-C ends it")
        work(look_when_due, workspace.clock, stop, diary.failed)


def _look(workspace: Workspace, options: BoxOptions, *, dry_run: bool) -> tuple[Look, list[Hold]]:
    """One look; what it came to, and what of all reports is held for a person."""
    from newsletter.store.events import holds
    from newsletter.tracking.mailbox.poll import Memory, look, one_at_a_time, open_box

    folder = workspace.state_dir / "bounces"
    with one_at_a_time(folder):
        box = open_box(options)
        try:
            audience = workspace.open_audience()
            with audience.database as database:
                intake = _intake(workspace, audience)

                def take(mails: Sequence[bytes]) -> list[Settled]:
                    if dry_run:
                        return intake.look(database, mails)
                    with database.write() as tx:
                        return intake.take(tx, mails)

                limit = workspace.settings.bounces.limit
                memory = Memory(folder / "read.json", _where(options))
                found = look(box, memory, take, limit=limit, dry_run=dry_run)
                return found, [hold for hold in holds(database) if hold.since]
        finally:
            box.close()


def _intake(workspace: Workspace, audience: Audience) -> Intake:
    from newsletter.send.reconcile import settle_events
    from newsletter.tracking.apply import Applier, Rules
    from newsletter.tracking.mailbox.intake import Intake

    table = workspace.settings.tracking
    rules = Rules(soft_bounces=table.soft_bounces, flood_percent=table.flood_percent)
    applier = Applier(audience, workspace.signer, settle_events, rules)
    return Intake(audience, workspace.signer, applier, workspace.settings.web.unsubscribe_address)


def _options(workspace: Workspace, maildir: Path | None) -> BoxOptions:
    from newsletter.tracking.mailbox.boxes import BoxOptions

    table = workspace.settings.bounces
    protocol = "maildir" if maildir is not None else table.protocol
    if not protocol:
        raise UsageError(
            "no mailbox is named",
            hint='set `protocol` under [bounces] to "imap", "pop3" or "maildir", or give --maildir FOLDER',
        )
    if protocol == "maildir" and maildir is None and not table.folder:
        raise UsageError(
            "`bounces.folder` is missing", hint="name the Maildir there, or give --maildir FOLDER"
        )
    return BoxOptions(
        protocol=protocol,
        host=table.host,
        port=table.port,
        user=table.user,
        tls=table.tls,
        starttls=table.starttls,
        folder=table.folder or "INBOX",
        done=table.done,
        aside=table.aside,
        path=maildir if maildir is not None else workspace.home / Path(table.folder).expanduser(),
        copies=workspace.state_dir / "bounces" / "mail",
        password=workspace.secrets.get("NEWSLETTER_BOUNCES_PASSWORD"),
    )


def _where(options: BoxOptions) -> str:
    if options.protocol == "maildir":
        return str(options.path.resolve())
    return f"{options.protocol}://{options.user}@{options.host}/{options.folder}"


def _print_holds(holds: list[Hold]) -> None:
    if holds:
        from newsletter.cli.webhooks import warnings

        print(*warnings(holds), sep="\n")


def _print(found: Look, *, dry_run: bool) -> None:
    for settled in found.shown[:_MOST_SHOWN]:
        result = settled.result if settled.ours else paint(settled.result, 2)
        print(f"{result}  {printable(settled.address or 'nobody named')}")
        if settled.why:
            print(paint(f"    {printable(settled.why)[:200]}", 2))
    if len(found.shown) > _MOST_SHOWN:
        print(f"… and {counted(len(found.shown) - _MOST_SHOWN, 'more', 'more')}: --json shows all")
    for key, reason in found.aside:
        print(f"set aside  {printable(key)}: {reason}")
    print(_summary(found, dry_run=dry_run))


def _summary(found: Look, *, dry_run: bool) -> str:
    if not found.read and not found.aside:
        return "Nothing new in the mailbox."
    parts = [f"{number:,} {name}" for name, number in found.results.most_common()]
    if found.aside:
        parts.append(f"{len(found.aside):,} set aside")
    words = f"{counted(found.read, 'mail')} read: {', '.join(parts)}" if found.read else parts[0]
    more = "; there are more, look again" if found.more else ""
    return f"{words}{more}.{' Nothing was changed.' if dry_run else ''}"


def _as_json(found: Look) -> dict[str, Any]:
    return {
        "read": found.read,
        "results": dict(found.results),
        "mails": [
            {
                "kind": one.reading.kind.value,
                "result": one.result,
                "ours": one.ours,
                "address": one.address,
                "why": one.why,
                "rule": one.reading.rule,
                "subject": one.reading.subject,
            }
            for one in found.shown
        ],
        "aside": [{"mail": key, "why": why} for key, why in found.aside],
        "more": found.more,
    }
