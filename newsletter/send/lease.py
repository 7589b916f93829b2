"""Is another process sending this already? A lock of the operating system, which ends with its process.

The kernel releases it at `kill -9`; the epoch in the store then fences whoever still thinks it holds the send.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from newsletter.errors import NewsletterError


class SendLock:
    """The exclusive right of this machine to work on one send.

    Raises:
        NewsletterError: another process holds it; says which.
    """

    def __init__(self, folder: Path, send_id: int, name: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"send-{send_id}.lock"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock_patiently(self._descriptor)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise NewsletterError(
                f"`{name}` is being sent already, by process {holder or 'unknown'}",
                hint=f"watch it with: newsletter status {name}; stop it with: newsletter pause {name}",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let go; the file stays, empty: removing it would let two processes lock two files of one name."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _lock_patiently(descriptor: int) -> None:
    """Take the lock; `holder` of another process may have it for an instant, a sender keeps it."""
    for _ in range(4):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.05)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def holder(folder: Path, send_id: int) -> int:
    """The process that is sending now, or 0."""
    path = folder / f"send-{send_id}.lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else -1
    finally:
        os.close(descriptor)
    return 0


def owner_name() -> str:
    """`host:pid:nonce`, as the store names whoever holds a send; the nonce begins with the kernel's own."""
    return f"{socket.gethostname()}:{os.getpid()}:{_kernel()}{secrets.token_hex(4)}"


def same_machine(owner: str) -> bool:
    """Whether `owner` is or was a process of this machine, where the lock decides and not the lease.

    Containers with names of their own share a kernel and its locks; machines that share a name don't.
    After a reboot, too, the lease has to run out, as nobody can tell that from another machine.
    """
    place, _, nonce = owner.rpartition(":")
    kernel = _kernel()
    if kernel and len(nonce) > len(kernel):
        return nonce.startswith(kernel)
    return place.rpartition(":")[0] == socket.gethostname()


def _kernel() -> str:
    """A few digits that every boot of every machine has of its own; empty where it doesn't say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii")[:8]
    except OSError:
        return ""
