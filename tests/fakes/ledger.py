"""Who was really mailed? The receiving side's own record, written before it says yes, and the faults it is told to make."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Ledger:
    """Accepted messages, one entry per recipient; append-only, on disk before the acceptance is answered.

    Each entry is a JSON object on a line of its own, written with one `write` in append mode:
    a `kill -9` of either side leaves whole lines only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._descriptor = (
            None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        )

    def append(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Record acceptances; they are readable by other processes when this returns."""
        fresh = [dict(entry) for entry in entries]
        with self._lock:
            if self._descriptor is None:
                self._entries += fresh
            else:
                os.write(self._descriptor, b"".join(json.dumps(e).encode() + b"\n" for e in fresh))

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What was recorded in memory, when there is no file."""
        with self._lock:
            return list(self._entries)

    @property
    def recipients(self) -> Counter[str]:
        """How often each address was accepted."""
        return Counter(entry["recipient"] for entry in self.entries)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The entries of a ledger file, also while its server runs."""
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


@dataclass
class Fault:
    """One thing a fake does wrong.

    Attributes:
        at: where; for SMTP `CONNECT EHLO STARTTLS AUTH MAIL RCPT DATA END` (END: the final dot), for HTTP `POST`.
        do: an answer (`"550 5.1.1 no such user"`, `"429"`) or an action:
            `close` (drop the connection before anything is recorded), `accept-close` (record, then drop it unanswered),
            `hang` and `accept-hang` (the same, but keep silent for `seconds` first), `slow` (wait `seconds`, then go on).
            HTTP also knows `accept-500`, `malformed` and `short` (recorded, but the answer is spoilt).
        match: only where the command or the body contains this text.
        after: leave the first so many matches alone.
        times: how often; None for always.
        seconds: of `hang` and `slow`.
        headers: of an HTTP answer.
        body: of an HTTP answer, instead of the fake's own words.
    """

    at: str
    do: str
    match: str = ""
    after: int = 0
    times: int | None = None
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None


class Faults:
    """The faults still to be made, shared by a server's threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = list(faults)
        self._seen = [0] * len(self._faults)
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Make `fault` too, from now on."""
        with self._lock:
            self._faults.append(fault)
            self._seen.append(0)

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._faults.clear()
            self._seen.clear()

    def pick(self, at: str, text: bytes) -> Fault | None:
        """The first fault due at this point, counted as made."""
        if not self._faults:
            return None
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.at != at or fault.match.encode() not in text:
                    continue
                self._seen[index] += 1
                made = self._seen[index] - fault.after
                if made > 0 and (fault.times is None or made <= fault.times):
                    return fault
        return None


def write_port_file(path: Path, port: int) -> None:
    """Tell whoever waits for `path` the port; the file appears whole."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(f"{port}\n")
    draft.replace(path)
