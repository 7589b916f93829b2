"""How does a cell reach a spreadsheet without being run there, and come back as it was?

A spreadsheet runs a cell that begins with `= + - @`, TAB or CR (CVE-2019-17661): such a cell gets a
`'` in front. A cell that begins with `'` before one of these gets one too, so that taking one away
gives back every cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_RUN: Final = re.compile(r"'*[=+\-@\t\r]")
_GUARDED: Final = re.compile(r"'+[=+\-@\t\r]")


def formula_safe(cell: str) -> str:
    """`cell` as plain text for a spreadsheet."""
    return f"'{cell}" if _RUN.match(cell) else cell


def without_guard(column: Sequence[str]) -> Sequence[str]:
    """Cells as they were before `formula_safe`."""
    # One test for the column: nearly none has a guard.
    if "\n'" not in "\n" + "\n".join(column):
        return column
    return [cell[1:] if _GUARDED.match(cell) else cell for cell in column]
