"""What is a text about, in a few words a paragraph? The notes its author might have had."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

# The end of a sentence: what comes next begins another one.
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+(?=[\"'“‘(]?[A-ZÀ-Þ0-9`])|(?<=[。！？])")
_LONGEST: Final = 200


def outline(html: str) -> list[str]:
    """One point for each block of semantic HTML: a paragraph's first sentence, or what else stands there."""
    body = LexborHTMLParser(html).body
    return list(filter(None, _points(body))) if body is not None else []


def _points(body: LexborNode) -> Iterator[str]:
    for node in body.iter():
        match node.tag:
            case "pre":
                yield _code(node)
            case "table":
                headers = [_words(cell) for cell in node.css("th")]
                yield f"[a table: {', '.join(filter(None, headers))}]"
            case "ul" | "ol":
                items = [child for child in node.iter() if child.tag == "li"]
                yield from (_first_sentence(_words(item)) for item in items)
            case "figure":
                image = node.css_first("img")
                yield f"[a picture: {(image.attributes.get('alt') or '') if image else _words(node)}]"
            case "blockquote" | "aside":
                yield f"[set off] {_first_sentence(_words(node))}"
            case _:
                yield _first_sentence(_words(node))


def _code(node: LexborNode) -> str:
    inner = node.css_first("code")
    language = (inner.attributes.get("class") or "").removeprefix("language-") if inner else ""
    return f"[code in {language}]" if language else "[code]"


def _words(node: LexborNode) -> str:
    return " ".join(node.text(deep=True).split())


def _first_sentence(text: str) -> str:
    return _shortened(_SENTENCE_END.split(text, maxsplit=1)[0])


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rsplit(' ', 1)[0]} …"
