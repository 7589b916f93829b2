"""What stands on the cards of a guide, in its note, and among its questions?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from newsletter.content.document import Document, Findings, Heading, prose_of_lines
from newsletter.content.fields import fold
from newsletter.content.guide_headings import Anchors, Stretch, count_errors, inner_stretches, words_of
from newsletter.content.suggest import listed, nearest
from newsletter.diagnostics import Fix
from newsletter.model.guide import CHOOSING, FAQ, Choice, Choosing, Question, Questions
from newsletter.model.issue import Prose

_CARD = re.compile(r"choose\s+(?P<option>\S.*)", re.IGNORECASE)
_NOTE = re.compile(r" {0,3}>[ \t]*\[!NOTE\][ \t]*", re.IGNORECASE)
_NOTE_LINE = re.compile(rf"^{_NOTE.pattern}$", re.IGNORECASE | re.MULTILINE)
_QUOTED = re.compile(r" {0,3}>[ ]?")
_QUESTION_MARKS = ("?", "？", "؟")
# What may follow a question mark: emphasis, a code span, quotes, a parenthesis.
_AFTER_QUESTION = "*_`\"'”’») \ufffc"


def read_choosing(
    document: Document, part: Stretch, options: Sequence[str], anchors: Anchors, findings: Findings
) -> Choosing | None:
    """The cards and the note, or None where a card is missing or wrong."""
    errors = count_errors(findings)
    options = list({fold(option): option for option in reversed(options)}.values())[::-1]
    cards: dict[str, Choice] = {}
    notes: list[Prose] = []
    stretches = list(inner_stretches(document, part))
    first = stretches[0].heading.start if stretches else part.end
    intro = _without_notes(document, part.heading.end, first, notes, findings)
    for stretch in stretches:
        heading = stretch.heading
        option = _option_of(document, heading, options, cards, findings)
        body = _without_notes(document, heading.end, stretch.end, notes, findings)
        if option is None:
            continue
        line = document.place(heading.start)[0]
        if option in cards:
            findings.add(
                "NL509",
                f"`Choose {option}` stands twice",
                heading.start,
                heading.text_end,
                help=f"the first one is on line {cards[option].line}: merge them",
            )
            continue
        if not body:
            findings.add(
                "NL510",
                f"the card `Choose {option}` is empty",
                heading.start,
                heading.text_end,
                help="say when it is the right choice",
            )
        cards[option] = Choice(
            option=option, body=body, anchor=anchors.of(f"Choose {option}", "choose"), line=line
        )
    for option in options:
        if option not in cards:
            findings.add(
                "NL507",
                f"the option `{option}` has no card",
                part.heading.start,
                part.heading.text_end,
                help=f"write `### Choose {option}` and when to do so",
            )
    if count_errors(findings) > errors or not options:
        return None
    return Choosing(
        choices=tuple(cards[option] for option in options),
        intro=intro,
        note=notes[0] if notes else Prose(),
        line=document.place(part.heading.start)[0],
    )


def _option_of(
    document: Document,
    heading: Heading,
    options: Sequence[str],
    cards: dict[str, Choice],
    findings: Findings,
) -> str | None:
    """The option a card is about; one that is about none is reported, and may be the nearest one's."""
    words = words_of(document, heading)
    by_name = {fold(option): option for option in options}
    card = _CARD.fullmatch(words)
    named = card["option"] if card else words
    if not options or (card and fold(named) in by_name):
        return by_name.get(fold(named))
    near = by_name.get(fold(named)) or nearest(named, (o for o in options if o not in cards))
    findings.add(
        "NL508",
        f"`{words}` is the card of no option" if words else "the heading is the card of no option",
        heading.text_start if words else heading.start,
        heading.text_end,
        help=f"did you mean `Choose {near}`?"
        if near
        else f"the cards are {listed((f'`Choose {option}`' for option in options), 'and')}; within one, use `####`",
        fix=Fix(heading.text_start, heading.text_end, f"Choose {near}") if near and words else None,
    )
    return near or None


