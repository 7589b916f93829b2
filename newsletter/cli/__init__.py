"""Arguments in, text out: one module per command group."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn

_OWN_THRESHOLDS = gc.get_threshold()
# Seconds in which several interrupts are one: `timeout` and supervisors tell the process and then its group.
_ONE_PRESS = 0.5


def run_long() -> None:
    """Give the collector its own thresholds back, for a send, which makes real garbage."""
    gc.set_threshold(*_OWN_THRESHOLDS)


def _interrupt_once_a_press() -> None:
    """Let Ctrl-C raise `KeyboardInterrupt`, but not again while that is on its way out.

    A second one would come in the middle of what tidies up after the first.
    """
    import signal
    import time

    last = -_ONE_PRESS

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _ONE_PRESS:
            last = now
            raise KeyboardInterrupt

    # A shell without job control starts what runs in the background with the signal ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)


def main() -> NoReturn:
    """Run the command line and leave with its exit code: 0 done, 1 findings or failure, 2 usage, 130 interrupted."""
    try:
        _main()
    except KeyboardInterrupt:
        # Half of a short command's time is spent importing: Ctrl-C comes there as well.
        raise SystemExit(130) from None


def _main() -> NoReturn:
    # Answered before the command line framework is imported: it is asked by scripts, often.
    if sys.argv[1:] in (["--version"], ["-V"]):
        from newsletter import __version__

        print(f"newsletter {__version__}")
        raise SystemExit(0)
    if sys.argv[1:2] == ["check"]:
        from newsletter.cli.repeated import repeat

        code = repeat(sys.argv[2:])
        if code is not None:
            raise SystemExit(code)
    _interrupt_once_a_press()
    # Nothing made while modules are imported is garbage: looking for it every 700 objects costs a twentieth
    # of the start.
    gc.set_threshold(50_000)
    # And at the end the system takes all memory back at once: a last search would cost a quarter of a short command.
    atexit.register(gc.freeze)
    # Pydantic would search every installed package for plugins of its own before it makes the first model.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from newsletter.cli.root import run

    run()
