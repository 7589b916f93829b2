"""Does another process do this already? An exclusive lock of the operating system, which ends with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newsletter.errors import NewsletterError


@contextmanager
def only_one(path: Path, refusal: NewsletterError) -> Iterator[None]:
    """Hold the lock kept in the file at `path`, which is made where it is missing.

    The file is one of its own: closing a second descriptor of a database would drop SQLite's locks on it.

    Raises:
        NewsletterError: `refusal`, where another process holds it.
        OSError: the file can't be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        yield
    finally:
        os.close(descriptor)
