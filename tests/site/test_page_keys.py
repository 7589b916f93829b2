"""A page is made again wherever what it shows is another: its key says all that it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from newsletter.model.issue import DEFAULT_KINDS
from newsletter.model.publication import Publication
from newsletter.site.entry import Body, Entry, Link, PictureFile, SiteOptions, sealed
from newsletter.site.pages import Pages
from newsletter.site.sources import Sources

PUBLICATION = Publication(
    name="Notes", from_email="a@example.com", base_url="https://notes.example.com/n", language="en"
)
BODY = Body("<p>Body.</p>", "Body.")
OPTIONS = SiteOptions(kinds=DEFAULT_KINDS, per_page=2, licence="CC BY 4.0", licence_url="https://l.example")
# Another value of each field, by its type or name; several where one may change nothing.
OTHERS: dict[str, list[Any]] = {
    "form": ["guide", "issue"],
    "date": ["2025-07-08", "2027-01-02"],
    "updated": ["", "2026-12-31"],
    "words": [1, 9_999],
    "number": [77],
    "level": ["", "staff"],
    "tags": [[], ["RAG"], ["c++"], ["rag", "new"]],
    "aliases": [[], ["before"]],
    "sections": [[], [["concept", "Concept", "Another"]]],
    "anchors": [[]],
    "links": [[], [Link("", "concept", "#concept", 3, 1)], [Link("/archive/", "", "/archive/", 3, 1)]],
    "pictures": [[], [PictureFile("a.png", "a.png", 1, 1)]],
    "options": [["x", "y"]],
    "related": [[], ["third"], ["4", "third"]],
    "faq": [[], [["Why?", "Because."]], [["Why? Because.", ""]]],
    "image": ["", "/n/assets/x.png", "https://elsewhere.example/x.png"],
    "canonical": ["", "https://elsewhere.example/"],
}


def entry(number: int, slug: str, **more: Any) -> Entry:
    values: dict[str, Any] = {
        "form": "issue",
        "path": f"/n/issues/{slug}.md",
        "display": f"issues/{slug}.md",
        "slug": slug,
        "number": number,
        "title": f"The {slug}",
        "description": f"About {slug}.",
        "date": f"2026-01-{number:02}",
        "updated": "2026-02-03" if number == 2 else "",
        "tags": ["rag", "evaluation"] if number % 2 else ["Rag"],
        "author": "Ada" if number == 1 else "",
        "aliases": ["old"] if number == 1 else [],
        "canonical": "",
        "digest": "",
        "words": 700,
        "sections": [["concept", "Concept", "One"], ["interview-question", "Interview question", "Why?"]],
        "level": "senior" if number % 2 else "junior",
        "question": f"Why {slug}?",
        "anchors": ["concept", "interview-question"],
        "links": [Link("file:/n/issues/first.md", "concept", "first.md#concept", 9, 1)]
        if number == 3
        else [],
    }
    return sealed(Entry(**values | more), BODY)


ENTRIES = (
    *(entry(at, slug) for at, slug in enumerate(("first", "second", "third", "fourth", "fifth", "sixth"), 1)),
    entry(
        9,
        "a-or-b",
        form="guide",
        question="",
        level="",
        options=["a", "b"],
        related=["first", "2"],
        faq=[["Both?", "Yes."], ["Cheaper?", "No."]],
    ),
)


def made(entries: tuple[Entry, ...]) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Key and whole content of each page, by address."""
    issues = sorted((e for e in entries if e.form == "issue"), key=lambda e: (e.date, e.number), reverse=True)
    guides = sorted((e for e in entries if e.form == "guide"), key=lambda e: e.title)
    pages = Pages(Sources([*issues, *guides]), PUBLICATION, OPTIONS, "/n").all()
    return {
        page.address: (page.fingerprint(), (page.template, page.shown, page.resolved, page.hidden))
        for page in pages
    }


def changes() -> Iterator[tuple[str, Any]]:
    for name in Entry._fields:
        if name in {"path", "display", "digest"}:
            continue  # which file it is, is no property of it
        for other in OTHERS.get(name, [f"Another {name}", ""]):
            yield name, other


@pytest.mark.parametrize("at", range(len(ENTRIES)), ids=[e.slug for e in ENTRIES])
def test_whatever_of_an_entry_changes_changes_the_key_of_each_page_that_shows_it(at: int) -> None:
    before = made(ENTRIES)
    seen = 0
    for name, other in changes():
        changed = sealed(ENTRIES[at]._replace(**{name: other}), BODY)
        if not changed.slug or not changed.title:
            continue
        after = made((*ENTRIES[:at], changed, *ENTRIES[at + 1 :]))
        for address in before.keys() & after.keys():
            (old_key, old), (new_key, new) = before[address], after[address]
            if old != new:
                seen += 1
                assert old_key != new_key, f"{address} shows another {name}: {other!r}"
    assert seen > 20


def test_a_change_changes_the_keys_of_no_more_pages_than_show_it() -> None:
    before = made(ENTRIES)
    after = made((sealed(ENTRIES[0]._replace(title="Another title"), BODY), *ENTRIES[1:]))
    another = {address for address in before if before[address][0] != after[address][0]}
    shows = {address for address in before if before[address][1] != after[address][1]}
    assert another == shows
    assert len(another) < len(before) / 2
