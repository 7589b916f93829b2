"""What does the HTML part hold, and how does it look? A tree of elements with their styles resolved.

Only what a mail client does is done: styles of the elements themselves, and the rules of `<style>` that
stand under a condition we ask about. No scripts, no layout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from newsletter.checks.output.css import (
    Declaration,
    StyleRule,
    declarations,
    specificity,
    statements,
    style_rules,
)

UNSEEN = frozenset({"head", "style", "script", "title", "noscript", "template", "meta", "link"})
_NOTHING = re.compile(r"^0+(?:\.0+)?(?:px|pt|em|rem|%)?$")
# Marks that take up no room: a preheader is filled with them, and a tracking address hides behind them.
INVISIBLE = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
_NO_WORDS = re.compile(rf"[\s\u00a0\u2007{INVISIBLE}]+")


@dataclass(eq=False, slots=True)
class Element:
    """One element of the body or the head.

    Attributes:
        tag: in lower case.
        attributes: names in lower case; a bare attribute has an empty value.
        order: its number in reading order.
        parent: None for `<html>`.
        content: elements and runs of text, in order.
        own: the declarations of its `style`.
        key: names it in the parser's tree.
        is_seen: whether neither it nor anything around it is hidden.
    """

    tag: str
    attributes: Mapping[str, str]
    order: int
    parent: Element | None
    own: tuple[Declaration, ...]
    key: int
    content: list[Element | str] = field(default_factory=list)
    is_seen: bool = True

    def __iter__(self) -> Iterator[Element]:
        """The elements inside it, at any depth, in reading order."""
        # Without recursion, here as below: a table in a table in a table goes deeper than Python does.
        waiting = self.children[::-1]
        while waiting:
            element = waiting.pop()
            yield element
            waiting += element.children[::-1]

    @property
    def children(self) -> list[Element]:
        """The elements right inside it."""
        return [child for child in self.content if isinstance(child, Element)]

    def ancestors(self) -> Iterator[Element]:
        """The elements around it, from the inside out."""
        around = self.parent
        while around is not None:
            yield around
            around = around.parent

    def closest(self, *tags: str) -> Element | None:
        """It or the nearest element around it that is one of `tags`."""
        return next((one for one in (self, *self.ancestors()) if one.tag in tags), None)

    def style(self, name: str) -> str:
        """The last value of a property in its own `style`, in lower case; empty where there is none."""
        found = ""
        for declaration in self.own:
            if declaration.name == name:
                found = declaration.value.lower()
        return found

    @property
    def words(self) -> str:
        """Its text on one line, without what takes up no room."""
        return _NO_WORDS.sub(" ", "".join(self._text())).strip()

    def _text(self) -> Iterator[str]:
        waiting = self.content[::-1]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str):
                yield part
            elif part.tag == "br":
                yield " "
            elif part.tag not in UNSEEN:
                waiting += part.content[::-1]

    @property
    def is_hidden(self) -> bool:
        """Whether its own styles keep it from being seen, as those of a preheader do.

        `mso-hide` hides from Outlook for Windows alone: a button has it that is drawn another way there.
        """
        if self.tag in UNSEEN or "hidden" in self.attributes:
            return True
        if not self.own:
            return False
        styles = {d.name: d.value.lower() for d in self.own}
        shut = any(
            _NOTHING.match(styles.get(name, "1")) for name in ("max-height", "height", "max-width", "width")
        )
        return (
            styles.get("display") == "none"
            or styles.get("visibility") == "hidden"
            or _NOTHING.match(styles.get("opacity", "1")) is not None
            # Without `font-size: 0`: layouts close the gaps between cells with it, and set it again inside.
            or (shut and styles.get("overflow") == "hidden")
        )


class Page:
    """The HTML part, parsed once for all rules.

    Args:
        html: the decoded part.
    """

    def __init__(self, html: str) -> None:
        self.html = html
        self._tree = LexborHTMLParser(html)
        self.elements: list[Element] = []
        self.comments: list[str] = []
        root = self._tree.root
        if root is not None:
            self._grow(root)
        self._by_key = {element.key: element for element in self.elements}

    def _grow(self, root: Any) -> None:
        waiting: list[tuple[Any, Element | None]] = [(root, None)]
        while waiting:
            node, parent = waiting.pop()
            tag = node.tag
            if tag == "-text":
                if parent is not None:
                    parent.content.append(node.text_content or "")
                continue
            if tag in {"-comment", "_comment", "!--"} or node.is_comment_node:
                self.comments.append(node.comment_content or "")
                continue
            attributes = {name.lower(): value or "" for name, value in node.attributes.items()}
            style = attributes.get("style", "")
            element = Element(
                tag=tag or "",
                attributes=attributes,
                order=len(self.elements),
                parent=parent,
                own=declarations(style) if style else (),
                key=node.mem_id,
            )
            element.is_seen = (parent is None or parent.is_seen) and not element.is_hidden
            self.elements.append(element)
            if parent is not None:
                parent.content.append(element)
            waiting.extend((child, element) for child in reversed(list(node.iter(include_text=True))))

    def all(self, *tags: str) -> list[Element]:
        """The elements with one of `tags`, in reading order."""
        return [element for element in self.elements if element.tag in tags]

    def first(self, *tags: str) -> Element | None:
        """The first of them."""
        return next((element for element in self.elements if element.tag in tags), None)

    @property
    def body(self) -> Element | None:
        """`<body>`."""
        return self.first("body")

    @cached_property
    def body_elements(self) -> list[Element]:
        """What is below `<body>`."""
        body = self.body
        return list(body) if body is not None else []

    @cached_property
    def sheets(self) -> list[tuple[Element, str]]:
        """Each `<style>` that clients without conditional comments read, with its text."""
        return [
            (element, "".join(part for part in element.content if isinstance(part, str)))
            for element in self.all("style")
        ]

    @cached_property
    def rules(self) -> list[StyleRule]:
        """The rules of all sheets, in order."""
        return [rule for _, css in self.sheets for rule in style_rules(css)]

    @cached_property
    def imports(self) -> list[tuple[Element, str]]:
        """Each `@import` with the sheet it stands in."""
        return [
            (sheet, statement)
            for sheet, css in self.sheets
            for statement in statements(css)
            if statement.lower().startswith("@import")
        ]

    def matching(self, selector: str) -> list[Element]:
        """The elements a selector means; none where it can't be read."""
        try:
            nodes = self._tree.css(selector)
        except Exception:  # noqa: BLE001 - selectolax has no class for a selector it can't read
            return []
        return [self._by_key[node.mem_id] for node in nodes if node.mem_id in self._by_key]

    def cascade(self, rules: list[StyleRule], *names: str) -> dict[int, dict[str, str]]:
        """What `rules` and the elements' own styles come to for the properties `names`, by the elements' `order`.

        The order of precedence is CSS Cascading Level 4's, section 6: importance, a `style` attribute, specificity, order.
        """
        wanted = frozenset(names)
        weights: dict[tuple[int, str], tuple[Any, ...]] = {}
        found: dict[int, dict[str, str]] = {}

        def take(element: Element, declaration: Declaration, weight: tuple[Any, ...]) -> None:
            key = (element.order, declaration.name)
            if key not in weights or weight >= weights[key]:
                weights[key] = weight
                found.setdefault(element.order, {})[declaration.name] = declaration.value

        for number, rule in enumerate(rules):
            meant = [d for d in rule.declarations if d.name in wanted]
            if not meant:
                continue
            weight = specificity(rule.selector)
            for element in self.matching(rule.selector):
                for declaration in meant:
                    take(element, declaration, (declaration.important, False, weight, number))
        for element in self.elements:
            for declaration in element.own:
                if declaration.name in wanted:
                    take(element, declaration, (declaration.important, True, (0, 0, 0), 0))
        return found
