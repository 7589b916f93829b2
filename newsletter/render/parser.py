"""What does Python-Markdown make of a text, read as GitHub reads it?

Imported where a text is more than paragraphs: the site is built anew in the time that imports take.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.extensions.fenced_code import FencedCodeExtension
from markdown.extensions.footnotes import FootnoteExtension
from markdown.extensions.sane_lists import SaneListExtension
from markdown.extensions.tables import TableExtension
from markdown.inlinepatterns import InlineProcessor, SimpleTagInlineProcessor
from markdown.treeprocessors import Treeprocessor
from markupsafe import escape

from newsletter.content.slots import code_ranges
from newsletter.render.dialect import LANGUAGE, SEPARATOR, to_python_markdown
from newsletter.render.fragment import Finding, Fragment, Place
from newsletter.render.images import Problem
from newsletter.render.task_lists import TaskLists
from newsletter.render.tree import list_notes, mark_alert, mark_header_cell, number_note

# So many brackets may be open at once in a paragraph: nobody writes more, and each costs a look through the rest of it.
_MOST_OPEN = 32
_BRACKET = re.compile(r"\\.|[\[\]()]|\n[ \t]*\n", re.DOTALL)
_OPENED_BY = {"]": "[", ")": "("}
_SHOWN = 40
# The marks of lists and quotes that begin a line.
_NESTING = re.compile(r"(?:[ >*+-]|\d{1,9}[.)] )*")
_IN_A_LIST = re.compile(rf"<pre><code>{LANGUAGE}(mermaid|dot)\n")
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
# GFM 6.9, without an address already inside a link, quotes or brackets.
_BARE_URL = r"(?<![\w\"'=/])(https?://[^\s<>\[\]`\x02\x03]+)"
# What a text must hold for each of Python-Markdown's inline patterns to match at all. Most texts hold
# few of them, and trying the others on every run of text is a third of the cost of a conversion.
_TRIGGERS = {
    "backtick": ("`",),
    "escape": ("\\",),
    "reference": ("[",),
    "link": ("[",),
    "image_link": ("![",),
    "image_reference": ("![",),
    "short_reference": ("[",),
    "short_image_ref": ("![",),
    "autolink": ("<",),
    "automail": ("<",),
    "linebreak": ("  \n",),
    "entity": ("&",),
    "not_strong": ("*", "_"),
    "em_strong": ("*", "_"),
    "em_strong2": ("*", "_"),
    "footnote": ("[^",),
    "del": ("~~",),
    "bare-url": ("://",),
}


class Parser:
    """A Python-Markdown instance kept for many conversions (making one costs more than using it)."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._shape = _Shape()
        self._markdown = Markdown(
            extensions=[
                # Objects and not names, which are looked up among all packages that are installed.
                TableExtension(),
                FencedCodeExtension(),
                SaneListExtension(),
                FootnoteExtension(USE_DEFINITION_ORDER=False),
                _Dialect(self._shape),
            ],
            output_format="html",
        )
        patterns = self._markdown.inlinePatterns
        named = {id(patterns[name]): _TRIGGERS[name] for name in _TRIGGERS if name in patterns}
        # A pattern we don't know is always tried.
        self._patterns = [(pattern, named.get(id(pattern), ("",))) for pattern in patterns]

    def parse(self, text: str, place: Place, top: int, fragment: Fragment) -> Fragment:
        """`fragment` with `text` as HTML and what it shows; another one where the text can't be read."""
        unclosed = _unclosed(text)
        if unclosed:
            problem = Problem(
                "NL411",
                f"more than {_MOST_OPEN} brackets are open here at once",
                "close them, or write `\\[` where none begins a link",
            )
            return Fragment(f"<p>{escape(text)}</p>", findings=[Finding(problem, unclosed)])
        self._shape.begin(place, top, fragment)
        try:
            html = self._parsed(text)
        except RecursionError:
            self._begin()  # its state was left in the middle
            problem = Problem("NL411", "this is nested too deeply to be read", "nest lists and quotes less")
            return Fragment(f"<p>{escape(text)}</p>", findings=[Finding(problem, _deepest(text))])
        html = html.replace(f"<p>{SEPARATOR}</p>\n", "") if SEPARATOR in html else html
        fragment.html = _IN_A_LIST.sub(r'<pre><code class="language-\1">', html) if LANGUAGE in html else html
        return fragment

    def _parsed(self, text: str) -> str:
        """What Python-Markdown makes of it."""
        self._markdown.reset()
        source = to_python_markdown(text)
        walker: Any = self._markdown.treeprocessors["inline"]
        walker.inlinePatterns = [
            pattern for pattern, triggers in self._patterns if any(mark in source for mark in triggers)
        ]
        return self._markdown.convert(source)


