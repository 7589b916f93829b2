"""How is a command told to end, and how often? Ctrl-C, SIGTERM and a closed terminal do the same, once a press."""

from __future__ import annotations

import atexit
import errno
import math
import os
import signal
import sys
import time
from contextlib import contextmanager, suppress

# Not from `typing`, whose import takes a while: this is the first that a command does.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds in which several signals are one: a terminal and a supervisor both deliver it, and `timeout` tells the
# process and then its group.
_ONE_PRESS = 0.5
# Seconds for what tidies up.
_TIDYING = 3.0
# Seconds until it is seen whether an interrupt was lost.
_LOOK_AGAIN = 0.1
_last_press = -_ONE_PRESS
_last_raised = -math.inf
_held_back = 0
_waits = False


def was_interrupted() -> bool:
    """Whether a press has raised `KeyboardInterrupt`: what came of it may be an error of another kind.

    Pydantic makes a SchemaError of it, and SQLite an error of the statement.
    """
    return _last_raised > -math.inf


def forget_answered() -> None:
    """An interrupt that is being handled, and has been answered in words, wasn't lost: it is not to come again."""
    if _is_on_its_way(sys.exception()):
        signal.setitimer(signal.ITIMER_REAL, 0)


def interrupt_on_signals() -> None:
    """From now on each press raises `KeyboardInterrupt` in the main thread; none does once the process is ending.

    Raised again by the same press, or by an impatient one, it would come in the middle of what tidies up. A signal
    that is ignored stays so: of `nohup`, or of a shell without job control for what runs in the background.
    """
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
            signal.signal(number, _interrupt)
    tell = sys.unraisablehook

    def tell_others(lost: sys.UnraisableHookArgs) -> None:
        """Of an interrupt that came where nothing can be raised there is nothing to tell: it comes again."""
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            tell(lost)

    sys.unraisablehook = tell_others
    signal.signal(signal.SIGALRM, _interrupt_again)
    atexit.register(_ignore)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let a press wait for the end of the block: a moment's work, of which half would be worse than none or all.

    What is raised at its end belongs into whatever tidies up.
    """
    global _held_back, _waits  # noqa: PLW0603 - as above
    from threading import current_thread, main_thread

    if current_thread() is not main_thread():
        yield
        return
    _held_back += 1
    try:
        yield
    finally:
        _held_back -= 1
        if _waits and not _held_back:
            _waits = False
            _interrupt_now()


@contextmanager
def told_on_signals(told: Callable[[], None]) -> Iterator[None]:
    """Within the block a press calls `told` in its place, in the main thread and in the middle of anything.

    So `told` takes no lock, waits for nothing and raises nothing: it sets a flag, or ends the process. In another
    thread than the main one, signals stay what they are.
    """
    from threading import current_thread, main_thread

    if current_thread() is not main_thread():
        yield
        return

    def hear(number: int, _frame: FrameType | None) -> None:
        if _is_new_press(number):
            told()

    # What somebody starts with `nohup` is to outlive the terminal.
    outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    before: dict[int, Any] = {}
    try:
        for number in SIGNALS[:-1] if outlives else SIGNALS:
            before[number] = signal.signal(number, hear)
        yield
    finally:
        for told_before in before.items():
            signal.signal(*told_before)


def leave_interrupted() -> NoReturn:
    """End this process at once, with 130 and a word; whatever had to be tidied has been.

    Without the interpreter's own end: it would wait for threads that wait for a silent server, and for whoever
    should read what is left of the output.
    """
    say("interrupted")
    os._exit(130)


def end_server() -> NoReturn:
    """End this process, a server of one program at the other end of its streams, whatever waits for that program."""
    say("ended")
    os._exit(0)


def leave_at_once() -> NoReturn:
    """End this process on a second press, whatever is under way: what it promised anybody was committed before."""
    say("ended at once")
    os._exit(130)


def say(text: str) -> None:
    """A line on standard error, from a signal handler as well: it takes no lock, and a closed terminal is no error."""
    with suppress(OSError):
        os.write(2, text.encode() + b"\n")


def _is_new_press(number: int) -> bool:
    """Whether the signal just received isn't the one before, delivered once more; asked once for each."""
    global _last_press  # noqa: PLW0603 - signals are the process's own, and come in one thread
    if number == signal.SIGHUP:
        _forget_closed_terminal()
    now = time.monotonic()
    if now - _last_press < _ONE_PRESS:
        return False
    _last_press = now
    return True


def _forget_closed_terminal() -> None:
    """Whatever is still said goes nowhere: written to a terminal that is gone, it would be an error of its own."""
    for stream in (1, 2):
        try:
            os.tcgetpgrp(stream)
        except OSError as error:
            # Of a terminal that hung up; of anything else it is ENOTTY.
            if error.errno == errno.EIO:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream)
                os.close(nowhere)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # Pressed once more while it tidies up: it is given the time for that, but not for ever.
    tidying = _is_on_its_way(sys.exception()) and time.monotonic() - _last_raised < _TIDYING
    if _is_new_press(number) and not tidying:
        _interrupt_now()


def _interrupt_now() -> None:
    global _last_raised, _waits  # noqa: PLW0603 - as above
    if _held_back:
        _waits = True
        return
    _last_raised = time.monotonic()
    # Where Python is called by something else, such as Pydantic, a lock or the collector, what is raised may be lost.
    signal.setitimer(signal.ITIMER_REAL, _LOOK_AGAIN, _LOOK_AGAIN)
    raise KeyboardInterrupt


def _interrupt_again(_number: int, _frame: FrameType | None) -> None:
    if not _is_on_its_way(sys.exception()):
        _interrupt_now()


def _is_on_its_way(handled: BaseException | None) -> bool:
    """Whether an interrupt is being handled: whatever tidies up does so meanwhile."""
    while handled is not None and not isinstance(handled, KeyboardInterrupt):
        handled = handled.__context__
    return handled is not None


def _ignore() -> None:
    for number in (*SIGNALS, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
