"""What our own mail does beyond the rules for any mail: nothing that a single client breaks on, both schemes, Outlook served.

Each demand takes HTML and returns what is amiss, one sentence each.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from selectolax.lexbor import LexborHTMLParser

Demand = Callable[[str], list[str]]

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
    tree = LexborHTMLParser(html)
    styles = [node.text(deep=True) for node in tree.css("style")]
    for node in tree.css("*"):
        attributes = " ".join(f'{name}="{value}"' for name, value in node.attributes.items())
        styles.append(f"<{node.tag} {attributes}>")
    for name, pattern in _FORBIDDEN.items():
        found += [f"{name}: {text[:80]}" for text in styles if re.search(pattern, text, re.IGNORECASE)]
    return found


def says_it_knows_both_schemes(html: str) -> list[str]:
    tree = LexborHTMLParser(html)
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


DEMANDS: tuple[Demand, ...] = (uses_only_what_clients_know, says_it_knows_both_schemes, serves_outlook)
