"""How wide is this text in a terminal, and where may its lines break?

Columns are those of a fixed-width font: wide East Asian characters and emoji take two, combining
marks none (Unicode Standard Annex 11).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from newsletter.render.slots import TOKEN

# What a slot will hold isn't known: most names and words are no longer.
_SLOT_WIDTH = 8
# A space where no line may break, of ours: an author's non-breaking space stays what it is.
GLUE = "\ue003"


def width(text: str) -> int:
    """Columns that `text` takes; a slot counts as 8."""
    if text.isascii():
        return len(text)
    slots = TOKEN.findall(text)
    if slots:
        text = TOKEN.sub("", text)
    return _SLOT_WIDTH * len(slots) + sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if character < "\u0300":
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, columns: int, align: str = "left") -> str:
    """`text` filled with spaces to `columns`."""
    gap = max(0, columns - width(text))
    if align == "right":
        return " " * gap + text
    if align == "center":
        return " " * (gap // 2) + text + " " * (gap - gap // 2)
    return text + " " * gap


# Between these a line may break without a space.
_WIDE = re.compile(r"([\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60])")


def wrap(text: str, columns: int, rest: str = "") -> list[str]:
    """Lines of at most `columns`, all but the first led by `rest`; a word that is longer stays whole.

    A newline in `text` is a hard break.
    """
    lines: list[str] = []
    lead = ""
    measure = len if text.isascii() else width
    for paragraph in text.split("\n"):
        line, used = "", width(lead)
        for word, glued in _words(paragraph):
            size = measure(word)
            space = 0 if glued or not line else 1
            if line and used + space + size > columns:
                lines.append(lead + line)
                lead, line = rest, word
                used = width(lead) + size
            else:
                line = f"{line} {word}" if space else line + word
                used += space + size
        lines.append(lead + line)
        lead = rest
    return [line.rstrip(" ").replace(GLUE, " ") for line in lines]


def _words(text: str) -> Iterable[tuple[str, bool]]:
    """Words, and whether each follows the one before without a space."""
    # Not `split()`: a non-breaking space is part of its word.
    words = [word for word in re.split("[ \t\r]", text) if word]
    if not _WIDE.search(text):
        return [(word, False) for word in words]
    pairs: list[tuple[str, bool]] = []
    for word in words:
        pieces = [piece for piece in _WIDE.split(word) if piece]
        pairs += [(piece, at > 0) for at, piece in enumerate(pieces)]
    return pairs


def table(rows: Sequence[Sequence[str]], alignments: Sequence[str], columns: int) -> list[str]:
    """A table whose first row is its header, as lines of at most `columns`; cells wrap.

    Where not even single words fit side by side, each row becomes a list of `header: cell`.
    """
    natural = [max(width(row[at]) for row in rows) for at in range(len(rows[0]))]
    longest = [
        max((width(word) for row in rows for word, _ in _words(row[at])), default=0)
        for at in range(len(rows[0]))
    ]
    room = columns - 2 * (len(natural) - 1)
    if sum(longest) > room:
        return _records(rows, columns)
    sizes = natural if sum(natural) <= room else _shared(natural, longest, room)
    lines: list[str] = []
    # One blank line between rows where any of them takes several lines, else they run together.
    laid_out = [[wrap(cell, size) for cell, size in zip(row, sizes, strict=True)] for row in rows]
    spaced = any(len(cell) > 1 for row in laid_out[1:] for cell in row)
    for number, cells in enumerate(laid_out):
        if number > 1 and spaced:
            lines.append("")
        for at in range(max(len(cell) for cell in cells)):
            parts = [
                pad(cell[at] if at < len(cell) else "", size, align)
                for cell, size, align in zip(cells, sizes, alignments, strict=True)
            ]
            lines.append("  ".join(parts).rstrip())
        if number == 0:
            lines.append("  ".join("-" * size for size in sizes))
    return lines


def _shared(natural: list[int], longest: list[int], room: int) -> list[int]:
    """Column sizes that fill `room`: each at least its longest word, narrow columns whole, wide ones share the rest."""
    sizes = list(longest)
    rest = room - sum(sizes)
    for at in sorted(range(len(natural)), key=lambda i: natural[i]):
        wider = sum(1 for i in range(len(natural)) if natural[i] >= natural[at] and sizes[i] < natural[i])
        extra = min(natural[at] - sizes[at], rest // max(1, wider))
        sizes[at] += extra
        rest -= extra
    return sizes


def _records(rows: Sequence[Sequence[str]], columns: int) -> list[str]:
    lines: list[str] = []
    for number, row in enumerate(rows[1:]):
        if number:
            lines.append("")
        for header, cell in zip(rows[0], row, strict=True):
            lines += wrap(f"{header}: {cell}" if header else cell, columns, rest="  ")
    return lines
