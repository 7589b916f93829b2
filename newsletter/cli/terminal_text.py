"""What does a terminal show for a text, and in which columns? Nothing that it would obey."""

from __future__ import annotations

import unicodedata

_TAB_WIDTH = 4
_ZERO_WIDTH_JOINER, _EMOJI_PRESENTATION = "\u200d", "\ufe0f"


def printable(text: str) -> str:
    """`text` without anything a terminal would obey: control characters and direction overrides become visible."""
    return text if text.isprintable() else "".join(_shown(character)[0] for character in text)


def _shown(character: str) -> tuple[str, int]:
    """What is printed for a character, and how many columns that takes."""
    code = ord(character)
    if 0x20 <= code < 0x7F:
        return character, 1
    if character == "\t":
        return " " * _TAB_WIDTH, _TAB_WIDTH
    if code < 0x20:
        return chr(0x2400 + code), 1
    if code == 0x7F:
        return "\u2421", 1
    if character in (_ZERO_WIDTH_JOINER, _EMOJI_PRESENTATION):
        return character, 0
    category = unicodedata.category(character)
    if category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
        escaped = f"<U+{code:04X}>"
        return escaped, len(escaped)
    if category in {"Mn", "Me"} or 0x1F3FB <= code <= 0x1F3FF:
        return character, 0
    return character, 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cells(text: str) -> tuple[str, list[int]]:
    """`text` as it is printed, and the terminal column (from 0) at which each character begins, plus the end."""
    pieces: list[str] = []
    columns: list[int] = []
    column = 0
    previous, previous_width = "", 0
    for character in text:
        piece, width = _shown(character)
        if previous == _ZERO_WIDTH_JOINER:
            width = 0  # joined to the emoji before it
        elif character == _EMOJI_PRESENTATION and previous_width == 1:
            # A sign that has an emoji form takes two columns in it.
            column += 1
        elif _is_flag_half(previous) and _is_flag_half(character) and previous_width:
            width = 1 if previous_width == 1 else 0
        columns.append(column)
        pieces.append(piece)
        column += width
        previous, previous_width = character, width
    return "".join(pieces), [*columns, column]


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
