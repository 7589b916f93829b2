"""What is a rule? A function from a parsed issue or guide to findings, and the codes it may report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from newsletter.content.document import Document, Findings
from newsletter.model.issue import FrontMatter, Issue

if TYPE_CHECKING:
    # Only who meets a guide imports what reads guides.
    from newsletter.content.guide import GuideResult
    from newsletter.model.guide import GuideFrontMatter


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
    """

    document: Document
    front: FrontMatter | GuideFrontMatter | None
    issue: Issue | None
    folder: Path | None
    guide: GuideResult | None = None
    today: dt.date | None = None

    @property
    def is_mailed(self) -> bool:
        """Whether the text becomes a mail: a guide is a page only."""
        return self.guide is None

    @cached_property
    def is_ready(self) -> bool:
        """Whether the author calls it finished."""
        return self.front is not None and self.front.status == "ready"


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
