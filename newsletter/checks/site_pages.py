"""Which pages will the site have, and which parts has each, as far as its sources say? A file is read when a link leads to it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from newsletter.content.addresses import head_of, is_beside_pages
from newsletter.content.front_matter import slug_of_file, slugify
from newsletter.content.guide_files import FOLDER, guide_slug, is_guide, is_guide_name
from newsletter.content.issue import parse_issue_source
from newsletter.content.source import Source, read_text
from newsletter.errors import NewsletterError
from newsletter.model.issue import Issue, SectionKind, Subsection, markers

# Of a guide's table, which its page names by it.
CAPTION_ANCHOR = "comparison-caption"
_ISSUES = "issues"
# Which of these lists there are, what was sent decides.
_LISTS = re.compile(
    r"/(?:404\.html|(?:(?:archive(?:/\d{4})?|tags(?:/[^/]+)?"
    r"|questions(?:/(?:junior|mid|senior|staff)(?:/[^/]+)?|/topic/[^/]+)?)(?:/page-\d+)?/?)?)"
)
_DRAFT = re.compile(r"^status[ \t]*:[ \t]*[\"']?draft\b", re.MULTILINE)


class SitePages:
    """The pages of the newsletter whose issues are in one folder.

    Args:
        issues: that folder.
        root: the path of the site's address; empty for none.
        kinds: the sections of its issues, where they are known.
    """

    def __init__(self, issues: Path, root: str, kinds: tuple[SectionKind, ...] | None = None) -> None:
        self._issues, self._kinds = issues, kinds
        self.root = root
        self._anchors: dict[Path, Collection[str] | None] = {}
        self._claims: dict[Path, tuple[str, ...]] = {}

    def has_file(self, path: Path) -> bool:
        """Whether the site is made of a file, which may not be there: other Markdown beside issues has no page."""
        if path.suffix != ".md":
            return False
        if path.parent == self._issues:
            return path.name[0].isdecimal()
        return path.parent == self._issues / FOLDER and is_guide_name(path.name)

    def is_known(self, address: str) -> bool:
        """Whether there is, or may be, something else than an issue or a guide at an address."""
        if is_beside_pages(address):
            return True
        if address.removesuffix("/") == f"/{FOLDER}":
            return any(self._is_guide(path) for path in self._files)
        return _LISTS.fullmatch(address) is not None

    def file_at(self, address: str) -> Path | None:
        """The issue or guide that has, or had, its page at an address; None where no file says so."""
        name = address[1:].removesuffix("/")
        # Mostly the file is named as its page: of a thousand, one is read.
        likely = [path for path in self._files if self._name(path) == name]
        for path in (*likely, *self._files):
            if name in self._addresses(path):
                return path
        return None

    @cached_property
    def addresses(self) -> list[str]:
        """Those of all issues and guides, old ones included."""
        return [f"/{name}/" for path in self._files for name in self._addresses(path)]

    def is_draft(self, path: Path) -> bool:
        """Whether a file is a guide that isn't published; of an issue, only who sent it knows."""
        try:
            return self._is_guide(path) and bool(_DRAFT.search(head_of(path).partition("\n---")[0]))
        except OSError:
            return False

    def anchors_of(self, path: Path) -> Collection[str] | None:
        """The parts of a file's page; None where they can't be known."""
        if path not in self._anchors:
            self._anchors[path] = read_anchors(path, self._kinds)
        return self._anchors[path]

    @cached_property
    def _files(self) -> list[Path]:
        found: list[Path] = []
        for folder in (self._issues, self._issues / FOLDER):
            try:
                found += sorted(path for path in folder.iterdir() if self.has_file(path))
            except OSError:
                continue
        return found

    def _is_guide(self, path: Path) -> bool:
        return path.parent.name == FOLDER

    def _name(self, path: Path) -> str:
        return f"{FOLDER}/{guide_slug(path.name)}" if self._is_guide(path) else slug_of_file(path.name, 0)

    def _addresses(self, path: Path) -> tuple[str, ...]:
        found = self._claims.get(path)
        if found is None:
            from newsletter.checks.across import read_claims

            slugs = read_claims(path).slugs
            # A guide's slug alone is what `related` calls it, and no address.
            found = self._claims[path] = slugs[1:] if self._is_guide(path) else slugs
        return found


