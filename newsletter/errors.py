"""What went wrong, in a sentence a user can act on.

Every failure that a user can cause is a `NewsletterError`: the command line
prints `message` and `hint` and leaves with `exit_code`; no traceback is shown.
"""

from __future__ import annotations


class NewsletterError(Exception):
    """A failure a user can understand and mend.

    Attributes:
        message: what happened and where, one sentence without a full stop.
        hint: what to do about it; empty where nothing sensible can be said.
        exit_code: the process's exit status, 1 unless a subclass says otherwise.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(NewsletterError):
    """The command line or the configuration asks for something that can't be done."""

    exit_code = 2


class StoreError(NewsletterError):
    """The store can't be opened, read or written; what was committed before is kept."""
