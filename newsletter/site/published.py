"""Which issues and guides may be shown to anybody, as their authors wrote them? What questions and training data are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from newsletter.checks.across import check_across, read_claims
from newsletter.content.guide import GuideResult, read_guide
from newsletter.content.issue import ParseResult, read_issue
from newsletter.content.source import by_place
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.model.guide import Guide
from newsletter.model.issue import Issue

if TYPE_CHECKING:
    from newsletter.site.passage import ArchiveFiles


@dataclass(frozen=True)
class Published:
    """What is published, parsed.

    Attributes:
        issues: oldest first.
        guides: by slug.
        findings: errors that stand in the way of some, by place.
    """

    issues: tuple[Issue, ...]
    guides: tuple[Guide, ...]
    findings: tuple[Diagnostic, ...]


def read_published(files: ArchiveFiles) -> Published:
    """The issues that were sent and the guides that are ready; the others as well where drafts are wanted.

    Raises:
        NewsletterError: a file can't be read.
    """
    parsed: list[ParseResult | GuideResult] = []
    others = []
    for path, display in files.issues:
        # A thousand drafts need not be parsed to be left out.
        claims = read_claims(path)._replace(path=str(display))
        if files.publishes(claims.slugs):
            parsed.append(read_issue(path, files.kinds, str(display)))
        else:
            others.append(claims)
    for path, display in files.guides:
        guide = read_guide(path, str(display))
        if files.drafts or guide.front is None or guide.front.status != "draft":
            parsed.append(guide)
    issues = [one.issue for one in parsed if isinstance(one, ParseResult) and one.issue is not None]
    guides = [one.guide for one in parsed if isinstance(one, GuideResult) and one.guide is not None]
    found = [d for one in parsed for d in one.diagnostics if d.severity is Severity.ERROR]
    found += [d for d in check_across(parsed, others) if d.code in {"NL901", "NL902"}]
    return Published(
        issues=tuple(sorted(issues, key=lambda issue: (issue.front.date, issue.front.number))),
        guides=tuple(sorted(guides, key=lambda guide: guide.slug)),
        findings=tuple(sorted(found, key=by_place)),
    )