class KnownSites:
    """The sites that one check has met, each of which looks at a file once.

    Args:
        kinds: the sections of issues, where they are known.
    """

    def __init__(self, kinds: tuple[SectionKind, ...] | None = None) -> None:
        self._kinds = kinds
        self._sites: dict[Path, SitePages | None] = {}

    def of(self, path: Path) -> SitePages | None:
        """The site that has a page of this file; None for a file that is part of no newsletter."""
        issues = path.parent.parent if path.parent.name == FOLDER else path.parent
        if issues not in self._sites:
            root = _root(issues.parent) if issues.name == _ISSUES else None
            self._sites[issues] = None if root is None else SitePages(issues, root, self._kinds)
        site = self._sites[issues]
        return site if site is not None and site.has_file(path) else None

    def anchors_of(self, path: Path) -> Collection[str] | None:
        """The parts of a file's page, whichever newsletter it belongs to; None where they can't be known."""
        site = self.of(path)
        return site.anchors_of(path) if site else read_anchors(path, self._kinds)


def _root(home: Path) -> str | None:
    """The path of the address that a newsletter's settings name; None where there are none that can be read.

    They are read only for a link that may lead nowhere: which path begins the site's addresses decides.
    """
    import tomllib

    for name in ("newsletter.toml", "pyproject.toml"):
        try:
            table = tomllib.loads((home / name).read_text("utf-8"))
            table = table if name == "newsletter.toml" else table["tool"]["newsletter"]
            return urlsplit(str(table.get("base_url", ""))).path.rstrip("/")
        except (FileNotFoundError, KeyError):
            continue
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return None
    return None


def read_anchors(path: Path, kinds: tuple[SectionKind, ...] | None) -> Collection[str] | None:
    """The parts of the page of an issue or a guide; None where they can't be known."""
    try:
        source = read_text(path)
    except (NewsletterError, OSError, ValueError):
        return None
    if source.text is None:
        return None
    if is_guide(path, source.text):
        from newsletter.content.guide import parse_guide_source

        # In a guide that isn't valid, a link may lead to what is only misspelt.
        guide = parse_guide_source(source).guide
        return [*guide.anchors, CAPTION_ANCHOR] if guide is not None else None
    return _in_issue(source, kinds)


def _in_issue(source: Source, kinds: tuple[SectionKind, ...] | None) -> Collection[str] | None:
    parsed = parse_issue_source(source, kinds) if kinds else parse_issue_source(source)
    if kinds:
        return list(_parts_of(parsed.issue)) if parsed.issue is not None else None
    document = parsed.document
    if document is None:
        return None
    # Whatever kinds of section a newsletter declares, the words before the colon make the anchor.
    headings = (document.text[h.text_start : h.text_end] for h in document.headings if h.level in {2, 3})
    return ["intro", *(slugify(words.partition(":")[0]) for words in headings)]


def _parts_of(issue: Issue) -> Iterator[str]:
    """Its sections, and what stands under an H3 of theirs."""
    if issue.intro:
        yield "intro"
    for section in issue.sections:
        yield section.kind
        for name, mark in markers(type(section)).items():
            if isinstance(mark, Subsection) and getattr(section, name):
                yield name.replace("_", "-")


def whole_path(folder: Path, address: str) -> Path | None:
    """The file that a link of a text in `folder` names; None for a name that no file can have.

    A link is written to the name, not to what that may itself link to.
    """
    name = unquote(address)
    return None if "\0" in name else Path(os.path.abspath(folder / name))  # noqa: PTH100 - as above
