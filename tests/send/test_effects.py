"""Can the sending code have an effect that the crash tests don't see? Its source is searched for the ways there are.

A finding here means: teach `fuse.py` to see the new way, so that processes die at it, then name it below.
"""

from __future__ import annotations

import _socket
import ast
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.send.fuse import RECEIVING, SYSTEM_CALLS

PACKAGE: Final = Path(__file__).parents[2] / "newsletter"
# Every way from "send it" to the world, and what keeps its books.
SENDING: Final = sorted(
    path for folder in ("send", "providers", "store") for path in (PACKAGE / folder).rglob("*.py")
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Modules that compute, wait or read; a new one is judged by hand, once.
PURE: Final = _words(
    """__future__ abc base64 binascii bisect calendar collections contextlib copy dataclasses datetime decimal
    difflib email enum errno fractions functools gc hashlib heapq hmac html io ipaddress itertools json math
    operator queue random re secrets stat statistics string struct sys textwrap threading time types typing
    unicodedata urllib.parse uuid weakref xml zlib zoneinfo cryptography pydantic newsletter pathlib"""
)
# Modules with effects the fuse sees, and who has them.
EFFECTS: Final = {
    "sqlite3": {"store/sqlite.py", "store/imports.py", "store/merge.py"},
    # The search asks through `HttpSession`, and sets its patience.
    "httpx": {"send/transport.py", "send/search.py"},
    "smtplib": {"providers/smtp/connect.py"},
    "select": {"providers/smtp/connect.py"},
    "ssl": {"providers/smtp/connect.py", "send/transport.py"},
    # The others ask for the machine's name.
    "socket": {"providers/smtp/connect.py", "send/lease.py", "send/origin.py"},
    "fcntl": {"send/lease.py", "send/presence.py", "store/only_one.py"},
    "os": {
        "providers/outbox.py",
        "send/lease.py",
        "send/origin.py",
        "send/presence.py",
        "send/zones.py",  # the environment
        "store/sqlite.py",
        "store/imports.py",
        "store/only_one.py",
    },
    # statx(2), which only reads.
    "ctypes": {"send/origin.py"},
    # A provider's module, by its name in a table.
    "importlib": {"providers/registry.py"},
}
# Of `os`: what raises an audit event (docs.python.org/3/library/audit_events.html), and what changes nothing.
AUDITED: Final = _words(
    """chmod chown link mkdir open remove rename replace rmdir symlink truncate ftruncate unlink
    utime"""
)
NO_EFFECT: Final = _words(
    """R_OK W_OK X_OK F_OK PathLike access close environ fsencode fspath fstat getpid getuid path pread read
    readlink scandir listdir stat strerror sep name uname"""
)
# What a connection, opened by the fuse's own `connect`, is asked; everything else of the module is a type or a number.
SQLITE_MAKERS: Final = frozenset({"Connection", "Cursor", "Blob", "dbapi2"})


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides what is imported"
            yield node.lineno, node.module or ""


def findings(path: Path) -> Iterator[str]:
    """Ways to the world in one file that nobody has vouched for."""
    name = path.relative_to(PACKAGE).as_posix()
    tree = ast.parse(path.read_text("utf-8"))
    for line, module in imported(tree):
        top = module.partition(".")[0]
        if module not in PURE and top not in PURE and name not in EFFECTS.get(top, ()):
            yield f"{name}:{line}: imports {module}: is it pure, and if not, does the fuse see what it does?"
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in EFFECTS and node.module != "importlib":
            yield f"{name}:{node.lineno}: take {node.module}'s functions by their full name: only those are watched"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("exec", "eval", "compile", "__import__"):
                yield f"{name}:{node.lineno}: {node.func.id}() hides what is done"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from unseen(name, node.lineno, node.value.id, node.attr, call=id(node) in called)


def unseen(name: str, line: int, module: str, attribute: str, *, call: bool) -> Iterator[str]:
    if module == "os":
        known = AUDITED | NO_EFFECT | set(SYSTEM_CALLS)
        if attribute not in known and not attribute.startswith("O_"):
            yield f"{name}:{line}: os.{attribute}: does the fuse see it?"
    elif module == "sqlite3" and attribute in SQLITE_MAKERS and call:
        yield f"{name}:{line}: sqlite3.{attribute}() makes a connection nobody traces: use sqlite3.connect"
    elif module == "smtplib" and call and attribute not in ("SMTP", "SMTP_SSL", "SMTPAuthenticationError"):
        yield f"{name}:{line}: smtplib.{attribute}(): does the fuse see it?"


def test_the_sending_code_reaches_the_world_only_by_ways_the_fuse_sees() -> None:
    assert len(SENDING) > 25
    assert [finding for path in SENDING for finding in findings(path)] == []


def test_nobody_is_vouched_for_who_does_not_need_it() -> None:
    """A list that is longer than the code would let the next one in unseen."""
    found = {
        (module.partition(".")[0], path.relative_to(PACKAGE).as_posix())
        for path in SENDING
        for _, module in imported(ast.parse(path.read_text("utf-8")))
    }
    assert {(module, name) for module, names in EFFECTS.items() for name in names} <= found


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import subprocess", "imports subprocess"),
        ("import urllib.request", "imports urllib.request"),
        ("import sqlite3", "imports sqlite3"),
        ("import asyncio", "imports asyncio"),
        ("import os\nos.copy_file_range(1, 2, 3)", "os.copy_file_range"),
        ("from os import write", "full name"),
        ("import sqlite3\nsqlite3.Connection('x')", "nobody traces"),
        ("eval('1')", "hides"),
    ],
)
def test_a_new_way_is_noticed(
    source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    path = tmp_path / "send" / "new.py"
    path.parent.mkdir()
    path.write_text(source)
    assert any(said in finding for finding in findings(path))


def test_every_way_of_a_socket_to_pass_bytes_is_watched() -> None:
    """`sendto` and `sendmsg` raise audit events of their own; `sendmsg_afalg` is for ciphers of the kernel."""
    ways = {name for name in dir(_socket.socket) if name.startswith(("send", "recv"))}
    assert ways <= {*RECEIVING, "send", "sendall", "sendto", "sendmsg", "sendmsg_afalg"}
    assert {name for name in dir(socket.socket) if name.startswith(("send", "recv"))} <= ways | {
        "sendfile",  # by `os.sendfile` or `send`
        "send_fds",
        "recv_fds",
    }


SEEN: Final = {
    "one transaction": (
        "with db.write() as tx: tx.execute(\"UPDATE meta SET value = 'x'\")",
        ["sqlite BEGIN", "sqlite COMMIT"],
    ),
    "a statement outside of any": ("db.query(\"UPDATE meta SET value = 'x'\")", ["sqlite UPDATE"]),
    "a file written at once": ("(folder / 'a').write_text('x')", ["open"]),
    "a file written by its number": (
        "d = os.open(folder / 'b', os.O_CREAT | os.O_WRONLY); os.write(d, b'x'); os.fsync(d); os.close(d)",
        ["open", "os.write", "os.fsync"],
    ),
    "a name taken": ("(folder / 'b').replace(folder / 'c')", ["os.rename"]),
    "a second name": ("os.link(folder / 'c', folder / 'd')", ["os.link"]),
    "a name given up": ("(folder / 'd').unlink()", ["os.remove"]),
    "a lock": ("fcntl.flock(lock, fcntl.LOCK_EX)", ["fcntl.flock"]),
    "bytes on a socket": (
        "s = socket.create_connection(('127.0.0.1', port)); s.sendall(b'xy'); s.recv(2); s.close()",
        ["socket.connect", "socket.sendall", "socket.sendall, half of it gone", "socket.recv"],
    ),
    "a call by httpx": (
        "httpx.post(f'http://127.0.0.1:{port}/', content=b'x', trust_env=False)",
        ["socket.connect", "socket.send", "socket.send, half of it gone"],
    ),
    "a connection behind its back": ("sqlite3.Connection(folder / 'e')", ["RuntimeError"]),
}

_PROGRAM: Final = """
import fcntl, json, os, socket, sqlite3, sys, threading
from pathlib import Path
import httpx
sys.path.insert(0, sys.argv[1])
from newsletter.store.sqlite import SqliteDatabase
from tests.send.fuse import Fuse

folder = Path(sys.argv[2])
SqliteDatabase(folder / "newsletter.db").close()
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
class Fuses(Fuse):
    seen = []
    def point(self, kind):
        if threading.current_thread() is threading.main_thread():
            self.seen.append(kind)
fuse = Fuses()
accept, recv = socket.socket.accept, socket.socket.recv
def echo():
    while True:
        connection, _ = accept(server)
        recv(connection, 65536)
        connection.close()
threading.Thread(target=echo, daemon=True).start()
fuse.install()
db = SqliteDatabase(folder / "newsletter.db")
said = {}
for name, code in json.loads(sys.stdin.read()).items():
    fuse.seen.clear()
    try:
        exec(code)
    except (httpx.HTTPError, ConnectionError):
        pass
    except RuntimeError as error:
        fuse.seen.append(type(error).__name__)
    said[name] = list(fuse.seen)
print(json.dumps(said))
"""


def test_the_fuse_sees_every_kind_of_effect(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(PACKAGE.parent), str(tmp_path)],
        input=json.dumps({name: code for name, (code, _) in SEEN.items()}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seen = json.loads(done.stdout)
    for name, (_, wanted) in SEEN.items():
        assert set(wanted) <= set(seen[name]), (name, seen[name])
