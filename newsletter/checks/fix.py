"""Make the safe replacements that findings offer, and write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from newsletter.diagnostics import Diagnostic

# A replacement may uncover another one: a corrected key has a value to correct. It never takes more rounds.
_MOST_ROUNDS = 5


def apply_fixes(text: str, found: Iterable[Diagnostic]) -> tuple[str, int]:
    """`text` with the replacements made that don't overlap, and how many there were."""
    fixes = sorted({d.fix for d in found if d.fix is not None}, key=lambda fix: (fix.start, fix.end))
    pieces: list[str] = []
    position, made = 0, 0
    for fix in fixes:
        if fix.start >= position and fix.end <= len(text) and text[fix.start : fix.end] != fix.text:
            pieces += [text[position : fix.start], fix.text]
            position = fix.end
            made += 1
    return "".join([*pieces, text[position:]]), made


def fix_text(text: str, check: Callable[[str], Iterable[Diagnostic]]) -> tuple[str, int]:
    """`text` after as many rounds of checking and replacing as it takes, and how many replacements were made."""
    total = 0
    for _ in range(_MOST_ROUNDS):
        text, made = apply_fixes(text, check(text))
        total += made
        if not made:
            break
    return text, total


def write_whole(path: Path, data: bytes) -> None:
    """Replace the content of `path`: a reader sees the old or the new file, never a part, also after a crash.

    The file keeps its permissions; a symbolic link keeps pointing to where it points.

    Raises:
        OSError: it can't be written; the old content is untouched.
    """
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
