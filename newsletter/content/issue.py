"""From a file to a valid issue, or to all findings that say where and why it isn't one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from newsletter.content.document import Document
from newsletter.content.front_matter import parse_front_matter
from newsletter.content.sections import parse_sections
from newsletter.content.source import MAX_BYTES, Source, by_place, read_text, too_large
from newsletter.diagnostics import Diagnostic
from newsletter.model.issue import DEFAULT_KINDS, FrontMatter, Issue, SectionKind


class ParseResult(NamedTuple):
    """What a file holds.

    Attributes:
        issue: the issue, or None where an error stands in its way.
        diagnostics: all findings of the parser, by place.
        document: the text with its positions, for checks; None where it could not be scanned at all.
        front: the front matter where that much is valid, even if the sections are not.
    """

    issue: Issue | None
    diagnostics: tuple[Diagnostic, ...]
    document: Document | None = None
    front: FrontMatter | None = None


def parse_issue(text: str, path: str, kinds: tuple[SectionKind, ...] = DEFAULT_KINDS) -> ParseResult:
    """Parse the text of an issue that the user knows as `path`. Never raises for what a text can hold."""
    if len(text) > MAX_BYTES:
        return ParseResult(None, (too_large(path, len(text)),))
    document = Document(text, path)
    front, diagnostics = parse_front_matter(document)
    intro, sections, more = parse_sections(document, kinds, is_draft=front is None or front.status == "draft")
    found = sorted([*document.character_findings(), *diagnostics, *more], key=by_place)
    if front is None or sections is None or any(d.severity == "error" for d in found):
        return ParseResult(None, tuple(found), document, front)
    return ParseResult(Issue(path, front, intro, sections, path, text), tuple(found), document, front)


def read_issue(
    path: Path, kinds: tuple[SectionKind, ...] = DEFAULT_KINDS, display: str | None = None
) -> ParseResult:
    """Read and parse a file; findings call it `display`, or its path as given.

    Raises:
        NewsletterError: there is no such file, or it can't be read.
    """
    return parse_issue_source(read_text(path, display), kinds)


def parse_issue_source(source: Source, kinds: tuple[SectionKind, ...] = DEFAULT_KINDS) -> ParseResult:
    """Parse what a file holds; a file with wrong bytes is reported on as far as it is text."""
    if source.text is None:
        return ParseResult(None, source.diagnostics)
    result = parse_issue(source.text, source.named, kinds)
    if source.diagnostics:
        found = tuple(sorted([*source.diagnostics, *result.diagnostics], key=by_place))
        return ParseResult(None, found, result.document, result.front)
    if result.issue is None or source.named == source.path:
        return result
    return result._replace(issue=result.issue._replace(path=source.path))
