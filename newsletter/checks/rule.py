"""What is a rule? A function from a parsed issue or guide to findings, and the codes it may report."""

from __future__ import annotations

import datetime as dt
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from newsletter.checks.site_pages import KnownSites
from newsletter.checks.targets import Target, targets_of
from newsletter.content.document import Document, Findings
from newsletter.model.issue import FrontMatter, Issue

if TYPE_CHECKING:
    # Only who meets a guide imports what reads guides.
    from newsletter.content.guide import GuideResult
    from newsletter.model.guide import GuideFrontMatter

# What a fence says of a block whose picture is shown (`render.diagrams.source`, which to check an issue isn't needed for).
_DRAWN = frozenset(("mermaid", "dot"))


@dataclass
class Subject:
    """What a rule looks at.

    Attributes:
        document: the text with its positions.
        front: the front matter where it is valid.
        issue: the issue where all of it is valid.
        folder: what relative paths in the text start from; None where no file stands behind the text.
        guide: what was parsed, where the text is a guide's.
        today: the date where the author is; None where it is of no matter.
        sites: whose pages the links of the text lead to.
    """

    document: Document
    front: FrontMatter | GuideFrontMatter | None
    issue: Issue | None
    folder: Path | None
    guide: GuideResult | None = None
    today: dt.date | None = None
    sites: KnownSites = field(default_factory=KnownSites)

    @property
    def is_mailed(self) -> bool:
        """Whether the text becomes a mail: a guide is a page only."""
        return self.guide is None

    @cached_property
    def is_ready(self) -> bool:
        """Whether the author calls it finished."""
        return self.front is not None and self.front.status == "ready"

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The links and images of the text, code aside, in no order."""
        return tuple(targets_of(self.document))

    def is_in_target(self, offset: int) -> bool:
        """Whether something stands within a link or an image, its words included."""
        starts, ends = self._target_spans
        before = bisect_right(starts, offset)
        return before > 0 and offset < ends[before - 1]

    @cached_property
    def _target_spans(self) -> tuple[list[int], list[int]]:
        """Where targets begin, in order, and how far those that began so far reach: one may stand in another."""
        spans = sorted((target.whole_start, target.end) for target in self.targets)
        return [start for start, _ in spans], list(accumulate((end for _, end in spans), max))

    @cached_property
    def body(self) -> str:
        """The Markdown after the front matter, code replaced by fill characters."""
        return self.document.masked[self.document.body_start :]

    @cached_property
    def words(self) -> list[str]:
        """`body` parted at white space."""
        return self.body.split()

    @cached_property
    def shown_code(self) -> list[tuple[int, int, int]]:
        """The blocks that readers see as code: where each begins, where its first line ends, and where it ends."""
        document = self.document
        blocks = [(start, document.line_end(start), end) for start, end in document.code_blocks]
        return [
            (start, opened, end)
            for start, opened, end in blocks
            # What follows a fence that nothing closes is prose for the most part.
            if start != document.open_fence and document.text[start:opened].strip(" `~") not in _DRAWN
        ]

    def place_of(self, key: str) -> tuple[int, int]:
        """Where the value of a front matter key stands; the first line where the key isn't written."""
        return place_of(self.document, key)


def place_of(document: Document, key: str) -> tuple[int, int]:
    """Where the value of a front matter key stands; the first line where the key isn't written."""
    if document.front is None:
        return 0, 3
    match = re.compile(
        rf"^(?:{key}|\"{key}\"|'{key}')[ \t]*:[ \t]*(?P<value>[^\n]*?)[ \t]*$", re.MULTILINE
    ).search(document.text, *document.front)
    return match.span("value") if match else (0, 3)


class Rule(NamedTuple):
    """One check of a source.

    Attributes:
        codes: what it may report.
        check: adds its findings.
        of_mail: whether it is about what mails can do, and so no matter of a guide's.
    """

    codes: tuple[str, ...]
    check: Callable[[Subject, Findings], None]
    of_mail: bool = False
