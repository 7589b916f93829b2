"""Which pieces of an issue must be converted again? Only those whose text, or whose pictures, changed.

Converting Markdown is most of the cost of rendering, so pieces are kept between renderings by
their text and by what decides how it reads: heading level, folder, address.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from newsletter.content.slots import find_slots
from newsletter.diagnostics import Diagnostic
from newsletter.diagnostics.codes_rendered import RENDERED_CODES
from newsletter.model.issue import Issue, Prose
from newsletter.model.template import InlineImage
from newsletter.render.blocks import for_email
from newsletter.render.diagrams.source import place_in
from newsletter.render.dialect import stretches, take_definitions, with_definitions
from newsletter.render.fragment import Fragment, Place
from newsletter.render.html import MarkdownConverter, inline, plain
from newsletter.render.kept import Kept
from newsletter.render.sections import Content
from newsletter.render.slots import TOKEN, SlotTable

# A year of weekly issues has some 800 pieces.
_KEPT = 1024
_LOST = "move it into running text, or let a template of your own print the part that holds it"
_DOUBLED = "let the template of your own print the part that holds it once"


def tokens(text: str) -> Counter[str]:
    """How often each slot stands in `text`, by its number in the slot table."""
    return Counter(TOKEN.findall(text))


@dataclass(frozen=True, slots=True)
class _Piece:
    fragment: Fragment
    html: str
    files: tuple[tuple[int, int] | None, ...]


class PieceStore:
    """Converted pieces of any number of issues; for one thread at a time."""

    def __init__(self) -> None:
        self._markdown = MarkdownConverter()
        self._kept: Kept[tuple[str, int, int, Place], _Piece] = Kept(_KEPT)

    def converted(self, source: str, top: int, level: int, place: Place) -> _Piece:
        """`source` converted now, or earlier if neither it nor a picture it shows changed since."""
        key = (source, top, level, place)
        kept = self._kept.get(key)
        if kept is not None and kept.files == _signatures(kept.fragment):
            return kept
        fragment = self._markdown.convert(source, place, top, level)
        return self._kept.keep(key, _Piece(fragment, for_email(fragment.html), _signatures(fragment)))


def _signatures(fragment: Fragment) -> tuple[tuple[int, int] | None, ...]:
    """What tells that a picture changed, vanished or appeared: time and size of each file."""
    return tuple(_signature(picture.file) for picture in fragment.pictures)


def _signature(file: Path | None) -> tuple[int, int] | None:
    try:
        status = file.stat() if file is not None else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if status else None


@dataclass(slots=True)
class IssueConverter:
    """Converts one issue's Markdown and notes what is wrong with it.

    Attributes:
        issue: what is being rendered.
        place: where its links and pictures lead.
        store: pieces kept between renderings.
        slots: numbers the slots on the way.
        written: how often each slot is to appear in what these pieces make up.
        images: pictures of our own, by content id.
        diagnostics: findings so far.
    """

    issue: Issue
    place: Place
    store: PieceStore
    slots: SlotTable = field(default_factory=SlotTable)
    written: Counter[str] = field(default_factory=Counter)
    images: dict[str, InlineImage] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    _definitions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for prose in _all_prose(self.issue):
            if "]:" in prose.text:
                for label, definition in take_definitions(self.slots.mark(prose.text))[1].items():
                    self._definitions.setdefault(label, definition)

    def content(self, prose: Prose, top: int = 3) -> Content:
        """Running text; its headings start at level `top`."""
        source = take_definitions(self.slots.mark(prose.text))[0]
        level = top - 1
        pieces: list[_Piece] = []
        expected: Counter[str] = Counter()
        for stretch in stretches(source):
            whole = with_definitions(stretch, self._definitions)
            expected += tokens(whole)
            piece = self.store.converted(whole, top, level, self.place)
            pieces.append(piece)
            level = piece.fragment.level
        # The author's own HTML was escaped on the way: what is left is ours.
        html = Markup("\n".join(piece.html for piece in pieces))  # noqa: S704
        # What is lost here is said once, and not again of each template.
        self.written += tokens(html)
        self.compare(html, expected, expected, "Markdown", prose)
        for fragment in (piece.fragment for piece in pieces):
            for image in fragment.images:
                self.images.setdefault(image.content_id, image)
            for finding in fragment.findings:
                problem = finding.problem
                self.note(
                    problem.code, problem.message, problem.help, prose, finding.source, line=finding.line
                )
        semantic = tuple(piece.fragment.html for piece in pieces)
        return Content("\n".join(semantic), html, semantic)

    def words(self, text: str, line: int = 0) -> Content:
        """A few words on one line, such as a heading, without a paragraph around them."""
        quick = None if "{{" in text else plain(text)
        if quick is not None:
            return Content(quick, Markup(quick))  # noqa: S704 - escaped by `plain`
        whole = self.content(Prose(text, line))
        return Content(inline(whole.semantic), whole.inline)

    def compare(
        self,
        output: str,
        at_least: Counter[str],
        at_most: Counter[str] | None,
        stage: str,
        prose: Prose | None = None,
    ) -> None:
        """Note each slot that `output` holds less or more often than it should; None for no upper bound."""
        found = tokens(output)
        if found == at_least:
            return
        for number in at_least | found:
            slot = self.slots.entry(int(number))
            if found[number] < at_least[number]:
                self._note_slot("NL401", f"was lost in {stage}", _LOST, prose, slot)
            elif at_most is not None and found[number] > at_most[number]:
                self._note_slot("NL402", f"was doubled in {stage}", _DOUBLED, prose, slot)

    def _note_slot(
        self, code: str, what: str, way_out: str, prose: Prose | None, slot: tuple[str, str]
    ) -> None:
        text, start = self._text(prose)
        spans = [(s.start, s.end) for s in find_slots(text) if (s.field, s.default) == slot]
        span = next((span for span in spans if span[0] >= start), spans[0] if spans else None)
        self._add(code, f"`{{{{ {slot[0]} }}}}` {what}", way_out, prose, span)

    def note(
        self,
        code: str,
        message: str,
        way_out: str = "",
        prose: Prose | None = None,
        source: str = "",
        *,
        line: int | None = None,
    ) -> None:
        """Add a finding about `source`, a piece of `prose` (or a line of it, for a diagram), or about the whole file."""
        span = None
        if source and line is not None:
            span = place_in(*self._text(prose), source, line)
        elif source:
            text, start = self._text(prose)
            # The words of a link may be the same as its address.
            address = re.compile(rf"(?:\]\(\s*<?|\]:\s*<?|<){re.escape(source)}")
            match = address.search(text, start)
            at = match.end() - len(source) if match else text.find(source, start)
            span = (at, at + len(source)) if at >= 0 else None
        self._add(code, message, way_out, prose, span)

    def _text(self, prose: Prose | None) -> tuple[str, int]:
        """The text in which places are counted, and the offset at which the line of `prose` begins."""
        line = prose.line if prose is not None else 0
        text = self.issue.text
        if not text and prose is not None:  # an issue that was not read from a file
            text = "\n" * (line - 1) + prose.text
        start = 0
        for _ in range(line - 1):
            start = text.find("\n", start) + 1
        return text, start

    def _add(
        self, code: str, message: str, way_out: str, prose: Prose | None, span: tuple[int, int] | None
    ) -> None:
        line, column, length = prose.line if prose is not None else 0, 0, 1
        if span is not None:
            text, _ = self._text(prose)
            line = text.count("\n", 0, span[0]) + 1
            column = span[0] - text.rfind("\n", 0, span[0])
            length = span[1] - span[0]
        self.diagnostics.append(
            Diagnostic(
                code=code,
                severity=RENDERED_CODES[code].severity,
                message=message,
                path=self.issue.display or self.issue.path,
                line=line,
                column=column,
                length=length,
                help=way_out,
            )
        )


def _all_prose(issue: Issue) -> Iterator[Prose]:
    yield issue.intro
    for section in issue.sections:
        for _, value in section:
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Prose):
                    yield part
