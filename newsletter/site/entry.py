"""What does the site know of one issue or guide without opening its file again?"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from newsletter.model.issue import SectionKind

# Words a minute of prose with code in it.
_PACE = 220
# What Markdown reads as a sign; an underscore within a word is none. Most titles have nothing like it.
_MAYBE_SIGN = re.compile(r"[\\`*_<\[\]]")
_SIGN = re.compile(r"[\\`*\[\]]|<(?=[A-Za-z/!?])|(?<![^\W_])_|_(?![^\W_])")


class Link(NamedTuple):
    """A link to another page of the site, as its author wrote it.

    Attributes:
        target: `file:` and a file's path, an address of the site that begins with `/`, or empty for the page itself.
        fragment: the part of that page, without `#`.
        written: the link in the author's words.
        line: where it stands, from 1.
        column: from 1.
    """

    target: str
    fragment: str
    written: str
    line: int
    column: int

    @property
    def placeholder(self) -> str:
        """What stands in the converted page until it is known which pages there are."""
        return f"page:{self.target}#{self.fragment}"


class PictureFile(NamedTuple):
    """A picture of the page: its name below `assets/`, its file, what tells that it changed, and what is copied instead."""

    name: str
    file: str
    changed: int
    size: int
    made: str = ""

    @property
    def copied(self) -> Path:
        """The file whose bytes the site has."""
        return Path(self.made or self.file)


class Entry(NamedTuple):
    """One issue or guide, everything but its body. Dates are `YYYY-MM-DD`.

    A thousand are read by each build: as a tuple, in a fifth of the time.

    Attributes:
        form: what it is.
        path: its file.
        display: what findings call the file.
        digest: of all that its page is made of, its body included; see `sealed`.
        sections: kind, mark and title of each section, in order.
        level: of its interview question; empty where it has none.
        question: the interview question; may be empty.
        anchors: the parts of its page that a link can lead to.
        faq: questions and answers of a guide, as plain text.
        image: the address of the picture shown where it is shared, from the site's root; or empty.
    """

    form: Literal["issue", "guide"]
    path: str
    display: str
    slug: str
    number: int
    title: str
    description: str
    date: str
    updated: str
    tags: Sequence[str]
    author: str
    aliases: Sequence[str]
    canonical: str
    digest: str
    words: int
    sections: Sequence[Sequence[str]] = ()
    level: str = ""
    question: str = ""
    anchors: Sequence[str] = ()
    links: Sequence[Link] = ()
    pictures: Sequence[PictureFile] = ()
    options: Sequence[str] = ()
    related: Sequence[str] = ()
    faq: Sequence[Sequence[str]] = ()
    image: str = ""

    @property
    def minutes(self) -> int:
        """How long it takes to read, in whole minutes, at least one."""
        return max(1, round(self.words / _PACE))

    @property
    def address(self) -> str:
        """The page's address from the site's root; that of an issue is the one its mails link to."""
        return f"/guides/{self.slug}/" if self.form == "guide" else f"/{self.slug}/"

    def plain(self) -> tuple[Any, ...]:
        """The same in words, numbers, lists and tuples, for `entry_from_plain`."""
        links, pictures = [*map(tuple, self.links)], [*map(tuple, self.pictures)]
        return tuple((self._asdict() | {"links": links, "pictures": pictures}).values())


def entry_from_plain(values: tuple[Any, ...]) -> Entry:
    """What `Entry.plain` gave.

    Raises:
        TypeError: it gave something else.
    """
    entry = Entry._make(values)
    if not entry.links and not entry.pictures:
        return entry
    return entry._replace(
        links=[Link._make(link) for link in entry.links],
        pictures=[PictureFile._make(picture) for picture in entry.pictures],
    )


class Body(NamedTuple):
    """What a page says: as HTML whose links are still placeholders, and as Markdown."""

    html: str
    markdown: str


@dataclass(frozen=True)
class SiteOptions:
    """What is the same for every page.

    Attributes:
        kinds: the section kinds.
        per_page: how many issues or questions a page of a list has.
        feed_items: how many issues a feed has.
        licence: of the text, in words; may be empty.
        licence_url: where it can be read; may be empty.
        drafts: whether issues that were not sent are shown as well.
        precompress: the content codings that files are packed in beforehand.
        cards: whether a picture is drawn for pages that have none; Pillow has to be there.
        search: who answers the search box: the service, Pagefind in the reader's browser, or nobody.
    """

    kinds: tuple[SectionKind, ...]
    per_page: int = 25
    feed_items: int = 20
    licence: str = ""
    licence_url: str = ""
    drafts: bool = False
    cards: bool = False
    search: Literal["", "service", "pagefind"] = ""
    precompress: tuple[str, ...] = ()


def sealed(entry: Entry, body: Body) -> Entry:
    """The entry with its digest; which file it is in is no property of its page."""
    made = hashlib.blake2b(digest_size=16)
    for part in (repr(entry._replace(path="", display="", digest="")), body.html, body.markdown):
        made.update(part.encode() + b"\0")
    return entry._replace(digest=made.hexdigest())


def literal(words: str) -> str:
    """Plain words as Markdown that shows them as they are (CommonMark 2.4)."""
    return _SIGN.sub(r"\\\g<0>", words) if _MAYBE_SIGN.search(words) else words
