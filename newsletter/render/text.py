"""What does an issue say in plain text? Walks semantic HTML and writes paragraphs of 72 columns.

Code stays verbatim, indented by four; tables are aligned; links are numbered and listed by
`Links`; footnotes are marked `[^1]`, so that they aren't taken for links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from selectolax.lexbor import LexborHTMLParser, LexborNode

from newsletter.render.columns import GLUE, table, width, wrap
from newsletter.render.task_lists import as_written

COLUMNS = 72
# Below this a nested list or quote isn't narrowed any further.
_NARROWEST = 24


@dataclass(slots=True)
class Links:
    """Numbers links in the order they appear, and lists those not listed yet.

    Attributes:
        addresses: all so far; the first is number 1.
    """

    addresses: list[str] = field(default_factory=list)
    _listed: int = 0

    def listing(self) -> str:
        """The links since the last listing, one `[n] address` a line; empty where there are none."""
        fresh = self.addresses[self._listed :]
        start, self._listed = self._listed + 1, len(self.addresses)
        return "\n".join(f"[{number}] {address}" for number, address in enumerate(fresh, start))

    @property
    def state(self) -> tuple[int, int]:
        """How many there are, and how many of them were listed."""
        return len(self.addresses), self._listed

    def go_on(self, addresses: Iterable[str], listed: int) -> None:
        """Take over what a text written earlier did: the `addresses` it added, and how many were listed then."""
        self.addresses += addresses
        self._listed = listed

    def write(self, html: str, columns: int = COLUMNS) -> str:
        """`html` as text, its links numbered after those there are."""
        text, addresses = _written(html, len(self.addresses), columns)
        self.addresses += addresses
        return text


@lru_cache(maxsize=512)
def _written(html: str, numbered: int, columns: int) -> tuple[str, tuple[str, ...]]:
    writer = _Writer(numbered)
    body = LexborHTMLParser(as_written(html)).body
    blocks = list(writer.blocks(body, columns)) if body is not None else []
    return "\n\n".join(blocks), tuple(writer.links)


def heading(text: str, mark: str = "-") -> str:
    """`text`, wrapped, over a rule of `mark` as long as its longest line."""
    lines = wrap(text, COLUMNS)
    return "\n".join([*lines, mark * max(width(line) for line in lines)])


class _Writer:
    def __init__(self, numbered: int) -> None:
        self._numbered = numbered
        self.links: list[str] = []

    def blocks(self, parent: LexborNode, columns: int) -> Iterator[str]:
        """The blocks of `parent`, each without a line end of its own."""
        run: list[str] = []
        for node in parent.iter(include_text=True):
            write = _BLOCKS.get(node.tag or "")
            if write is None:
                run.append(self.inline(node))
                continue
            if "".join(run).strip():
                yield self._paragraph("".join(run), columns)
            run = []
            block = write(self, node, columns)
            if block:
                yield block
        if "".join(run).strip():
            yield self._paragraph("".join(run), columns)

    def _paragraph(self, text: str, columns: int) -> str:
        lines = "\n".join(part.strip() for part in text.split("\n"))
        return "\n".join(wrap(lines.strip(), columns))

    def inline(self, node: LexborNode) -> str:
        """Running text; line ends only where the author broke hard."""
        tag = node.tag
        if tag == "-text":
            return re.sub(r"[ \t\r\n\f]+", " ", node.text_content or "")
        if tag == "br":
            return "\n"
        if tag == "img":
            alt = node.attributes.get("alt") or ""
            return f"[Image: {alt}]" if alt else ""
        inner = "".join(self.inline(child) for child in node.iter(include_text=True))
        if tag == "a":
            return self._link(inner, node.attributes.get("href") or "")
        if tag == "sup":
            return f"[^{inner}]"
        if not inner.strip():
            return inner
        mark = _MARKS.get(tag or "", "")
        return f"{mark}{inner}{mark}"

    def _link(self, words: str, address: str) -> str:
        if not address or address == words.strip():
            return words
        if address.startswith("mailto:"):
            mailbox = address.removeprefix("mailto:").partition("?")[0]
            return words if mailbox == words.strip() else f"{words} <{mailbox}>"
        if address in self.links:
            number = self.links.index(address) + 1
        else:
            self.links.append(address)
            number = len(self.links)
        # The number never stands alone at the start of a line.
        return f"{words}{GLUE}[{self._numbered + number}]"

    def _inner(self, node: LexborNode) -> str:
        return "".join(self.inline(child) for child in node.iter(include_text=True))

    def paragraph(self, node: LexborNode, columns: int) -> str:
        return self._paragraph(self._inner(node), columns)

    def heading(self, node: LexborNode, columns: int) -> str:
        text = self._paragraph(self._inner(node), columns)
        return f"{text}\n{'~' * max(width(line) for line in text.split(chr(10)))}" if text else ""

    def rule(self, node: LexborNode, columns: int) -> str:  # noqa: ARG002 - all blocks are written alike
        return "* * *"

    def code(self, node: LexborNode, columns: int) -> str:  # noqa: ARG002 - code is never wrapped
        lines = node.text(deep=True).strip("\n").split("\n")
        return "\n".join(f"    {line}" if line.strip() else "" for line in lines)

    def listing(self, node: LexborNode, columns: int) -> str:
        items = [child for child in node.iter() if child.tag == "li"]
        numbered = node.tag == "ol"
        start = int(node.attributes.get("start") or 1) if numbered else 1
        marks = [f"{start + at}. " if numbered else "- " for at in range(len(items))]
        indent = max((len(mark) for mark in marks), default=0)
        written: list[str] = []
        loose = False
        for mark, item in zip(marks, items, strict=True):
            blocks = list(self.blocks(item, max(_NARROWEST, columns - indent)))
            loose = loose or any(child.tag == "p" for child in item.iter())
            # A list inside an item follows its words closely; further paragraphs keep their distance.
            text = ("\n\n" if loose else "\n").join(blocks)
            written.append(_indented(text, mark.ljust(indent), " " * indent))
        return ("\n\n" if loose else "\n").join(written)

    def quote(self, node: LexborNode, columns: int) -> str:
        text = "\n\n".join(self.blocks(node, max(_NARROWEST, columns - 2)))
        return _indented(text, "> ", "> ")

    def callout(self, node: LexborNode, columns: int) -> str:
        label, *blocks = self.blocks(node, max(_NARROWEST, columns - 2))
        return _indented("\n\n".join([f"{label.upper()}", *blocks]).replace("\n\n", "\n", 1), "| ", "| ")

    def figure(self, node: LexborNode, columns: int) -> str:
        return "\n".join(self.blocks(node, columns))

    def group(self, node: LexborNode, columns: int) -> str:
        return "\n\n".join(self.blocks(node, columns))

    def table(self, node: LexborNode, columns: int) -> str:
        rows: list[list[str]] = []
        alignments: list[str] = []
        for row in node.css("tr"):
            cells = [cell for cell in row.iter() if cell.tag in {"td", "th"}]
            rows.append([self._inner(cell).replace("\n", " ").strip() for cell in cells])
            if not alignments:
                alignments = [_alignment(cell) for cell in cells]
        return "\n".join(table(rows, alignments, columns)) if rows else ""


def _alignment(cell: LexborNode) -> str:
    match = re.search(r"text-align: *(left|right|center)", cell.attributes.get("style") or "")
    return match[1] if match else "left"


def _indented(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join(((first if at == 0 else rest) + line).rstrip() for at, line in enumerate(lines))


_MARKS = {"em": "_", "strong": "*", "code": "`", "del": "~"}
_Block = Callable[[_Writer, LexborNode, int], str]
_BLOCKS: dict[str, _Block] = {
    "p": _Writer.paragraph,
    "figcaption": _Writer.paragraph,
    "ul": _Writer.listing,
    "ol": _Writer.listing,
    "pre": _Writer.code,
    "blockquote": _Writer.quote,
    "aside": _Writer.callout,
    "figure": _Writer.figure,
    "table": _Writer.table,
    "div": _Writer.group,
    "hr": _Writer.rule,
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _Writer.heading),
}
