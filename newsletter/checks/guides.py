"""Is a guide still vouched for, and does everything it points to exist?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from newsletter.checks.links import check_file
from newsletter.checks.rule import Rule, Subject
from newsletter.checks.site_links import report_part
from newsletter.checks.site_pages import CAPTION_ANCHOR
from newsletter.content.document import Findings
from newsletter.content.yaml_block import Entry
from newsletter.model.guide import GuideFrontMatter

# Each in one step, however many of them stand in a row.
_BRACES = re.compile(r"\{\{(?:[^{}\n]*\}\}|\{*)|(?:\{%)+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")


def _check_slots(subject: Subject, findings: Findings) -> None:
    masked = subject.document.masked
    if "{{" not in masked and "{%" not in masked:
        return
    for match in _BRACES.finditer(masked):
        findings.add(
            "NL517",
            "a slot in a guide" if match[0].startswith("{{") else "a template statement in a guide",
            match.start(),
            match.end(),
            help="remove it, or put the braces into code: a page has no recipient",
        )


def _check_review(subject: Subject, findings: Findings) -> None:
    front, entries = _front(subject), _entries(subject)
    if front is None or subject.today is None:
        return
    # A review before the update has a code of its own.
    if front.updated <= front.review_by < subject.today:
        findings.add(
            "NL513",
            f"the review was due on {front.review_by}",
            *entries["review_by"].place(()),
            help="read the guide again, then set `updated` and `review_by`",
        )


def _check_share_image(subject: Subject, findings: Findings) -> None:
    front, entries = _front(subject), _entries(subject)
    if front is None or not front.image:
        return
    if _SCHEME.match(front.image) or front.image.startswith("/"):
        return
    check_file(subject, unquote(front.image), entries["image"].place(()), findings, is_image=True)


def _front(subject: Subject) -> GuideFrontMatter | None:
    return subject.guide.front if subject.guide else None


def _entries(subject: Subject) -> Mapping[str, Entry]:
    return subject.guide.entries if subject.guide else {}


def _check_anchors(subject: Subject, findings: Findings) -> None:
    """A link within the guide; `site_links` has those to other pages."""
    # In a guide that isn't valid, a link may lead to what is only misspelt.
    guide = subject.guide.guide if subject.guide else None
    if guide is None or "#" not in subject.document.masked:
        return
    anchors = [*guide.anchors, CAPTION_ANCHOR]
    for target in subject.targets:
        fragment = target.address[1:]
        if target.image or not fragment or target.address[0] != "#":
            continue
        if unquote(fragment) not in anchors:
            report_part(target, anchors, findings)


RULES = (
    Rule(("NL306",), _check_share_image),
    Rule(("NL513",), _check_review),
    Rule(("NL517",), _check_slots),
    Rule(("NL518",), _check_anchors),
)
