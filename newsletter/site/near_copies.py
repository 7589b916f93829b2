"""Which texts say what an earlier one says already, word for word or nearly?"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

# Shared runs of five words out of all runs of both (Jaccard): 0.8 is a text with a sentence in ten changed.
_ALIKE: Final = 0.8
_RUN: Final = 5


class Copy(NamedTuple):
    """A text that is left out.

    Attributes:
        place: its place among the texts.
        of: the place of the earlier one that says the same.
        exact: whether they differ in letter case, spacing and forms of characters alone.
    """

    place: int
    of: int
    exact: bool


def find_copies(texts: Sequence[str]) -> list[Copy]:
    """The texts to leave out so that no two of the others are alike; the first one always stays."""
    shingled = [_runs(_normalised(text)) for text in texts]
    frequency = Counter(run for runs in shingled for run in runs)
    first: dict[str, int] = {}
    copies: list[Copy] = []
    kept: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, text in enumerate(texts):
        original = first.setdefault(" ".join(_normalised(text)), index)
        if original != index:
            copies.append(Copy(index, original, exact=True))
            continue
        runs = shingled[index]
        # Two sets that are alike share one of their rarest members (prefix filtering, Bayardo et al. 2007):
        # only those are looked up, so that phrases every text has cost nothing.
        rarest = sorted(runs, key=lambda run: (frequency[run], run))
        rarest = rarest[: len(runs) - math.ceil(_ALIKE * len(runs)) + 1]
        candidates = sorted({other for run in rarest for other in kept[run]})
        alike = next((other for other in candidates if _overlap(runs, shingled[other]) >= _ALIKE), None)
        if alike is not None:
            copies.append(Copy(index, alike, exact=False))
            continue
        for run in rarest:
            kept[run].append(index)
    return copies


def _normalised(text: str) -> list[str]:
    return unicodedata.normalize("NFKC", text).casefold().split()


def _runs(words: list[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(words[at : at + _RUN]) for at in range(max(1, len(words) - _RUN + 1)))


def _overlap(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)
