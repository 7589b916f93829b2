"""What does an author say in a diagram's block beside the drawing: its words for those who don't see it, its direction, its colours?"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeGuard

from newsletter.render.colour import READABLE, contrast

Language = Literal["mermaid", "dot"]

# More than anybody draws for a screen; what is larger is a program's output, and takes seconds to lay out.
MOST_CHARACTERS: Final = 20_000

# A comment in the language's own way, and for Mermaid the statement it has for this.
_ALT: Final[dict[str, re.Pattern[str]]] = {
    "mermaid": re.compile(r"^[ \t]*(?:%%[ \t]*alt|accDescr)[ \t]*:[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE),
    "dot": re.compile(r"^[ \t]*(?://|#)[ \t]*alt[ \t]*:[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE),
}
ALT_LINE: Final = {"mermaid": "%% alt: what it shows", "dot": "// alt: what it shows"}
_BLOCK = re.compile(
    r"^(?P<indent> *)(?P<mark>`{3,}|~{3,})[ ]*(?P<language>mermaid|dot)[ ]*\n(?P<source>.*?)^ *(?P=mark)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_SIDEWAYS = re.compile(r"^\s*(?:flowchart|graph)\s+(LR|RL)\b|\bdirection\s+(LR|RL)\b", re.MULTILINE)
_RANKED_SIDEWAYS = re.compile(r"\brankdir\s*=\s*\"?(LR|RL)\b")
_OWN_THEME = re.compile(r"%%\{\s*(?:init|initialize)\b[^\n]*\btheme\w*\b")
_STYLED = re.compile(r"^[ \t]*(?:classDef|style)[ \t]+\S+[ \t]+(.+)$", re.MULTILINE)
_STYLE = re.compile(r"\b(fill|color)[ \t]*:[ \t]*(#[0-9A-Fa-f]{6}|#[0-9A-Fa-f]{3})\b")
_DOT_STYLE = re.compile(r"\b(fillcolor|fontcolor)[ \t]*=[ \t]*\"?(#[0-9A-Fa-f]{6})\b")
_ATTRIBUTES = re.compile(r"\[[^\[\]]*\]")


class Faint(NamedTuple):
    """Colours of the author's own that can't be read: where they stand in the source, and what is wrong."""

    start: int
    end: int
    message: str


def is_diagram(language: str) -> TypeGuard[Language]:
    """Whether a block in this language is drawn."""
    return language in _ALT


def blocks(text: str) -> list[tuple[Language, str]]:
    """The diagrams of a file's Markdown, each with its language, as they are handed over to be drawn."""
    if "mermaid" not in text and "dot" not in text:
        return []
    found: list[tuple[Language, str]] = []
    for match in _BLOCK.finditer(text.expandtabs(4)):
        language = match["language"]
        if is_diagram(language):
            indent = len(match["indent"])  # of the list that it stands in
            found.append((language, re.sub(rf"(?m)^ {{0,{indent}}}", "", match["source"])))
    return found


def alternative_text(language: Language, source: str) -> str:
    """What the author says it shows, from the line written for that; empty where there is none."""
    found = _ALT[language].search(source)
    return found[1] if found else ""


def sideways(language: Language, source: str) -> str:
    """`LR` or `RL` where the diagram runs to the side, which a mail has no room for; else empty."""
    found = (_SIDEWAYS if language == "mermaid" else _RANKED_SIDEWAYS).search(source)
    return next(filter(None, found.groups()), "") if found else ""


def faint(language: Language, source: str, *, text: str, fill: str) -> list[Faint]:
    """Colours of the author's own with a contrast below 4.5 (WCAG 2.2, 1.4.3), `text` and `fill` being what stands otherwise."""
    found: list[Faint] = []
    if language == "mermaid":
        own = _OWN_THEME.search(source)
        if own is not None:
            found.append(Faint(*own.span(), "the diagram brings a theme of its own"))
        places = [(match.span(1), _STYLE.findall(match[1])) for match in _STYLED.finditer(source)]
    else:
        places = [(match.span(), _DOT_STYLE.findall(match[0])) for match in _ATTRIBUTES.finditer(source)]
    for (start, end), pairs in places:
        said = {name: _long(colour) for name, colour in pairs}
        if not said:
            continue
        ink = said.get("color") or said.get("fontcolor") or text
        ground = said.get("fill") or said.get("fillcolor") or fill
        ratio = contrast(ink, ground)
        if ratio < READABLE:
            found.append(Faint(start, end, f"{ink} on {ground} has a contrast of {ratio:.1f}, less than 4.5"))
    return found


def place_in(text: str, start: int, source: str, line: int) -> tuple[int, int] | None:
    """Where line `line` of a block stands in a file's text, from offset `start`; 0 is the fence above it.

    Offsets of the line without the space around it; None where the block isn't there.
    """
    at = text.find(source.rstrip("\n"), start)
    if at < 0:
        # Its tabs became spaces on the way.
        first = next((words for words in map(str.strip, source.split("\n")) if words), "")
        at = text.find(first, start) if first else -1
    if at < 0:
        return None
    begin = text.rfind("\n", 0, at) + 1
    if line == 0:
        begin = text.rfind("\n", 0, max(0, begin - 1)) + 1
    for _ in range(line - 1):
        begin = text.find("\n", begin) + 1 or len(text)
    end = text.find("\n", begin)
    written = text[begin : end if end >= 0 else len(text)]
    indent = len(written) - len(written.lstrip())
    return begin + indent, begin + max(indent + 1, len(written.rstrip()))


def _long(colour: str) -> str:
    """`#abc` as `#aabbcc`."""
    return colour.lower() if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:].lower())
