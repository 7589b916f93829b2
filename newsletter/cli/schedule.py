"""An issue and its hour, at the terminal: schedule it, hold it, send it now, take it back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from newsletter.app import Workspace
from newsletter.cli.output import counted, paint, print_json
from newsletter.cli.scheduled import hash_of, scheduled_as_json, scheduled_table, state_word, words
from newsletter.cli.sending import Named, agreed, as_json, at_a_terminal, confirm, find_named
from newsletter.errors import NewsletterError, UsageError
from newsletter.store.base import utc_text
from newsletter.store.schedules import NewSchedule, Schedule, Schedules, ScheduleState
from newsletter.store.send_records import Tally
from newsletter.store.sends import SendLedger

if TYPE_CHECKING:
    # Rendering and HTTP are imported to send, not to show what is scheduled.
    from newsletter.send.forecast import Forecast
    from newsletter.send.schedule import Chosen
    from newsletter.store.base import Database
    from newsletter.store.send_records import NewSend
    from newsletter.store.sqlite import SqliteDatabase


@dataclass(frozen=True, slots=True)
class Plan:
    """When an issue is to be sent, and the file it was read from.

    Attributes:
        chosen: the moment.
        where_from: where its zone comes from, in words; empty where the text named it.
        source: the file, as seen from the newsletter's folder.
        source_hash: of what stood in it when it was read.
    """

    chosen: Chosen
    where_from: str
    source: str
    source_hash: str

    def as_json(self) -> dict[str, str]:
        """The same for scripts."""
        from newsletter.send.schedule import in_words

        chosen = self.chosen
        return {
            "at": utc_text(chosen.moment),
            "zone": chosen.zone,
            "words": in_words(chosen.moment, chosen.zone),
        }

    def outlook(self, outlook: Forecast) -> Forecast:
        """When it would be finished if it began at its hour, which no hold delays."""
        return replace(outlook, begins=self.chosen.moment, limits=replace(outlook.limits, hold=0.0))


def planned_for(workspace: Workspace, path: Path, when: str) -> Plan:
    """What `--at` means, for the issue in `path`.

    Raises:
        UsageError: it can't be read, or is past.
    """
    from newsletter.send.schedule import read_moment
    from newsletter.send.zones import system_zone

    settings = workspace.settings
    in_settings = "timezone" in settings.model_fields_set
    zone = settings.timezone if in_settings else system_zone()
    chosen = read_moment(when, now=workspace.clock.now(), zone=zone)
    if chosen.named:
        where_from = ""
    elif in_settings:
        where_from = "the `timezone` of the settings"
    else:
        where_from = 'this machine\'s zone; name another in the time, or set `timezone = "Europe/London"`'
    # Read before the issue is: a change that comes between is reported once too often, never once too little.
    return Plan(chosen, where_from, _as_source(workspace, path), hash_of(path))


def schedule_issue(
    workspace: Workspace,
    database: SqliteDatabase,
    plan: Plan,
    new: NewSend,
    count: int,
    *,
    yes: bool,
    expect: int | None,
    dry_run: bool,
    json_: bool,
) -> None:
    """Say when it goes, ask, and write it down; the content is frozen now, the audience at its hour."""
    schedules = Schedules(database)
    when = words(plan.chosen.moment, plan.chosen.zone, workspace.clock.now())
    if not json_:
        rows = [("When", paint(when, 1))]
        rows += [("", paint(f"({plan.where_from})", 2))] if plan.where_from else []
        rows += [("Text", "frozen now: what you see here is what is sent")]
        rows += [("People", "frozen at that hour: who joins until then gets it, who leaves does not")]
        print("\n".join(f"  {paint(f'{name:<10}', 2)} {text}" for name, text in rows) + "\n")
    if dry_run:
        if not json_:
            print("Nothing was scheduled.")
        return
    before = schedules.open_of(new.slug)
    if before is not None and not json_:
        instead = words(before.due_at, before.zone, workspace.clock.now())
        print(f"It is {state_word(before)} for {instead}: this would replace it.")
    question = f"Schedule it for about {counted(count, 'person', 'people')}?"
    if before is not None:
        question = f"Schedule it anew for about {counted(count, 'person', 'people')}?"
    if not confirm(question, count=count, yes=yes, expect=expect, verb="reach"):
        print("Nothing was scheduled.")
        raise typer.Exit(1)
    chosen = plan.chosen
    schedules.add(
        NewSchedule(
            new,
            chosen.moment,
            chosen.zone,
            plan.source,
            plan.source_hash,
            count,
            workspace.settings.provider.sandbox,
        ),
        workspace.clock.now(),
        replaced=before.id if before else 0,
    )
    named = find_named(workspace, SendLedger(database), new.slug)
    assert named.scheduled is not None
    if json_:
        print_json(scheduled_as_json(workspace, named, named.scheduled))
    else:
        print(scheduled_table(workspace, named.scheduled))


def refuse_scheduled(workspace: Workspace, database: Database, slug: str) -> None:
    """Refuse to send beside a schedule: the one or the other.

    Raises:
        UsageError: the issue is scheduled.
    """
    schedule = Schedules(database).open_of(slug)
    if schedule is not None:
        when = words(schedule.due_at, schedule.zone, workspace.clock.now())
        raise UsageError(
            f"`{slug}` is {state_word(schedule)} for {when}",
            hint=f"send what was scheduled now: newsletter send {schedule.number} --now; schedule it as it is now: "
            f'newsletter send {schedule.number} --at "…"; take it back: newsletter cancel {schedule.number}',
        )


def _as_source(workspace: Workspace, path: Path) -> str:
    path, home = path.resolve(), workspace.home.resolve()
    return str(path.relative_to(home) if path.is_relative_to(home) else path)


# Steering -------------------------------------------------------------------------------------------


def pause_scheduled(workspace: Workspace, database: Database, named: Named, *, json_: bool) -> bool:
    """Hold what waits; false where it has just become a send."""
    schedule = named.scheduled
    assert schedule is not None
    schedules = Schedules(database)
    hint = f"newsletter resume {schedule.number}"
    done = schedules.hold(schedule, "paused by the operator", hint) or (
        schedules.get(schedule.id).state is ScheduleState.HELD
    )
    if done:
        _print_scheduled(workspace, named, schedules.get(schedule.id), json_=json_)
    return done


def cancel_scheduled(workspace: Workspace, database: Database, named: Named, *, json_: bool) -> bool:
    """Take a schedule back; false where it has just become a send."""
    schedule = named.scheduled
    assert schedule is not None
    if not Schedules(database).cancel(schedule):
        return False
    again = find_named(workspace, SendLedger(database), named.slug) if named.records else None
    if json_:
        last = again.latest if again else None
        tally = SendLedger(database).tally(last.id) if last else Tally()
        print_json(as_json(replace(named, scheduled=None), last, tally))
    else:
        when = words(schedule.due_at, schedule.zone, workspace.clock.now())
        print(f"{schedule.title}: not sent any more; it was to go {when}.")
    return True


def resume_scheduled(
    workspace: Workspace, database: SqliteDatabase, named: Named, *, yes: bool, json_: bool
) -> None:
    """Let a held issue go its way: at its hour where that is ahead, else now, once somebody says so.

    Raises:
        UsageError: it isn't held, or nobody can be asked.
    """
    schedule, now = named.scheduled, workspace.clock.now()
    assert schedule is not None
    when = words(schedule.due_at, schedule.zone, now)
    if schedule.state is ScheduleState.WAITING:
        raise UsageError(
            f"`{schedule.slug}` is scheduled for {when}; nothing holds it",
            hint=f"to send it now: newsletter send {schedule.number} --now",
        )
    if schedule.due_at > now:
        schedules = Schedules(database)
        schedules.release(schedule)
        _print_scheduled(workspace, named, schedules.get(schedule.id), json_=json_)
        return
    count = SendLedger(database).count_audience(schedule.slug, schedule.tag)
    if not yes and at_a_terminal():
        print(scheduled_table(workspace, schedule))
    if not agreed(f"Send it now to {counted(count, 'person', 'people')}?", yes=yes):
        raise typer.Exit(1)
    _send_now(workspace, database, schedule, count, expect=None, json_=json_)


def send_scheduled_now(
    workspace: Workspace, issue: str, *, yes: bool, expect: int | None, json_: bool
) -> None:
    """Send what was scheduled, as it was scheduled, without waiting for its hour.

    Raises:
        UsageError: nothing is scheduled, or the audience isn't the one that is expected.
    """
    from newsletter.send.plan import find_audience

    with workspace.open_database() as database:
        ledger = SendLedger(database)
        named = find_named(workspace, ledger, issue)
        schedule = named.scheduled
        if schedule is None:
            raise UsageError(
                f"`{named.slug}` is not scheduled", hint=f"newsletter send {named.number} sends it as it is"
            )
        audience = find_audience(ledger, schedule.slug, schedule.tag, expect=expect)
        if not json_:
            print(scheduled_table(workspace, schedule))
        if not confirm(
            f"Send it now to {counted(audience.count, 'person', 'people')}?",
            count=audience.count,
            yes=yes,
            expect=expect,
            verb="reach",
        ):
            print("Nothing was sent.")
            raise typer.Exit(1)
        _send_now(workspace, database, schedule, audience.count, expect=expect, json_=json_)


def _send_now(
    workspace: Workspace,
    database: SqliteDatabase,
    schedule: Schedule,
    count: int,
    *,
    expect: int | None,
    json_: bool,
) -> None:
    from newsletter.cli.desk import make_desk
    from newsletter.cli.running import run_send
    from newsletter.send.due import require_sendable
    from newsletter.send.run import begin

    schedules, desk = Schedules(database), make_desk(workspace, database)
    # A wrong setting is refused while the schedule stands.
    require_sendable(desk, schedule)
    send_id = schedules.begin(schedule, workspace.clock.now())
    if not send_id:
        raise NewsletterError(
            f"`{schedule.slug}` was begun or taken back a moment ago by somebody else",
            hint=f"newsletter status {schedule.slug}",
        )
    try:
        run_send(
            workspace,
            desk,
            schedule.slug,
            lambda: begin(desk, send_id, expect=expect),
            count,
            json_=json_,
            hold=desk.wishes.hold,
        )
    except NewsletterError as error:
        # Where the send was forgotten before anything left, the schedule stands as before.
        forgotten = schedules.give_back(schedules.get(schedule.id), error.message, error.hint)
        if forgotten and schedule.state is ScheduleState.WAITING:
            schedules.release(schedules.get(schedule.id))
        raise


def _print_scheduled(workspace: Workspace, named: Named, schedule: Schedule, *, json_: bool) -> None:
    if json_:
        print_json(scheduled_as_json(workspace, named, schedule))
    else:
        print(scheduled_table(workspace, schedule))
