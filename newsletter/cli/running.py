"""A send at a terminal: its bar, the hold in which it can be taken back, Ctrl-C, and how it ended."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from newsletter.app import Workspace
from newsletter.cli.garbage import run_long
from newsletter.cli.output import print_json
from newsletter.cli.sending import as_json, find_named, next_command, table
from newsletter.cli.terminal_text import printable
from newsletter.errors import NewsletterError, UsageError
from newsletter.interrupts import say, told_on_signals
from newsletter.model.delivery import SendState
from newsletter.store.sends import SendLedger

if TYPE_CHECKING:
    # Rendering and HTTP are imported to send, not to print the help.
    from newsletter.send.engine import Ending
    from newsletter.send.run import Desk, StopSwitch
    from newsletter.store.send_records import Tally


# Seconds; a shorter wait is the ordinary pace of a provider.
_WORTH_TELLING = 3.0


def run_send(
    workspace: Workspace,
    desk: Desk,
    slug: str,
    work: Callable[[], Ending],
    total: int,
    *,
    json_: bool,
    hold: float = 0.0,
) -> None:
    """Do the sending with a progress bar, and say how it ended.

    Args:
        workspace: the newsletter.
        desk: what sending needs.
        slug: the issue.
        work: sends.
        total: recipients, as far as that is known.
        json_: whether the result is for a script.
        hold: seconds before the first message, in which taking back is free.
    """
    with stop_on_signals(desk.stop), _progress(desk, total, hold, wanted=not json_):
        # Here, where Ctrl-C raises nothing: raised inside a collection's callbacks it would be lost.
        run_long()
        if hold:
            print(_holding(hold, slug), file=sys.stderr, flush=True)
        try:
            ending = work()
        except UsageError:
            raise
        except NewsletterError as error:
            go_on = f"newsletter resume {slug}"
            # Where the way out is a command already, one more would only be in its way.
            hint = error.hint if go_on in error.hint else f"{error.hint}; then: {go_on}".removeprefix("; ")
            raise type(error)(error.message, hint=hint) from error
    named = find_named(workspace, SendLedger(desk.db), slug)
    if json_:
        print_json(as_json(named, named.latest, ending.tally))
    else:
        # What stops a send is an error, on standard error, with its way out: not said here as well.
        stopped = ending.interrupted or ending.state is SendState.PAUSED
        print(table(named.latest, ending.tally, counts_only=stopped))
    if hold and ending.state is SendState.CANCELLED and ending.tally.pending == ending.tally.total:
        print(f"Taken back: nothing had left. newsletter send {named.number} begins anew.", file=sys.stderr)
        raise typer.Exit(130 if ending.interrupted else 1)
    if ending.interrupted:
        print(f"Stopped; nothing is lost. Go on with: newsletter resume {slug}", file=sys.stderr)
        raise typer.Exit(130)
    if ending.tally.unknown and (json_ or ending.state is SendState.PAUSED):
        print(
            f"{ending.tally.unknown:,} unknown: the answer was lost, and they are not sent again by themselves. "
            f"Look: newsletter reconcile {slug}",
            file=sys.stderr,
        )
    if ending.state is SendState.PAUSED:
        raise NewsletterError(
            f"the send is paused: {printable(ending.note)}",
            hint="; then: ".join(filter(None, (ending.hint, next_command(named.latest, ending.tally)))),
        )


def _holding(seconds: float, slug: str) -> str:
    from newsletter.send.rates import duration_in_words

    return f"Holding for {duration_in_words(seconds)}: Ctrl-C, or newsletter cancel {slug}, takes it back."


@contextmanager
def stop_on_signals(switch: StopSwitch, *, settled: str = "newsletter resume") -> Iterator[None]:
    """The first press of Ctrl-C, SIGTERM or SIGHUP asks for a clean stop; the next ends the process at once, safely.

    Safely, because what may have left was committed before it could leave.

    Args:
        switch: is pressed.
        settled: what looks after that which was under way when it ended at once.
    """

    def stop() -> None:
        if switch.pressed:
            # The bar hid the terminal's cursor, and can't show it any more.
            shown = "\x1b[?25h" if os.isatty(2) else ""
            say(f"{shown}\nended at once; what was under way is settled by {settled}")
            os._exit(130)
        say("\nstopping: finishing what is under way (again to end at once)")
        switch.press()

    with told_on_signals(stop):
        yield


def told_once() -> Callable[[str, float], None]:
    """Says why a send waits, the first time for each reason: a network that is gone is waited for over minutes."""
    told: set[str] = set()

    def tell(reason: str, seconds: float) -> None:
        if seconds >= _WORTH_TELLING and reason not in told:
            told.add(reason)
            print(f"waiting, and trying again: {printable(reason)}", file=sys.stderr, flush=True)

    return tell


@contextmanager
def _progress(desk: Desk, total: int, hold: float, *, wanted: bool) -> Iterator[None]:
    """A bar on standard error, where that is a terminal; during the hold it counts down. What a send waits for is told."""
    desk.on_wait = told_once()
    if not wanted or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sending", total=total)
        hold_ends: float | None = None

        def show(tally: Tally) -> None:
            nonlocal hold_ends
            now = desk.clock.monotonic()
            # It counts from when the engine began, which is when it first tells a tally.
            hold_ends = now + hold if hold_ends is None else hold_ends
            words = [f"{tally.deferred:,} to retry"] if tally.deferred else []
            words += [f"{tally.unknown:,} unknown"] if tally.unknown else []
            done = tally.total - tally.open
            began = "sending" if tally.pending < tally.total else "waiting to begin"
            if hold_ends > now and tally.pending == tally.total:
                began = f"holding, {math.ceil(hold_ends - now)} s"
            bar.update(task, completed=done, total=tally.total, description=" · ".join([began, *words]))

        desk.on_turn = show
        yield
