"""Where was it written? The line of the issue that made an element, else of the template, else of the settings."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from newsletter.checks.output.page import Element
from newsletter.model.issue import Issue

# So many words of an element are looked for: more, and a mark of Markdown's among them hides the match.
_MOST_WORDS = 8
_BETWEEN = r"[^\w\n]*\n?[^\w\n]{0,12}"
# A template is told by what stands close around.
_MOST_LEVELS = 12
_SKIPPED = ("welcome", "confirm", "already", "preferences", "reminder", "letter")


class Place(NamedTuple):
    """A place in a file; line 0 is the whole file, column 0 the whole line."""

    path: str
    line: int = 0
    column: int = 0
    length: int = 1


@dataclass
class Origin:
    """What a message was made of.

    Attributes:
        issue: with the file's text, in which places are counted.
        templates: the folders they were taken from, searched in order.
        settings: the file of the settings, where there is one.
        path: what findings are said of where nothing else is known, such as `message.eml`.
        named: what a file is called in findings.
        personal: values that stand in for those of a reader, which nobody wrote anywhere.
    """

    issue: Issue | None = None
    templates: tuple[Path, ...] = ()
    settings: Path | None = None
    path: str = "message"
    named: Callable[[Path], str] = field(default=str)
    personal: tuple[str, ...] = ()

    @property
    def whole(self) -> Place:
        """The issue's file, or whatever the message is called."""
        return Place((self.issue.display or self.issue.path) if self.issue else self.path)

    def of(self, element: Element) -> Place:
        """Where the author wrote what became `element`."""
        if self.issue is not None and self.issue.text:
            for pattern in self._traces(element):
                place = self._in_issue(pattern, element)
                if place is not None:
                    return place
        return self.of_template(element) or self.whole

    def of_words(self, words: str) -> Place:
        """Where these very words were written: in the issue, the settings or a template."""
        pattern = re.escape(words)
        if self.issue is not None and (match := re.search(pattern, self.issue.text)):
            return self._place(self.whole.path, self.issue.text, match)
        return self._in_templates(pattern) or self._in_settings(pattern) or self.whole

    def of_setting(self, key: str) -> Place:
        """The line of a setting; the settings' first line where it isn't written; else the issue."""
        return self._in_settings(rf"^[ \t]*{re.escape(key)}\b") or (
            Place(self.named(self.settings), 1) if self.settings is not None else self.whole
        )

    def of_colours(self, element: Element, *colours: str) -> Place:
        """Where one of these colours was chosen: in a template or the settings; else the element that has it."""
        for colour in colours:
            pattern = f"(?i){re.escape(colour)}"
            place = self._in_templates(pattern) or self._in_settings(pattern)
            if place is not None:
                return place
        return self.of_template(element) or self.of(element)

    def of_template(self, element: Element) -> Place | None:
        """The template that prints `element` or the nearest one around it that can be told."""
        for one in (element, *islice(element.ancestors(), _MOST_LEVELS)):
            for pattern in self._marks(one):
                place = self._in_templates(pattern)
                if place is not None:
                    return place
        return None

    def layout(self) -> Place:
        """The template of the whole page."""
        return self._in_templates(r"<html\b") or self.whole

    def style_sheet(self, pattern: str) -> Place:
        """Where a rule stands in the style sheets of the templates."""
        return self._in_templates(pattern) or self.layout()

    def of_declaration(self, name: str, value: str) -> Place | None:
        """The template in which a property is given this value, else any: what it is given may come from the settings."""
        named = rf"(?<![\w-]){re.escape(name)}\s*:"
        return self._in_templates(rf"{named}\s*{re.escape(value)}") or self._in_templates(named)

    def _in_issue(self, pattern: str, element: Element) -> Place | None:
        assert self.issue is not None
        text = self.issue.text
        first = self._section_start(element)
        match = None
        compiled = re.compile(pattern)
        if first:
            match = compiled.search(text, first)
        match = match or compiled.search(text)
        return self._place(self.whole.path, text, match) if match else None

    def _section_start(self, element: Element) -> int:
        """The offset of the section that `element` belongs to; 0 where it belongs to none."""
        assert self.issue is not None
        lines = {section.kind: section.line for section in self.issue.sections}
        for around in (element, *element.ancestors()):
            heading = next(
                (one for one in (around, *around) if one.tag == "h2" and one.attributes.get("id")), None
            )
            line = lines.get(heading.attributes["id"]) if heading is not None else None
            if heading is not None and line:
                if sum(one.tag == "h2" for one in around) > 1:
                    return 0
                starts = [0, *accumulate(len(row) + 1 for row in self.issue.text.split("\n"))]
                return starts[min(line, len(starts)) - 1]
        return 0

    @cached_property
    def _template_texts(self) -> list[tuple[str, str]]:
        """What the files of the mail's templates say, by their names in findings; a user's own hides ours."""
        found: dict[str, tuple[str, str]] = {}
        for folder in self.templates:
            inside = folder / "email"
            for path in sorted(inside.glob("*.j2")) if inside.is_dir() else ():
                if path.name in found or path.name.startswith(_SKIPPED) or ".txt." in path.name:
                    continue
                try:
                    found[path.name] = (self.named(path), path.read_text("utf-8", "replace"))
                except OSError:
                    continue
        return list(found.values())

    @cached_property
    def _settings_text(self) -> str:
        try:
            return self.settings.read_text("utf-8", "replace") if self.settings is not None else ""
        except OSError:
            return ""

    def _in_templates(self, pattern: str) -> Place | None:
        compiled = re.compile(pattern, re.MULTILINE)
        for name, text in self._template_texts:
            match = compiled.search(text)
            if match is not None:
                return self._place(name, text, match)
        return None

    def _in_settings(self, pattern: str) -> Place | None:
        match = re.search(pattern, self._settings_text, re.MULTILINE)
        if match is None or self.settings is None:
            return None
        return self._place(self.named(self.settings), self._settings_text, match)

    @staticmethod
    def _place(name: str, text: str, match: re.Match[str]) -> Place:
        starts = [0, *accumulate(len(row) + 1 for row in text.split("\n"))]
        line = bisect_right(starts, match.start())
        shown = match[0].split("\n")[0]
        return Place(name, line, match.start() - starts[line - 1] + 1, max(1, len(shown)))

    def _traces(self, element: Element) -> Iterator[str]:
        """Patterns that find `element` in Markdown: its address, its alternative text, its words."""
        href = element.attributes.get("href", "").strip()
        if element.tag == "a" and href not in {"", "#", "/"}:
            yield re.escape(href)
            # An address that was made absolute was written without its beginning.
            path = href.partition("://")[2].partition("/")[2].partition("?")[0].partition("#")[0].strip("/")
            if len(path) > 2:
                yield rf"(?<=\]\()[./]*[\w/-]*{re.escape(unquote(path.rpartition('/')[2]))}[^)\s]*"
        if element.tag == "img":
            alt, source = element.attributes.get("alt", "").strip(), element.attributes.get("src", "")
            if alt:
                yield rf"(?<=!\[){re.escape(alt)}"
            if (name := source.rpartition("/")[2].partition("?")[0]) and "://" in source:
                yield re.escape(name)
        yield from _words_pattern(self._written(element))

    def _written(self, element: Element) -> str:
        """The longest run of words in `element` that isn't a reader's own."""
        runs = [element.words]
        for value in self.personal:
            runs = [piece for run in runs for piece in run.split(value)]
        return max(runs, key=len)

    def _marks(self, element: Element) -> Iterator[str]:
        """Patterns that find `element` in a template: its words, its classes, its address, its id, its own tag."""
        address = element.attributes.get("href" if element.tag == "a" else "src", "").strip()
        if address and address != "#" and not address.startswith("cid:"):
            yield rf"(?<==[\"']){re.escape(address)}(?=[\"'])"
        words = self._written(element)
        if 0 < len(words) < 60:
            yield rf"(?<=>){re.escape(words)}(?=\s*<)"
        if element.tag not in {"body", "html", "table", "tr", "tbody"}:
            yield from _words_pattern(words)
        for name in ("id", "href", "class", "style"):
            value = element.attributes.get(name, "").strip()
            if value:
                yield rf"<{re.escape(element.tag)}\b[^>]*\b{name}=[\"']{re.escape(value)}[\"']"
        if element.tag not in {"p", "a", "td", "tr", "table", "tbody", "div", "span", "img", "th", "li"}:
            yield rf"<{re.escape(element.tag)}\b"


def _words_pattern(text: str) -> Iterator[str]:
    words = re.findall(r"\w+", text)
    # A single short word stands in many places.
    if sum(map(len, words)) >= 6 or (len(words) > 1 and sum(map(len, words)) >= 4):
        yield rf"(?<!\w){_BETWEEN.join(map(re.escape, words[:_MOST_WORDS]))}(?!\w)"
        if len(words) > _MOST_WORDS // 2:
            yield rf"(?<!\w){_BETWEEN.join(map(re.escape, words[: _MOST_WORDS // 2]))}(?!\w)"
