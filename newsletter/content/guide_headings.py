"""What lies between the headings of a guide, and which addresses do they give on its page?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from newsletter.content.document import Document, Findings, Heading
from newsletter.content.front_matter import slugify
from newsletter.model.guide import PARTS, RELATED_ANCHOR, SOURCES_ANCHOR, SUMMARY_ANCHOR


class Stretch(NamedTuple):
    """A heading and the offset where what it opens ends."""

    heading: Heading
    end: int


class Anchors:
    """Gives each heading an address of its own on the page."""

    def __init__(self) -> None:
        fixed = (SUMMARY_ANCHOR, SOURCES_ANCHOR, RELATED_ANCHOR, *(part.anchor for part in PARTS))
        self._taken = dict.fromkeys(fixed, 1)

    def of(self, words: str, otherwise: str) -> str:
        """An anchor made of `words`, or of `otherwise` where no letter is left of them."""
        base = slugify(words) or otherwise
        number = self._taken.get(base, 0) + 1
        while number > 1 and f"{base}-{number}" in self._taken:
            number += 1
        self._taken[base] = number
        name = base if number == 1 else f"{base}-{number}"
        self._taken.setdefault(name, 1)
        return name


def words_of(document: Document, heading: Heading) -> str:
    """The text of a heading, without its marks."""
    return document.text[heading.text_start : heading.text_end]


def inner_stretches(document: Document, part: Stretch) -> Iterator[Stretch]:
    """The H3s of a part with what they open."""
    inside = [h for h in document.headings if h.level == 3 and part.heading.start < h.start < part.end]
    for position, heading in enumerate(inside):
        end = inside[position + 1].start if position + 1 < len(inside) else part.end
        yield Stretch(heading, end)


def count_errors(findings: Findings) -> int:
    """How many of the findings so far are errors."""
    return sum(d.severity == "error" for d in findings.found)
