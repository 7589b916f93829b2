"""The catalogue of codes: what each finding means and why it matters, for `newsletter explain`."""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.diagnostics.types import Severity


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of finding.

    Attributes:
        code: `NL` and three digits; never reused for another meaning.
        title: a short name in a few words.
        severity: what it is unless the settings say otherwise.
        explanation: why it matters and how to mend it, in Markdown.
    """

    code: str
    title: str
    severity: Severity
    explanation: str


CODES: dict[str, Code] = {}
