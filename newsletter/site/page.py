"""What is one page of the site, before it is written? An address, a template, plain values; equal keys mean equal bytes."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any
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


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        address: from the site's root, such as `/archive/`; `/404.html` names the file itself.
        template: its name below `templates/site`.
        values: what the template is given, as JSON could say it; `page` is a table every template reads.
        entry: the issue or guide whose body it shows.
        markdown: its Markdown twin, unless that is made of the entry's own.
        resolved: the addresses that stand for placeholders in the body.
    """

    address: str
    template: str
    values: dict[str, Any]
    entry: Entry | None = None
    markdown: str = ""
    resolved: dict[str, str] = field(default_factory=dict)

    @cached_property
    def path(self) -> str:
        """The file, from the site's folder."""
        return unquote(self.address.lstrip("/")) + ("index.html" if self.address.endswith("/") else "")

    @property
    def has_twin(self) -> bool:
        """Whether there is a Markdown twin beside it."""
        return not self.values["page"].get("hidden")

    def fingerprint(self) -> str:
        """All that the page is made of, but for what is the same for every page."""
        parts = [
            self.template,
            self.values,
            self.entry.digest if self.entry else "",
            self.markdown,
            self.resolved,
        ]
        return json.dumps(parts, ensure_ascii=False, sort_keys=True)


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


def card(entry: Entry, language: str) -> dict[str, str]:
    """An issue or a guide in a list."""
    if entry.form == "guide":
        return {
            "mark": " · ".join(entry.options),
            "title": entry.title,
            "address": entry.address,
            "description": entry.description,
            "date": "",
            "shown": "",
        }
    return {
        "mark": f"Issue {entry.number}",
        "title": entry.title,
        "address": entry.address,
        "description": entry.description,
        "date": entry.date,
        "shown": spelled(entry.date, language),
    }


def question_card(entry: Entry) -> dict[str, str]:
    """An interview question in a list."""
    return {
        "mark": f"{entry.level.capitalize()} · Issue {entry.number}",
        "title": entry.question,
        "address": f"{entry.address}#interview-question",
        "description": "",
        "date": "",
        "shown": "",
    }


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


def give_picture(table: dict[str, Any], address: str, alternative: str, size: Sequence[int] = ()) -> None:
    """Say of a page which picture is shown where it is shared: its absolute address, its words, width and height in pixels."""
    table |= {"image": address, "image_alt": alternative, "image_size": list(size)}
    for data in table["json_ld"]:
        if data["@type"] == "Article":
            data["image"] = address


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
        "datePublished": entry.date,
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