def _without_notes(document: Document, start: int, end: int, notes: list[Prose], findings: Findings) -> Prose:
    """The text between two offsets; its first `> [!NOTE]` goes to `notes`, unless one is there already."""
    lines, masked = document.slice(start, end).split("\n"), document.masked[start:end].split("\n")
    first_line = document.place(start)[0]
    offset, index = start, 0
    while index < len(masked):
        if _NOTE.fullmatch(masked[index].rstrip()):
            last = index
            while last + 1 < len(masked) and _QUOTED.match(masked[last + 1]):
                last += 1
            if notes:
                _report_note(offset, len(masked[index].rstrip()), "a second note", findings)
            quoted = [_QUOTED.sub("", line, count=1) for line in lines[index + 1 : last + 1]]
            note = prose_of_lines(quoted, first_line + index + 1)
            if not notes and note:
                notes.append(note)
            lines[index : last + 1] = [""] * (last + 1 - index)
            offset += sum(len(line) + 1 for line in masked[index:last])
            index = last
        offset += len(masked[index]) + 1
        index += 1
    return prose_of_lines(lines, first_line)


def report_notes(document: Document, start: int, end: int, findings: Findings) -> None:
    """Report every note between two offsets, where the page has no place for one."""
    if document.masked.find("[!", start, end) < 0:
        return
    for match in _NOTE_LINE.finditer(document.masked, start, end):
        _report_note(match.start(), len(match[0].rstrip()), "a note in another place", findings)


def _report_note(start: int, length: int, what: str, findings: Findings) -> None:
    findings.add(
        "NL519",
        what,
        start,
        start + length,
        help=f"a guide has one note, below `## {CHOOSING.heading}`: merge them, or write it as text",
    )


# Frequently asked questions


def read_questions(
    document: Document, part: Stretch, anchors: Anchors, findings: Findings
) -> Questions | None:
    """The questions, or None where there is none, or one isn't whole."""
    errors = count_errors(findings)
    questions: list[Question] = []
    seen: dict[str, int] = {}
    stretches = list(inner_stretches(document, part))
    for heading, end in stretches:
        words = words_of(document, heading)
        line = document.place(heading.start)[0]
        _check_question(document, heading, words, findings)
        answer = document.prose(heading.end, end)
        if not answer:
            findings.add(
                "NL512",
                "the question has no answer",
                heading.start,
                heading.text_end,
                help="answer it below this heading, or remove it",
            )
        first = seen.setdefault(fold(words), line)
        if words and first != line:
            findings.add(
                "NL509",
                "the question stands twice",
                heading.text_start,
                heading.text_end,
                help=f"the first one is on line {first}: merge their answers",
            )
        questions.append(
            Question(question=words, answer=answer, anchor=anchors.of(words, "question"), line=line)
        )
    if not questions:
        findings.add(
            "NL501",
            f"the part `{FAQ.heading}` has no question",
            part.heading.start,
            part.heading.text_end,
            help="write each one as `### …?` with its answer below",
        )
    if count_errors(findings) > errors:
        return None
    intro = document.prose(part.heading.end, stretches[0].heading.start)
    return Questions(questions=tuple(questions), intro=intro, line=document.place(part.heading.start)[0])


def _check_question(document: Document, heading: Heading, words: str, findings: Findings) -> None:
    masked = document.masked[heading.text_start : heading.text_end]
    if masked.rstrip(_AFTER_QUESTION).endswith(_QUESTION_MARKS):
        return
    kept = words.rstrip(".:;!, ")
    # A topic such as "Costs" becomes no question by its mark.
    is_sentence = len(kept.split()) >= 3
    findings.add(
        "NL511",
        "the question doesn't end in a question mark" if words else "the heading asks nothing",
        heading.text_start if words else heading.start,
        heading.text_end,
        help=f"write `### {kept[:60]}?`" if is_sentence else "ask as a reader would: `### Is it cheaper?`",
        fix=Fix(heading.text_start + len(kept), heading.text_end, "?") if is_sentence else None,
    )
