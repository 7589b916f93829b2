"""Which mail clients know the CSS and HTML a message uses, and whose readers does it cost something?

The facts stand in `clients.json`, a letter per client and feature: `y` known, `a` in part, `n` not, `u` not
tried. They were taken from caniemail.com, whose page of a feature is `feature_page(slug)`. No client is weighed by a
share of readers: nobody knows yours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from newsletter.checks.output.css import Declaration, StyleRule
from newsletter.checks.output.page import Element, Page

_FACTS = Path(__file__).with_name("clients.json")
_LIKE: tuple[tuple[str, str], ...] = (
    (r"(?:row-|column-)?gap", "css-gap"),
    (r"left|right|top|bottom", "css-left-right-top-bottom"),
    (r"margin-(?:top|right|bottom|left)", "css-margin"),
    (r"(margin|padding)-(?:inline|block)-(?:start|end)", r"css-\1-inline-start-end"),
    (r"(margin|padding)-(?:inline|block)", r"css-\1-inline-block"),
    (r"padding-(?:top|right|bottom|left)", "css-padding"),
    (r"border-(?:start|end)-(?:start|end)-radius", "css-border-radius-logical"),
    (r"border-.*radius", "css-border-radius"),
    (r"border-(?:inline|block)", "css-border-inline-block"),
    (r"border-(?:inline|block)-.*", "css-border-inline-block-longhand"),
    (r"border-(?:top|right|bottom|left|color|style|width).*", "css-border"),
    (r"overflow-[xy]", "css-overflow"),
    (r"columns|column-(?!gap).*", "css-column-count"),
    (r"grid-template-.*", "css-grid-template"),
    (r"font-family|font-style|font-variant", "css-font"),
    (r"outline-(?:color|style|width)", "css-outline"),
    (r"animation-.*", "css-animation"),
    (r"transition-.*", "css-transition"),
)
_FUNCTIONS = {
    "calc": "css-unit-calc", "clamp": "css-function-clamp", "max": "css-function-max", "min": "css-function-min",
    "light-dark": "css-function-light-dark", "var": "css-variables", "rgb": "css-rgb", "rgba": "css-rgba",
    "linear-gradient": "css-linear-gradient", "radial-gradient": "css-radial-gradient",
    "conic-gradient": "css-conic-gradient", "lch": "css-modern-color", "oklch": "css-modern-color",
    "lab": "css-modern-color", "oklab": "css-modern-color",
}  # fmt: skip
_UNITS = ("ch", "cm", "em", "ex", "in", "mm", "pc", "pt", "px", "rem", "vh", "vmax", "vmin", "vw")
_FUNCTION = re.compile(r"(?<![\w-])([a-z-]+)\(")
_UNIT = re.compile(r"(?<![\w#.-])-?\d*\.?\d+([a-z]{2,4}|%)")
_TAGS = {
    "b": "html-strong", "strong": "html-strong", "s": "html-strike", "strike": "html-strike", "li": "html-lists",
    "ul": "html-lists", "ol": "html-lists", "dl": "html-lists", "dt": "html-lists", "dd": "html-lists",
    "map": "html-image-maps", "area": "html-image-maps", "tr": "html-table", "td": "html-table", "th": "html-table",
}  # fmt: skip
_SEMANTIC = ("article", "aside", "details", "figcaption", "figure", "footer", "header", "main", "mark", "nav", "section", "summary", "time")  # fmt: skip
_ATTRIBUTES = {
    **{
        name: f"html-{name}"
        for name in ("align", "background", "cellpadding", "cellspacing", "dir", "height", "hidden")
    },
    **{
        name: f"html-{name}"
        for name in ("lang", "popover", "required", "role", "srcset", "target", "valign", "width")
    },
    **{
        name: f"html-{name}"
        for name in ("aria-describedby", "aria-hidden", "aria-label", "aria-labelledby", "aria-live")
    },
    "loading": "html-loading-attribute",
}
_MEDIA = ("hover", "orientation", "prefers-color-scheme", "prefers-reduced-motion", "device-pixel-ratio")
_PSEUDO = re.compile(r"(::?)([a-z-]+)")
_FORMAT = re.compile(r"\.(apng|avif|bmp|gif|hdr|heif|ico|jpe?g|mp4|png|svg|tiff?|webp)\b", re.IGNORECASE)
_UNDER_CONDITION = ("@media", "@supports")
_WORTH = {"y": 1.0, "a": 0.5, "n": 0.0}


@dataclass(frozen=True, slots=True)
class Use:
    """Where a message uses something of HTML or CSS.

    Attributes:
        element: that has it, or None where a style sheet does.
        declaration: that says it, or None where a tag, an attribute or a selector does.
        rule: of the style sheet, or None.
    """

    element: Element | None = None
    declaration: Declaration | None = None
    rule: StyleRule | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing of HTML or CSS that a message uses.

    Attributes:
        slug: as caniemail.com has it, such as `css-display-flex`.
        uses: how often.
        first: where it is used first.
        unsupported: the families with a client that doesn't know it.
        partial: the families that know a part of it, or of which some clients do.
    """

    slug: str
    uses: int
    first: Use
    unsupported: tuple[str, ...]
    partial: tuple[str, ...]

    @property
    def page(self) -> str:
        """Where the fact is from."""
        return feature_page(self.slug)


