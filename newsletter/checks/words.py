"""Do the words themselves hold: nothing doubled, invisible, stale, unkind, or harder to read than it need be?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import compress, islice, pairwise

from newsletter.checks.rule import Rule, Subject
from newsletter.checks.vocabulary import MAY_DOUBLE, NEVER_DOUBLE, SPAM, UNKIND
from newsletter.content.document import SPAN_FILL, Findings
from newsletter.diagnostics import Fix

# What a long read takes; most newsletters stay below a third.
MOST_WORDS = 4_000
WORDS_PER_MINUTE = 238
# Scientific papers reach about 17; adults read with ease up to 12.
HARDEST_GRADE = 18
# Below this, one long sentence decides.
_LEAST_WORDS = 150
# Japanese, Chinese and Thai part no words by spaces, and the index says nothing of them.
_LONGEST_MEAN = 12

# Zero-width and direction-changing characters (Unicode 16, chapter 23): nobody sees them, every parser does.
_ZERO_WIDTH = "\u200b\u2060\u00ad"
_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE = (*_ZERO_WIDTH, *_BIDI)
_NAMES = {
    "\u200b": "a zero-width space",
    "\u2060": "a word joiner",
    "\u00ad": "a soft hyphen",
}
_MOST_OF_A_KIND = 20
# What may stand between a word and the space after it.
_CLOSING = ".,;:!?…)\"'”’*_"


def _check_invisible(subject: Subject, findings: Findings) -> None:
    text = subject.document.text
    if text.isascii() or not any(character in text for character in _INVISIBLE):
        return
    for match in islice(re.finditer(f"[{_ZERO_WIDTH}{_BIDI}]+", text), _MOST_OF_A_KIND):
        character = match[0][0]
        turns = character in _BIDI
        name = _NAMES.get(character, "a direction override")
        findings.add(
            "NL834",
            f"{name} (U+{ord(character):04X})",
            *match.span(),
            help="remove it: the text is read in its own direction"
            if turns
            else "`newsletter check --fix` removes it",
            # What was turned around may have been meant so.
            fix=None if turns else Fix(*match.span(), ""),
        )


def _check_spaces_in_code(subject: Subject, findings: Findings) -> None:
    document = subject.document
    if document.text.isascii() or "\u00a0" not in document.text:
        return
    for start, end in document.code_blocks:
        for match in re.finditer("\u00a0+", document.text[start:end]):
            place = (start + match.start(), start + match.end())
            findings.add(
                "NL835",
                "a no-break space in code",
                *place,
                help="`newsletter check --fix` makes it an ordinary one",
                fix=Fix(*place, " " * len(match[0])),
            )


def _check_doubled(subject: Subject, findings: Findings) -> None:
    words = subject.body.lower().split()
    # In most issues there is none, and this asks in a tenth of the time that the pattern takes.
    pairs = compress(pairwise(words), map(str.startswith, words[1:], words))
    twice = {word for word, again in pairs if word == again.rstrip(_CLOSING) and word.isalpha()} - MAY_DOUBLE
    if not twice:
        return
    masked = subject.document.masked
    found = _doubled().finditer(masked, subject.document.body_start)
    for match in islice((match for match in found if match["word"].lower() in twice), _MOST_OF_A_KIND):
        word, again, start = match["word"], match["second"], match.start()
        # A heading and a row of a table end where their line does, and so does a line of one word: names in a row.
        line = masked.rfind("\n", 0, start) + 1
        if "\n" in match[0] and (
            masked[line : line + 4].lstrip()[:1] in {"#", "|"} or not masked[line:start].strip()
        ):
            continue
        # With a capital it may be a name, The The or Will; what follows a sentence's own `The` in small letters is none.
        # One letter may name anything, but for the article: Vitamin A a day.
        safe = again in NEVER_DOUBLE and (word == again or len(again) > 1)
        if not safe and (word != again or len(again) == 1):
            continue
        findings.add(
            "NL833",
            f"`{word}` stands twice",
            *match.span(),
            help="`newsletter check --fix` removes one" if safe else "remove one, if it isn't meant",
            fix=Fix(match.start("again"), match.end(), "") if safe else None,
        )


@cache
def _doubled() -> re.Pattern[str]:
    return re.compile(
        r"(?<!\S)(?P<word>[^\W\d_]++)(?P<again>[ \t]*+\n?[ \t]*+(?<=\s)(?P<second>(?i:(?P=word))))"
        rf"(?=[{re.escape(_CLOSING)}]*+(?!\S))"
    )


def _check_terms(subject: Subject, findings: Findings) -> None:
    for stem, pattern, instead in UNKIND:
        if stem not in subject.body:
            continue
        for match in re.finditer(rf"(?<![\w/.-]){pattern}(?![\w/-])", subject.body, re.IGNORECASE):
            start = subject.document.body_start + match.start()
            if subject.is_in_target(start):
                continue  # words of a title, or an address
            findings.add(
                "NL832",
                f"`{match[0]}` can be said more plainly",
                start,
                start + len(match[0]),
                help=f"say {instead}",
            )


def _check_spam(subject: Subject, findings: Findings) -> None:
    masked = subject.document.masked
    for phrase in SPAM:
        at = masked.find(phrase)
        while at > 0:
            start, end = at - 1, at + len(phrase)
            if not masked[start - 1 : start].isalnum() and not masked[end : end + 1].isalnum():
                findings.add(
                    "NL831",
                    f"`{masked[start:end]}` is a phrase of spam",
                    start,
                    end,
                    help="say it in your own words; one alone does no harm",
                )
                break
            at = masked.find(phrase, end)


def _check_years(subject: Subject, findings: Findings) -> None:
    date = getattr(subject.front, "date", None)
    if date is None:
        return
    for match in _years(subject):
        year = int(match["year"])
        if year < date.year:
            start = subject.document.body_start + match.start("year")
            findings.add(
                "NL836",
                f"`{' '.join(match[0].split())}`, and the issue is of {date.year}",
                start,
                start + 4,
                help=f"is it still so? Write {date.year}, or say when it was",
            )


def _years(subject: Subject) -> Iterator[re.Match[str]]:
    body = subject.body
    if "his year" in body or "urrent year" in body:
        yield from re.finditer(r"\b(?:[Tt]his|[Cc]urrent) year,? ?\(?(?P<year>20\d\d)\b", body)
    if "©" in body or "opyright" in body:
        yield from re.finditer(
            r"(?:©|\b[Cc]opyright(?: ©| \(c\))?) ?(?:\d{4} ?[-–] ?)?(?P<year>20\d\d)\b", body
        )


def _check_reading(subject: Subject, findings: Findings) -> None:
    body = subject.body
    words = len(subject.words)
    if words < _LEAST_WORDS:
        return
    start = len(subject.document.masked) - len(body.lstrip())
    if words > MOST_WORDS:
        findings.add(
            "NL838",
            f"{words:,} words, about {round(words / WORDS_PER_MINUTE)} minutes",
            start,
            help="few read so much of a mail: split it, or keep a part for the web page",
        )
    sentences = body.count(". ") + body.count(".\n")
    if _grade(len(body) - words, words, sentences) < HARDEST_GRADE:
        return  # with code, tables and addresses counted in, and not every sentence, it only looks harder
    grade = reading_grade(subject.body)
    if grade > HARDEST_GRADE:
        findings.add(
            "NL837",
            f"it reads like a scientific paper: grade {grade:.0f}",
            start,
            help="shorter sentences do most; 12 or less reads with ease",
        )


def reading_grade(text: str) -> float:
    """The Automated Readability Index: years at school that a text asks for.

    4.71 × characters per word + 0.5 × words per sentence − 21.43 (Senter and Smith, AMRL-TR-66-220, 1967). It counts no
    syllables, which no program counts well, and so is as right in code-laden prose as the others.
    """
    # Tables, headings, field lists and addresses hold no sentences.
    lines = [line for line in text.split("\n") if line[:1] not in {"#", "|", "-", "["}]
    prose = re.sub(r"\]\([^()\s]*\)", "]", " ".join(lines)) if "](" in text else " ".join(lines)
    words = prose.split()
    sentences = sum(word[-1] in ".!?…:" for word in words) or 1
    if len(words) < _LEAST_WORDS:
        return 0.0
    characters = sum(map(len, words)) - prose.count(SPAN_FILL)
    if characters > _LONGEST_MEAN * len(words):
        return 0.0
    return _grade(characters, len(words), sentences)


def _grade(characters: int, words: int, sentences: int) -> float:
    return 4.71 * characters / words + 0.5 * words / max(sentences, 1) - 21.43


RULES = (
    Rule(("NL834",), _check_invisible),
    Rule(("NL835",), _check_spaces_in_code),
    Rule(("NL833",), _check_doubled),
    Rule(("NL832",), _check_terms),
    Rule(("NL831",), _check_spam, of_mail=True),
    Rule(("NL836",), _check_years),
    Rule(("NL837", "NL838"), _check_reading),
)
