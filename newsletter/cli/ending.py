"""How does a command end? With an exit code, and with words that a user can do something with."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from newsletter.cli.output import prepare_streams, print_error
from newsletter.errors import NewsletterError
from newsletter.interrupts import was_interrupted

# Characters shown on either side of what can't be read.
_AROUND = 40


def ended(work: Callable[[], int | None]) -> NoReturn:
    """Do `work`, and leave with the code that it gives; every failure a user can cause is two lines and an exit code, never a traceback."""
    prepare_streams()
    try:
        code = _done(work)
    except NewsletterError as error:
        print_error(error.message, error.hint)
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        # The reader of our output left (`newsletter … | head`): say nothing, and don't let the
        # interpreter complain while it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        print_error(*explain_os_error(error))
        raise SystemExit(1) from None
    except UnicodeEncodeError as error:
        # Python reads a name of other bytes as half of a pair (PEP 383), which nothing else can take.
        if not "\ud800" <= error.object[error.start] <= "\udfff":
            raise
        word = error.object[max(0, error.start - _AROUND) : error.end + _AROUND]
        print_error(
            f"`{word}` isn't UTF-8", "write it anew; a file or a folder of that name has to be renamed"
        )
        raise SystemExit(2) from None
    raise SystemExit(code)


def _done(work: Callable[[], int | None]) -> int:
    try:
        code = work() or 0
        # What is left of the output may find no room, no reader, or one that takes its time: here it is told, and
        # can be interrupted. The language server closes it as it ends.
        if not sys.stdout.closed:
            sys.stdout.flush()
    except Exception:
        if was_interrupted():
            raise KeyboardInterrupt from None
        raise
    return code


def explain_os_error(error: OSError) -> tuple[str, str]:
    """What happened and what to do, for a failure of the file system or the network nobody caught closer by."""
    where = f"{error.filename}: " if error.filename else ""
    message = f"{where}{error.strerror or error}"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return message, "make room on the disk and run the command again; what was committed is kept"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return message, "give yourself permission there, or work in another folder"
        case errno.EADDRINUSE:
            return message, "another program listens there: choose another --port"
        case _:
            return message, ""
