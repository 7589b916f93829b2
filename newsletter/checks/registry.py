"""Which rules are there, and what do they say about one issue?"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from newsletter.checks import layout, links, text
from newsletter.checks.rule import Rule, Subject
from newsletter.content.document import Findings
from newsletter.content.issue import ParseResult
from newsletter.diagnostics import Diagnostic

RULES: tuple[Rule, ...] = (*text.RULES, *links.RULES, *layout.RULES)


def check_issue(
    parsed: ParseResult, folder: Path | None = None, off: Collection[str] = ()
) -> list[Diagnostic]:
    """What the rules find in a parsed issue, in no order; the parser's own findings are not repeated.

    Args:
        parsed: an issue, valid or not: most rules need its text only.
        folder: what its relative paths start from; without it, files are not looked for.
        off: codes nobody wants to hear of; a rule that has no other is not run.
    """
    if parsed.document is None:
        return []
    findings = Findings(parsed.document)
    subject = Subject(parsed.document, parsed.front, parsed.issue, folder)
    for rule in RULES:
        if not off or any(code not in off for code in rule.codes):
            rule.check(subject, findings)
    return findings.found
