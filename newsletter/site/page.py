"""What is one page of the site, before it is written? An address, a template, and what its values would be made of."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from newsletter.content.front_matter import slugify
from newsletter.model.publication import Publication
from newsletter.site.entry import Entry, SiteOptions

# What tells one topic from another: C from C++ and C#.
_SIGNS = {"+": "plus", "#": "sharp", "&": "and", "*": "star"}
_SIGN = re.compile("[+#&*]")
_LONGEST = 120
_LIST_PAGE = re.compile(r"page-\d+")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


class Shown(NamedTuple):
    """What a page shows.

    Attributes:
        values: what the template is given, as JSON could say it; `page` is a table every template reads.
        markdown: its Markdown twin, unless that is made of the entry's own.
    """

    values: dict[str, Any]
    markdown: str = ""


class Picture(NamedTuple):
    """What is shown where a page is shared: an absolute address, the words for who can't see it, width and height in pixels."""

    address: str
    alternative: str
    size: tuple[int, ...] = ()


@dataclass
class Page:
    """One page. What it shows is made only where it has to be written: an edit changes few of a thousand.

    Attributes:
        address: from the site's root, such as `/archive/`; `/404.html` names the file itself.
        template: its name below `templates/site`.
        made_of: all that `make` makes it of, but for settings and for `entry`: equal texts mean equal values.
        make: what it shows.
        entry: the issue or guide whose body it shows.
        hidden: whether it is nothing to find or to share: without a Markdown twin, a card, a line in the sitemap.
        resolved: the addresses that stand for placeholders in the body.
        card: the picture drawn for it, unless it has one of its own.
        path: the file, from the site's folder.
        twin: its Markdown twin, ditto; empty where there is none.
    """

    address: str
    template: str
    made_of: tuple[str, ...]
    make: Callable[[], Shown]
    entry: Entry | None = None
    hidden: bool = False
    resolved: dict[str, str] = field(default_factory=dict)
    card: Picture | None = None
    path: str = field(init=False)
    twin: str = field(init=False)

    def __post_init__(self) -> None:
        folder = unquote(self.address.lstrip("/"))
        self.path = f"{folder}index.html" if self.address.endswith("/") else folder
        self.twin = "" if self.hidden else f"{folder}index.md"

    @property
    def files(self) -> tuple[str, ...]:
        """All that is written of it."""
        return (self.path, self.twin) if self.twin else (self.path,)

    @cached_property
    def shown(self) -> Shown:
        """What it shows, the picture where it is shared included."""
        shown = self.make()
        if self.card is not None:
            give_picture(shown.values["page"], self.card)
        return shown

    def fingerprint(self) -> tuple[str, ...]:
        """All that the page is made of, but for what is the same for every page: equal ones mean equal bytes."""
        entry = (self.entry.digest,) if self.entry is not None else ()
        card = (self.card.address, self.card.alternative) if self.card is not None else ()
        # The counts tell where one part ends and the next begins.
        lengths = f"{len(self.made_of)} {len(entry)} {len(card)}"
        links = (word for pair in self.resolved.items() for word in pair)
        return (self.template, self.address, lengths, *self.made_of, *entry, *card, *links)


class Listed(NamedTuple):
    """An entry of a list, as templates are given it; `text` is all of it, to compare."""

    mark: str
    title: str
    address: str
    description: str
    date: str
    shown: str
    text: str


def listed(
    mark: str, title: str, address: str, description: str = "", *, date: str = "", shown: str = ""
) -> Listed:
    """Anything in a list; `shown` is its date as a reader writes it."""
    words = (mark, title, address, description, date, shown)
    return Listed(*words, "\0".join(words))


class Group(NamedTuple):
    """Choices of which one is made, as templates are given them: each a name, an address and how much there is."""

    name: str
    current: str
    choices: Sequence[tuple[str, str, str]]


class Addresses:
    """Where the site is.

    Args:
        publication: whose it is; its `base_url` may have a path.
    """

    def __init__(self, publication: Publication, root: str) -> None:
        self.base = publication.base_url
        self.root = root

    def full(self, address: str) -> str:
        """An address of the site with scheme and host."""
        return self.base + address


def spelled(date: str, language: str) -> str:
    """`2026-03-01` as a reader writes it."""
    if not date or not language.lower().startswith("en"):
        return date
    day = dt.date.fromisoformat(date)
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