@dataclass(frozen=True, slots=True)
class ClientFamily:
    """How much of a message one family of clients knows.

    Attributes:
        name: such as `Gmail`.
        share: 0 to 1: of the features used and tried, those supported, on average of the family's clients; a partly
            supported one counts half.
        unsupported: slugs of the features that none of its clients knows.
        partial: slugs of those it knows in part, or in some of its clients.
    """

    name: str
    share: float
    unsupported: tuple[str, ...]
    partial: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClientSupport:
    """What a message uses, and who knows it.

    Attributes:
        families: in the order of the facts.
        features: those used, by slug.
    """

    families: tuple[ClientFamily, ...]
    features: tuple[Feature, ...]


def client_support(html: str | Page) -> ClientSupport:
    """How much of the HTML part each family of mail clients knows.

    Not counted is what is meant for some clients only and harms nobody else: conditional comments for
    Outlook, and what stands inside a media query, whose own support is counted.
    """
    page = html if isinstance(html, Page) else Page(html)
    counts: dict[str, int] = {}
    first: dict[str, Use] = {}
    for slug, use in _used(page):
        counts[slug] = counts.get(slug, 0) + 1
        first.setdefault(slug, use)
    known = [slug for slug in sorted(counts) if slug in _facts()["features"]]
    levels = {slug: _levels(slug) for slug in known}
    families = tuple(
        ClientFamily(
            name,
            _share([levels[slug][name] for slug in known]),
            tuple(slug for slug in known if levels[slug][name] == 0),
            tuple(slug for slug in known if 0 < (levels[slug][name] or 0) < 1),
        )
        for name in _facts()["families"]
    )
    features = tuple(
        Feature(
            slug,
            counts[slug],
            first[slug],
            unsupporting(slug),
            tuple(name for name, level in levels[slug].items() if 0 < (level or 0) < 1),
        )
        for slug in known
    )
    return ClientSupport(families, features)


def unsupporting(slug: str) -> tuple[str, ...]:
    """The families with a client that doesn't know a feature; none where the feature isn't known to us."""
    return tuple(name for name, letters in _letters(slug) if "n" in letters)


def feature_page(slug: str) -> str:
    """The page of caniemail.com about a feature."""
    return f"{_facts()['source']}{slug}/"


@lru_cache(maxsize=1)
def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(_FACTS.read_text("utf-8"))
    return facts


def _levels(slug: str) -> dict[str, float | None]:
    """How much of a feature each family knows, 0 to 1, on average of its clients; None where none was tried."""
    found: dict[str, float | None] = {}
    for name, letters in _letters(slug):
        tried = [_WORTH[letter] for letter in letters if letter in _WORTH]
        found[name] = sum(tried) / len(tried) if tried else None
    return found


def _letters(slug: str) -> Iterator[tuple[str, str]]:
    letters, at = _facts()["features"].get(slug, ""), 0
    for name, clients in _facts()["families"].items():
        yield name, letters[at : at + clients]
        at += clients


def _share(levels: list[float | None]) -> float:
    tried = [level for level in levels if level is not None]
    return sum(tried) / len(tried) if tried else 1.0


def _used(page: Page) -> Iterator[tuple[str, Use]]:
    for element in page.elements:
        whole = Use(element)
        for slug in _of_element(element.tag, element.attributes):
            yield slug, whole
        for declaration in element.own:
            said = Use(element, declaration)
            for slug in features_of(declaration):
                yield slug, said
    for rule in page.rules:
        yield from _of_rule(rule)
    for _ in page.imports:
        yield "css-at-import", Use()
    if page.sheets:
        yield "html-style", Use(page.sheets[0][0])


