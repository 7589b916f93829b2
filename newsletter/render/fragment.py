"""Where do the links and pictures of a text lead, and what came of converting it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

from newsletter.content.addresses import page_address
from newsletter.model.template import InlineImage
from newsletter.render.images import Picture, Pictures, Problem
from newsletter.render.slots import TOKEN


@dataclass(frozen=True, slots=True)
class Place:
    """Where an issue's links and pictures lead.

    Attributes:
        pictures: its pictures.
        base_url: the archive's address without a trailing slash, or empty.
        web_url: the issue's own, or empty.
    """

    pictures: Pictures
    base_url: str
    web_url: str

    def link(self, href: str) -> tuple[str, Problem | None]:
        """The absolute address that `href` leads to, empty where there is none, and what is wrong with it."""
        if TOKEN.match(href):
            return href, None
        try:
            parts = urlsplit(href)
        except ValueError:  # such as an unclosed bracket of an IPv6 address
            return "", Problem("NL410", f"`{href}` is not an address", "check its host")
        scheme = parts.scheme.lower()
        if scheme in {"http", "https", "mailto", "tel"}:
            return href, None
        if scheme:
            return "", Problem(
                "NL410", f"a link to `{href}` doesn't work in email", "use an https:, mailto: or tel: address"
            )
        if href.startswith("//"):
            return f"https:{href}", None
        if not self.web_url:
            return "", Problem(
                "NL407",
                f"the link `{href}` has no address to start from",
                "set `base_url`, or write all of it",
            )
        if parts.path.endswith(".md"):
            # An issue or a guide of the same repository.
            file = self.pictures.issue_path.parent / unquote(parts.path)
            tail = f"#{parts.fragment}" if parts.fragment else ""
            return f"{self.base_url}{page_address(file)}{tail}", None
        return urljoin(self.web_url, href), None


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem and the piece of source that has it.

    Attributes:
        line: of a block of code, the line in it that has the problem, from 1; 0 for the fence above it; None where
            `source` is all that is meant.
    """

    problem: Problem
    source: str
    line: int | None = None


@dataclass(slots=True)
class Fragment:
    """A converted piece of Markdown.

    Attributes:
        html: semantic HTML: p, h3 to h6, ul, ol, pre > code, table, blockquote, aside, figure, div.notes.
        pictures: those it shows, and those it can't.
        findings: what is wrong with its links and pictures.
        level: of its last heading, or the one above its first.
    """

    html: str = ""
    level: int = 2
    pictures: list[Picture] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def images(self) -> tuple[InlineImage, ...]:
        """The pictures of our own, whether they travel with the message or are linked."""
        return tuple(picture.image for picture in self.pictures if picture.image is not None)

    def report(self, problem: Problem | None, source: str) -> None:
        """Note what is wrong with `source`, if anything."""
        if problem is not None:
            self.findings.append(Finding(problem, source))

    def lead(self, place: Place, written: str) -> str:
        """Where a link leads; empty where it can't, which is noted."""
        href, problem = place.link(written)
        self.report(problem, written)
        return href
