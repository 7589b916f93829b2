"""What do GitHub's alerts, footnotes and table headers become, in the tree that Python-Markdown makes of a text?"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

from markdown.extensions.footnotes import NBSP_PLACEHOLDER

# GitHub's alerts, by the word in `> [!WORD]`.
ALERTS = {"NOTE": "Note", "TIP": "Tip", "IMPORTANT": "Important", "WARNING": "Warning", "CAUTION": "Caution"}
_ALERT = re.compile(r"^\[!(" + "|".join(ALERTS) + r")\][ \t]*\n?")


def mark_alert(quote: ET.Element) -> None:
    """Make a quote that begins with `[!NOTE]` or such an aside with a label."""
    first = next(iter(quote), None)
    match = _ALERT.match((first.text or "").lstrip()) if first is not None and first.tag == "p" else None
    if first is None or match is None:
        return
    quote.tag = "aside"
    quote.set("class", match[1].lower())
    first.text = (first.text or "").lstrip()[match.end() :]
    if not first.text and len(first) == 0:
        quote.remove(first)
    label = ET.Element("p", {"class": "label"})
    label.text = ALERTS[match[1]]
    quote.insert(0, label)


def mark_header_cell(cell: ET.Element) -> None:
    """Say of a column's header that it is one."""
    if (cell.text or "").strip() or len(cell):
        cell.set("scope", "col")
    else:
        cell.tag = "td"  # a header without words names nothing to a screen reader


def number_note(sup: ET.Element) -> None:
    """Make a reference to a footnote its number alone."""
    # In-page anchors fail in Gmail on iOS and in Yahoo: a number, and the note close by.
    link = next(iter(sup), None)
    if link is not None and link.get("class") == "footnote-ref":
        sup.text = "".join(link.itertext())
        sup.remove(link)
        sup.attrib.clear()


def list_notes(notes: ET.Element) -> None:
    """Make the footnotes paragraphs, each of which begins with its number."""
    items = [item for listing in notes.findall("ol") for item in listing]
    notes.clear()
    notes.set("class", "notes")
    for number, item in enumerate(items, 1):
        paragraphs = list(_paragraphs(item))
        for paragraph in paragraphs:
            for link in [child for child in paragraph if child.get("class") == "footnote-backref"]:
                paragraph.remove(link)
            paragraph.text = (paragraph.text or "").removesuffix(NBSP_PLACEHOLDER)
            if len(paragraph):
                paragraph[-1].tail = (paragraph[-1].tail or "").removesuffix(NBSP_PLACEHOLDER)
        mark = ET.Element("sup")
        mark.text = str(number)
        mark.tail = " " + (paragraphs[0].text or "").lstrip()
        paragraphs[0].text = ""
        paragraphs[0].insert(0, mark)
        notes.extend(paragraphs)


def _paragraphs(item: ET.Element) -> Iterator[ET.Element]:
    blocks = [child for child in item if child.tag in {"p", "ul", "ol", "pre", "blockquote", "table"}]
    if blocks and blocks[0].tag == "p":
        yield from blocks
        return
    wrapped: Any = ET.Element("p")
    wrapped.text = item.text
    yield wrapped
    yield from blocks
