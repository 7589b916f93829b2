"""What does a style sheet say? Its rules with the conditions they stand under, read as forgivingly as clients do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_IMPORTANT = re.compile(r"\s*!\s*important\s*$", re.IGNORECASE)
# A semicolon in quotes or brackets ends no declaration: `url(data:image/png;base64,…)`.
_DECLARATION = re.compile(r"(?:\"[^\"]*\"|'[^']*'|\([^()]*(?:\([^()]*\)[^()]*)*\)|[^;\"'(]|[\"'(])+")
_OUTSIDE_BRACKETS = re.compile(r",(?![^(\[]*[)\]])")
# What a brace may hide in.
_MARK = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[{};]")


class Declaration(NamedTuple):
    """One property and its value, both in lower case but for the value's own words."""

    name: str
    value: str
    important: bool = False


class StyleRule(NamedTuple):
    """Declarations and whom they are for.

    Attributes:
        selector: one, without commas; the name of an at-rule such as `@font-face` that has declarations of its own.
        declarations: in order.
        conditions: the at-rules around it, outermost first, such as `@media (max-width: 599px)`.
    """

    selector: str
    declarations: tuple[Declaration, ...]
    conditions: tuple[str, ...] = ()


def declarations(text: str) -> tuple[Declaration, ...]:
    """The declarations of a `style` attribute or a block."""
    found = []
    for match in _DECLARATION.finditer(text):
        name, colon, value = match[0].partition(":")
        name = name.strip()
        if not colon or not name or not value.strip():
            continue
        kept = _IMPORTANT.sub("", value).strip()
        # The names of custom properties keep their capitals (CSS Custom Properties, section 2).
        found.append(
            Declaration(
                name if name.startswith("--") else name.lower(), kept, _IMPORTANT.search(value) is not None
            )
        )
    return tuple(found)


def style_rules(css: str) -> list[StyleRule]:
    """The rules of a style sheet, in order; what can't be read is passed over."""
    return list(_rules(_COMMENT.sub(" ", css), ()))


def statements(css: str) -> list[str]:
    """The at-rules without a block, such as `@import url(…)`."""
    return re.findall(r"@(?:import|charset|namespace)\b[^;{]*", _COMMENT.sub(" ", css), re.IGNORECASE)


def _rules(css: str, conditions: tuple[str, ...]) -> Iterator[StyleRule]:
    for prelude, block in _blocks(css):
        if not prelude.startswith("@"):
            written = declarations(block)
            for selector in _OUTSIDE_BRACKETS.split(prelude):
                if selector.strip():
                    yield StyleRule(" ".join(selector.split()), written, conditions)
            continue
        name = prelude.split(None, 1)[0].lower()
        if name in {"@font-face", "@page", "@counter-style"}:
            yield StyleRule(name, declarations(block), conditions)
        elif name.endswith("keyframes"):
            yield StyleRule(name, (), conditions)
        else:
            yield from _rules(block, (*conditions, " ".join(prelude.split())))


def _blocks(css: str) -> Iterator[tuple[str, str]]:
    """What stands before each outermost pair of braces, and what stands between them."""
    depth, start, opened = 0, 0, 0
    for match in _MARK.finditer(css):
        match match[0]:
            case "{":
                if depth == 0:
                    opened = match.start()
                depth += 1
            case "}" if depth:
                depth -= 1
                if depth == 0:
                    yield css[start:opened].strip(), css[opened + 1 : match.start()]
                    start = match.end()
            case "}" | ";" if depth == 0:
                start = match.end()
            case _:
                pass
    if depth:
        # A block that is never closed is closed by the end (CSS Syntax Module, section 5.4).
        yield css[start:opened].strip(), css[opened + 1 :]


def specificity(selector: str) -> tuple[int, int, int]:
    """How much a selector outweighs another (Selectors Level 4, section 17): ids, then classes, then elements."""
    bare = re.sub(r"\[[^\]]*\]", "[]", selector)
    ids = len(re.findall(r"#[\w-]", bare))
    classes = len(re.findall(r"\.[\w-]|\[\]|(?<!:):(?!:)[\w-]", bare))
    elements = len(re.findall(r"(?:^|[\s>+~])[a-z][\w-]*", bare, re.IGNORECASE)) + bare.count("::")
    return ids, classes, elements
