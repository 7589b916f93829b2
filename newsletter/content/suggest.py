"""What did the author probably mean? One measure of nearness for keys, kinds, fields, slots and codes."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word closest to `word`, capitals aside; empty where none is close."""
    # Imported where something is wrong.
    from difflib import get_close_matches

    by_folded = {name.casefold(): name for name in known}
    found = get_close_matches(word.casefold()[:80], by_folded, n=1, cutoff=0.7)
    return by_folded[found[0]] if found else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question for a finding's help; empty where nothing is close."""
    near = nearest(word, known)
    return f"did you mean `{near}`?" if near else ""


def listed(words: Iterable[str], last: str = "or") -> str:
    """`a, b or c`."""
    *init, final = words
    return f"{', '.join(init)} {last} {final}" if init else final