@cache
def tag_address(tag: str) -> str:
    """The page of a topic; two ways of writing one, such as `RAG` and `rag`, have the same."""
    spoken = _SIGN.sub(lambda sign: f" {_SIGNS[sign[0]]} ", re.sub(r"^\.(?=\w)", "dot ", tag.strip()))
    letters = unicodedata.normalize("NFKC", spoken).casefold()
    # Letters that ASCII has no form of are kept: `slugify` leaves them out.
    lost = any(one.isalnum() and not slugify(one) for one in letters)
    name = re.sub(r"[\W_]+", "-", letters).strip("-") if lost else slugify(spoken)
    if not name or len(name.encode()) > _LONGEST or _LIST_PAGE.fullmatch(name):
        # Nothing to spell, no name of a file, or that of a list's own page.
        name = "-".join(filter(None, [name[:40], hashlib.blake2b(tag.encode(), digest_size=4).hexdigest()]))
    return f"/tags/{quote(name, safe='')}/"


def topic_names(entries: Iterable[Entry]) -> dict[str, str]:
    """What each tag is called: the commonest way of writing it among those that have one page."""
    written = Counter(tag for entry in entries for tag in entry.tags)
    named: dict[str, str] = {}
    for tag in sorted(written, key=lambda tag: (-written[tag], tag)):
        named.setdefault(tag_address(tag), tag)
    return {tag: named[tag_address(tag)] for tag in written}


def card(entry: Entry, language: str) -> Listed:
    """An issue or a guide in a list."""
    if entry.form == "guide":
        return listed(" · ".join(entry.options), entry.title, entry.address, entry.description)
    return listed(
        f"Issue {entry.number}",
        entry.title,
        entry.address,
        entry.description,
        date=entry.date,
        shown=spelled(entry.date, language),
    )


def question_card(entry: Entry) -> Listed:
    """An interview question in a list."""
    return listed(
        f"{entry.level.capitalize()} · Issue {entry.number}",
        entry.question,
        f"{entry.address}#interview-question",
    )


def head(
    addresses: Addresses,
    address: str,
    title: str,
    description: str,
    **more: Any,
) -> dict[str, Any]:
    """What every page says of itself."""
    trail: list[tuple[str, str]] = list(more.pop("trail", ()))
    table: dict[str, Any] = {
        "address": address,
        "title": title,
        "heading": title,
        "description": description,
        "canonical": addresses.full(address),
        "markdown": f"{addresses.root}{address}index.md",
        "home": False,
        "hidden": False,
        "article": False,
        "image": "",
        "image_alt": "",
        "image_size": [],
        "date": "",
        "updated": "",
        "lead": "",
        "empty": "",
        "newer": "",
        "older": "",
        "at": 1,
        "pages": 1,
        "trail": trail,
        "json_ld": [],
    } | more
    if trail:
        steps = [*trail, (title, address)]
        table["json_ld"] = [*table["json_ld"], _trail_data(addresses, steps)]
    return table


def give_picture(table: dict[str, Any], picture: Picture) -> None:
    """Say of a page which picture is shown where it is shared."""
    table |= {
        "image": picture.address,
        "image_alt": picture.alternative,
        "image_size": list(picture.size),
    }
    for data in table["json_ld"]:
        if data["@type"] == "Article":
            data["image"] = picture.address


def _trail_data(addresses: Addresses, steps: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "@context": "https://schema.org",
        "@type": "BreadcrumbList",
        "itemListElement": [
            {"@type": "ListItem", "position": at, "name": name, "item": addresses.full(address)}
            for at, (name, address) in enumerate(steps, 1)
        ],
    }


def article_data(
    addresses: Addresses, entry: Entry, publication: Publication, options: SiteOptions
) -> dict[str, Any]:
    """An issue or guide as schema.org's Article."""
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Article",
        "headline": entry.title,
        "description": entry.description,
        # When a guide was first there nobody has written down.
        **({"datePublished": entry.date} if entry.form == "issue" else {}),
        "dateModified": entry.updated or entry.date,
        "inLanguage": publication.language,
        "url": addresses.full(entry.address),
        "author": {"@type": "Person", "name": entry.author}
        if entry.author
        else {"@type": "Organization", "name": publication.name},
        "publisher": {"@type": "Organization", "name": publication.name, "url": f"{publication.base_url}/"},
        "keywords": entry.tags,
        "isPartOf": {"@type": "Blog", "name": publication.name, "url": f"{publication.base_url}/"},
    }
    if options.licence_url:
        data["license"] = options.licence_url
    return data


def faq_data(entry: Entry) -> dict[str, Any]:
    """A guide's questions as schema.org's FAQPage."""
    return {
        "@context": "https://schema.org",
        "@type": "FAQPage",
        "mainEntity": [
            {"@type": "Question", "name": question, "acceptedAnswer": {"@type": "Answer", "text": answer}}
            for question, answer in entry.faq
        ],
    }
