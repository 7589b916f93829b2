"""Slots on their way through Markdown, Jinja and CSS inlining: opaque tokens, counted after every stage."""

from __future__ import annotations

import re

from newsletter.content.slots import find_slots

# Two private-use characters around a number: no stage escapes, wraps, percent-encodes or styles them,
# and a source that already holds one has it removed before marking.
_OPEN, _CLOSE = "\ue000", "\ue001"
TOKEN = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")
_STRAY = str.maketrans("", "", _OPEN + _CLOSE)


class SlotTable:
    """The slots of one issue: each distinct (field, default) has a number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._entries: list[tuple[str, str]] = []

    def token(self, field: str, default: str = "") -> str:
        """The token that stands for this slot until it is compiled."""
        key = (field, default)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._entries)
            self._entries.append(key)
        return f"{_OPEN}{number}{_CLOSE}"

    def entry(self, number: int) -> tuple[str, str]:
        """The field and the default of slot `number`."""
        return self._entries[number]

    def mark(self, text: str) -> str:
        """`text` with every readable slot outside code replaced by its token; unknown ones stay literal."""
        if _OPEN in text or _CLOSE in text:
            text = text.translate(_STRAY)
        if "{{" not in text:
            return text
        pieces: list[str] = []
        position = 0
        for slot in find_slots(text):
            if slot.known:
                pieces += [text[position : slot.start], self.token(slot.field, slot.default)]
                position = slot.end
        return "".join([*pieces, text[position:]])