def _unclosed(text: str) -> str:
    """Where more brackets are open in one paragraph than anybody writes; empty where that is nowhere.

    For each that is open, Python-Markdown looks through the rest of the paragraph: 20,000 take it a minute.
    """
    if text.count("[") <= _MOST_OPEN and text.count("(") <= _MOST_OPEN:
        return ""
    depth = {"[": 0, "(": 0}
    position = 0
    for start, end in [*code_ranges(text), (len(text), len(text))]:
        for mark in _BRACKET.finditer(text, position, start):
            written = mark[0]
            if written in depth:
                depth[written] += 1
                if depth[written] > _MOST_OPEN:
                    return text[mark.start() : mark.start() + _SHOWN].split("\n", 1)[0]
            elif written in _OPENED_BY:
                depth[_OPENED_BY[written]] = max(0, depth[_OPENED_BY[written]] - 1)
            elif written[0] == "\n":
                depth = dict.fromkeys(depth, 0)
        position = end
    return ""


def _deepest(text: str) -> str:
    """The marks that open the most deeply nested line of `text`."""
    return max((_NESTING.match(line)[0].strip() for line in text.split("\n")), key=len)  # type: ignore[index]  # it matches nothing, too


class _Dialect(Extension):
    """Raw HTML shown as it is, struck words and bare addresses as GitHub has them, and our tree's shape."""

    def __init__(self, shape: _Shape) -> None:
        super().__init__()
        self._shape = shape

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - the framework's name
        md.preprocessors.deregister("html_block")
        md.inlinePatterns.deregister("html")
        md.inlinePatterns.register(SimpleTagInlineProcessor(r"(~~)(?=\S)(.+?)(?<=\S)~~", "del"), "del", 65)
        md.inlinePatterns.register(_BareUrl(_BARE_URL, md), "bare-url", 85)
        self._shape.md = md
        # After `unescape`, which is the last to change attributes.
        md.treeprocessors.register(self._shape, "shape", -10)
        # Before `inline`, which would read the brackets.
        md.treeprocessors.register(TaskLists(md), "tasks", 30)


class _BareUrl(InlineProcessor):
    ANCESTOR_EXCLUDES = ("a",)

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[ET.Element, int, int]:  # type: ignore[override]  # noqa: ARG002, N802
        url = m[1].rstrip("?!.,:;*_~'\"")
        # An unmatched closing parenthesis is the sentence's, not the address's.
        while url.endswith(")") and url.count(")") > url.count("("):
            url = url[:-1].rstrip("?!.,:;*_~'\"")
        link = ET.Element("a", {"href": url})
        link.text = url
        return link, m.start(0), m.start(1) + len(url)


class _Shape(Treeprocessor):
    """Gives the tree its meaning: headings in order, alerts, figures, notes, absolute links, known widths."""

    def __init__(self) -> None:
        super().__init__()
        self._place: Place
        self._fragment: Fragment
        self._top = 3

    def begin(self, place: Place, top: int, fragment: Fragment) -> None:
        self._place, self._fragment, self._top = place, fragment, top

    def run(self, root: ET.Element) -> None:
        self._walk(root)

    def _walk(self, parent: ET.Element) -> None:
        for child in list(parent):
            tag = child.tag
            if tag in _HEADINGS:
                level = min(6, self._fragment.level + 1, max(self._top, int(str(tag)[1])))
                self._fragment.level = level
                child.tag = f"h{level}"
            elif tag == "blockquote":
                mark_alert(child)
            elif tag == "p":
                self._figure(child)
            elif tag == "a":
                self._link(child)
            elif tag == "img":
                self._image(child)
            elif tag == "th":
                mark_header_cell(child)
            elif tag == "sup":
                number_note(child)
            elif tag == "div" and child.get("class") == "footnote":
                list_notes(child)
            self._walk(child)

    def _link(self, link: ET.Element) -> None:
        written = link.get("href", "")
        # Python-Markdown spells `<me@example.org>` in entities of its own against harvesters.
        if "\x02amp\x03" in written:
            return
        href = self._fragment.lead(self._place, written)
        if href:
            link.set("href", href)
        else:
            link.tag = "span"
            link.attrib.clear()

    def _figure(self, paragraph: ET.Element) -> None:
        if len(paragraph) != 1 or paragraph[0].tag != "img":
            return
        image = paragraph[0]
        if (paragraph.text or "").strip() or (image.tail or "").strip():
            return
        paragraph.tag = "figure"
        caption = image.attrib.pop("title", "")
        if caption:
            ET.SubElement(paragraph, "figcaption").text = caption

    def _image(self, image: ET.Element) -> None:
        source = image.get("src", "")
        picture = self._place.pictures.find(source)
        self._fragment.pictures.append(picture)
        self._fragment.report(picture.problem, source)
        if picture.src:
            image.set("src", picture.src)
            if picture.width:
                # No height: where pictures are off, it would hold a hole open around their words.
                image.set("width", str(picture.width))
        else:
            # Never a broken path: the words stand in for the picture.
            image.tag, image.text = "em", image.get("alt") or "[picture]"
            image.attrib.clear()
