"""What does a reader search for? Their words as an FTS5 expression that no word of theirs can break."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from newsletter.site.unspaced import letters_apart, overlapping_pieces

# What is longer is cut: nobody types it, and each word costs a look into the index.
MOST_CHARACTERS = 300
_MOST_WORDS = 24
# Of a sentence without spaces, in pieces that overlap.
MOST_TERMS = 64
# Names that are nothing but a letter to a tokenizer: C++, C#, F#.
_SIGNED = re.compile(r"(?<![^\W_])([a-zA-Z][a-zA-Z0-9]*)(\+\+|#)(?![\w+#])")
_SIGNS = {"++": "plusplus", "#": "sharp"}
_TERM = re.compile(r'(-?)"([^"]*)"?|(\S+)')
_QUOTES = str.maketrans(dict.fromkeys("“”„«»", '"'))
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
# Vowel points of Arabic and Hebrew, and the stroke that only stretches a word: hardly anybody types them.
_POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)


class Term(NamedTuple):
    """A word, or several that have to stand beside each other.

    Attributes:
        text: as typed, without quotes and sign.
        phrase: whether it was in quotes.
        unfinished: whether it may be the beginning of a word: the last one, while it is typed.
    """

    text: str
    phrase: bool = False
    unfinished: bool = False

    def part(self, text: str) -> Term:
        """The same for a part of its text."""
        return self if text == self.text else Term(text)


class Query(NamedTuple):
    """What is wanted, and what isn't."""

    wanted: tuple[Term, ...]
    unwanted: tuple[Term, ...]

    def expression(self, *, every: bool) -> str:
        """For `MATCH` (https://www.sqlite.org/fts5.html, section 3): every wanted term, or any of them."""
        wanted = (" AND " if every else " OR ").join(map(_expression, self.wanted))
        unwanted = " OR ".join(map(_expression, self.unwanted))
        return f"({wanted}) NOT ({unwanted})" if unwanted else wanted

    def in_pieces(self) -> Query:
        """The same with words that have no spaces between them cut up, for where not all of them stand together."""
        wanted = tuple(
            part
            for term in self.wanted
            for part in ((term,) if term.phrase else map(term.part, overlapping_pieces(term.text)))
        )
        return Query(wanted[:MOST_TERMS], self.unwanted)


def parse_query(words: str) -> Query:
    """The terms of what a reader typed; `"words in quotes"` stand together, `-word` is unwanted.

    What has no letter and no digit is left out; nothing is wanted where nothing else is left.
    """
    words = _CONTROLS.sub(" ", words[:MOST_CHARACTERS]).translate(_QUOTES)
    wanted: list[Term] = []
    unwanted: list[Term] = []
    for found in list(_TERM.finditer(words))[:_MOST_WORDS]:
        sign, phrase, word = found.groups()
        text = phrase if word is None else word
        minus = sign == "-" or (word is not None and len(word) > 1 and word.startswith("-"))
        text = text.lstrip("-") if minus else text
        if not any(map(str.isalnum, text)):
            continue
        unfinished = word is not None and not minus and found.end() == len(words)
        (unwanted if minus else wanted).append(Term(text.strip(), word is None, unfinished))
    return Query(tuple(wanted), tuple(unwanted))


def for_index(text: str) -> str:
    """`text` as the index stores it: nothing that is not seen but what parts unspaced words, and no vowel points."""
    text = _CONTROLS.sub(lambda found: found[0] if found[0] in "\n\t" else " ", text)
    if text.isascii():
        return text
    # An accent may be a character of its own, as in names of files on a Mac.
    return letters_apart(_POINTS.sub("", unicodedata.normalize("NFC", text)))


def is_of_a_word(character: str) -> bool:
    """Whether a word may go on with it: a letter, a digit, or a mark such as the vowels of Hindi."""
    return character.isalnum() or unicodedata.category(character) in {"Mn", "Mc"}


def signed_names(text: str) -> str:
    """The names in `text` that a tokenizer can't tell from a letter, spelled out: `cplusplus`, `csharp`."""
    names = {f"{name.lower()}{_SIGNS[sign]}" for name, sign in _SIGNED.findall(text)}
    return " ".join(sorted(names))


def _expression(term: Term) -> str:
    signed = None if term.phrase else _SIGNED.fullmatch(term.text.rstrip(".,;:!?)"))
    text = f"{signed[1]}{_SIGNS[signed[2]]}" if signed else for_index(term.text)
    quoted = '"' + text.replace('"', '""') + '"'
    if signed or not term.unfinished or not is_of_a_word(text[-1]):
        return quoted
    # The whole word as well: who has it ranks above who has only its beginning.
    return f"({quoted} OR {quoted} *)"
