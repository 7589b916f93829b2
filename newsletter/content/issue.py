"""From a file to a valid issue, or to all findings that say where and why it isn't one."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from newsletter.content.document import Document
from newsletter.content.front_matter import parse_front_matter
from newsletter.content.sections import parse_sections
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import NewsletterError
from newsletter.model.issue import DEFAULT_KINDS, FrontMatter, Issue, SectionKind

# Ten times what Gmail shows of a message; past it a file is a data set or a picture with a wrong name.
MAX_BYTES = 1_000_000


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
        return ParseResult(None, (_too_large(path, len(text)),))
    document = Document(text, path)
    front, diagnostics = parse_front_matter(document)
    intro, sections, more = parse_sections(document, kinds, is_draft=front is None or front.status == "draft")
    found = sorted([*document.character_findings(), *diagnostics, *more], key=by_place)
    if front is None or sections is None or any(d.severity == "error" for d in found):
        return ParseResult(None, tuple(found), document, front)
    return ParseResult(Issue(path, front, intro, sections, path, text), tuple(found), document, front)


def by_place(diagnostic: Diagnostic) -> tuple[str, int, int, str]:
    """Sorts findings as an author works through them."""
    return diagnostic.path, diagnostic.line, diagnostic.column, diagnostic.code


def read_issue(
    path: Path, kinds: tuple[SectionKind, ...] = DEFAULT_KINDS, display: str | None = None
) -> ParseResult:
    """Read and parse a file; findings call it `display`, or its path as given.

    Raises:
        NewsletterError: there is no such file, or it can't be read.
    """
    named = str(path) if display is None else display
    data = read_source(path, named)
    if len(data) > MAX_BYTES:
        return ParseResult(None, (_too_large(named, len(data)),))
    try:
        result = parse_issue(data.decode("utf-8"), named, kinds)
    except UnicodeDecodeError as error:
        return _undecodable(data, error, named, kinds)
    if result.issue is None or named == str(path):
        return result
    found = result.issue
    issue = Issue(str(path), found.front, found.intro, found.sections, named, found.text)
    return ParseResult(issue, result.diagnostics, result.document, result.front)


def read_source(path: Path, named: str) -> bytes:
    """The bytes of a regular file, at most one more than an issue may have.

    Raises:
        NewsletterError: there is no such file, it is something else, or it can't be read.
    """
    try:
        # A pipe or a device would be waited for without end.
        if not path.is_file():
            if path.is_dir():
                raise NewsletterError(f"{named} is a folder", hint="name an issue in it")
            if path.exists():
                raise NewsletterError(f"{named} is not an ordinary file")
            raise NewsletterError(f"{named} doesn't exist", hint='make an issue with newsletter new "Title"')
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise NewsletterError(
            f"{named} can't be read: {reason}", hint="check the path and its permissions"
        ) from None


def _too_large(path: str, size: int) -> Diagnostic:
    return Diagnostic(
        "NL109",
        Severity.ERROR,
        f"the file has {size / 1e6:.1f} MB or more, and an issue has at most {MAX_BYTES / 1e6:.0f}",
        path,
        help="keep pictures in files of their own, and link to data",
    )


def _undecodable(
    data: bytes, error: UnicodeDecodeError, path: str, kinds: tuple[SectionKind, ...]
) -> ParseResult:
    """Say where the first wrong byte stands; where the rest is text, report on it as well."""
    before = data[: error.start].decode("utf-8")
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    what = "the file is UTF-16" if utf16 else f"byte 0x{data[error.start]:02X} is not UTF-8"
    finding = Diagnostic(
        "NL100",
        Severity.ERROR,
        what,
        path,
        line,
        column,
        help="save the file as UTF-8",
    )
    if utf16 or b"\0" in data:
        return ParseResult(None, (finding,))
    rest = parse_issue(data.decode("utf-8", errors="replace"), path, kinds)
    found = tuple(sorted([finding, *rest.diagnostics], key=by_place))
    return ParseResult(None, found, rest.document, rest.front)
