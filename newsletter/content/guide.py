"""From a file to a valid guide, or to all findings that say where and why it isn't one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from newsletter.content.document import Document, Findings, report_open_fence
from newsletter.content.fields import fold
from newsletter.content.front_matter import SYNONYMS, Block, Form, read_block
from newsletter.content.guide_files import guide_slug
from newsletter.content.guide_parts import parse_parts
from newsletter.content.source import MAX_BYTES, Source, by_place, read_text, too_large
from newsletter.content.yaml_block import Entry
from newsletter.diagnostics import Diagnostic
from newsletter.model.guide import Guide, GuideFrontMatter

FORM = Form(
    GuideFrontMatter,
    "type, title, description, options, updated and review_by",
    {
        "type": "type: guide",
        "title": "title: RAG vs. fine-tuning",
        "description": "description: The answer in at most 160 characters",
        "options": "options: [RAG, Fine-tuning]",
        "updated": "updated: 2026-03-03",
        "review_by": "review_by: 2027-03-03",
        "slug": "slug: rag-vs-fine-tuning",
        "tags": "tags: [rag, search]",
        "status": "status: draft",
        "related": "related: [12, hybrid-retrieval]",
        "sources": "sources: [{url: https://example.com/paper, title: What it is called}]",
        "aliases": "aliases: [old-slug]",
    },
    {
        **SYNONYMS,
        "compares": "options",
        "references": "sources",
        "see_also": "related",
        "expires": "review_by",
    },
)


class GuideResult(NamedTuple):
    """What a file holds.

    Attributes:
        guide: the guide, or None where an error stands in its way.
        diagnostics: all findings of the parser, by place.
        document: the text with its positions, for checks; None where it could not be scanned at all.
        front: the front matter where that much is valid, even if the parts are not.
        entries: the keys of the front matter with their places.
    """

    guide: Guide | None
    diagnostics: tuple[Diagnostic, ...]
    document: Document | None = None
    front: GuideFrontMatter | None = None
    entries: Mapping[str, Entry] = {}


def read_guide(path: Path, display: str | None = None) -> GuideResult:
    """Read and parse a file; findings call it `display`, or its path as given.

    Raises:
        NewsletterError: there is no such file, or it can't be read.
    """
    return parse_guide_source(read_text(path, display))


def parse_guide_source(source: Source) -> GuideResult:
    """Parse what a file holds; a file with wrong bytes is reported on as far as it is text."""
    if source.text is None:
        return GuideResult(None, source.diagnostics)
    result = parse_guide(source.text, source.named)
    if source.diagnostics:
        found = tuple(sorted([*source.diagnostics, *result.diagnostics], key=by_place))
        return result._replace(guide=None, diagnostics=found)
    if result.guide is None or source.named == source.path:
        return result
    return result._replace(guide=result.guide._replace(path=source.path))


def parse_guide(text: str, path: str) -> GuideResult:
    """Parse the text of a guide that the user knows as `path`. Never raises for what a text can hold."""
    if len(text) > MAX_BYTES:
        return GuideResult(None, (too_large(path, len(text)),))
    document = Document(text, path)
    block = read_block(document, FORM)
    front = block.front
    if front is not None and not front.slug:
        front = front.model_copy(update={"slug": guide_slug(path)})
    findings = Findings(document)
    report_open_fence(document, findings)
    _check_values(block, findings)
    parts = parse_parts(document, front.options if front else (), findings)
    found = tuple(sorted([*document.character_findings(), *block.diagnostics, *findings.found], key=by_place))
    result = GuideResult(None, found, document, front, block.entries)
    if (
        front is None
        or parts.comparison is None
        or parts.choosing is None
        or parts.faq is None
        or any(d.severity == "error" for d in found)
    ):
        return result
    guide = Guide(path, front, parts.summary, parts.comparison, parts.choosing, parts.faq, path, text)
    return result._replace(guide=guide)


def _check_values(block: Block[GuideFrontMatter], findings: Findings) -> None:
    """What is wrong with values that are each of the right kind."""
    front, entries = block.front, block.entries
    if front is None:
        return
    seen: set[str] = set()
    for position, option in enumerate(front.options):
        if fold(option) in seen:
            findings.add(
                "NL509",
                f"the option `{option}` stands twice",
                *entries["options"].place((position,)),
                help="name two to four different things",
            )
        seen.add(fold(option))
    if front.review_by < front.updated:
        findings.add(
            "NL514",
            f"the review is due on {front.review_by}, before the guide was updated",
            *entries["review_by"].place(()),
            help=f"write a date after {front.updated}",
        )
    for position, source in enumerate(front.sources):
        if not is_web_address(source.url):
            findings.add(
                "NL516",
                f"`{source.url[:60]}` is not a web address",
                *entries["sources"].place((position, "url")),
                help="write all of it, from `https://` on",
            )


def is_web_address(url: str) -> bool:
    """Whether a browser can go there: http or https, and a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"[\s<>\"]", url)
    except ValueError:  # such as an unclosed bracket of an IPv6 address
        return False
