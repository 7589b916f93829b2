"""What does a text become with the safe replacements that findings offer?"""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
