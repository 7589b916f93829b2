"""What becomes of `- [ ] open` and `- [x] done`, the task lists of GitHub (GFM 5.3)? A box as a character, with words for a screen reader.

Mail clients drop form fields, and a box that nobody can tick need be none.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from markdown.treeprocessors import Treeprocessor

_WRITTEN = re.compile(r"\[([ xX])\][ \t]+(?=\S)")
# U+FE0E: iOS and Outlook would draw the ticked box as an emoji, and not the empty one beside it.
_OPEN, _DONE = "☐", "☑\ufe0e"
_BOX = re.compile(f'<span aria-label="[^"]*" role="img">(?:{_OPEN}|({_DONE}))</span>')


class TaskLists(Treeprocessor):
    """Puts boxes where items begin with brackets, before anything in them can be taken for a link."""

    def run(self, root: ET.Element) -> None:
        """Change the tree before the inline patterns see it."""
        source = "\n".join(self.md.lines)  # type: ignore[attr-defined]  # its stubs have no attributes
        if not any(brackets in source for brackets in ("[ ]", "[x]", "[X]")):
            return
        for tag in ("ul", "ol"):
            for listing in root.iter(tag):
                for item in listing:
                    _tick(item, bulleted=tag == "ul")


def as_written(html: str) -> str:
    """`html` with brackets again in the place of boxes, for plain text."""
    if _OPEN not in html and _DONE not in html:
        return html
    return _BOX.sub(lambda box: "[x]" if box[1] else "[ ]", html)


def _tick(item: ET.Element, *, bulleted: bool) -> None:
    # In a list with blank lines between its items, each begins with a paragraph.
    first = item[0] if len(item) and item[0].tag == "p" and not (item.text or "").strip() else item
    written = _WRITTEN.match((first.text or "").lstrip())
    if written is None:
        return
    done = written[1] != " "
    box = ET.Element("span", {"aria-label": "done" if done else "not done", "role": "img"})
    box.text = _DONE if done else _OPEN
    box.tail = " " + (first.text or "").lstrip()[written.end() :]
    first.text = ""
    first.insert(0, box)
    if bulleted:
        # The box stands for the bullet; a number says something else.
        item.set("class", "task")
