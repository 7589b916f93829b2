"""The list as a file of one's own: CSV for spreadsheets and other products, JSON lines for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from newsletter.audience.formula import formula_safe
from newsletter.model.subscriber import Subscriber
from newsletter.store.base import utc_text

COLUMNS = ("email", "name", "status", "tags", "created_at", "metadata")


class TextSink(Protocol):
    """Whatever takes text: a file, standard output."""

    def write(self, text: str, /) -> Any:
        """Take `text`."""
        ...


def write_csv(people: Iterable[Subscriber], sink: TextSink, *, raw: bool = False) -> int:
    """Write `people` as CSV that `import_csv` reads back; returns how many.

    Args:
        people: in the order they are written.
        sink: opened with `newline=""` if it is a file.
        raw: leave cells as they are; without it a spreadsheet can't be made to run one.
    """
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(COLUMNS)
    number = 0
    for row in _rows(people):
        writer.writerow(row if raw else [formula_safe(cell) for cell in row])
        number += 1
    return number


def _rows(people: Iterable[Subscriber]) -> Iterator[list[str]]:
    for person in people:
        yield [
            person.email,
            person.name,
            person.status.value,
            _tags_cell(person.tags),
            utc_text(person.created_at) if person.created_at else "",
            json.dumps(dict(person.metadata), ensure_ascii=False) if person.metadata else "",
        ]


def _tags_cell(tags: tuple[str, ...]) -> str:
    # A tag that holds a delimiter, a quote or a bracket would come back as another: JSON then.
    if any(mark in tag for tag in tags for mark in ',;"['):
        return json.dumps(list(tags), ensure_ascii=False)
    return ";".join(tags)


def write_jsonl(people: Iterable[Subscriber], sink: TextSink) -> int:
    """Write `people` as one JSON object a line; returns how many."""
    number = 0
    for person in people:
        sink.write(json.dumps(as_json(person), ensure_ascii=False) + "\n")
        number += 1
    return number


def as_json(person: Subscriber) -> dict[str, Any]:
    """A person as scripts see them; the keys are a contract."""
    return {
        "email": person.email,
        "name": person.name,
        "status": person.status.value,
        "tags": list(person.tags),
        "metadata": dict(person.metadata),
        "created_at": utc_text(person.created_at) if person.created_at else None,
    }
