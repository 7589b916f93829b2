"""Where in a section do its own fields stand? Lists of `- **Key:** value`, paragraphs that open with a label, H3s."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from newsletter.content.document import BLOCK_FILL, Document, Findings, prose_of_lines
from newsletter.content.fields import FieldPlan, KindPlan, fold
from newsletter.content.suggest import listed, nearest
from newsletter.diagnostics import Fix
from newsletter.model.issue import Prose

_ITEM = re.compile(r" {0,3}[-*+][ \t]+")
# `**Key:** value`, and `**Key**: value`, which is what many people type.
_KEY = re.compile(r"\*\*(?P<key>[^*\n]{1,80}?)[ \t]*(?::\*\*|\*\*[ \t]*:)[ \t]*")
_HEADING = re.compile(r"#{1,6}(?!#)")


class Found(NamedTuple):
    """A field with its value; `start` and `end` are the value's offsets, or the label's where it has none."""

    plan: FieldPlan
    prose: Prose
    start: int
    end: int


@dataclass(slots=True)
class FieldsFound:
    """What a section's lines hold.

    Attributes:
        fields: in the order of the file.
        body: all lines of the section, those of fields emptied, so that line numbers stay true.
        owns_lines: whether anything was taken out of the body.
    """

    fields: list[Found] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    owns_lines: bool = False


class _Key(NamedTuple):
    text: str
    start: int
    end: int
    value_start: int


class _ListItem(NamedTuple):
    first: int
    last: int
    key: _Key | None


def read_fields(document: Document, start: int, end: int, plan: KindPlan, findings: Findings) -> FieldsFound:
    """The fields that stand between two offsets, and the lines that remain.

    `start` is the beginning of the line after the section's heading.
    """
    return _Reader(document, start, end, plan, findings).read()


class _Reader:
    def __init__(self, document: Document, start: int, end: int, plan: KindPlan, findings: Findings) -> None:
        self._document = document
        self._plan = plan
        self._findings = findings
        self._masked = document.masked[start:end].split("\n")
        self._lines = document.slice(start, end).split("\n")
        self._offsets = [start]
        for line in self._masked[:-1]:
            self._offsets.append(self._offsets[-1] + len(line) + 1)
        self._first_line = document.place(start)[0]
        self._owned = bytearray(len(self._masked))
        self._result = FieldsFound()
        self._seen: set[str] = set()

    def read(self) -> FieldsFound:
        """All fields, then the body."""
        if self._plan.fields:
            if self._plan.subsections:
                self._read_subsections()
            if self._plan.bullets:
                self._read_lists()
            if self._plan.labels:
                self._read_labels()
        self._result.owns_lines = any(self._owned)
        self._result.body = [
            "" if owned else line for owned, line in zip(self._owned, self._lines, strict=True)
        ]
        return self._result

    def _own(self, first: int, last: int) -> None:
        self._owned[first : last + 1] = b"\x01" * (last + 1 - first)

    def _missing(self, plans: dict[str, FieldPlan]) -> list[FieldPlan]:
        return [plan for plan in plans.values() if plan.required and plan.name not in self._seen]

    def _add(self, plan: FieldPlan, prose: Prose, start: int, end: int) -> None:
        if plan.name in self._seen and not plan.repeats:
            self._findings.add(
                "NL209",
                f"`{plan.label}` stands twice in this section",
                start,
                end,
                help="remove one, or write both in one",
            )
            return
        self._seen.add(plan.name)
        self._result.fields.append(Found(plan, prose, start, end))

    # Subsections

    def _read_subsections(self) -> None:
        starts = [i for i, line in enumerate(self._masked) if line.startswith("#") and _HEADING.match(line)]
        for position, index in enumerate(starts):
            line = self._masked[index]
            level = len(line) - len(line.lstrip("#"))
            if level != 3:
                continue
            name = line.strip().strip("#").strip()
            plan = self._plan.subsections.get(fold(name))
            text_at = self._offsets[index] + line.index(name) if name else self._offsets[index]
            if plan is None:
                near = nearest(
                    name, (p.label for p in self._plan.subsections.values() if p.name not in self._seen)
                )
                if not near:
                    continue
                self._findings.add(
                    "NL211",
                    f"`### {name}` is no heading of this kind of section",
                    text_at,
                    text_at + len(name),
                    help=f"did you mean `### {near}`?",
                    fix=Fix(text_at, text_at + len(name), near),
                )
                plan = self._plan.subsections[fold(near)]
            last = next((i for i in starts[position + 1 :] if self._level(i) <= 3), len(self._masked)) - 1
            prose = prose_of_lines(self._lines[index + 1 : last + 1], self._first_line + index + 1)
            self._own(index, last)
            self._add(plan, prose, self._offsets[index], text_at + len(name))

    def _level(self, index: int) -> int:
        line = self._masked[index]
        return len(line) - len(line.lstrip("#"))

    # Field lists

    def _read_lists(self) -> None:
        strangers: list[list[_ListItem]] = []
        for items in self._lists():
            keyed = [item.key for item in items if item.key is not None]
            if any(self._bullet_for(key.text) for key in keyed):
                self._read_field_list(items)
            elif keyed and len(keyed) == len(items):
                strangers.append(items)
        # A list of keys none of which is ours belongs to the text, unless ours are wanting.
        if strangers and self._missing(self._plan.bullets):
            self._read_field_list(strangers[0])

    def _bullet_for(self, key: str) -> FieldPlan | None:
        plan = self._plan.bullets.get(fold(key))
        if plan is None:
            near = nearest(key, (p.label for p in self._plan.bullets.values()))
            plan = self._plan.bullets[fold(near)] if near else None
        return plan

    def _lists(self) -> Iterator[list[_ListItem]]:
        """The bullet lists at the section's own level, outside its subsections."""
        index, count = 0, len(self._masked)
        while index < count:
            if self._owned[index] or not _ITEM.match(self._masked[index]):
                index += 1
                continue
            starts = [index]
            last = index
            index += 1
            while index < count and not self._owned[index]:
                line = self._masked[index]
                if not line.strip():
                    index += 1
                    continue
                if _ITEM.match(line):
                    starts.append(index)
                elif not line.startswith(("  ", "\t")) and (
                    index - last > 1 or line.startswith(("#", BLOCK_FILL))
                ):
                    break
                last = index
                index += 1
            ends = [*(start - 1 for start in starts[1:]), last]
            yield [_ListItem(a, b, self._key(a)) for a, b in zip(starts, ends, strict=True)]

    def _key(self, index: int) -> _Key | None:
        line = self._masked[index]
        item = _ITEM.match(line)
        match = _KEY.match(line, item.end() if item else 0)
        if match is None:
            return None
        offset = self._offsets[index]
        return _Key(match["key"], offset + match.start("key"), offset + match.end("key"), match.end())

    def _read_field_list(self, items: list[_ListItem]) -> None:
        self._own(items[0].first, items[-1].last)
        for item in items:
            offset = self._offsets[item.first]
            line_end = offset + len(self._masked[item.first].rstrip())
            if item.key is None:
                self._findings.add(
                    "NL210",
                    "an item without a key in a field list",
                    offset + len(self._masked[item.first]) - len(self._masked[item.first].lstrip()),
                    line_end,
                    help=f"write it as `- **Key:** value`; the keys are {self._known_keys()}",
                )
                continue
            plan = self._plan.bullets.get(fold(item.key.text))
            if plan is None:
                plan = self._report_unknown(item.key)
                if plan is None:
                    continue
            prose = self._value(item.first, item.last, item.key.value_start)
            start = offset + item.key.value_start
            self._add(
                plan, prose, *((start, line_end) if start < line_end else (item.key.start, item.key.end))
            )

    def _known_keys(self) -> str:
        return listed((f"`{plan.label}`" for plan in self._plan.bullets.values()), "and")

    def _report_unknown(self, key: _Key) -> FieldPlan | None:
        open_labels = [p.label for p in self._plan.bullets.values() if p.repeats or p.name not in self._seen]
        near = nearest(key.text, open_labels)
        self._findings.add(
            "NL208",
            f"unknown field `{key.text}`",
            key.start,
            key.end,
            help=f"did you mean `{near}`?" if near else f"the fields are {self._known_keys()}",
            fix=Fix(key.start, key.end, near) if near else None,
        )
        return self._plan.bullets[fold(near)] if near else None

    def _value(self, first: int, last: int, value_start: int) -> Prose:
        """The rest of the first line and the lines that continue it, their indentation removed."""
        head = self._lines[first][value_start:]
        rest = self._lines[first + 1 : last + 1]
        indents = [len(line) - len(line.lstrip(" \t")) for line in rest if line.strip()]
        margin = min([4, *(indent for indent in indents if indent)], default=0)
        dedented = [line[margin:] if line[:margin].isspace() else line for line in rest]
        return prose_of_lines([head, *dedented], self._first_line + first)

    # Labelled paragraphs

    def _read_labels(self) -> None:
        near_misses: list[tuple[int, _Key]] = []
        for index, line in enumerate(self._masked):
            starts_paragraph = index == 0 or self._owned[index - 1] or not self._masked[index - 1].strip()
            if self._owned[index] or not starts_paragraph or not line.startswith("**"):
                continue
            key = self._key(index)
            if key is None:
                continue
            plan = self._plan.labels.get(fold(key.text))
            if plan is not None:
                self._read_paragraph(index, key, plan)
            elif nearest(key.text, (p.label for p in self._plan.labels.values())):
                near_misses.append((index, key))
        for index, key in near_misses:
            near = nearest(key.text, (p.label for p in self._missing(self._plan.labels)))
            if near:
                self._findings.add(
                    "NL208",
                    f"unknown field `{key.text}`",
                    key.start,
                    key.end,
                    help=f"did you mean `{near}`?",
                    fix=Fix(key.start, key.end, near),
                )
                self._read_paragraph(index, key, self._plan.labels[fold(near)])

    def _read_paragraph(self, index: int, key: _Key, plan: FieldPlan) -> None:
        last = index
        while last + 1 < len(self._masked):
            following = self._masked[last + 1]
            if not following.strip() or following.startswith(("#", BLOCK_FILL)) or self._owned[last + 1]:
                break
            last += 1
        prose = prose_of_lines(
            [self._lines[index][key.value_start :], *self._lines[index + 1 : last + 1]],
            self._first_line + index,
        )
        self._own(index, last)
        start = self._offsets[index] + key.value_start
        end = self._offsets[index] + len(self._masked[index].rstrip())
        self._add(plan, prose, *((start, end) if start < end else (key.start, key.end)))
