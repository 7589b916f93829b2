"""What does Word's engine, in which classic Outlook for Windows shows mail, make of this HTML?

The HTML less everything that engine doesn't know, and with what is written for it alone; the rest is drawn by
a browser. So a layout that falls apart there falls apart here, while fonts and line heights remain a browser's.

Sources: "Word 2007 HTML and CSS Rendering Capabilities in Outlook 2007" (learn.microsoft.com,
office/developer/office-2007/aa338201), which sorts properties into three classes and says which elements take
which; hteumeuleu.com/2020/outlook-rendering-engine; and, where a line names one, a page of caniemail.com/features.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

# Class CORE: every element takes these. The list has `white-space` too, which is not drawn (css-white-space).
_CORE = frozenset(
    [
        "color",
        "background-color",
        "background",
        "font",
        "font-family",
        "font-style",
        "font-variant",
        "font-size",
        "font-weight",
        "text-decoration",
        "text-transform",
        "text-align",
        "vertical-align",
        "letter-spacing",
        "line-height",
        "border",
        "border-color",
        "border-style",
        "border-width",
        "border-collapse",
        "direction",
        "unicode-bidi",
        "page-break-before",
        "page-break-after",
        "list-style",
        "list-style-type",
    ]
)
# Class CORE EXTENDED: not `body` and what stands in a line.
_MARGINS = frozenset(["text-indent", "margin", "margin-left", "margin-right", "margin-top", "margin-bottom"])
# Class FULL: tables, lists, headings, pictures.
_FULL = frozenset(
    [
        *("width", "height", "padding"),
        *(f"padding-{side}" for side in ("left", "right", "top", "bottom")),
        *(f"border-{side}" for side in ("left", "right", "top", "bottom")),
        *(
            f"border-{side}-{what}"
            for side in ("left", "right", "top", "bottom")
            for what in ("color", "style", "width")
        ),
    ]
)
_IN_LINE = frozenset(
    [
        "body",
        "span",
        "a",
        "abbr",
        "b",
        "big",
        "cite",
        "code",
        "del",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "strong",
        "sub",
        "sup",
        "u",
        "var",
    ]
)
_BLOCKS = frozenset(("div", "p", "blockquote", "center"))
# An image has the size its attributes say (css-width, css-height, css-max-width).
_NOT_ON_IMAGES = frozenset(("width", "height", "padding", "margin"))
# Values no property takes (css-variables, css-function-calc, css-rgba, css-linear-gradient, css-unit-rem, css-unit-vw).
_UNKNOWN_VALUE = re.compile(
    r"\b(?:var|calc|min|max|clamp|rgba|hsla?|url|image-set|(?:repeating-)?(?:linear|radial|conic)-gradient)\("
    r"|#(?:[0-9a-f]{4}|[0-9a-f]{8})\b|\d(?:rem|v[wh]|vmin|vmax|ch)\b|\bauto\b|\bcurrentcolor\b",
    re.IGNORECASE,
)
# Selectors other than elements, classes, ids and descendants (css-selector-attribute, -child, -adjacent-sibling,
# -general-sibling, css-pseudo-class-…, css-pseudo-element-…, css-selector-chaining).
_UNKNOWN_SELECTOR = re.compile(r"[\[:>+~]|[\w-][.#][\w-]+[.#]")
# Elements it doesn't draw (html-svg, html-video, html-audio, html-picture, html-form, html-input-…).
_NOT_DRAWN = "svg, video, audio, canvas, iframe, object, embed, math, template, input, select, textarea, source, map, xml, noscript, link"
_HIDDEN = re.compile(r"\bmso-hide\s*:\s*all\b", re.IGNORECASE)
_STRETCHED = re.compile(r"\bmso-font-width\s*:\s*(\d{1,3})%", re.IGNORECASE)
_RAISED = re.compile(r"\bmso-text-raise\s*:\s*(\d{1,3})px", re.IGNORECASE)
_DECLARATION = re.compile(r"""((?:[^;"']|"[^"]*"|'[^']*')+)""")

_REVEALED = re.compile(r"<!--\[if ([^\]]*)\]>\s*<!-+>(.*?)<!--\s*<!\[endif\]-->", re.IGNORECASE | re.DOTALL)
_CONDITIONAL = re.compile(r"<!--\[if ([^\]]*)\]>(.*?)<!\[endif\]-->", re.IGNORECASE | re.DOTALL)
_BARE = re.compile(r"<!\[if ([^\]]*)\]>(.*?)<!\[endif\]>", re.IGNORECASE | re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:([()!&|])|(?:(gte?|lte?)\s+)?(mso|vml|ie)(?:\s+([\d.]+))?|(true|false))", re.IGNORECASE
)
# What `mso` is in Outlook 2016, 2019, 2021 and 365; it draws VML and is no Internet Explorer.
_VERSIONS = {"mso": 16.0, "vml": 1.0}


def as_word(html: str) -> str:
    """`html` less what Word's engine doesn't know, and with what stands in comments for it."""
    tree = LexborHTMLParser(_conditions_met(html))
    for node in tree.css(_NOT_DRAWN):
        node.decompose()
    for node in tree.css("style"):
        node.replace_with(_style_element(_rules(node.text())))
    for node in tree.css("[hidden]"):
        del node.attrs["hidden"]  # html-hidden
    for node in tree.css("[background]"):
        del node.attrs["background"]  # html-background
    raised = [(node, _raises(node)) for node in tree.css("a")]
    for node in tree.css("[style]"):
        _restyle(node)
    for node, raises in raised:
        if raises:
            # Word shades a line as high as its highest raised run: that is how a button gets its top and bottom.
            style = node.attributes.get("style") or ""
            above, below = max(raises) - min(raises), min(raises)
            node.attrs["style"] = f"{style};display:inline-block;padding:{above}px 0 {below}px"
    return tree.html or ""


def _conditions_met(html: str) -> str:
    """Conditional comments resolved, as Word resolves them (learn.microsoft.com, "About conditional comments")."""

    def chosen(match: re.Match[str]) -> str:
        return match[2] if condition_holds(match[1]) else ""

    for form in (_REVEALED, _CONDITIONAL, _BARE):
        html = form.sub(chosen, html)
    return html


def condition_holds(condition: str) -> bool:
    """Whether `mso`, `!mso`, `(gte mso 9)|(IE)` and the like hold in Word; one that can't be read doesn't."""
    tokens: list[str | bool] = []
    at = 0
    condition = condition.strip()
    while at < len(condition):
        match = _TOKEN.match(condition, at)
        if match is None or match.end() == at:
            return False
        sign, comparison, name, version, constant = match.groups()
        tokens.append(
            sign or (constant.lower() == "true" if constant else _compared(comparison, name, version))
        )
        at = match.end()
    try:
        return _either(tokens) and not tokens
    except (IndexError, TypeError):
        return False


def _compared(comparison: str | None, name: str, version: str | None) -> bool:
    ours = _VERSIONS.get(name.lower())
    if ours is None or version is None:
        return ours is not None
    theirs = float(version)
    return {"gt": ours > theirs, "gte": ours >= theirs, "lt": ours < theirs, "lte": ours <= theirs}.get(
        (comparison or "").lower(), ours == theirs
    )


def _either(tokens: list[str | bool]) -> bool:
    held = _both(tokens)
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        held = _both(tokens) or held
    return held


def _both(tokens: list[str | bool]) -> bool:
    held = _one(tokens)
    while tokens and tokens[0] == "&":
        tokens.pop(0)
        held = _one(tokens) and held
    return held


def _one(tokens: list[str | bool]) -> bool:
    first = tokens.pop(0)
    if first == "!":
        return not _one(tokens)
    if first == "(":
        held = _either(tokens)
        if tokens.pop(0) != ")":
            raise TypeError
        return held
    if not isinstance(first, bool):
        raise TypeError
    return first


def _restyle(node: LexborNode) -> None:
    tag, style = node.tag or "", node.attributes.get("style") or ""
    if _HIDDEN.search(style):
        node.attrs["style"] = "display:none"
        return
    kept = list(_known(style, _properties_of(tag)))
    stretched = _STRETCHED.search(style)
    if stretched:
        # A space made wide is how a button gets its sides; a browser widens it by its size.
        kept += [f"font-size:{stretched[1]}%", "line-height:0"]
    if kept:
        node.attrs["style"] = ";".join(kept)
    else:
        del node.attrs["style"]


def _raises(node: LexborNode) -> list[int]:
    """How far runs within `node` are raised, in pixels."""
    styles = (inner.attributes.get("style") or "" for inner in node.css("[style]"))
    return [int(found[1]) for style in styles if (found := _RAISED.search(style))]


def _properties_of(tag: str) -> frozenset[str]:
    if tag in _IN_LINE:
        return _CORE
    if tag in _BLOCKS:
        return _CORE | _MARGINS
    if tag == "img":
        return (_CORE | _MARGINS | _FULL) - _NOT_ON_IMAGES
    return _CORE | _MARGINS | _FULL


def _known(style: str, properties: frozenset[str]) -> Iterator[str]:
    for declaration in _DECLARATION.findall(style):
        name, _, value = declaration.partition(":")
        name = name.strip().lower()
        hides = name == "display" and value.strip().lower().startswith("none")
        if hides or (name in properties and not _UNKNOWN_VALUE.search(value)):
            yield f"{name}:{value.strip()}"


def _rules(css: str) -> str:
    """The rules of a style block that Word reads: none in an at-rule, none with a selector it doesn't know (css-at-media)."""
    css = re.sub(r"/\*.*?\*/|<!--|-->", "", css, flags=re.DOTALL)
    kept: list[str] = []
    at = 0
    while (start := css.find("{", at)) >= 0:
        depth, end = 1, start + 1
        while end < len(css) and depth:
            depth += {"{": 1, "}": -1}.get(css[end], 0)
            end += 1
        head = css[at:start].rpartition(";")[2].strip()
        if not head.startswith("@"):
            selectors = [one.strip() for one in head.split(",") if not _UNKNOWN_SELECTOR.search(one)]
            body = ";".join(_known(css[start + 1 : end - 1], _CORE | _MARGINS | _FULL))
            if selectors and body:
                kept.append(f"{','.join(selectors)}{{{body}}}")
        at = end
    return "\n".join(kept)


def _style_element(css: str) -> LexborNode:
    made = LexborHTMLParser(f"<style>{css}</style>").css_first("style")
    assert made is not None
    return made
