"""Which pages does the site have, and what does each of them show?"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from newsletter.diagnostics import Diagnostic
from newsletter.diagnostics.codes_site import SITE
from newsletter.model.publication import Publication
from newsletter.site.entry import Entry, Link, SiteOptions
from newsletter.site.page import (
    Addresses,
    Page,
    article_data,
    card,
    faq_data,
    give_picture,
    head,
    question_card,
    spelled,
    tag_address,
    topic_names,
)
from newsletter.site.question_bank import question_lists
from newsletter.site.sources import Sources

_ON_THE_LANDING = 5
# What only the service answers, at the same address.
_OF_THE_SERVICE = frozenset(("api", "confirm", "join", "p", "preferences", "search", "u", "view"))
_FILES = frozenset(("/feed.xml", "/atom.xml", "/feed.json", "/sitemap.xml", "/robots.txt", "/llms.txt"))


class Pages:
    """The pages of one site.

    Args:
        sources: what it is made of.
        publication: whose it is.
        options: of the site.
        root: the path of the site's address; empty for none.
    """

    def __init__(self, sources: Sources, publication: Publication, options: SiteOptions, root: str) -> None:
        self._issues, self._guides = sources.issues, sources.guides
        self._entries, self._unpublished = sources.entries, sources.unpublished
        self._broken = sources.broken
        self._publication, self._options = publication, options
        self._addresses = Addresses(publication, root)
        self._root, self._language = root, publication.language
        self._topic_names = topic_names(sources.entries)
        self.findings: list[Diagnostic] = []

    def all(self) -> list[Page]:
        """Every page; what is wrong with their links is in `findings` afterwards."""
        pages = [self._landing(), self._missing(), *self._archive(), *self._tags(), *self._questions()]
        if self._guides:
            pages.append(self._guide_index())
        if self._options.search == "pagefind":
            pages.append(self._search())
        pages += self._issue_pages()
        pages += [self._guide_page(guide) for guide in self._guides]
        known = {page.address: page for page in pages}
        # A link to an old address is led to the page at once.
        by_entry = {page.entry.path: page for page in pages if page.entry is not None}
        for entry in self._entries:
            known |= dict.fromkeys(_old_addresses(entry), by_entry[entry.path])
        pages += self._redirects()
        self._resolve(pages, known)
        return pages

    # Lists --------------------------------------------------------------------------------------

    def _landing(self) -> Page:
        publication = self._publication
        page = head(
            self._addresses,
            "/",
            publication.name,
            publication.tagline or publication.name,
            home=True,
            json_ld=[
                {
                    "@context": "https://schema.org",
                    "@type": "WebSite",
                    "name": publication.name,
                    "url": self._addresses.full("/"),
                    "inLanguage": self._language,
                }
            ],
        )
        latest = [card(issue, self._language) for issue in self._issues[:_ON_THE_LANDING]]
        newest = self._issues[0].sections if self._issues else []
        guides = [card(guide, self._language) for guide in self._guides]
        values = {
            "page": page,
            "marks": [kind.heading.lower() for kind in self._options.kinds],
            "items": latest,
            "contents": newest,
            "guides": guides,
        }
        return Page(
            "/",
            "landing",
            values,
            markdown=_listing(page, [*latest, *guides], self._addresses),
        )

    def _missing(self) -> Page:
        page = head(self._addresses, "/404.html", "There is no page here", "Not found", hidden=True)
        return Page("/404.html", "missing", {"page": page})

    def _search(self) -> Page:
        page = head(self._addresses, "/search/", "Search", "Search the archive", hidden=True)
        return Page("/search/", "search", {"page": page})

    def _archive(self) -> Iterator[Page]:
        years: dict[str, list[Entry]] = defaultdict(list)
        for issue in self._issues:
            years[issue.date[:4]].append(issue)

        def choices(current: str) -> list[dict[str, Any]]:
            every = [["All", "/archive/", len(self._issues)]]
            by_year = [[year, f"/archive/{year}/", len(found)] for year, found in years.items()]
            return [{"name": "Year", "current": current, "choices": every + by_year}] if years else []

        cards = [card(issue, self._language) for issue in self._issues]
        about = f"All issues of {self._publication.name}, newest first."
        yield from self._paged("/archive/", "Archive", about, cards, filters=choices("/archive/"))
        for year, issues in years.items():
            cards = [card(issue, self._language) for issue in issues]
            title = f"Issues of {year}"
            trail = [("Archive", "/archive/")]
            at = f"/archive/{year}/"
            about = f"{title}, newest first."
            yield from self._paged(at, title, about, cards, filters=choices(at), trail=trail)

    def _tags(self) -> Iterator[Page]:
        topics = self._topics(self._entries)
        names = sorted(topics)
        cards = [
            {
                "mark": f"{len(topics[name])} {'page' if len(topics[name]) == 1 else 'pages'}",
                "title": name,
                "address": tag_address(name),
                "description": "",
                "date": "",
                "shown": "",
            }
            for name in names
        ]
        about = f"What {self._publication.name} has written about."
        yield from self._paged("/tags/", "Topics", about, cards, form="topics")
        for name in names:
            found = [card(entry, self._language) for entry in topics[name]]
            about = f"Issues and guides on {name}."
            yield from self._paged(tag_address(name), name, about, found, trail=[("Topics", "/tags/")])

    def _questions(self) -> Iterator[Page]:
        asked = [issue for issue in self._issues if issue.question]
        if not asked:
            return
        about = f"Interview questions from {self._publication.name}, each with a worked answer."
        for one in question_lists(asked, self._topics_of):
            yield from self._paged(
                one.address,
                " · ".join(filter(None, ["Interview questions", one.level, one.topic])),
                about,
                [question_card(issue) for issue in one.issues],
                filters=one.filters,
                trail=[("Questions", "/questions/")] if one.level or one.topic else (),
            )

    def _guide_index(self) -> Page:
        about = f"Comparisons by {self._publication.name}: a straight answer, a table, when to choose which."
        cards = [card(guide, self._language) for guide in self._guides]
        page = head(self._addresses, "/guides/", "Guides", about, lead=about)
        return Page(
            "/guides/",
            "list",
            {"page": page, "items": cards, "filters": [], "form": "cards"},
            markdown=_listing(page, cards, self._addresses),
        )

    def _paged(
        self,
        address: str,
        title: str,
        about: str,
        cards: list[dict[str, str]],
        *,
        filters: Sequence[dict[str, Any]] = (),
        trail: Sequence[tuple[str, str]] = (),
        form: str = "cards",
    ) -> Iterator[Page]:
        """A list cut into pages, the first at `address`."""
        size = self._options.per_page
        count = max(1, -(-len(cards) // size))

        def place(at: int) -> str:
            return address if at == 1 else f"{address}page-{at}/"

        for at in range(1, count + 1):
            items = cards[(at - 1) * size : at * size]
            page = head(
                self._addresses,
                place(at),
                title if at == 1 else f"{title}, page {at}",
                about,
                lead=about if at == 1 else "",
                trail=trail,
                at=at,
                pages=count,
                newer=place(at - 1) if at > 1 else "",
                older=place(at + 1) if at < count else "",
                empty="Nothing has been sent yet.",
                heading=title,
            )
            values = {"page": page, "items": items, "filters": list(filters), "form": form}
            yield Page(place(at), "list", values, markdown=_listing(page, items, self._addresses))

    # Issues and guides --------------------------------------------------------------------------

    def _issue_pages(self) -> Iterator[Page]:
        for at, issue in enumerate(self._issues):
            newer = self._issues[at - 1] if at else None
            older = self._issues[at + 1] if at + 1 < len(self._issues) else None
            page = self._article(issue, [("Archive", "/archive/")])
            yield Page(
                issue.address,
                "issue",
                {
                    "page": page,
                    "mark": f"Issue {issue.number}",
                    "shown": spelled(issue.date, self._language),
                    "updated": spelled(issue.updated, self._language),
                    "minutes": issue.minutes,
                    "author": issue.author,
                    "contents": issue.sections,
                    "topics": [[tag, tag_address(tag)] for tag in self._topics_of(issue)],
                    "previous": {"address": older.address, "title": older.title} if older else None,
                    "next": {"address": newer.address, "title": newer.title} if newer else None,
                },
                entry=issue,
            )

    def _guide_page(self, guide: Entry) -> Page:
        by_name = {
            name: entry for entry in self._entries for name in (entry.slug, str(entry.number or entry.slug))
        }
        related = [by_name[name] for name in guide.related if name in by_name]
        page = self._article(guide, [("Guides", "/guides/")], [faq_data(guide)])
        return Page(
            guide.address,
            "guide",
            {
                "page": page,
                "updated": spelled(guide.updated, self._language),
                "minutes": guide.minutes,
                "topics": [[tag, tag_address(tag)] for tag in self._topics_of(guide)],
                "related": [card(entry, self._language) for entry in related],
            },
            entry=guide,
        )

    def _article(
        self, entry: Entry, trail: list[tuple[str, str]], more: Sequence[dict[str, Any]] = ()
    ) -> dict[str, Any]:
        page = head(
            self._addresses,
            entry.address,
            entry.title,
            entry.description,
            trail=trail,
            article=True,
            date=entry.date,
            updated=entry.updated,
            json_ld=[article_data(self._addresses, entry, self._publication, self._options), *more],
        )
        if entry.canonical:
            page["canonical"] = entry.canonical
        if entry.image:
            origin = self._addresses.base.removesuffix(self._root)
            address = entry.image if urlsplit(entry.image).scheme else origin + entry.image
            give_picture(page, address, entry.title)
        return page

    def _redirects(self) -> Iterator[Page]:
        for entry in self._entries:
            for alias in _old_addresses(entry):
                page = head(self._addresses, alias, entry.title, "", hidden=True)
                page["canonical"] = self._addresses.full(entry.address)
                yield Page(alias, "redirect", {"page": page, "target": self._root + entry.address})

    # Links --------------------------------------------------------------------------------------

    def _resolve(self, pages: list[Page], known: dict[str, Page]) -> None:
        by_file = {os.path.abspath(entry.path): entry for entry in self._entries}  # noqa: PTH100 - a link is written to the name, not to what it links to
        for page in pages:
            if page.entry is not None:
                for link in page.entry.links:
                    page.resolved[link.placeholder] = self._target(page.entry, link, by_file, known)

    def _target(self, entry: Entry, link: Link, by_file: dict[str, Entry], known: dict[str, Page]) -> str:
        """Where a link leads; empty where there is nothing, which is reported."""
        fragment = f"#{link.fragment}" if link.fragment else ""
        target, path = link.target, unquote(link.target)
        found: Entry | None = entry if not target else None
        if path.startswith("file:"):
            found = by_file.get(path[5:])
            if found is None:
                if path[5:] in self._unpublished:
                    self._report(
                        "NL602",
                        entry,
                        link,
                        f"the link `{link.written}` leads to an issue that isn't published yet",
                    )
                # A broken file is told about where it is broken; links to it are as their author wants them.
                elif path[5:] not in self._broken:
                    self._report("NL601", entry, link, f"there is no issue or guide `{link.written}`")
                return ""
        elif target:
            # What is asked for is the service's matter; a page of the site is the same whatever is asked.
            address = target.removeprefix(self._root).partition("?")[0]
            at = known.get(address) or known.get(address + "/")
            if at is None and (address in _FILES or address.split("/")[1] in _OF_THE_SERVICE):
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
        self.findings.append(
            Diagnostic(
                code,
                SITE[code].severity,
                message,
                entry.display,
                link.line,
                link.column,
                len(link.written),
                help="its words are shown without a link until then"
                if code == "NL602"
                else "links start from the file's own folder, such as `../002-hybrid-retrieval.md#concept`",
            )
        )

    def _topics_of(self, entry: Entry) -> list[str]:
        return list(dict.fromkeys(self._topic_names[tag] for tag in entry.tags))

    def _topics(self, entries: Iterable[Entry]) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            for tag in self._topics_of(entry):
                found[tag].append(entry)
        return found


def _old_addresses(entry: Entry) -> list[str]:
    """Where a page was before, each once; never where it is now, which would lead to itself."""
    aliases = dict.fromkeys(f"/{alias.strip('/')}/" for alias in entry.aliases)
    return [alias for alias in aliases if alias != entry.address]


def _listing(page: dict[str, Any], cards: Sequence[dict[str, str]], addresses: Addresses) -> str:
    """A list as Markdown."""
    lines = [f"# {page['heading']}", "", page["description"], ""]
    for one in cards:
        about = f": {one['description']}" if one["description"] else ""
        date = f" ({one['date']})" if one["date"] else ""
        lines.append(f"- [{one['title']}]({addresses.full(one['address'])}){date}{about}")
    return "\n".join(lines) + "\n"
