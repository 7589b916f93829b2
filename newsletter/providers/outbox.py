"""The embedded provider: every message becomes a file in a folder. Nothing leaves the machine.

A message is written under another name, put on disk, and renamed to `<delivery id>.eml`: a file of
that name is whole, and its being there is the acceptance. That makes a repeat harmless and a
look-up exact.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from newsletter.errors import UsageError
from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.base import Batch, BatchResult, Capabilities, ContentForm, Hold, ProviderOptions

_SAFE: Final = re.compile(r"[A-Za-z0-9_-]+")
# Open files at a time; some systems allow a process 256.
_AT_ONCE: Final = 50
_HINTS: Final = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room on the disk",
    errno.EACCES: "give yourself permission to write there",
    errno.EROFS: "the file system is read-only",
}


class OutboxProvider:
    """A folder of `.eml` files, one folder a send.

    Args:
        options: `outbox_dir` and `send_name` say where.

    Raises:
        UsageError: the send's name can't be a folder's.
    """

    name = "outbox"
    capabilities = Capabilities(
        content=ContentForm.MIME,
        max_batch=250,
        connections=2,
        look_up=True,
        non_ascii_mailbox=True,
    )

    def __init__(self, options: ProviderOptions) -> None:
        if options.send_name and not _SAFE.fullmatch(options.send_name):
            raise UsageError(f"`{options.send_name}` can't be the name of an outbox folder")
        self.folder: Path = (
            options.outbox_dir / options.send_name if options.send_name else options.outbox_dir
        )

    def session(self) -> OutboxSession:
        """A new session; the folder is made at the first message."""
        return OutboxSession(self.folder)

    def look_up(self, delivery_ids: Sequence[str]) -> Mapping[str, Outcome]:
        """Accepted where the file is there, provably not accepted where it isn't; exact."""
        return {
            delivery_id: Outcome(delivery_id, OutcomeKind.ACCEPTED, provider_id=f"{delivery_id}.eml")
            if (self.folder / f"{delivery_id}.eml").exists()
            else Outcome(delivery_id, OutcomeKind.DEFERRED, reason="not in the outbox")
            for delivery_id in delivery_ids
        }


class OutboxSession:
    """Writes into one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = False

    def send(self, batch: Batch) -> BatchResult:
        """Write each message; a full or forbidden disk defers the rest and holds the send."""
        accepted: list[str] = []
        hold: Hold | None = None
        try:
            self._open()
            for at in range(0, len(batch.messages), _AT_ONCE):
                self._write(batch.messages[at : at + _AT_ONCE], accepted)
        except OSError as error:
            hold = _hold(error, self._folder)
        # Only what is durably there under its name counts as accepted.
        done = set(accepted)
        reason = hold.reason if hold else ""
        outcomes = [
            Outcome(m.delivery_id, OutcomeKind.ACCEPTED, provider_id=f"{m.delivery_id}.eml")
            if m.delivery_id in done
            else Outcome(m.delivery_id, OutcomeKind.DEFERRED, reason=reason)
            for m in batch.messages
        ]
        return BatchResult(outcomes, hold)

    def close(self) -> None:
        """Nothing is kept open."""

    def _open(self) -> None:
        if not self._ready:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._ready = True

    def _write(self, messages: Sequence[Message], accepted: list[str]) -> None:
        """Put some messages on disk together: the disk is waited for once they are all written."""
        drafts: list[tuple[str, int]] = []
        try:
            for message in messages:
                path = self._folder / f".{message.delivery_id}.part"
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                drafts.append((message.delivery_id, descriptor))
                left = memoryview(message.mime)
                while left:
                    left = left[os.write(descriptor, left) :]
            for name, descriptor in drafts:
                os.fsync(descriptor)
                (self._folder / f".{name}.part").replace(self._folder / f"{name}.eml")
                accepted.append(name)
            _sync(self._folder)
        finally:
            for name, descriptor in drafts:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
                if name not in accepted:
                    with contextlib.suppress(OSError):
                        (self._folder / f".{name}.part").unlink()


def _sync(folder: Path) -> None:
    """Make the names durable too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hold(error: OSError, folder: Path) -> Hold:
    reason = f"{folder} can't be written: {error.strerror or error}"
    return Hold(reason, _HINTS.get(error.errno or 0, "look at the folder"))
