"""Where do the links and the images of a text lead, and where do they stand in it?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from newsletter.content.document import Document

# An inline link or image. The address may hold balanced parentheses, one deep, and slots with spaces.
# Possessive throughout: no text, however made, is tried in more than one way.
_INLINE = re.compile(
    r"""\[(?P<text>(?:[^\[\]\\]|\\.|\[[^\[\]]*+\](?:\([^()\n]*+\))?)*+)\]
        \(\s*+(?P<address><[^<>\n]*+>|(?:\{\{[^{}\n]*+\}\}|[^\s()\\]|\\.|\((?:\{\{[^{}\n]*+\}\}|[^\s()])*+\))*+)
        (?:\s++(?:"[^"\n]*+"|'[^'\n]*+'|\([^()\n]*+\)))?\s*+\)""",
    re.VERBOSE,
)
_DEFINITION = re.compile(
    r"^ {0,3}\[(?P<text>[^\]\n^][^\]\n]*)\]:[ \t]*(?P<address><[^<>\n]*>|\S+)", re.MULTILINE
)
_AUTOLINK = re.compile(r"<(?P<address>[A-Za-z][A-Za-z0-9+.-]*:[^\s<>]*)>")


class Target(NamedTuple):
    """A link or an image.

    Attributes:
        image: whether it is an image.
        text: the words or the alternative text between the brackets; the name, in a definition.
        address: where it leads, as written.
        start: offset where the address begins.
        end: offset where it ends.
        whole_start: offset where all of it begins, its brackets included.
        worded: whether `text` is what a reader reads: not so in a definition, nor in `<https://…>`.
    """

    image: bool
    text: str
    address: str
    start: int
    end: int
    whole_start: int
    worded: bool = True


def targets_of(document: Document) -> Iterator[Target]:
    """The links and images of a text, code aside, in no order."""
    body, masked = document.body_start, document.masked
    if "](" in masked:
        for match in _inline(masked, body, len(masked)):
            yield _target(document.text, match)
            # A picture that is a link: the picture stands in the link's text.
            if "![" in match["text"]:
                for inner in _inline(masked, match.start("text"), match.end("text") + 1):
                    yield _target(document.text, inner)
    if "]:" in masked:
        for match in _DEFINITION.finditer(masked, body):
            yield _target(document.text, match)._replace(worded=False)
    if "<" in masked:
        for match in _AUTOLINK.finditer(masked, body):
            yield _target(document.text, match)


def _inline(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Inline links and images; looking for the bracket first is what makes this fast."""
    at = text.find("[", start, end)
    while at >= 0:
        match = _INLINE.match(text, at, end)
        if match is not None:
            yield match
        at = text.find("[", match.end() if match else at + 1, end)


def _target(text: str, match: re.Match[str]) -> Target:
    start, end = match.span("address")
    if text[start : start + 1] == "<" and text[end - 1 : end] == ">" and end - start > 1:
        start, end = start + 1, end - 1
    worded = "text" in match.re.groupindex
    words = text[match.start("text") : match.end("text")] if worded else "·"
    whole = match.start()
    image = text[whole] == "[" and text[whole - 1 : whole] == "!"
    return Target(image, words, text[start:end], start, end, whole - image, worded)
