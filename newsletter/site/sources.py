"""Which issues and guides are on the site, and what do they say? Files that didn't change are not read again."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from newsletter.checks.across import Claims, check_across, claims_in, is_there
from newsletter.content.addresses import HEAD_BYTES
from newsletter.content.guide_files import FOLDER
from newsletter.content.issue import ParseResult, parse_issue_source
from newsletter.content.source import Source, read_text
from newsletter.diagnostics import Diagnostic
from newsletter.diagnostics.codes_site import SITE
from newsletter.model.publication import Publication
from newsletter.render.diagrams.source import blocks
from newsletter.render.html import MarkdownConverter
from newsletter.render.images import Picture
from newsletter.render.templates import Templates
from newsletter.render.workshop import Workshop
from newsletter.site.bodies import guide_entry, issue_entry
from newsletter.site.cache import Cache, Stamps, unchanged
from newsletter.site.entry import Entry, PictureFile, SiteOptions
from newsletter.site.extras import Progress, untold
from newsletter.site.prose import SitePlace, WebConverter, picture_file, site_pictures, sources_of_pictures

if TYPE_CHECKING:
    from newsletter.content.guide import GuideResult

# Of what is wrong between files: what a page can't be built with.
_ACROSS = frozenset(("NL515", "NL603", "NL901", "NL902"))
_READY = re.compile(r"^status[ \t]*:[ \t]*[\"']?ready\b", re.MULTILINE)


@dataclass
class Sources:
    """What the site is made of.

    Attributes:
        entries: the published ones: issues newest first, then guides by title.
        findings: what is wrong with them.
        unpublished: the files that have no page yet.
        broken: the files that have no page because of what is wrong with them.
        converted: how many files were read.
        waiting: pictures of issues that are ready but not sent: a mail that links them finds them there.
    """

    entries: list[Entry] = field(default_factory=list)
    findings: list[Diagnostic] = field(default_factory=list)
    unpublished: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    converted: int = 0
    waiting: list[PictureFile] = field(default_factory=list)

    @property
    def issues(self) -> list[Entry]:
        """The issues, newest first."""
        return [entry for entry in self.entries if entry.form == "issue"]

    @property
    def guides(self) -> list[Entry]:
        """The guides, by title."""
        return [entry for entry in self.entries if entry.form == "guide"]


class _Found(NamedTuple):
    """A file: what is kept of it where it is as it was, else its text; what it claims; and whether it is published."""

    before: Entry | None
    source: Source | None
    claims: Claims
    published: bool

    @property
    def is_read(self) -> bool:
        """Whether it is read anyway, and told what is wrong with it."""
        return self.published and self.before is None


class Reader:
    """Reads issues and guides, as far as they changed.

    Args:
        publication: whose they are.
        options: of the site.
        templates: what bodies are made with.
        cache: what is kept of earlier builds.
        root: the path of the site's address; empty for none.
        workshop: makes pictures of what authors hand in.
        told: hears how many files were read.
    """

    def __init__(
        self,
        publication: Publication,
        options: SiteOptions,
        templates: Templates,
        cache: Cache,
        root: str,
        *,
        workshop: Workshop | None = None,
        told: Progress = untold,
    ) -> None:
        self._options, self._templates, self._cache, self._root = options, templates, cache, root
        self._workshop, self._told = workshop, told
        self._markdown = MarkdownConverter()
        self._reader_links = {
            "unsubscribe_url": f"{publication.base_url}/u",
            "preferences_url": f"{publication.base_url}/p",
        }

    def read(
        self,
        issues: Sequence[tuple[str, str]],
        guides: Sequence[tuple[str, str]],
        sent: frozenset[str],
        stamps: Stamps,
    ) -> Sources:
        """The published ones of these files.

        Args:
            issues: their paths, each with the one that findings call it.
            guides: the same of guides.
            sent: slugs of issues that went out.
            stamps: what tells of each file that it is another one than before.

        Raises:
            NewsletterError: a file can't be read, or a template has a mistake.
        """
        kept = self._cache.entries()
        result = Sources()
        parsed: list[ParseResult | GuideResult] = []
        others: list[Claims] = []
        found: list[_Found] = []
        guide_paths = {path for path, _ in guides}
        for name, display in (*issues, *guides):
            before, source = _as_before(kept.get(name), stamps[name], display), None
            if before is not None:
                claims = _claims_of(before)
            else:
                source = read_text(Path(name), display)
                claims = claims_in(Path(name), _head(source))._replace(path=display)
            published = name in guide_paths or self._options.drafts or not sent.isdisjoint(claims.slugs)
            found.append(_Found(before, source, claims, published))
        contradicted = _contradicted(found)
        for at, (name, display) in enumerate((*issues, *guides)):
            self._told("issues", at, len(found))
            form = "guide" if name in guide_paths else "issue"
            before, source, claims, published = found[at]
            if not published:
                result.unpublished.add(os.path.abspath(name))  # noqa: PTH100 - a link is written to the name, not to what it links to
                others.append(claims)
                result.waiting += self._waiting(Path(name))
                continue
            if before is not None and display not in contradicted and unchanged(before.pictures):
                others.append(claims)
                result.entries.append(before)
                continue
            result.converted += 1
            source = source or read_text(Path(name), display)
            entry, one = self._convert(source, form, stamps[name], result.findings)
            parsed.append(one)
            if entry is not None:
                result.entries.append(entry)
            elif form == "guide" and one.front is not None and one.front.status == "draft":
                result.unpublished.add(os.path.abspath(name))  # noqa: PTH100 - a link is written to the name, not to what it links to
            else:
                result.broken.add(os.path.abspath(name))  # noqa: PTH100 - as above
        if self._workshop is not None:
            shown = (picture for entry in result.entries for picture in entry.pictures)
            self._workshop.still_used(Path(picture.made) for picture in shown if picture.made)
        result.findings += [d for d in check_across(parsed, others) if d.code in _ACROSS]
        lost = sent.difference(*(one.claims.slugs for one in found))
        result.findings += [_lost(slug) for slug in sorted(lost)]
        result.entries.sort(key=lambda e: (e.form == "guide", e.title if e.form == "guide" else ""))
        newest = sorted(result.issues, key=lambda e: (e.date, e.number), reverse=True)
        result.entries = [*newest, *result.guides]
        return result

    def _convert(
        self, source: Source, form: str, found: tuple[int, int], findings: list[Diagnostic]
    ) -> tuple[Entry | None, ParseResult | GuideResult]:
        path, display = Path(source.path), source.named
        if form == "guide":
            from newsletter.content.guide import parse_guide_source

            guide = parse_guide_source(source)
            findings += [d for d in guide.diagnostics if d.severity == "error"]
            if guide.guide is None or (guide.guide.front.status == "draft" and not self._options.drafts):
                return None, guide
            convert = self._converter(path, display, guide.guide.text, f"/guides/{guide.guide.slug}/")
            entry, body = guide_entry(guide.guide, convert, self._templates, guide.document)
            result: ParseResult | GuideResult = guide
        else:
            issue = parse_issue_source(source, self._options.kinds)
            findings += [d for d in issue.diagnostics if d.severity == "error"]
            if issue.issue is None:
                return None, issue
            convert = self._converter(path, display, issue.issue.text, f"/{issue.issue.slug}/")
            entry, body = issue_entry(
                issue.issue, convert, self._templates, self._options.kinds, issue.document
            )
            result = issue
        findings += convert.findings
        self._cache.keep(found, entry, body, convert.code)
        return entry, result

    def _waiting(self, path: Path) -> list[PictureFile]:
        """The pictures of an issue that is ready: they are published before it is sent, since its mail may link them."""
        text = path.read_text("utf-8", "replace")
        if not _READY.search(text.partition("\n---")[0]):
            return []
        pictures = site_pictures(path, self._workshop)
        found: list[Picture | None] = [pictures.find(source) for source in sources_of_pictures(text)]
        if self._workshop is not None:
            found += [pictures.draw(language, source)[0] for language, source in blocks(text)]
        return [file for picture in found if picture is not None and (file := picture_file(picture))]

    def _converter(self, path: Path, display: str, text: str, address: str) -> WebConverter:
        place = SitePlace(site_pictures(path, self._workshop), self._root, self._root + address)
        code = self._cache.code(str(path))
        return WebConverter(text, display, place, self._markdown, self._root, self._reader_links, code)


def _as_before(
    kept: tuple[tuple[int, int], Entry] | None, found: tuple[int, int], display: str
) -> Entry | None:
    """What is kept of a file that is as it was; findings may call it by another path, of another folder."""
    if kept is None or kept[0] != found:
        return None
    entry = kept[1]
    return entry if entry.display == display else entry._replace(display=display)


def _claims_of(entry: Entry) -> Claims:
    """What an entry claims, as `claims_in` gives it of its file."""
    if entry.form == "guide":
        return Claims(entry.display, None, (entry.slug, *entry.aliases, f"{FOLDER}/{entry.slug}"))
    return Claims(entry.display, entry.number, (entry.slug, *entry.aliases))


def _contradicted(found: Sequence[_Found]) -> set[str]:
    """The files that another one contradicts: they are looked at again, though they are as they were themselves.

    A draft may have come that claims the same number or address, and isn't looked at itself; or what a guide names
    may be gone.
    """
    taken: dict[int | str, _Found] = {}
    result: set[str] = set()
    for one in found:
        for claim in (one.claims.number, *one.claims.slugs):
            first = one if claim is None else taken.setdefault(claim, one)
            if first.claims.path != one.claims.path and not (first.is_read or one.is_read):
                result |= {first.claims.path, one.claims.path}
    for one in found:
        related = one.before.related if one.before is not None else ()
        if not all(is_there(name, taken, taken) for name in related):
            result.add(one.claims.path)
    return result


def _head(source: Source) -> str:
    """The beginning of a text, front matter and all."""
    return (source.text or "")[:HEAD_BYTES].replace("\r\n", "\n")


def _lost(slug: str) -> Diagnostic:
    code = SITE["NL604"]
    return Diagnostic(
        code.code,
        code.severity,
        f"the issue `{slug}` was sent, and no file has that slug",
        "issues",
        help="give the file its old `slug`, or list that under `aliases`",
    )
