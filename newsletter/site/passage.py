"""What is a passage, and of which files are there any? Values alone: whoever only searches imports nothing that reads files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.model.issue import SectionKind


@dataclass(frozen=True)
class ArchiveFiles:
    """The files of a newsletter, and which of them readers may see.

    Attributes:
        base_url: where the site is, without a slash at its end; addresses begin with `/` where it is empty.
        kinds: the section kinds.
        issues: the files, each with the path that findings call it.
        guides: the same of the guides.
        sent: slugs of issues that went out to people.
        drafts: whether what isn't published counts as well.
    """

    base_url: str
    kinds: tuple[SectionKind, ...]
    issues: Sequence[tuple[Path, Path]]
    guides: Sequence[tuple[Path, Path]]
    sent: frozenset[str]
    drafts: bool = False

    def publishes(self, slugs: Iterable[str]) -> bool:
        """Whether an issue that has, or had, one of these slugs is to be seen."""
        return self.drafts or not self.sent.isdisjoint(slugs)


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of an issue or a guide that stands for itself.

    Attributes:
        id: the same for as long as the page and the part keep their addresses: `hybrid-retrieval#concept`,
            `guides/rag-vs-fine-tuning#choose-rag`.
        url: where a reader finds it, with the part's anchor.
        title: of the issue or guide.
        heading: of the part; empty for an issue's introduction.
        kind: `intro`, a section kind's name, `answer` or another subsection of it; `summary`, `comparison`,
            `choosing`, `choice` or `question` in a guide.
        date: the issue's, or when the guide was last looked over; `YYYY-MM-DD`.
        tags: the page's.
        text: plain text with code kept, paragraphs on one line each, without addresses of links.
    """

    id: str
    url: str
    title: str
    heading: str
    kind: str
    date: str
    tags: tuple[str, ...]
    text: str

    def about(self) -> dict[str, str | list[str]]:
        """All but its text, as JSON has it wherever it is cited, searched or exported."""
        return {
            "id": self.id,
            "url": self.url,
            "title": self.title,
            "heading": self.heading,
            "kind": self.kind,
            "date": self.date,
            "tags": list(self.tags),
        }

    @property
    def sha256(self) -> str:
        """Of `text` in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()
