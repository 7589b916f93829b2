"""Which parts does a guide have, each once and in order, and what do they say?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from newsletter.content.document import Document, Findings, Heading
from newsletter.content.fields import fold
from newsletter.content.guide_cards import read_choosing, read_questions, report_notes
from newsletter.content.guide_comparison import read_comparison
from newsletter.content.guide_headings import Anchors, Stretch, words_of
from newsletter.content.suggest import listed, nearest
from newsletter.diagnostics import Fix
from newsletter.model.guide import CHOOSING, COMPARISON, FAQ, PARTS, Choosing, Comparison, Part, Questions
from newsletter.model.issue import Prose

# How else people call the parts.
_SYNONYMS = {
    "faq": FAQ.heading,
    "faqs": FAQ.heading,
    "questions": FAQ.heading,
    "when to choose": CHOOSING.heading,
}


class Parts(NamedTuple):
    """What follows the front matter; a part that isn't valid is None."""

    summary: Prose
    comparison: Comparison | None
    choosing: Choosing | None
    faq: Questions | None


def parse_parts(document: Document, options: Sequence[str], findings: Findings) -> Parts:
    """The parts of a guide; without options, nothing is compared with them."""
    openings = [h for h in document.headings if h.level == 2]
    summary = document.prose(document.body_start, openings[0].start if openings else len(document.text))
    parts = _find_parts(document, openings, findings)
    if document.open_fence is None and (document.front is not None or parts):
        _report_missing(document, openings, parts, summary, findings)
    anchors = Anchors()
    comparison = parts.get(COMPARISON.anchor)
    choosing = parts.get(CHOOSING.anchor)
    faq = parts.get(FAQ.anchor)
    outside = choosing or Stretch(Heading(2, 0, 0, 0, 0), document.body_start)
    report_notes(document, document.body_start, outside.heading.start, findings)
    report_notes(document, outside.end, len(document.text), findings)
    return Parts(
        summary,
        read_comparison(document, comparison, options, findings) if comparison else None,
        read_choosing(document, choosing, options, anchors, findings) if choosing else None,
        read_questions(document, faq, anchors, findings) if faq else None,
    )


def _find_parts(document: Document, openings: list[Heading], findings: Findings) -> dict[str, Stretch]:
    """The parts by their anchors; headings that open none, or one for the second time, are reported."""
    by_heading = {fold(part.heading): part for part in PARTS}
    found: dict[str, Stretch] = {}
    order = [part.anchor for part in PARTS]
    highest = -1
    for position, heading in enumerate(openings):
        end = openings[position + 1].start if position + 1 < len(openings) else len(document.text)
        words = words_of(document, heading)
        part = by_heading.get(fold(words)) or _report_unknown(document, heading, found, findings)
        if part is None:
            continue
        if part.anchor in found:
            line, _ = document.place(found[part.anchor].heading.start)
            findings.add(
                "NL503",
                f"the part `{part.heading}` stands twice",
                heading.start,
                heading.text_end,
                help=f"the first one is on line {line}: merge them",
            )
            continue
        if order.index(part.anchor) < highest:
            findings.add(
                "NL503",
                f"the part `{part.heading}` has to come before `{PARTS[highest].heading}`",
                heading.start,
                heading.text_end,
                help=f"the order is {listed((part.heading for part in PARTS), 'and')}",
            )
        highest = max(highest, order.index(part.anchor))
        found[part.anchor] = Stretch(heading, end)
    return found


def _report_unknown(
    document: Document, heading: Heading, found: dict[str, Stretch], findings: Findings
) -> Part | None:
    """Report a heading that names no part; the part it most likely means, if any."""
    words = words_of(document, heading)
    left = [part.heading for part in PARTS if part.anchor not in found]
    meant = _SYNONYMS.get(fold(words), "")
    near = (meant if meant in left else "") or nearest(words, left)
    findings.add(
        "NL502",
        f"no part of a guide is called `{words}`" if words else "the heading names no part of a guide",
        heading.text_start if words else heading.start,
        heading.text_end,
        help=f"did you mean `{near}`?"
        if near
        else f"the parts are {listed((part.heading for part in PARTS), 'and')}; within one, use `###`",
        fix=Fix(heading.text_start, heading.text_end, near) if near and words else None,
    )
    return next((part for part in PARTS if part.heading == near), None)


def _report_missing(
    document: Document,
    openings: list[Heading],
    parts: dict[str, Stretch],
    summary: Prose,
    findings: Findings,
) -> None:
    text = document.text
    last = text.rfind("\n", 0, len(text.rstrip())) + 1
    if not summary:
        start = openings[0].start if openings else last
        findings.add(
            "NL501",
            "the summary is missing",
            start,
            document.line_end(start),
            help="give the straight answer in a few sentences "
            + ("above this heading" if openings else "below the front matter"),
        )
    for position, part in enumerate(PARTS):
        if part.anchor in parts:
            continue
        later = [parts[p.anchor].heading.start for p in PARTS[position + 1 :] if p.anchor in parts]
        start = min(later, default=last)
        findings.add(
            "NL501",
            f"the part `{part.heading}` is missing",
            start,
            document.line_end(start),
            help=f"write `## {part.heading}` " + ("above this heading" if later else "at the end"),
        )
