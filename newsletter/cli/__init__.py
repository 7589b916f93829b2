"""Arguments in, text out: one module per command group."""

from __future__ import annotations

import os
import sys

# Not imported from `typing`: that takes a while, in which Ctrl-C would be a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and leave with its exit code: 0 done, 1 findings or failure, 2 usage, 130 interrupted."""
    try:
        _main()
    except (KeyboardInterrupt, Exception) as error:
        # Half of a short command's time is spent importing: Ctrl-C comes there as well.
        from newsletter.interrupts import leave_interrupted, was_interrupted

        if isinstance(error, KeyboardInterrupt) or was_interrupted():
            leave_interrupted()
        raise


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
    from newsletter.interrupts import interrupt_on_signals

    interrupt_on_signals()
    from newsletter.cli.garbage import collect_nothing

    collect_nothing()
    # Pydantic would search every installed package for plugins of its own before it makes the first model.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if sys.argv[1:3] == ["site", "build"]:
        from newsletter.cli.site_building import plainly_written

        build = plainly_written(sys.argv[3:])
        if build is not None:
            from newsletter.cli.ending import ended

            ended(build)
    from newsletter.cli.root import run

    run()
