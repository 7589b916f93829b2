"""Check one file or many: the parser's findings, the rules', and what only shows between files."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from newsletter.checks.across import check_across, read_claims
from newsletter.checks.fix import fix_text
from newsletter.checks.registry import check_guide, check_issue
from newsletter.checks.site_pages import KnownSites
from newsletter.clock import SystemClock
from newsletter.content.guide_files import is_guide
from newsletter.content.issue import ParseResult, parse_issue, parse_issue_source
from newsletter.content.source import MAX_BYTES, Source, by_place, read_source, read_text
from newsletter.content.whole_files import write_whole
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import UsageError
from newsletter.model.issue import DEFAULT_KINDS, Issue, SectionKind

if TYPE_CHECKING:
    # Only who meets a guide imports what reads guides.
    from newsletter.content.guide import GuideResult
    from newsletter.model.guide import Guide

# Without an issue there is nothing to render, so that nothing is won by not hearing of errors below this code,
# nor of those that leave no guide.
_PAST_THE_PARSER = "NL213"
_NO_GUIDE = frozenset(("NL514", "NL516", *(f"NL{number}" for number in range(501, 513))))


class Checked(NamedTuple):
    """A file with all that was found in it."""

    path: Path
    parsed: ParseResult | GuideResult
    diagnostics: list[Diagnostic]


def check_file(
    path: Path,
    *,
    kinds: tuple[SectionKind, ...] = DEFAULT_KINDS,
    off: Collection[str] = (),
    errors: Collection[str] = (),
    display: str | None = None,
    beside: Iterable[Path] | None = None,
) -> tuple[Issue | None, list[Diagnostic]]:
    """The issue in a file (None where an error stands in its way) and all findings about it, by place.

    Args:
        path: the file.
        kinds: the sections of this newsletter.
        off: codes nobody wants to hear of.
        errors: codes that count as errors.
        display: what findings call the file; its path as given otherwise.
        beside: further issues of the newsletter, which it must not contradict; None to look at the file alone.

    Raises:
        NewsletterError: there is no such file, or it can't be read.
        UsageError: it is a guide, which is a page and no issue; or `off` or `errors` has an unknown code.
    """
    validate_codes(off, errors)
    source = read_text(path, display)
    if is_guide(path, source.text or ""):
        raise UsageError(
            f"{source.named} is a guide: a page of the site, and no issue",
            hint=f"check it with newsletter check {source.named}",
        )
    parsed, found = _check_issue(source, path, kinds, off, errors, sites=KnownSites(kinds))
    if beside is None:
        return parsed.issue, found
    across = check_across([parsed], (read_claims(other) for other in beside))
    return parsed.issue, sorted([*found, *settled(across, off, errors)], key=by_place)


def check_files(
    paths: Sequence[Path],
    *,
    kinds: tuple[SectionKind, ...] = DEFAULT_KINDS,
    off: Collection[str] = (),
    errors: Collection[str] = (),
    beside: Iterable[Path] = (),
    today: dt.date | None = None,
) -> list[Diagnostic]:
    """All findings about several files, issues and guides, by path and place, with what is wrong between them.

    Args:
        paths: the files.
        kinds: the sections of this newsletter.
        off: codes nobody wants to hear of.
        errors: codes that count as errors.
        beside: further issues and guides of the newsletter that are compared with these, but not reported on.
        today: the date where the author is, which tells whether a guide's review is due; UTC's if not given.

    Raises:
        NewsletterError: a file is missing or can't be read.
        UsageError: `off` or `errors` has an unknown code.
    """
    validate_codes(off, errors)
    today = today or SystemClock().now().date()
    sites = KnownSites(kinds)
    checked = [_check(path, kinds, off, errors, today, sites=sites) for path in paths]
    found = [diagnostic for one in checked for diagnostic in one.diagnostics]
    across = check_across([one.parsed for one in checked], (read_claims(path) for path in beside))
    return sorted([*found, *settled(across, off, errors)], key=by_place)


def check_text(
    text: str,
    path: str,
    *,
    kinds: tuple[SectionKind, ...] = DEFAULT_KINDS,
    off: Collection[str] = (),
    errors: Collection[str] = (),
    folder: Path | None = None,
) -> tuple[Issue | None, list[Diagnostic]]:
    """As `check_file`, for text that need not be on disk; images are looked for in `folder`, if given."""
    parsed = parse_issue(text, path, kinds)
    found = settled([*parsed.diagnostics, *check_issue(parsed, folder, off, KnownSites(kinds))], off, errors)
    return parsed.issue, sorted(found, key=by_place)


def check_guide_text(
    text: str,
    path: str,
    *,
    off: Collection[str] = (),
    errors: Collection[str] = (),
    folder: Path | None = None,
    today: dt.date | None = None,
) -> tuple[Guide | None, list[Diagnostic]]:
    """As `check_text`, for a guide; without `today`, nobody asks whether its review is due."""
    from newsletter.content.guide import parse_guide

    parsed = parse_guide(text, path)
    found = settled([*parsed.diagnostics, *check_guide(parsed, folder, off, today)], off, errors)
    return parsed.guide, sorted(found, key=by_place)


def fix_file(path: Path, *, kinds: tuple[SectionKind, ...] = DEFAULT_KINDS, off: Collection[str] = ()) -> int:
    """Make the safe replacements in a file and return how many there were; a file without any is not written.

    Raises:
        NewsletterError: the file is missing or can't be read.
        OSError: it can't be written; it is as it was.
    """
    data = read_source(path, str(path))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return 0
    if len(data) > MAX_BYTES:
        return 0
    named, folder = str(path), path.parent

    def check(current: str) -> list[Diagnostic]:
        if is_guide(path, current):
            return check_guide_text(current, named, off=off, folder=folder)[1]
        return check_text(current, named, kinds=kinds, off=off, folder=folder)[1]

    fixed, made = fix_text(text, check)
    if made:
        write_whole(path, fixed.encode())
    return made


def _check(
    path: Path,
    kinds: tuple[SectionKind, ...],
    off: Collection[str],
    errors: Collection[str],
    today: dt.date,
    *,
    sites: KnownSites,
) -> Checked:
    source = read_text(path)
    if not is_guide(path, source.text or ""):
        return Checked(path, *_check_issue(source, path, kinds, off, errors, sites=sites))
    from newsletter.content.guide import parse_guide_source

    parsed = parse_guide_source(source)
    found = settled([*parsed.diagnostics, *check_guide(parsed, path.parent, off, today, sites)], off, errors)
    return Checked(path, parsed, sorted(found, key=by_place))


def _check_issue(
    source: Source,
    path: Path,
    kinds: tuple[SectionKind, ...],
    off: Collection[str],
    errors: Collection[str],
    *,
    sites: KnownSites,
) -> tuple[ParseResult, list[Diagnostic]]:
    parsed = parse_issue_source(source, kinds)
    found = settled([*parsed.diagnostics, *check_issue(parsed, path.parent, off, sites)], off, errors)
    return parsed, sorted(found, key=by_place)


def settled(found: Iterable[Diagnostic], off: Collection[str], errors: Collection[str]) -> list[Diagnostic]:
    """Findings as `[checks]` wants them: those that are off left out, others raised to errors."""
    if not off and not errors:
        return list(found)
    return [
        replace(diagnostic, severity=Severity.ERROR) if diagnostic.code in errors else diagnostic
        for diagnostic in found
        if diagnostic.code not in off
    ]


def validate_codes(off: Collection[str], errors: Collection[str], key: str = "off") -> None:
    """Refuse codes that don't exist, and those without which there is no issue.

    Args:
        off: codes nobody wants to hear of.
        errors: codes that count as errors.
        key: where in `[checks]` the first are written.

    Raises:
        UsageError: with the code that was probably meant.
    """
    if not off and not errors:
        return
    from newsletter.diagnostics import CODES

    for where, codes in ((key, off), ("errors", errors)):
        for code in codes:
            if code not in CODES:
                raise UsageError(f"[checks] {where}: there is no code `{code}`", hint=suggested_code(code))
    for code in off:
        if (code < _PAST_THE_PARSER or code in _NO_GUIDE) and CODES[code].severity is Severity.ERROR:
            raise UsageError(
                f"[checks] {key}: {code} ({CODES[code].title}) can't be turned off",
                hint="a guide with this error can't be read, and so not be published"
                if code in _NO_GUIDE
                else "an issue with this error can't be read, and so not be sent",
            )


def suggested_code(code: str) -> str:
    """What was probably meant by a code that doesn't exist."""
    from newsletter.content.suggest import nearest
    from newsletter.diagnostics import CODES

    written = re.sub(r"\W", "", code).upper()
    # Most often the last digit is missing.
    near = (
        next((known for known in sorted(CODES) if known.startswith(written)), "") if len(written) > 3 else ""
    )
    near = near or nearest(written, CODES)
    return f"did you mean {near} ({CODES[near].title})?" if near else "newsletter explain lists all codes"
