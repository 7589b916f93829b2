"""From sources to the files of the site: only those are written whose page is another one than before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from html import escape, unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from newsletter.content.slots import code_ranges, stands_in
from newsletter.content.source import by_place
from newsletter.diagnostics import Severity
from newsletter.render.look import look
from newsletter.render.templates import Templates
from newsletter.site import feeds
from newsletter.site.bodies import FILTERS
from newsletter.site.build import Built, SiteInputs
from newsletter.site.cache import Cache, Stamps, digest
from newsletter.site.entry import Body, Entry, literal
from newsletter.site.folder import NewFolder, as_written
from newsletter.site.frame import Same, frame_values, json_ld, style_sheet
from newsletter.site.page import Page
from newsletter.site.pages import Pages
from newsletter.site.sources import Reader, Sources

_LINK = re.compile(r'<a href="(page:[^"]*)"([^>]*)>(.*?)</a>', re.DOTALL)
# Of a Markdown link, or of the definition of one (CommonMark 6.3, 4.7).
_DESTINATION = re.compile(r"(\]\(\s*<?|^ {0,3}\[[^\]\n^][^\]\n]*\]:[ \t]*<?)([^)\s>]+)", re.MULTILINE)


def make_site(
    inputs: SiteInputs, out: Path, spare: Path, cache: Cache, stamps: Stamps
) -> tuple[Sources, Built]:
    """Make the site anew as far as it changed.

    Args:
        inputs: what it is made of.
        out: the folder.
        spare: where the folder before it is kept.
        cache: what is kept of earlier builds.
        stamps: of the sources, from before any was read.

    Raises:
        NewsletterError: a template has a mistake, or a file can't be read.
        OSError: the folder can't be written; the old one is as it was.
    """
    return _Making(inputs, out, spare, cache).run(stamps)


class _Making:
    def __init__(self, inputs: SiteInputs, out: Path, spare: Path, cache: Cache) -> None:
        self._inputs, self._out, self._spare, self._cache = inputs, out, spare, cache
        self._root = urlsplit(inputs.publication.base_url).path.rstrip("/")
        self._origin = inputs.publication.base_url.removesuffix(self._root)
        self._templates = Templates(inputs.template_dirs, {**FILTERS, "json_ld": json_ld}, cache.compiled())
        self._look = look(inputs.publication, inputs.theme)
        self._bodies: dict[str, Body] = {}

    def run(self, stamps: Stamps) -> tuple[Sources, Built]:
        """All of it."""
        inputs = self._inputs
        sources = self._read(stamps)
        made = Pages(sources, inputs.publication, inputs.options, self._root)
        pages = made.all()
        cards = self._cards(pages)
        findings = tuple(sorted([*sources.findings, *made.findings], key=by_place))
        counts = (len(sources.issues), len(sources.guides), len(pages))
        if any(found.severity is Severity.ERROR for found in findings):
            return sources, Built(False, *counts, 0, findings)  # noqa: FBT003 - as above
        css_name, css = style_sheet(self._templates, self._look)
        script_name, script = self._script()
        site = self._site_values(sources) | {"search_script": script_name}
        wanted = self._wanted(pages, digest(json.dumps(site, sort_keys=True), css_name))
        before = self._cache.pages(str(self._out))
        there = as_written(self._out, before)
        current = {path for path, key in wanted.items() if path in there and before[path][0] == key}
        assets = self._assets(sources, css_name, css) | cards
        # Named by all they are made of, so good whoever made them: another cache or version.
        drawn = {path for path in cards if path not in before and (self._out / path).is_file()}
        if script_name:
            assets[f"assets/{script_name}"] = script.encode
        rest = self._feeds_key(sources, pages)
        if len(current) == len(wanted) and self._cache.about(f"rest:{self._out}") == rest:
            others = set(before) - set(wanted)
            if others <= there.keys() and set(assets) <= others:
                return sources, Built(False, *counts, 0, findings)  # noqa: FBT003 - as above
        known = {path: before[path][1:] for path in there}
        # Jinja asks for an attribute before it looks into a table.
        common = {"site": SimpleNamespace(**site), "css": f"{self._root}/assets/{css_name}", "same": Same()}
        folder = NewFolder(self._out, self._spare, known, there)
        try:
            stale = [page for page in pages if not current.issuperset(page.files)]
            current.difference_update(*(page.files for page in stale))
            folder.keep(*(path for path in wanted if path in current))
            for at, page in enumerate(stale):
                inputs.told("pages", at, len(stale))
                self._write(folder, page, common)
            self._write_assets(folder, assets, {*there, *drawn})
            self._write_feeds(folder, sources, pages)
            searched = self._searched(folder, pages, wanted, before, there)
            self._pack(folder, known)
            folder.swap()
        except BaseException:
            folder.discard()
            raise
        kept = {path: (wanted.get(path, ""), *found) for path, found in folder.files.items()}
        self._cache.keep_pages(str(self._out), kept)
        self._cache.set_about(f"rest:{self._out}", rest)
        self._cache.set_about(f"search:{self._out}", searched)
        written = sum(known.get(path) != found for path, found in folder.files.items())
        return sources, Built(True, *counts, written, findings)  # noqa: FBT003 - as above

    def _read(self, stamps: Stamps) -> Sources:
        inputs = self._inputs
        reader = Reader(
            inputs.publication,
            inputs.options,
            self._templates,
            self._cache,
            self._root,
            workshop=inputs.workshop,
            told=inputs.told,
        )
        return reader.read(inputs.issues, inputs.guides, inputs.sent, stamps)

    def _cards(self, pages: Sequence[Page]) -> dict[str, Callable[[], bytes]]:
        if not self._inputs.options.cards:
            return {}
        from newsletter.site.cards import Cards

        return Cards(self._inputs.publication, self._inputs.theme).give(pages)

    # What there is to do ------------------------------------------------------------------------

    def _wanted(self, pages: Sequence[Page], common: str) -> dict[str, str]:
        """The key of each file that is made of a page."""
        keys: dict[str, str] = {}
        for page in pages:
            key = digest(common, "\0".join(page.fingerprint()))
            keys |= dict.fromkeys(page.files, key)
        return keys

    def _assets(self, sources: Sources, css_name: str, css: str) -> dict[str, Path | Callable[[], bytes]]:
        pictures = {
            f"assets/{picture.name}": picture.copied
            for pictures in (*(entry.pictures for entry in sources.entries), sources.waiting)
            for picture in pictures
        }
        return {f"assets/{css_name}": css.encode, **pictures}

    def _feeds_key(self, sources: Sources, pages: Sequence[Page]) -> str:
        entries = "\0".join(entry.digest for entry in sources.entries)
        targets = [sorted(page.resolved.items()) for page in pages if page.resolved]
        return digest(entries, json.dumps(targets), "\0".join(page.address for page in pages))

    # Writing ------------------------------------------------------------------------------------

    def _write(self, folder: NewFolder, page: Page, common: Mapping[str, Any]) -> None:
        shown = page.shown
        values = {**shown.values, **common, "page": SimpleNamespace(**shown.values["page"])}
        if page.entry is not None:
            values["body"] = Markup(self._html(page))  # noqa: S704 - from a template that escapes
        html = self._templates.render(values, f"site/{page.template}.html.j2")
        folder.write(page.path, html.strip().encode() + b"\n")
        if page.twin:
            folder.write(page.twin, (self._markdown(page) if page.entry else shown.markdown).encode())

    def _write_assets(
        self, folder: NewFolder, assets: Mapping[str, Path | Callable[[], bytes]], there: Collection[str]
    ) -> None:
        for at, (path, file) in enumerate(assets.items()):
            self._inputs.told("pictures", at, len(assets))
            if path in there:
                folder.keep(path)
            elif isinstance(file, Path):
                folder.copy(path, file)
            else:
                folder.write(path, file())

    def _pack(self, folder: NewFolder, known: Mapping[str, tuple[int, int]]) -> None:
        if self._inputs.options.precompress:
            # Imported where it is wanted, as are the cards: an edit is made in the time that imports take.
            from newsletter.site.packed import pack

            pack(folder, known, self._inputs.options.precompress)

    def _write_feeds(self, folder: NewFolder, sources: Sources, pages: Sequence[Page]) -> None:
        publication, licence = self._inputs.publication, self._inputs.options.licence
        by_entry = {page.entry.path: page for page in pages if page.entry is not None}
        items = []
        for issue in sources.issues[: self._inputs.options.feed_items]:
            html = self._html(by_entry[issue.path])
            items.append(
                feeds.Item(issue, feeds.absolute(html, self._origin, publication.base_url + issue.address))
            )
        folder.write("atom.xml", feeds.atom(items, publication, licence).encode())
        folder.write("feed.xml", feeds.rss(items, publication).encode())
        folder.write("feed.json", feeds.json_feed(items, publication).encode())
        folder.write("sitemap.xml", feeds.sitemap(pages, publication.base_url).encode())
        folder.write("robots.txt", feeds.robots(publication).encode())
        folder.write(
            "llms.txt", feeds.llms_txt(sources.issues, sources.guides, publication, licence).encode()
        )

    def _searched(
        self,
        folder: NewFolder,
        pages: Sequence[Page],
        keys: Mapping[str, str],
        before: Mapping[str, object],
        there: Collection[str],
    ) -> str:
        """Index the pages for the reader's browser where that is wanted; the key of the index, empty for none."""
        if self._inputs.options.search != "pagefind":
            return ""
        from newsletter.site import pagefind

        searched = {page.path: keys[page.path] for page in pages if page.entry is not None}
        key = pagefind.bundle_key(searched)
        kept = [path for path in before if pagefind.is_of_bundle(path)]
        same = key == self._cache.about(f"search:{self._out}") and set(kept) <= set(there)
        language = self._inputs.publication.language
        pagefind.write_bundle(folder, searched, kept if same else None, language=language)
        return key

    def _html(self, page: Page) -> str:
        assert page.entry is not None

        def lead(match: re.Match[str]) -> str:
            target = page.resolved.get(unescape(match[1]), "")
            return (
                f'<a href="{escape(target)}"{match[2]}>{match[3]}</a>'
                if target
                else f"<span>{match[3]}</span>"
            )

        html = self._body(page.entry).html
        return _LINK.sub(lead, html) if page.resolved else html

    def _markdown(self, page: Page) -> str:
        entry = page.entry
        assert entry is not None
        base = self._inputs.publication.base_url
        written = {link.written: page.resolved.get(link.placeholder, "") for link in entry.links}

        markdown = self._body(entry).markdown
        code: list[tuple[int, int]] | None = None

        def lead(match: re.Match[str]) -> str:
            nonlocal code
            target = written.get(match[2], "")
            if match[2].startswith(f"{self._root}/assets/"):
                target = match[2]
            if not target.startswith("/"):
                return match[0]
            code = code_ranges(markdown) if code is None else code
            # Code shows what is written.
            return match[0] if stands_in(code, match.start()) else f"{match[1]}{self._origin}{target}"

        publication = self._inputs.publication.name
        name = (
            f"Issue {entry.number} of {publication}, {entry.date}" if entry.form == "issue" else "Guide"
        ) + (f", updated {entry.updated}" if entry.updated else "")
        title, description = literal(entry.title), literal(entry.description)
        top = f"# {title}\n\n> {description}\n\n{name}: {base}{entry.address}\n\n"
        return top + _DESTINATION.sub(lead, markdown)

    def _body(self, entry: Entry) -> Body:
        body = self._bodies.get(entry.path)
        if body is None:
            body = self._bodies[entry.path] = self._cache.body(entry.path)
        return body

    # What is the same for every page --------------------------------------------------------------

    def _site_values(self, sources: Sources) -> dict[str, Any]:
        inputs = self._inputs
        return frame_values(
            inputs.publication,
            inputs.options,
            self._look,
            inputs.consent,
            guides=bool(sources.guides),
            questions=any(issue.question for issue in sources.issues),
        )

    def _script(self) -> tuple[str, str]:
        """The name and the text of the search page's script; empty where there is no such page."""
        if self._inputs.options.search != "pagefind":
            return "", ""
        script = self._templates.render({}, "site/search.js.j2")
        return f"search-{digest(script)[:12]}.js", script
