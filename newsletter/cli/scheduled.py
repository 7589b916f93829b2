"""What is scheduled, as a person and a script see it: when it goes, what holds it, and what to do next."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.app import Workspace
from newsletter.cli.output import counted, paint, print_json
from newsletter.cli.sending import Named, as_json, table
from newsletter.cli.terminal_text import printable
from newsletter.store.base import utc_text
from newsletter.store.schedules import Schedule, Schedules, ScheduleState
from newsletter.store.send_records import Tally

if TYPE_CHECKING:
    from newsletter.store.base import Database
    from newsletter.store.send_records import SendRecord
    from newsletter.store.sends import SendLedger


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
        f"{paint(schedule.title, 1)} · {paint(state_word(schedule), 1, colour)}{segment} through {schedule.provider}",
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
        "state": state_word(schedule),
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


def show_scheduled(workspace: Workspace, ledger: SendLedger, named: Named, *, json_: bool) -> None:
    """What `status` says of an issue that waits for its hour; what was sent of it before comes after."""
    schedule = named.scheduled
    assert schedule is not None
    if json_:
        earlier = [as_json(named, record, ledger.tally(record.id)) for record in named.records]
        print_json(scheduled_as_json(workspace, named, schedule) | {"earlier": earlier})
        return
    print(scheduled_table(workspace, schedule))
    for record in named.records:
        print(f"\nBefore, on {record.created_at:%Y-%m-%d}: " + table(record, ledger.tally(record.id)))


def retried(workspace: Workspace, database: Database, record: SendRecord) -> str:
    """When a worker goes on by itself with a send that came of a schedule; empty where it doesn't."""
    schedule = Schedules(database).of_send(record.id)
    if schedule is None or schedule.retry_at is None or not record.unfinished:
        return ""
    when = words(schedule.retry_at, schedule.zone, workspace.clock.now())
    return f"  gone on with by itself (newsletter worker, newsletter send --due): {when}"


def scheduled_line(workspace: Workspace, schedule: Schedule) -> str:
    """One line of a list."""
    when = words(schedule.due_at, schedule.zone, workspace.clock.now())
    mark = f" (newsletter status {schedule.number})" if schedule.state is ScheduleState.HELD else ""
    return f"{schedule.number:>5}  {state_word(schedule):<9}  {when}  {schedule.title}{mark}"


def source_changed(workspace: Workspace, schedule: Schedule) -> str:
    """What became of the issue's file since it was scheduled; empty where it is the same."""
    path = workspace.home / schedule.source
    if not path.is_file():
        return f"{schedule.source} is gone since; what was scheduled is sent"
    if hash_of(path) == schedule.source_hash:
        return ""
    return (
        f"{schedule.source} changed since; what was scheduled is sent. "
        f'To take the new text: newsletter send {schedule.number} --at "…"'
    )


def state_word(schedule: Schedule) -> str:
    """`scheduled` or `held`."""
    return "scheduled" if schedule.state is ScheduleState.WAITING else schedule.state.value


def _next(workspace: Workspace, schedule: Schedule) -> str:
    if schedule.state is ScheduleState.HELD:
        return f"newsletter resume {schedule.slug}"
    return "" if _worker_runs(workspace) else "newsletter worker"


def _worker_runs(workspace: Workspace) -> bool:
    from newsletter.send.presence import somebody_works

    return somebody_works(workspace.state_dir)


def hash_of(path: Path) -> str:
    """SHA-256 of a file, to notice that it changed."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
