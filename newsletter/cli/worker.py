"""`newsletter worker` and `newsletter send --due`: whatever is scheduled leaves at its hour."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.audience.retention import Forgotten, run_when_due
from newsletter.cli.ending import explain_os_error
from newsletter.cli.garbage import run_long
from newsletter.cli.output import counted, print_json
from newsletter.cli.scheduled import scheduled_as_json, scheduled_line, source_changed, words
from newsletter.cli.sending import Named, as_json
from newsletter.cli.terminal_text import printable
from newsletter.clock import Clock
from newsletter.errors import NewsletterError
from newsletter.store.schedules import Schedule, Schedules, ScheduleState
from newsletter.store.sends import SendLedger

if TYPE_CHECKING:
    from newsletter.send.due import DueSends, Result
    from newsletter.send.run import StopSwitch
    from newsletter.store.sqlite import SqliteDatabase

app = typer.Typer()

# Seconds: how soon a new schedule, or one that was taken back, is noticed.
POLL = 2.0
# How soon what failed for the store or the settings is tried again.
_AFTER_FAILURE = 30.0
# How soon a signal ends an idle worker.
_STEP = 0.25

Look = Callable[[], datetime | None]
Say = Callable[[str], None]


@app.command()
def worker() -> None:
    """Send what is scheduled when its hour comes; runs until it is stopped. Ctrl-C finishes what is under way.

    Several may run: each schedule is sent by one of them. Whatever one of them leaves behind the next goes on with.

    Example: newsletter send 42 --at "Tuesday 09:00 Europe/London", then newsletter worker
    """
    from newsletter.cli.running import stop_on_signals
    from newsletter.send.presence import present
    from newsletter.send.run import StopSwitch

    workspace = open_workspace()
    run_long()
    stop, diary = StopSwitch(), Diary(workspace.clock)
    with stop_on_signals(stop), present(workspace.state_dir):
        diary.say("worker started; Ctrl-C ends it")
        # The settings, the keys and the store are opened anew for each look: they may change while it waits.
        work(
            lambda: look_once(open_workspace(workspace.home), stop, diary),
            workspace.clock,
            stop,
            diary.failed,
        )
        diary.say("worker ended")


def work(look: Look, clock: Clock, stop: StopSwitch, failed: Say) -> None:
    """Look, wait until something is due, and look again, until `stop` is pressed.

    The clock on the wall is read at each look, so that one that is set back or forth moves the next
    look by `POLL` at most.

    Args:
        look: does what is due; returns when the next is.
        clock: waits.
        stop: ends it.
        failed: told why a look failed; the next follows a little later.
    """
    while not stop.pressed:
        pause = POLL
        try:
            following = look()
            if following is not None:
                pause = min(POLL, max(_STEP, (following - clock.now()).total_seconds()))
        except NewsletterError as error:
            failed(f"{error.message}\n  help: {error.hint}" if error.hint else error.message)
            pause = _AFTER_FAILURE
        except OSError as error:
            failed("\n  help: ".join(filter(None, explain_os_error(error))))
            pause = _AFTER_FAILURE
        _wait(pause, clock, stop)


def _wait(seconds: float, clock: Clock, stop: StopSwitch) -> None:
    ends = clock.monotonic() + seconds
    while not stop.pressed and (left := ends - clock.monotonic()) > 0:
        clock.sleep(min(left, _STEP))


def look_once(workspace: Workspace, stop: StopSwitch, diary: Diary) -> datetime | None:
    """Do what is due and write it into the diary; returns when the next is due."""
    audience = workspace.open_audience()
    with audience.database as database:
        diary.forgot(run_when_due(audience, workspace.periods))
        diary.plans(workspace, Schedules(database).open())
        due = _due_sends(workspace, database, stop, diary.begins(workspace))
        for result in due.look():
            diary.ended(result)
        diary.worked()
        return due.next_time()


def send_due(workspace: Workspace, *, json_: bool) -> None:
    """Do what is due once, for cron and CI: nothing is said and the exit is 0 where nothing is."""
    with workspace.open_database() as database:
        schedules = Schedules(database)
        results: list[Result] = []
        if schedules.begun() or schedules.due(workspace.clock.now()):
            # Imported only now: from cron it mostly has nothing to do.
            from newsletter.cli.running import stop_on_signals
            from newsletter.send.run import StopSwitch

            stop, diary = StopSwitch(), Diary(workspace.clock, quiet=json_)
            run_long()
            with stop_on_signals(stop):
                for result in _due_sends(workspace, database, stop, diary.begins(workspace)).look():
                    diary.ended(result)
                    results.append(result)
        waiting = [s for s in schedules.open() if s.state is ScheduleState.WAITING]
        if json_:
            print_json(
                {
                    "done": [_as_json(workspace, database, result) for result in results],
                    "next": scheduled_as_json(workspace, _named(waiting[0]), waiting[0]) if waiting else None,
                }
            )
        elif not results and sys.stdout.isatty():
            print("Nothing is due." + (f" Next:\n{scheduled_line(workspace, waiting[0])}" if waiting else ""))
    raise typer.Exit(_exit_code(results))


def _exit_code(results: list[Result]) -> int:
    """0 where everything that was due was sent, 130 where it was interrupted, else 1."""
    if not results:
        return 0
    from newsletter.send.due import Became

    became = {result.became for result in results}
    if Became.STOPPED in became:
        return 130
    return 1 if became & {Became.HELD, Became.PAUSED, Became.PUT_OFF} else 0


def _due_sends(
    workspace: Workspace,
    database: SqliteDatabase,
    stop: StopSwitch,
    on_begin: Callable[[Schedule, int], None],
) -> DueSends:
    from newsletter.cli.desk import make_desk
    from newsletter.send.due import DueSends

    desk = make_desk(workspace, database)
    desk.stop = stop
    return DueSends(desk, timedelta(seconds=workspace.settings.sending.late), on_begin)


def _named(schedule: Schedule) -> Named:
    return Named(schedule.slug, schedule.number, schedule.title, scheduled=schedule)


def _as_json(workspace: Workspace, database: SqliteDatabase, result: Result) -> dict[str, Any]:
    schedule = result.schedule
    if schedule.send_id:
        ledger = SendLedger(database)
        shown = as_json(_named(schedule), ledger.get(schedule.send_id), ledger.tally(schedule.send_id))
    else:
        shown = scheduled_as_json(workspace, _named(schedule), schedule)
    again = result.again_at.isoformat(timespec="seconds") if result.again_at else ""
    return shown | {
        "became": result.became.value,
        "note": result.note,
        "hint": result.hint,
        "again_at": again,
    }


class Diary:
    """What a worker says: a line with the time for whatever happens, and each trouble once.

    Args:
        clock: tells the time.
        quiet: say nothing on standard output: something else is printed there.
    """

    def __init__(self, clock: Clock, *, quiet: bool = False) -> None:
        self._clock, self._quiet = clock, quiet
        self._planned: list[tuple[int, datetime, str]] | None = None
        self._trouble = ""
        self._told: dict[int, str] = {}

    def say(self, text: str, *, trouble: bool = False) -> None:
        """One entry; trouble goes to standard error."""
        if trouble or not self._quiet:
            at = self._clock.now().astimezone()
            print(f"{at:%Y-%m-%d %H:%M:%S}  {text}", file=sys.stderr if trouble else sys.stdout, flush=True)

    def failed(self, text: str) -> None:
        """A look failed; said again only when the reason is another."""
        if text != self._trouble:
            self.say(
                f"error: {printable_lines(text)}\n  trying again every {_AFTER_FAILURE:.0f} seconds",
                trouble=True,
            )
        self._trouble = text

    def worked(self) -> None:
        """A look succeeded."""
        self._trouble = ""

    def plans(self, workspace: Workspace, schedules: list[Schedule]) -> None:
        """What is scheduled, said when it changes."""
        planned = [(s.id, s.due_at, s.state.value) for s in schedules]
        if planned == self._planned:
            return
        self._planned = planned
        if not schedules:
            self.say("nothing is scheduled")
        for schedule in schedules:
            self.say(scheduled_line(workspace, schedule).strip())

    def begins(self, workspace: Workspace) -> Callable[[Schedule, int], None]:
        """What to tell when a send begins."""

        def begin(schedule: Schedule, count: int) -> None:
            people = counted(count, "person", "people")
            if schedule.send_id:
                self.say(f"{_name(schedule)}: going on with what was interrupted, {people} left")
                return
            self.say(f"{_name(schedule)}: sending to {people} through {schedule.provider}")
            changed = source_changed(workspace, schedule)
            if changed:
                self.say(f"{_name(schedule)}: {changed}", trouble=True)

        return begin

    def forgot(self, forgotten: Forgotten | None) -> None:
        """What `[privacy]` had forgotten, if anything."""
        if forgotten:
            told = ", ".join(f"{number:,} {what}" for what, number in asdict(forgotten).items() if number)
            self.say(f"forgotten, as [privacy] says: {told}")

    def ended(self, result: Result) -> None:
        """What became of a schedule."""
        from newsletter.send.due import Became

        schedule, name = result.schedule, _name(result.schedule)
        if result.ending is not None:
            counts = result.ending.tally.as_dict().items()
            told = ", ".join(f"{count:,} {state}" for state, count in counts if count)
            self.say(f"{name}: {result.became.value}: {told}")
            if result.ending.tally.unknown:
                self.say(f"{name}: look at the unknown: newsletter reconcile {schedule.slug}", trouble=True)
        if result.became in (Became.HELD, Became.PAUSED, Became.PUT_OFF):
            again = ""
            if result.again_at is not None:
                again = f"; tried again {words(result.again_at, schedule.zone, self._clock.now())}"
            help_ = f"\n  help: {printable(result.hint)}" if result.hint else ""
            text = f"{name}: {result.became.value}: {printable(result.note)}{again}{help_}"
            if self._told.get(schedule.id) != text:
                self.say(text, trouble=True)
            self._told[schedule.id] = text


def printable_lines(text: str) -> str:
    """`printable`, line by line."""
    return "\n".join(printable(line) for line in text.splitlines())


def _name(schedule: Schedule) -> str:
    return f"issue {schedule.number} ({schedule.slug})"
