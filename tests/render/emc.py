"""The Email Markup Consortium's list of serious accessibility issues (its 2025 report), and what mail clients break on.

Each rule takes HTML and returns its violations, one sentence each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from selectolax.lexbor import LexborHTMLParser, LexborNode

from newsletter.render.colour import contrast

Rule = Callable[[str], list[str]]

VAGUE = {
    *("click here", "click", "here", "read more", "more", "learn more", "this", "link", "this link"),
    *("continue", "go", "see more", "details", "button"),
}


def _tree(html: str) -> LexborHTMLParser:
    return LexborHTMLParser(html)


def _style(node: LexborNode) -> dict[str, str]:
    declarations = (node.attributes.get("style") or "").split(";")
    pairs = (declaration.partition(":") for declaration in declarations if ":" in declaration)
    return {name.strip().lower(): value.strip().lower() for name, _, value in pairs}


def _words(node: LexborNode) -> str:
    return " ".join(node.text(deep=True).split())


def html_has_lang_and_dir(html: str) -> list[str]:
    root = _tree(html).root
    assert root is not None
    return [f"<html> has no {name}" for name in ("lang", "dir") if not root.attributes.get(name)]


def body_children_have_lang_and_dir(html: str) -> list[str]:
    """Clients strip them from `<html>`."""
    body = _tree(html).body
    assert body is not None
    return [
        f"<{child.tag}> below <body> has no {name}"
        for child in body.iter()
        for name in ("lang", "dir")
        if not child.attributes.get(name)
    ]


def has_title(html: str) -> list[str]:
    title = _tree(html).css_first("head title")
    return [] if title is not None and _words(title) else ["there is no <title>"]


def layout_tables_have_a_role(html: str) -> list[str]:
    """A table without header cells is layout and has to say so; one with them is data and must not."""
    found = []
    for table in _tree(html).css("table"):
        own = [cell for cell in table.css("th") if _closest_table(cell) == table]
        if bool(own) == (table.attributes.get("role") in {"presentation", "none"}):
            found.append(f"a table has the wrong role: {table.html[:80] if table.html else ''}")
    return found


def _closest_table(node: LexborNode) -> LexborNode | None:
    parent = node.parent
    while parent is not None and parent.tag != "table":
        parent = parent.parent
    return parent


def headings_are_in_order(html: str) -> list[str]:
    levels = [int((node.tag or "h0")[1]) for node in _tree(html).css("h1, h2, h3, h4, h5, h6")]
    found = []
    if levels.count(1) != 1 or levels[:1] != [1]:
        found.append(f"not one <h1> at the top: {levels}")
    found += [f"h{after} follows h{before}" for before, after in pairwise(levels) if after > before + 1]
    return found


def links_have_words(html: str) -> list[str]:
    return [
        f"a link without words to {link.attributes.get('href')}"
        for link in _tree(html).css("a")
        if not _words(link)
        and not any((image.attributes.get("alt") or "").strip() for image in link.css("img"))
    ]


def link_words_say_where(html: str) -> list[str]:
    return [
        f"vague words of a link: {_words(link)}"
        for link in _tree(html).css("a")
        if _words(link).lower().strip(" .…»›→") in VAGUE
    ]


def links_are_not_told_by_colour_alone(html: str) -> list[str]:
    """Underlined, or a button with a ground and room of its own."""
    found = []
    for link in _tree(html).css("a"):
        style = _style(link)
        underlined = "underline" in style.get("text-decoration", "")
        if not underlined and not ("background-color" in style and "padding" in style):
            found.append(f"only colour tells the link {_words(link)}")
    return found


def images_have_alt(html: str) -> list[str]:
    return [
        f"no alt on {image.attributes.get('src')}"
        for image in _tree(html).css("img")
        if not (image.attributes.get("alt") or "").strip()
    ]


def text_has_contrast(html: str) -> list[str]:
    """At least 4.5 between each run of text and the nearest ground, as the inline styles say."""
    body = _tree(html).body
    assert body is not None
    return list(_faint(body, "#000000", "#ffffff"))


def _faint(node: LexborNode, colour: str, ground: str) -> Iterator[str]:
    style = _style(node)
    if style.get("display") == "none":
        return
    colour, ground = style.get("color", colour), style.get("background-color", ground)
    for child in node.iter(include_text=True):
        if child.tag == "-text":
            if (child.text_content or "").strip() and contrast(colour, ground) < 4.5:
                yield f"{colour} on {ground} is {contrast(colour, ground):.2f}: {(child.text_content or '')[:40]!r}"
        elif child.tag not in {"style", "script"}:
            yield from _faint(child, colour, ground)


# What the facts on clients say: rules besides the Consortium's list.
_FORBIDDEN = {
    "flex or grid": r"display\s*:\s*(inline-)?(flex|grid)",
    "position": r"[;{\s\"]position\s*:",
    "CSS variable": r"var\(|[;{\s\"]--[a-z]",
    "rem": r"\d\s*rem\b",
    "box-shadow": r"box-shadow\s*:",
    "rgba": r"rgba?\(|hsla?\(",
    "@font-face or @import": r"@font-face|@import",
    "SVG, picture or script": r"<(svg|picture|script|link|form|iframe|video)\b",
    "base64 image": r"data:image",
}


def uses_only_what_clients_know(html: str) -> list[str]:
    """Looks at tags and styles, not at text: an issue may write about `display: flex`."""
    found = []
    tree = _tree(html)
    styles = [node.text(deep=True) for node in tree.css("style")]
    for node in tree.css("*"):
        attributes = " ".join(f'{name}="{value}"' for name, value in node.attributes.items())
        styles.append(f"<{node.tag} {attributes}>")
    for name, pattern in _FORBIDDEN.items():
        found += [f"{name}: {text[:80]}" for text in styles if re.search(pattern, text, re.IGNORECASE)]
    return found


def says_it_knows_both_schemes(html: str) -> list[str]:
    tree = _tree(html)
    return [
        f"no <meta name={name}>"
        for name in ("color-scheme", "supported-color-schemes", "viewport")
        if tree.css_first(f'meta[name="{name}"]') is None
    ] + [
        f"no rules for {rule}"
        for rule in ("prefers-color-scheme: dark", "[data-ogsc] ", "[data-ogsb] ")
        if rule not in html
    ]


def serves_outlook(html: str) -> list[str]:
    needed = (
        "<!--[if mso]>",
        "PixelsPerInch>96<",
        '<!--[if mso]><table role="presentation" align="center" width="600"',
    )
    return [f"missing: {text}" for text in needed if text not in html]


def fits_gmail(html: str) -> list[str]:
    """Gmail reads 16 KB of `<style>` and clips at 102 KB."""
    styles = sum(len(node.text(deep=True).encode()) for node in _tree(html).css("style"))
    found = [f"{styles} bytes of <style>"] if styles > 16_384 else []
    return found + ([f"{len(html.encode())} bytes"] if len(html.encode()) > 90_000 else [])


RULES: tuple[Rule, ...] = (
    html_has_lang_and_dir,
    body_children_have_lang_and_dir,
    has_title,
    layout_tables_have_a_role,
    headings_are_in_order,
    links_have_words,
    link_words_say_where,
    links_are_not_told_by_colour_alone,
    images_have_alt,
    text_has_contrast,
    uses_only_what_clients_know,
    says_it_knows_both_schemes,
    serves_outlook,
    fits_gmail,
)
