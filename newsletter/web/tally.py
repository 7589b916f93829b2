"""How often did what happen, in all processes of the service together? Counts in memory that they share.

Each process writes on a sheet of its own, and whoever is asked adds all of them up. A sheet outlives its
process: what one that was killed had counted stays, and the one in its place counts on. The memory has no
file, so nothing is left behind.
"""

from __future__ import annotations

import mmap
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

WAITING: Final = "newsletter_writes_waiting"
WEBHOOK_CALLS: Final = "newsletter_webhook_calls_total"
HELD_BACK: Final = "newsletter_signups_held_back_total"
# Methods, routes and statuses are few: a sheet is never full, and if it were, what is new wouldn't be counted.
_MOST: Final = 4096
_NAME_BYTES: Final = 120
_NUMBER_BYTES: Final = 8
# How many names there are; the numbers; the names.
_SHEET_BYTES: Final = (1 + _MOST) * _NUMBER_BYTES + _MOST * _NAME_BYTES

Name = tuple[str, ...]


class Tally:
    """The sheets of one service. Made before its processes are forked.

    Args:
        sheets: how many processes count at a time.

    Attributes:
        began: when the counts began, in seconds since 1970.
    """

    def __init__(self, sheets: int = 1) -> None:
        self._memory = mmap.mmap(-1, sheets * _SHEET_BYTES)
        self._sheets = [Sheet(self, memoryview(self._memory), n * _SHEET_BYTES) for n in range(sheets)]
        self.began = time.time()

    def sheet(self, number: int = 0) -> Sheet:
        """The sheet of one process; whoever takes the place of a dead one goes on with its sheet."""
        return self._sheets[number]

    def total(self) -> Mapping[Name, float]:
        """What is on all sheets, added up."""
        total: defaultdict[Name, float] = defaultdict(float)
        for sheet in self._sheets:
            for name, number in sheet.read():
                total[name] += number
        return total


class Sheet:
    """The numbers of one process: written by it alone, from any of its threads."""

    def __init__(self, tally: Tally, memory: memoryview, at: int) -> None:
        self.tally = tally
        names = at + (1 + _MOST) * _NUMBER_BYTES
        # Eight bytes in one go: nobody reads half a number. The first says how many names there are.
        self._numbers = memory[at:names].cast("d")
        self._names = memory[names : at + _SHEET_BYTES]
        self._places: dict[Name, int] = {}
        self._adding = threading.Lock()

    def add(self, name: Name, number: float = 1) -> None:
        """Add to a number; what the parts of the name mean is the caller's business."""
        place = self._places.get(name) or self._place(name)
        if place:
            self._numbers[place] += number

    def put(self, name: Name, number: float) -> None:
        """Set a number."""
        place = self._places.get(name) or self._place(name)
        if place:
            self._numbers[place] = number

    def read(self) -> Iterator[tuple[Name, float]]:
        """All numbers; those of another process may be a moment old."""
        for place in range(1, int(self._numbers[0]) + 1):
            packed = bytes(self._names[(place - 1) * _NAME_BYTES : place * _NAME_BYTES])
            yield tuple(packed.rstrip(b"\0").decode("utf-8", "replace").split("\t")), self._numbers[place]

    def _place(self, name: Name) -> int:
        """Where a name's number is; 0 where there is no room for it."""
        packed = "\t".join(name).encode()
        with self._adding:
            if not self._places:
                # Whoever wrote here before may have been killed.
                self._places = {known: place for place, (known, _) in enumerate(self.read(), 1)}
            place = self._places.get(name, 0)
            if place or len(packed) > _NAME_BYTES or len(self._places) >= _MOST:
                return place
            place = len(self._places) + 1
            self._names[(place - 1) * _NAME_BYTES : place * _NAME_BYTES] = packed.ljust(_NAME_BYTES, b"\0")
            self._numbers[place] = 0.0
            # Said last: a name that was half written by a process that died is written anew.
            self._numbers[0] = float(place)
            self._places[name] = place
            return place
