"""Whose mail programs lack something that an issue uses, what is it, and where is it written?"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from newsletter.checks.clients import ClientFamily, Feature, client_support
from newsletter.checks.output.origin import Origin, Place
from newsletter.checks.output.page import Page

# What the author's Markdown becomes; every other tag and attribute is a template's.
_MARKDOWN = frozenset(
    f"html-{name}"
    for name in (
        *("anchor-links", "blockquote", "code", "del", "em", "i", "lists", "mailto-links"),
        "pre",
        "strong",
    )
)


@dataclass(frozen=True, slots=True)
class Lack:
    """Something the message uses that not every mail program knows.

    Attributes:
        name: as caniemail.com has it, such as `css-border-radius`.
        page: where that is said.
        uses: how often the message uses it.
        place: `path:line:col` of the first use, as far as it is known.
        unsupported: the families with a program that doesn't know it.
        partial: the others that know only a part of it.
    """

    name: str
    page: str
    uses: int
    place: str
    unsupported: tuple[str, ...]
    partial: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Support:
    """How much of a message each family of mail programs knows.

    Attributes:
        families: the one that knows least first.
        lacks: what costs the most families first.
        used: of how many features of HTML and CSS the message makes use.
    """

    families: tuple[ClientFamily, ...]
    lacks: tuple[Lack, ...]
    used: int

    def as_json(self) -> dict[str, Any]:
        """For the page, and for `clients.json`."""
        return asdict(self)


def support_of(page: Page, origin: Origin, ours: Path) -> Support:
    """Who knows what `page` is made of.

    Args:
        page: the HTML part.
        origin: where places are looked for.
        ours: the folder of the templates that come with the toolkit, which are named without it.
    """
    found = client_support(page)
    lacks = [
        Lack(
            one.slug,
            one.page,
            one.uses,
            _said(_place(one, origin), ours),
            one.unsupported,
            tuple(name for name in one.partial if name not in one.unsupported),
        )
        for one in found.features
        if one.unsupported or one.partial
    ]
    return Support(
        tuple(sorted(found.families, key=lambda family: family.share)),
        tuple(sorted(lacks, key=lambda one: (-len(one.unsupported), -len(one.partial), one.name))),
        len(found.features),
    )


def _place(feature: Feature, origin: Origin) -> Place:
    use = feature.first
    if use.declaration is not None:
        place = origin.of_declaration(use.declaration.name, use.declaration.value)
        if place is not None:
            return place
    if use.element is not None:
        if feature.slug in _MARKDOWN or feature.slug.startswith("image-"):
            return origin.of(use.element)
        return origin.of_template(use.element) or origin.of(use.element)
    if use.rule is not None:
        words = use.rule.conditions[0] if use.rule.conditions else use.rule.selector
        return origin.style_sheet(r"\s*".join(map(re.escape, words.split())))
    return origin.style_sheet("@import")


def _said(place: Place, ours: Path) -> str:
    path = Path(place.path)
    name = path.relative_to(ours).as_posix() if path.is_relative_to(ours) else place.path
    return ":".join([name, *(str(number) for number in (place.line, place.column) if number)])
