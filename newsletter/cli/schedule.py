"""An issue and its hour, at the terminal: schedule it, show it, hold it, send it now, take it back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from newsletter.app import Workspace
from newsletter.cli.output import counted, paint, print_json
from newsletter.cli.sending import Named, agreed, as_json, at_a_terminal, confirm, find_named
from newsletter.cli.terminal_text import printable
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
    return Plan(chosen, where_from, _as_source(workspace, path), _hash(path))


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
    question = f"Schedule it for about {counted(count, 'person', 'people')}?"
    if before is not None:
        instead = words(before.due_at, before.zone, workspace.clock.now())
        question = f"It is {_state(before)} for {instead}. Replace that?"
    if not confirm(question, count=count, yes=yes, expect=expect, verb="reach"):
        print("Nothing was scheduled.")
        raise typer.Exit(1)
    chosen = plan.chosen
    schedules.add(
        NewSchedule(new, chosen.moment, chosen.zone, plan.source, plan.source_hash, count),
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
            f"`{slug}` is {_state(schedule)} for {when}",
            hint=f"send what was scheduled now: newsletter send {schedule.number} --now; schedule it as it is now: "
            f'newsletter send {schedule.number} --at "…"; take it back: newsletter cancel {schedule.number}',
        )


# Showing --------------------------------------------------------------------------------------------


def words(moment: datetime, zone: str, now: datetime) -> str:
    """`Tuesday 24 November 2026, 09:00 in London (GMT), in 1 day 16 hours`."""
    from newsletter.send.schedule import in_words, until

    return f"{in_words(moment, zone)}, {until(moment, now)}"


def scheduled_table(workspace: Workspace, schedule: Schedule) -> str:
    """When it goes, to whom, what stands in its way, and what to do next."""
    now = workspace.clock.now()
    colour = 36 if schedule.state is ScheduleState.WAITING else 33
    segment = f" to `{schedule.tag}`" if schedule.tag else ""
    lines = [
        f"{paint(schedule.title, 1)} · {paint(_state(schedule), 1, colour)}{segment} through {schedule.provider}",
        f"  {words(schedule.due_at, schedule.zone, now)}",
    ]
    if schedule.note:
        lines.append(f"  held: {printable(schedule.note)}")
    lines.append(f"  to {counted(schedule.audience, 'person', 'people')} when it was scheduled")
    changed = source_changed(workspace, schedule)
    if changed:
        lines.append(f"  {paint(changed, 33)}")
    if schedule.state is ScheduleState.HELD:
        lines.append(f"Next: {schedule.hint or paint(_next(workspace, schedule), 1)}")
        return "\n".join(lines)
    if _worker_runs(workspace):
        lines.append("  a worker is running on this machine and will send it")
    else:
        lines.append("  no worker is running on this machine")
        lines.append(
            f"Next: {paint('newsletter worker', 1)} sends it then, or {paint('newsletter send --due', 1)} every minute from cron"
        )
    return "\n".join(lines)


def scheduled_as_json(workspace: Workspace, named: Named, schedule: Schedule) -> dict[str, Any]:
    """The state of a scheduled issue, with the keys every send has; nothing of it counts yet."""
    from newsletter.send.zones import zone_called

    shown = as_json(named, None, Tally())
    return shown | {
        "title": schedule.title,
        "state": _state(schedule),
        "provider": schedule.provider,
        "tag": schedule.tag,
        "note": schedule.note,
        "next": _next(workspace, schedule),
        "scheduled": {
            "at": utc_text(schedule.due_at),
            "local": schedule.due_at.astimezone(zone_called(schedule.zone)).isoformat(timespec="seconds"),
            "zone": schedule.zone,
            "words": words(schedule.due_at, schedule.zone, workspace.clock.now()),
            "people": schedule.audience,
            "file": schedule.source,
            "file_changed": bool(source_changed(workspace, schedule)),
            "hint": schedule.hint,
        },
    }


def scheduled_line(workspace: Workspace, schedule: Schedule) -> str:
    """One line of a list."""
    when = words(schedule.due_at, schedule.zone, workspace.clock.now())
    mark = f" (newsletter status {schedule.number})" if schedule.state is ScheduleState.HELD else ""
    return f"{schedule.number:>5}  {_state(schedule):<9}  {when}  {schedule.title}{mark}"


def source_changed(workspace: Workspace, schedule: Schedule) -> str:
    """What became of the issue's file since it was scheduled; empty where it is the same."""
    path = workspace.home / schedule.source
    if not path.is_file():
        return f"{schedule.source} is gone since; what was scheduled is sent"
    if _hash(path) == schedule.source_hash:
        return ""
    return (
        f"{schedule.source} changed since; what was scheduled is sent. "
        f'To take the new text: newsletter send {schedule.number} --at "…"'
    )


def _state(schedule: Schedule) -> str:
    return "scheduled" if schedule.state is ScheduleState.WAITING else schedule.state.value


def _next(workspace: Workspace, schedule: Schedule) -> str:
    if schedule.state is ScheduleState.HELD:
        return f"newsletter resume {schedule.slug}"
    return "" if _worker_runs(workspace) else "newsletter worker"


def _worker_runs(workspace: Workspace) -> bool:
    from newsletter.send.presence import somebody_works

    return somebody_works(workspace.state_dir)


def _as_source(workspace: Workspace, path: Path) -> str:
    path, home = path.resolve(), workspace.home.resolve()
    return str(path.relative_to(home) if path.is_relative_to(home) else path)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
    from newsletter.send.run import begin, try_out

    schedules, desk = Schedules(database), make_desk(workspace, database)
    # A wrong setting is refused while the schedule stands.
    try_out(desk, schedule.provider, schedules.content(schedule.id), schedule.content_hash)
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
        if schedules.give_back(schedules.get(schedule.id), error.message, error.hint) and not schedule.note:
            schedules.release(schedules.get(schedule.id))
        raise


def _print_scheduled(workspace: Workspace, named: Named, schedule: Schedule, *, json_: bool) -> None:
    if json_:
        print_json(scheduled_as_json(workspace, named, schedule))
    else:
        print(scheduled_table(workspace, schedule))
