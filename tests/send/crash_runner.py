"""Runs sends that die on purpose: one JSON command a line in, one JSON answer a line out.

Each command is carried out by a forked child, which ends with `os._exit` at one passage of one point;
see `fuse.py`. Nothing is unwound, as with `kill -9`; the kernel closes what was open.

    {"folder": …, "options": {…}, "keys": true, "die_at": "sqlite COMMIT in send/engine.py:_turn", "passage": 2}

`bug` plants one of `planted.py` in the child. Without `die_at` the answer has all points and how often
each was passed.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import struct
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import pytest

from newsletter.providers.registry import PROVIDERS
from newsletter.send.run import Wishes, resume, start
from newsletter.send.transport import _trust
from newsletter.store.sqlite import SqliteDatabase
from tests.send.desk import HastyClock, make_desk, new_send
from tests.send.fuse import Fuse
from tests.send.planted import PLANTED
from tests.send.receivers import from_json, unpaced

BATCH, CONNECTIONS = 3, 2


class InheritedClock(HastyClock):
    """Waiting takes a thousandth of its time, and the next process begins where this one's clock stood.

    Else what a dead process claimed would lie in its heir's future. The time is kept in shared memory,
    which takes no effect that a process could die at.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        with path.open("a+b") as file:
            file.truncate(8)
            self._shared = mmap.mmap(file.fileno(), 8)
        (self._skipped,) = struct.unpack("d", self._shared)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._shared[:] = struct.pack("d", self._skipped)


def send(command: Mapping[str, Any]) -> dict[str, Any]:
    """Begin the send, or go on with it."""
    folder, options = Path(command["folder"]), from_json(command["options"])
    if command.get("bug"):
        PLANTED[command["bug"]].plant(pytest.MonkeyPatch())
    clock = InheritedClock(folder / "clock")
    fuse = Fuse(command.get("die_at", ""), command.get("passage", 1))
    fuse.install()
    with SqliteDatabase(folder / "newsletter.db") as db:
        desk = make_desk(
            folder,
            unpaced(options, keys=command.get("keys", True)),
            db=db,
            clock=clock,
            wishes=Wishes(batch=BATCH, connections=CONNECTIONS),
        )
        records = desk.ledger.sends()
        ending = resume(desk, records[-1].id) if records else start(desk, new_send(provider=options.name))
    return {"state": ending.state.value, "points": fuse.passed, **ending.tally.as_dict()}


def in_a_child(command: Mapping[str, Any]) -> dict[str, Any]:
    """Fork, send there, and say how the child ended."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        code, tell = 1, os.write
        try:
            tell(writer, json.dumps(send(command)).encode())
            code = 0
        except BaseException as error:  # noqa: BLE001 - nothing above this may see it: the parent must not run twice
            tell(writer, json.dumps({"error": traceback.format_exception_only(error)[-1].strip()}).encode())
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    return {"exit": os.waitstatus_to_exitcode(status), **(json.loads(said) if said else {})}


def prepare() -> None:
    """Do once, for all children, what each would do again: read certificates, import what is imported late."""
    _trust()
    for module in ("httpcore", "encodings.idna", *(entry.module for entry in PROVIDERS.values())):
        import_module(module)
    # What the collector looks at is written to, and what a child writes to is copied.
    gc.collect()
    gc.freeze()


def main() -> None:
    # A module compiled for the first time writes a file, which a full run would count as a point to die at.
    sys.dont_write_bytecode = True
    prepare()
    for line in sys.stdin:
        print(json.dumps(in_a_child(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
