"""Where do the links of a page lead that were written to another file, or to an address of the site?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from urllib.parse import unquote

from newsletter.content.addresses import HOW_TO_LINK, is_beside_pages
from newsletter.diagnostics import Diagnostic
from newsletter.diagnostics.codes_site import SITE
from newsletter.site.entry import Entry, Link
from newsletter.site.page import Page
from newsletter.site.sources import Sources


class PageLinks:
    """The links of one site.

    Args:
        sources: what it is made of.
        root: the path of the site's address; empty for none.
        known: its pages by address, those they had before included.
    """

    def __init__(self, sources: Sources, root: str, known: Mapping[str, Page]) -> None:
        self._sources, self._root, self._known = sources, root, known
        self._findings: list[Diagnostic] = []

    def resolve(self, pages: Iterable[Page]) -> list[Diagnostic]:
        """Say of each page where its links lead; returns what is wrong with them."""
        for page in pages:
            if page.entry is not None:
                for link in page.entry.links:
                    page.resolved[link.placeholder] = self._target(page.entry, link)
        return self._findings

    @cached_property
    def _by_file(self) -> dict[str, Entry]:
        # A link is written to the name, not to what it links to.
        return {os.path.abspath(entry.path): entry for entry in self._sources.entries}  # noqa: PTH100 - as above

    def _target(self, entry: Entry, link: Link) -> str:
        """Where a link leads; empty where there is nothing, which is reported."""
        fragment = f"#{link.fragment}" if link.fragment else ""
        target, path = link.target, unquote(link.target)
        found: Entry | None = entry if not target else None
        if path.startswith("file:"):
            found = self._by_file.get(path[5:])
            if found is None:
                if path[5:] in self._sources.unpublished:
                    self._report(
                        "NL602",
                        entry,
                        link,
                        f"the link `{link.written}` leads to an issue that isn't published yet",
                    )
                # A broken file is told about where it is broken; links to it are as their author wants them.
                elif path[5:] not in self._sources.broken:
                    self._report("NL601", entry, link, f"there is no issue or guide `{link.written}`")
                return ""
        elif target:
            # What is asked for is the service's matter; a page of the site is the same whatever is asked.
            address = target.removeprefix(self._root).partition("?")[0]
            at = self._known.get(address) or self._known.get(address + "/")
            if at is None and is_beside_pages(address):
                return target + fragment
            if at is None:
                self._report("NL601", entry, link, f"the site has no page `{address}`")
                return ""
            found = at.entry
            if found is None:
                return self._root + at.address + fragment
        assert found is not None
        if link.fragment and unquote(link.fragment) not in found.anchors:
            self._report("NL601", entry, link, f"the page has no part `#{link.fragment}`")
            return ""
        return (
            self._root + found.address if found is not entry or target else ""
        ) + fragment or f"{self._root}{found.address}"

    def _report(self, code: str, entry: Entry, link: Link, message: str) -> None:
        self._findings.append(
            Diagnostic(
                code,
                SITE[code].severity,
                message,
                entry.display,
                link.line,
                link.column,
                len(link.written),
                help="its words are shown without a link until then" if code == "NL602" else HOW_TO_LINK,
            )
        )
