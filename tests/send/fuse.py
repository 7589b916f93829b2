"""At which points can a process die so that it matters? At every effect it has on the world, seen from below.

Nothing here knows the engine. The interpreter's own audit events, SQLite's trace of the statements it
begins, and the few calls of the system that neither of them reports are watched; each passage is a
point, named after its kind and the function of the package that brought it about. A new commit, file or
socket is therefore a new point without anybody thinking of it. What the fuse can't see is forbidden:
see `test_effects.py`.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import newsletter

DIED: Final = 86

# Audit events that end a process, ask, or touch nothing outside of it.
_HARMLESS: Final = frozenset(
    {
        "os.fork",
        "os.forkpty",
        "os.getxattr",
        "os.kill",
        "os.listdir",
        "os.listxattr",
        "os.scandir",
        "os.walk",
        "os.fwalk",
        "os.putenv",
        "os.unsetenv",
        "os.add_dll_directory",
        "socket.__new__",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "socket.gethostname",
        "socket.getnameinfo",
        "socket.getservbyname",
        "socket.getservbyport",
        "sqlite3.connect",
    }
)
_FAMILIES: Final = ("os.", "socket.", "shutil.", "subprocess.", "fcntl.", "tempfile.", "sqlite3.", "mmap.")
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# What neither an audit event nor SQLite's trace reports; `open` for writing and `connect` are events.
SYSTEM_CALLS: Final = ("write", "pwrite", "writev", "pwritev", "sendfile", "fsync", "fdatasync", "splice")
RECEIVING: Final = ("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into")
_PACKAGE: Final = f"{Path(newsletter.__file__).parent}{os.sep}"
# The store's own machinery: who called it says more.
_THROUGH: Final = f"{_PACKAGE}store{os.sep}sqlite.py"


class Fuse:
    """Ends the process at the n-th passage of one point; without one it only counts.

    Args:
        die_at: the point's name, empty for never.
        passage: which passage of it, from 1.
    """

    def __init__(self, die_at: str = "", passage: int = 1) -> None:
        self._die_at, self._passage = die_at, passage
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._inside = threading.local()

    def point(self, kind: str) -> None:
        """Pass a point now, named after `kind` and the function of the package that is at work."""
        if getattr(self._inside, "busy", False):
            return
        self._inside.busy = True
        try:
            name = f"{kind} in {_function_at_work()}"
            with self._lock:
                self._passed[name] += 1
                ends = name == self._die_at and self._passed[name] == self._passage
            if ends:
                if "COMMIT" in kind:
                    _let_the_others_go_on()
                os._exit(DIED)
        finally:
            self._inside.busy = False

    @property
    def passed(self) -> dict[str, int]:
        """How often each point was passed."""
        with self._lock:
            return dict(self._passed)

    def install(self) -> None:
        """Watch this process from now on, for as long as it lives: audit hooks can't be taken away."""
        for name in SYSTEM_CALLS:
            if hasattr(os, name):
                setattr(os, name, self._before(f"os.{name}", getattr(os, name)))
        # `socket.socket` is a class of Python's own, so that its methods can be replaced.
        for name in RECEIVING:
            setattr(socket.socket, name, self._before(f"socket.{name}", getattr(socket.socket, name)))
        socket.socket.send = self._torn(socket.socket.send)  # type: ignore[method-assign]  # the point of it
        socket.socket.sendall = self._torn_all(socket.socket.sendall)  # type: ignore[method-assign]  # ditto
        sqlite3.connect = self._traced(sqlite3.connect)  # type: ignore[assignment]  # the same, less typed
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect/handle":
            if not getattr(self._inside, "connecting", False):
                raise RuntimeError(
                    "a database was opened other than by sqlite3.connect: its commits go unseen"
                )
        elif event == "open":
            flags = arguments[2]
            if isinstance(flags, int) and flags & _WRITING:
                self.point("open")
        elif event.startswith(_FAMILIES) and event not in _HARMLESS:
            self.point(event)

    def _trace(self, connection: sqlite3.Connection, statement: str) -> None:
        """A statement begins; inside a transaction only its end makes a difference."""
        word = statement.split(None, 1)[0].upper() if statement.strip() else ""
        ends = word in ("BEGIN", "COMMIT", "END", "ROLLBACK")
        if ends or not (connection.in_transaction or word in ("SELECT", "PRAGMA", "--")):
            self.point(f"sqlite {word}")

    def _traced(self, connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        """`connect`, with every statement of the connection it makes reported."""

        def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
            self._inside.connecting = True
            try:
                connection = connect(*arguments, **options)
            finally:
                self._inside.connecting = False
            connection.set_trace_callback(lambda statement: self._trace(connection, statement))
            return connection

        return watched

    def _before(self, kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            self.point(kind)
            return call(*arguments, **options)

        return watched

    def _torn(self, send: Callable[..., int]) -> Callable[..., int]:
        """`send`, with a point before it and one when half is with the kernel."""

        def watched(sock: socket.socket, data: Any, *flags: int) -> int:
            view = memoryview(data).cast("B")
            self.point("socket.send")
            half = len(view) // 2
            if not half:
                return send(sock, view, *flags)
            sent = send(sock, view[:half], *flags)
            self.point("socket.send, half of it gone")
            return sent if sent < half else sent + send(sock, view[half:], *flags)

        return watched

    def _torn_all(self, sendall: Callable[..., None]) -> Callable[..., None]:
        def watched(sock: socket.socket, data: Any, *flags: int) -> None:
            view = memoryview(data).cast("B")
            self.point("socket.sendall")
            half = len(view) // 2
            sendall(sock, view[:half], *flags)
            self.point("socket.sendall, half of it gone")
            sendall(sock, view[half:], *flags)

        return watched


def _let_the_others_go_on() -> None:
    """What other threads were let do before its commit has the time to leave: until they all have waited a while."""
    mine, quiet = str(threading.get_native_id()), 0
    for _ in range(200):
        time.sleep(0.004)
        quiet = (
            0
            if any(_runs(task) for task in Path("/proc/self/task").iterdir() if task.name != mine)
            else quiet + 1
        )
        if quiet == 4:
            return


def _runs(task: Path) -> bool:
    """Whether a thread computes, or would if it were let; after its name in brackets stands its state (proc(5))."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] == "R"
    except FileNotFoundError:
        return False


def _function_at_work() -> str:
    """The innermost function of the package on the stack, as `send/engine.py:_turn`."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_PACKAGE) and path != _THROUGH:
            return f"{path.removeprefix(_PACKAGE)}:{frame.f_code.co_name}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "nothing of the package"
