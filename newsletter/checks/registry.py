"""Which rules are there, and what do they say about one issue or guide?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.checks import (
    addresses,
    inbox_line,
    layout,
    links,
    narrow,
    pictures,
    site_links,
    text,
    unlinked,
    words,
)
from newsletter.checks.rule import Rule, Subject
from newsletter.checks.site_pages import KnownSites
from newsletter.content.document import Findings
from newsletter.content.issue import ParseResult
from newsletter.diagnostics import Diagnostic

if TYPE_CHECKING:
    from newsletter.content.guide import GuideResult

RULES: tuple[Rule, ...] = (
    *text.RULES,
    *links.RULES,
    *site_links.RULES,
    *layout.RULES,
    *inbox_line.RULES,
    *addresses.RULES,
    *unlinked.RULES,
    *pictures.RULES,
    *words.RULES,
    *narrow.RULES,
)


def check_issue(
    parsed: ParseResult,
    folder: Path | None = None,
    off: Collection[str] = (),
    sites: KnownSites | None = None,
) -> list[Diagnostic]:
    """What the rules find in a parsed issue, in no order; the parser's own findings are not repeated.

    Args:
        parsed: an issue, valid or not: most rules need its text only.
        folder: what its relative paths start from; without it, files are not looked for.
        off: codes nobody wants to hear of; a rule that has no other is not run.
        sites: what is known already of the pages that links lead to.
    """
    if parsed.document is None:
        return []
    subject = Subject(parsed.document, parsed.front, parsed.issue, folder, sites=sites or KnownSites())
    return _found(RULES, subject, off)


def check_guide(
    parsed: GuideResult,
    folder: Path | None = None,
    off: Collection[str] = (),
    today: dt.date | None = None,
    sites: KnownSites | None = None,
) -> list[Diagnostic]:
    """As `check_issue`, for a guide; without `today`, nobody asks whether its review is due."""
    if parsed.document is None:
        return []
    subject = Subject(parsed.document, parsed.front, None, folder, parsed, today, sites or KnownSites())
    return _found(_guide_rules(), subject, off)


@cache
def _guide_rules() -> tuple[Rule, ...]:
    # What reads guides is imported for a guide only: it costs a check of one issue a tenth of its start.
    from newsletter.checks import guides

    return (*(rule for rule in RULES if not rule.of_mail), *guides.RULES)


def _found(rules: tuple[Rule, ...], subject: Subject, off: Collection[str]) -> list[Diagnostic]:
    findings = Findings(subject.document)
    for rule in rules:
        if not off or any(code not in off for code in rule.codes):
            rule.check(subject, findings)
    return findings.found
