"""Is a guide still vouched for, and does everything it points to exist?"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from urllib.parse import unquote

from newsletter.checks.links import check_file
from newsletter.checks.rule import Rule, Subject
from newsletter.checks.targets import Target
from newsletter.content.document import Findings
from newsletter.content.front_matter import slugify
from newsletter.content.guide import GuideResult, parse_guide_source
from newsletter.content.guide_files import is_guide
from newsletter.content.issue import parse_issue_source
from newsletter.content.source import read_text
from newsletter.content.suggest import nearest
from newsletter.content.yaml_block import Entry
from newsletter.errors import NewsletterError
from newsletter.model.guide import PARTS, GuideFrontMatter

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
    if "#" not in subject.document.masked:
        return
    pages: dict[Path, Collection[str] | None] = {}
    for target in subject.targets:
        address, hash_, fragment = target.address.partition("#")
        if target.image or not hash_ or not fragment or _SCHEME.match(address):
            continue
        anchors = _anchors_of(subject, unquote(address), pages)
        if anchors is not None and unquote(fragment) not in anchors:
            _report_anchor(target, fragment, anchors, findings)


def _report_anchor(target: Target, fragment: str, anchors: Collection[str], findings: Findings) -> None:
    near = nearest(unquote(fragment), anchors)
    start = target.start + target.address.index("#")
    findings.add(
        "NL518",
        f"the page has no part `#{fragment[:60]}`",
        start,
        target.end,
        help=f"did you mean `#{near}`?" if near else f"its parts are {_some(anchors)}",
    )


def _some(anchors: Collection[str]) -> str:
    fixed = [f"`#{part.anchor}`" for part in PARTS if part.anchor in anchors]
    return ", ".join(fixed or [f"`#{anchor}`" for anchor in anchors])


def _anchors_of(
    subject: Subject, address: str, pages: dict[Path, Collection[str] | None]
) -> Collection[str] | None:
    """The anchors of a page of this newsletter; None where they can't be known."""
    if not address:
        return _own_anchors(subject.guide) if subject.guide else None
    if subject.folder is None or not address.endswith(".md") or address.startswith("/"):
        return None
    path = subject.folder / address
    if path not in pages:
        pages[path] = _read_anchors(path)
    return pages[path]


def _own_anchors(parsed: GuideResult) -> Collection[str] | None:
    # In a guide that isn't valid, a link may lead to what is only misspelt.
    return parsed.guide.anchors if parsed.guide is not None else None


def _read_anchors(path: Path) -> Collection[str] | None:
    try:
        source = read_text(path)
    except NewsletterError:
        return None
    if source.text is None:
        return None
    if is_guide(path, source.text):
        return _own_anchors(parse_guide_source(source))
    document = parse_issue_source(source).document
    assert document is not None
    # Whatever kinds of section a newsletter declares, the words before the colon make the anchor.
    headings = (document.text[h.text_start : h.text_end] for h in document.headings if h.level in {2, 3})
    return [slugify(words.partition(":")[0]) for words in headings]


RULES = (
    Rule(("NL306",), _check_share_image),
    Rule(("NL513",), _check_review),
    Rule(("NL517",), _check_slots),
    Rule(("NL518",), _check_anchors),
)
