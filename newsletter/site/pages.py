"""Which pages does the site have, and what does each of them show?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from newsletter.diagnostics import Diagnostic
from newsletter.model.publication import Publication
from newsletter.site.entry import Entry, SiteOptions, literal
from newsletter.site.page import (
    Addresses,
    Group,
    Listed,
    Page,
    Picture,
    Shown,
    article_data,
    card,
    faq_data,
    give_picture,
    head,
    listed,
    question_card,
    spelled,
    tag_address,
    topic_names,
)
from newsletter.site.page_links import PageLinks
from newsletter.site.question_bank import Choices, question_lists
from newsletter.site.sources import Sources

_ON_THE_LANDING = 5


class Pages:
    """The pages of one site.

    Args:
        sources: what it is made of.
        publication: whose it is.
        options: of the site.
        root: the path of the site's address; empty for none.
    """

    def __init__(self, sources: Sources, publication: Publication, options: SiteOptions, root: str) -> None:
        self._sources, self._entries = sources, sources.entries
        self._issues, self._guides = sources.issues, sources.guides
        self._publication, self._options = publication, options
        self._addresses = Addresses(publication, root)
        self._root, self._language = root, publication.language
        self._topic_names = topic_names(sources.entries)
        self._cards: dict[str, Listed] = {}
        self._named: dict[str, list[str]] = {}
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
        for page in [*known.values()]:
            if page.entry is not None and page.entry.aliases:
                known |= dict.fromkeys(_old_addresses(page.entry), page)
        pages += self._redirects()
        self.findings = PageLinks(self._sources, self._root, known).resolve(pages)
        return pages

    # Lists --------------------------------------------------------------------------------------

    def _landing(self) -> Page:
        latest = [self._card(issue) for issue in self._issues[:_ON_THE_LANDING]]
        newest = self._issues[0].sections if self._issues else []
        guides = [self._card(guide) for guide in self._guides]
        made_of = (
            *(words for section in newest for words in section),
            *(one.text for one in (*latest, *guides)),
            f"{len(newest)} {len(latest)}",
        )
        return Page("/", "landing", made_of, partial(self._show_landing, newest, latest, guides))

    def _show_landing(
        self, newest: Sequence[Sequence[str]], latest: Sequence[Listed], guides: Sequence[Listed]
    ) -> Shown:
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
        values = {
            "page": page,
            "marks": [kind.heading.lower() for kind in self._options.kinds],
            "items": latest,
            "contents": newest,
            "guides": guides,
        }
        return Shown(values, _listing(page, [*latest, *guides], self._addresses))

    def _missing(self) -> Page:
        return self._hidden("/404.html", "missing", "There is no page here", "Not found")

    def _search(self) -> Page:
        return self._hidden("/search/", "search", "Search", "Search the archive")

    def _hidden(self, address: str, template: str, title: str, description: str) -> Page:
        def show() -> Shown:
            return Shown({"page": head(self._addresses, address, title, description, hidden=True)})

        return Page(address, template, (title, description), show, hidden=True)

    def _archive(self) -> Iterator[Page]:
        years: dict[str, list[Entry]] = defaultdict(list)
        for issue in self._issues:
            years[issue.date[:4]].append(issue)

        every = [("All", "/archive/", str(len(self._issues)))]
        by_year = [(year, f"/archive/{year}/", str(len(found))) for year, found in years.items()]
        choices = Choices("Year", (*every, *by_year) if years else ())
        cards = [self._card(issue) for issue in self._issues]
        about = f"All issues of {self._publication.name}, newest first."
        yield from self._paged("/archive/", "Archive", about, cards, filters=[(choices, "/archive/")])
        for year, issues in years.items():
            cards = [self._card(issue) for issue in issues]
            title = f"Issues of {year}"
            trail = [("Archive", "/archive/")]
            at = f"/archive/{year}/"
            about = f"{title}, newest first."
            yield from self._paged(at, title, about, cards, filters=[(choices, at)], trail=trail)

    def _tags(self) -> Iterator[Page]:
        topics = self._topics(self._entries)
        names = sorted(topics, key=lambda name: (name.casefold(), name))
        cards = [
            listed(
                f"{len(topics[name])} {'page' if len(topics[name]) == 1 else 'pages'}",
                name,
                tag_address(name),
            )
            for name in names
        ]
        about = f"What {self._publication.name} has written about."
        yield from self._paged("/tags/", "Topics", about, cards, form="topics")
        for name in names:
            found = [self._card(entry) for entry in topics[name]]
            about = f"Issues and guides on {name}."
            yield from self._paged(tag_address(name), name, about, found, trail=[("Topics", "/tags/")])

    def _questions(self) -> Iterator[Page]:
        asked = [issue for issue in self._issues if issue.question]
        if not asked:
            return
        about = f"Interview questions from {self._publication.name}, each with a worked answer."
        cards = {issue.path: question_card(issue) for issue in asked}
        for one in question_lists(asked, self._topics_of):
            yield from self._paged(
                one.address,
                " · ".join(filter(None, ["Interview questions", one.level, one.topic])),
                about,
                [cards[issue.path] for issue in one.issues],
                filters=one.filters,
                trail=[("Questions", "/questions/")] if one.level or one.topic else (),
            )

    def _guide_index(self) -> Page:
        about = f"Comparisons by {self._publication.name}: a straight answer, a table, when to choose which."
        cards = [self._card(guide) for guide in self._guides]

        def show() -> Shown:
            page = head(self._addresses, "/guides/", "Guides", about, lead=about)
            values = {"page": page, "items": cards, "filters": [], "form": "cards"}
            return Shown(values, _listing(page, cards, self._addresses))

        return Page("/guides/", "list", (about, *(one.text for one in cards)), show)

    def _paged(
        self,
        address: str,
        title: str,
        about: str,
        cards: list[Listed],
        *,
        filters: Sequence[tuple[Choices, str]] = (),
        trail: Sequence[tuple[str, str]] = (),
        form: str = "cards",
    ) -> Iterator[Page]:
        """A list cut into pages, the first at `address`; each filter with the choice that is made."""
        size = self._options.per_page
        what = [title, about, form, *(word for step in trail for word in step)]
        what += [word for choices, current in filters for word in (choices.text, current)]
        count = max(1, -(-len(cards) // size))

        def place(at: int) -> str:
            return address if at == 1 else f"{address}page-{at}/"

        def show(at: int, items: Sequence[Listed]) -> Shown:
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
            groups = [
                Group(choices.name, current, choices.choices)
                for choices, current in filters
                if choices.choices
            ]
            values = {"page": page, "items": items, "filters": groups, "form": form}
            return Shown(values, _listing(page, items, self._addresses))

        for at in range(1, count + 1):
            items = cards[(at - 1) * size : at * size]
            made_of = (f"{at} {count} {len(items)}", *(one.text for one in items), *what)
            yield Page(place(at), "list", made_of, partial(show, at, items))

    # Issues and guides --------------------------------------------------------------------------

    def _issue_pages(self) -> Iterator[Page]:
        for at, issue in enumerate(self._issues):
            newer = self._issues[at - 1] if at else None
            older = self._issues[at + 1] if at + 1 < len(self._issues) else None
            topics = self._topics_of(issue)
            # Its own facts are in its digest.
            made_of = (
                str(len(topics)),
                *topics,
                *((newer.address, newer.title) if newer else ("", "")),
                *((older.address, older.title) if older else ("", "")),
            )
            show = partial(self._show_issue, issue, newer, older)
            yield Page(issue.address, "issue", made_of, show, issue)

    def _show_issue(self, issue: Entry, newer: Entry | None, older: Entry | None) -> Shown:
        return Shown(
            {
                "page": self._article(issue, [("Archive", "/archive/")]),
                "mark": f"Issue {issue.number}",
                "shown": spelled(issue.date, self._language),
                "updated": spelled(issue.updated, self._language),
                "minutes": issue.minutes,
                "author": issue.author,
                "contents": issue.sections,
                "topics": [[tag, tag_address(tag)] for tag in self._topics_of(issue)],
                "previous": {"address": older.address, "title": older.title} if older else None,
                "next": {"address": newer.address, "title": newer.title} if newer else None,
            }
        )

    def _guide_page(self, guide: Entry) -> Page:
        by_name = {
            name: entry for entry in self._entries for name in (entry.slug, str(entry.number or entry.slug))
        }
        related = [self._card(by_name[name]) for name in guide.related if name in by_name]
        made_of = (*self._topics_of(guide), *(one.text for one in related), str(len(related)))
        return Page(guide.address, "guide", made_of, partial(self._show_guide, guide, related), guide)

    def _show_guide(self, guide: Entry, related: Sequence[Listed]) -> Shown:
        return Shown(
            {
                "page": self._article(guide, [("Guides", "/guides/")], [faq_data(guide)]),
                "updated": spelled(guide.updated, self._language),
                "minutes": guide.minutes,
                "topics": [[tag, tag_address(tag)] for tag in self._topics_of(guide)],
                "related": related,
            }
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
            date=entry.date if entry.form == "issue" else "",
            updated=entry.updated,
            json_ld=[article_data(self._addresses, entry, self._publication, self._options), *more],
        )
        if entry.canonical:
            page["canonical"] = entry.canonical
        if entry.image:
            origin = self._addresses.base.removesuffix(self._root)
            address = entry.image if urlsplit(entry.image).scheme else origin + entry.image
            give_picture(page, Picture(address, entry.title))
        return page

    def _redirects(self) -> Iterator[Page]:
        for entry in self._entries:
            for alias in _old_addresses(entry):
                show = partial(self._show_redirect, alias, entry)
                yield Page(alias, "redirect", (entry.title, entry.address), show, hidden=True)

    def _show_redirect(self, alias: str, entry: Entry) -> Shown:
        page = head(self._addresses, alias, entry.title, "", hidden=True)
        page["canonical"] = self._addresses.full(entry.address)
        return Shown({"page": page, "target": self._root + entry.address})

    def _card(self, entry: Entry) -> Listed:
        """Made once, however many lists have it."""
        found = self._cards.get(entry.path)
        if found is None:
            found = self._cards[entry.path] = card(entry, self._language)
        return found

    def _topics_of(self, entry: Entry) -> list[str]:
        found = self._named.get(entry.path)
        if found is None:
            names = dict.fromkeys(self._topic_names[tag] for tag in entry.tags)
            found = self._named[entry.path] = list(names)
        return found

    def _topics(self, entries: Iterable[Entry]) -> dict[str, list[Entry]]:
        found: dict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            for tag in self._topics_of(entry):
                found[tag].append(entry)
        return found


def _old_addresses(entry: Entry) -> list[str]:
    """Where a page was before, each once; never where it is now, which would lead to itself."""
    if not entry.aliases:
        return []
    aliases = dict.fromkeys(f"/{alias.strip('/')}/" for alias in entry.aliases)
    return [alias for alias in aliases if alias != entry.address]


def _listing(page: dict[str, Any], cards: Sequence[Listed], addresses: Addresses) -> str:
    """A list as Markdown."""
    lines = [f"# {literal(page['heading'])}", "", literal(page["description"]), ""]
    for one in cards:
        about = f": {literal(one.description)}" if one.description else ""
        date = f" ({one.date})" if one.date else ""
        lines.append(f"- [{literal(one.title)}]({addresses.full(one.address)}){date}{about}")
    return "\n".join(lines) + "\n"