def _of_element(tag: str, attributes: Any) -> Iterator[str]:
    if re.fullmatch(r"h[1-6]", tag):
        yield "html-h1-h6"
    elif tag in {"input", "button"}:
        yield f"html-{tag}-{attributes.get('type', 'text' if tag == 'input' else 'submit').lower()}"
    else:
        yield _TAGS.get(tag) or ("html-semantics" if tag in _SEMANTIC else f"html-{tag}")
    for name in attributes:
        if name in _ATTRIBUTES:
            yield _ATTRIBUTES[name]
    if tag == "a":
        href = attributes.get("href", "")
        if href.startswith("mailto:"):
            yield "html-mailto-links"
        elif href.startswith("#") and len(href) > 1:
            yield "html-anchor-links"
    if tag == "img":
        source = attributes.get("src", "")
        written = _FORMAT.search(source)
        if source.startswith("data:"):
            yield "image-base64"
        elif written:
            yield f"image-{written[1].lower().replace('jpeg', 'jpg').removesuffix('f') if written[1].lower() != 'gif' else 'gif'}"
    if tag == "meta" and attributes.get("name") == "color-scheme":
        yield "html-meta-color-scheme"


def _of_rule(rule: StyleRule) -> Iterator[tuple[str, Use]]:
    whole = Use(rule=rule)
    for condition in rule.conditions:
        name = condition.split(None, 1)[0].lower()
        if name in _UNDER_CONDITION:
            yield f"css-at-{name[1:]}", whole
            for feature in _MEDIA:
                if feature in condition:
                    yield f"css-at-media-{feature}", whole
    if rule.selector.startswith("@"):
        yield f"css-at-{rule.selector[1:].removeprefix('-webkit-')}", whole
    elif not any(condition.lower().startswith(_UNDER_CONDITION) for condition in rule.conditions):
        for slug in _of_selector(rule.selector):
            yield slug, whole
        for declaration in rule.declarations:
            said = Use(None, declaration, rule)
            for slug in features_of(declaration):
                yield slug, said


def _of_selector(selector: str) -> Iterator[str]:
    for colons, name in _PSEUDO.findall(selector):
        kind = (
            "element"
            if colons == "::" or name in {"before", "after", "first-letter", "first-line"}
            else "class"
        )
        yield f"css-pseudo-{kind}-{name}"
    bare = re.sub(r"\([^()]*\)|\[[^\]]*\]", "", selector)
    for mark, slug in (
        (r"\.", "css-selector-class"), (r"#", "css-selector-id"), (r"\*", "css-selector-universal"),
        (r">", "css-selector-child"), (r"\+", "css-selector-adjacent-sibling"), (r"~", "css-selector-general-sibling"),
        (r"[\w)\]]\s+[\w.#:\[*]", "css-selector-descendant"), (r"(?:^|[\s>+~])[a-zA-Z]", "css-selector-type"),
        (r"\.[\w-]+\.[\w-]", "css-selector-chaining"),
    ):  # fmt: skip
        if re.search(mark, bare):
            yield slug
    if "[" in selector:
        yield "css-selector-attribute"


@lru_cache(maxsize=2048)
def features_of(declaration: Declaration) -> tuple[str, ...]:
    """The features one declaration uses."""
    name, value = declaration.name, declaration.value.lower()
    if name.startswith("--"):
        return ("css-variables",)
    if name.startswith(("mso-", "-webkit-", "-ms-", "-moz-")):
        return ()  # for one client alone; the others pass over it
    found = [_slug_of_property(name, value)]
    found += [_FUNCTIONS[function] for function in _FUNCTION.findall(value) if function in _FUNCTIONS]
    plain = re.sub(r"url\([^)]*\)|\"[^\"]*\"|'[^']*'", "", value)
    for unit in set(_UNIT.findall(plain)):
        found += [f"css-unit-{unit}"] if unit in _UNITS else ["css-unit-percent"] if unit == "%" else []
    if "initial" in plain.split():
        found.append("css-unit-initial")
    if declaration.important:
        found.append("css-important")
    if name == "font-family" and re.search(
        r"\b(?:system-ui|ui-(?:serif|sans-serif|rounded|monospace))\b", value
    ):
        found.append("css-sytem-ui")
    return tuple(found)


def _slug_of_property(name: str, value: str) -> str:
    if name == "display":
        for kind in ("flex", "grid", "none"):
            if value in {kind, f"inline-{kind}"}:
                return f"css-display-{kind}"
    if f"css-{name}" in _facts()["features"]:
        return f"css-{name}"
    for pattern, slug in _LIKE:
        match = re.fullmatch(pattern, name)
        if match is not None:
            return match.expand(slug)
    return f"css-{name}"
