"""What is a rule? A function from a parsed issue to findings, and the codes it may report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from newsletter.content.document import Document, Findings
from newsletter.model.issue import FrontMatter, Issue


@dataclass
class Subject:
    """What a rule looks at.

    Attributes:
        document: the text with its positions.
        front: the front matter where it is valid.
        issue: the issue where all of it is valid.
        folder: what relative paths in the text start from; None where no file stands behind the text.
    """

    document: Document
    front: FrontMatter | None
    issue: Issue | None
    folder: Path | None

    @cached_property
    def is_ready(self) -> bool:
        """Whether the author calls the issue finished."""
        return self.front is not None and self.front.status == "ready"


class Rule(NamedTuple):
    """One check of an issue's source.

    Attributes:
        codes: what it may report.
        check: adds its findings.
    """

    codes: tuple[str, ...]
    check: Callable[[Subject, Findings], None]
