"""Which scripts are written without spaces between words, and how is a run of their letters cut so that any part of it is found?

A run is cut into what readers take for one letter (Unicode Standard Annex 29, grapheme clusters), each a word to the
index; a subscript consonant of Khmer or Burmese stays with the letter it hangs from.
"""

from __future__ import annotations

import re
from typing import Final

# Stands around each letter of such a script, so that it is a word to the index; not seen.
BETWEEN: Final = "\u200b"
_EAST_ASIAN: Final = (
    r"[\u1100-\u115f][\u1160-\u11ff]*|"
    r"[\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]"
    r"[\u3099\u309a\ufe00-\ufe0f\U000e0100-\U000e01ef]*"
)
# Thai and Lao, Burmese, Khmer, and the smaller scripts of the Tai languages.
_LETTERS: Final = (
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf]"
)
# Their characters of the categories Mn and Mc, and the two AM vowels, which are drawn over the letter before them.
_MARKS: Final = (
    r"[\u0300-\u036f\u0e31\u0e33-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb3-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1059"
    r"\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d\u17b4-\u17d3\u17dd"
    r"\u1a55-\u1a7c\u1a7f\ua9e5\uaa7b-\uaa7d\uaab0\uaab2-\uaab4\uaab7\uaab8\uaabe\uaabf\uaac1]"
)
# What makes the letter after it a part of the one before.
_STACKED: Final = rf"[\u1039\u17d2\u1a60]{_LETTERS}"
_SOUTH_EAST_ASIAN: Final = rf"{_LETTERS}(?:{_STACKED}|{_MARKS})*"
_LETTER: Final = re.compile(f"({_EAST_ASIAN}|{_SOUTH_EAST_ASIAN})")
_RUN: Final = re.compile(f"((?:{_EAST_ASIAN})+|(?:{_SOUTH_EAST_ASIAN})+)")
# In letters, about a word: in Thai and Lao it takes three, since most vowels are letters of their own.
_PIECE: Final = 2
_PIECE_OF_THAI: Final = 3
_THAI: Final = re.compile(r"[\u0e00-\u0eff]")


def letters_apart(text: str) -> str:
    """`text` with `BETWEEN` on both sides of every letter of such a script."""
    return text if text.isascii() else _LETTER.sub(rf"{BETWEEN}\1{BETWEEN}", text)


def is_unspaced(text: str) -> bool:
    """Whether any of it is in such a script."""
    return not text.isascii() and _LETTER.search(text) is not None


def overlapping_pieces(word: str) -> list[str]:
    """What `word` is looked for by where all of it stands nowhere: its runs of such a script in pieces that overlap.

    A word of other scripts is its only piece.
    """
    if word.isascii():
        return [word]
    pieces: list[str] = []
    for place, part in enumerate(_RUN.split(word)):
        if place % 2 == 0:
            if any(map(str.isalnum, part)):
                pieces.append(part)
            continue
        letters = _LETTER.findall(part)
        size = _PIECE_OF_THAI if _THAI.match(part) else _PIECE
        pieces += ["".join(letters[at : at + size]) for at in range(max(1, len(letters) - size + 1))]
    return [piece for piece in pieces if any(map(str.isalnum, piece))] or [word]
