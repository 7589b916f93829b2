"""Which passages answer a question asked in whole sentences, and does any? Ranked by BM25, judged by what they hold of it."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from newsletter.site.index import Hit, SearchIndex
from newsletter.site.index_file import tokenizer
from newsletter.site.passage import Passage
from newsletter.site.query import MOST_TERMS, Query, Term, for_index, is_of_a_word, signed_names
from newsletter.site.unspaced import BETWEEN, is_unspaced, letters_apart, overlapping_pieces

# A question longer than this is cut: the index looks at no more words than a search has.
LONGEST_QUESTION: Final = 2_000
# A passage answers where it holds so much of what is rare in the question. Chosen on issues/eval.jsonl and
# issues/eval-hard.jsonl by tests/benchmarks/ask.py, measured on issues/eval-held-out.jsonl: a reader sees at once that
# a passage doesn't answer and never what was withheld, so that a wrong silence counts as three wrong answers.
ENOUGH: Final = 0.17
# Judged by as many as `newsletter ask` shows, however many are asked for: more passages hold more words.
_JUDGED: Final = 3
# Words that ask rather than name: what is left of a question is what it is about.
_ASKING: Final = """
a about across after against all also am among an and any are as at be because been before being between but
by can cannot could did do does doing done each either else ever every few for from further get gets give
gives go goes got had has have having he her here him his how i if in into is isn it its itself just let
like made make makes many may me might mine more most much must my need needs neither no nor not of off on
once one only or other our out over own per quite rather really s same say says shall she should since so
some still such t take than that the their them then there these they thing things this those though through
to too under until up us use used uses using very want wants was way we well were what when where whether
which while who whom whose why will with without won would yes yet you your
"""
_ANSWER: Final = "answer"
_SNIPPET_WORDS: Final = 28
_SNIPPET_LETTERS: Final = 60
_QUESTION_WORDS: Final = frozenset(_ASKING.split())
# What stands within a word besides letters, digits and marks: top_k, C++, don't, 3.11.
_WITHIN: Final = frozenset("_+#.'-")


@dataclass(frozen=True)
class Retrieved:
    """What was found for a question.

    Attributes:
        hits: best first; also where none is good enough.
        coverage: how much of what is rare in the question the best of them holds, from 0 to 1.
        answers: whether that one is about the question, rather than sharing a word with it.
    """

    hits: tuple[Hit, ...]
    coverage: float
    answers: bool


class Retriever:
    """Asks one index questions.

    Args:
        index: brought up to date by whoever made it.
        language: of the newsletter; in English, words that only ask are left out.
    """

    def __init__(self, index: SearchIndex, language: str) -> None:
        self._index, self._english = index, language.lower().startswith("en")
        self._number = len(index.passages())

    def retrieve(self, question: str, limit: int = 5) -> Retrieved:
        """The passages that have most of what a question names.

        Raises:
            NewsletterError: the index is damaged; an update mends it.
        """
        terms = self.terms(question)
        if not terms:
            return Retrieved((), 0.0, answers=False)
        found = self._index.search(Query(terms, ()), max(limit, _JUDGED), every=False).hits
        hits = self._answers_first(found)
        coverage = self._coverage(terms, [hit.passage for hit in hits[:_JUDGED]])
        return Retrieved(hits[:limit], coverage, coverage >= ENOUGH)

    def terms(self, question: str) -> tuple[Term, ...]:
        """What is looked for: the words of a question that name something, sentences without spaces in pieces."""
        pieces = (piece for word in self._words(question) for piece in overlapping_pieces(word))
        return tuple(map(Term, list(dict.fromkeys(pieces))[:MOST_TERMS]))

    def _answers_first(self, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """An interview question has the words that are looked for, its answer what is wanted: that comes first."""
        ordered: dict[str, Hit] = {}
        for hit in hits:
            page, _, anchor = hit.passage.id.partition("#")
            answer = self._index.passage(f"{page}#{_ANSWER}") if anchor != _ANSWER else None
            if answer is not None and answer.heading == hit.passage.heading:
                found = next((other for other in hits if other.passage.id == answer.id), None)
                ordered.setdefault(answer.id, found or Hit(answer, _opening(answer.text), hit.score))
            ordered.setdefault(hit.passage.id, hit)
        return tuple(ordered.values())

    def _words(self, question: str) -> list[str]:
        cut = question[:LONGEST_QUESTION].replace("’", "'")
        shown = "".join(one if one in _WITHIN or is_of_a_word(one) else " " for one in cut)
        found = (word.lstrip("_+#.'-").rstrip("_.'-") for word in shown.split())
        words = [word for word in dict.fromkeys(found) if any(map(str.isalnum, word))]
        if not self._english:
            return words
        return [word for word in words if word.lower().partition("'")[0] not in _QUESTION_WORDS] or words

    def _coverage(self, terms: Sequence[Term], passages: Sequence[Passage]) -> float:
        """The largest share of the terms' weight that one of the passages holds."""
        weights = [self._weight(term) for term in terms]
        if not passages or not sum(weights):
            return 0.0
        held = [0.0] * len(passages)
        # The passages alone, cut into words as the index cuts them: which of the words does each hold?
        with closing(sqlite3.connect(":memory:")) as db:
            db.execute(f"CREATE VIRTUAL TABLE held USING fts5(words, {tokenizer(english=self._english)})")
            for place, passage in enumerate(passages):
                text = " ".join((passage.title, passage.heading, *passage.tags, passage.text))
                words = f"{for_index(text)} {signed_names(text)}"
                db.execute("INSERT INTO held (rowid, words) VALUES (?, ?)", (place, words))
            for term, weight in zip(terms, weights, strict=True):
                expression = Query((term,), ()).expression(every=True)
                for (place,) in db.execute("SELECT rowid FROM held WHERE held MATCH ?", (expression,)):
                    held[place] += weight
        return max(held) / sum(weights)

    def _weight(self, term: Term) -> float:
        """How rare it is (inverse document frequency, as BM25 has it)."""
        found = self._index.number_with(term)
        return math.log(1 + (self._number - found + 0.5) / (found + 0.5))


def _opening(text: str) -> str:
    """How a passage begins, in as many words as a snippet has, or letters where there are no spaces between words."""
    apart = re.split(f"([ {BETWEEN}]+)", letters_apart(" ".join(text.split())))
    # Every second one parts two words.
    most = 2 * (_SNIPPET_LETTERS if is_unspaced(text) else _SNIPPET_WORDS)
    opening = "".join(apart[:most]).replace(BETWEEN, "").strip()
    return f"{opening}…" if len(apart) > most else opening
