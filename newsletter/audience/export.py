"""The list as a file of one's own: CSV for spreadsheets and other products, JSON lines for programs."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol, TextIO

from newsletter.audience.formula import formula_safe
from newsletter.errors import NewsletterError
from newsletter.model.subscriber import Subscriber
from newsletter.store import subscribers as people
from newsletter.store.base import Database, utc_text
from newsletter.store.subscribers import SubscriberFilter

COLUMNS = ("email", "name", "status", "tags", "created_at", "metadata")


class TextSink(Protocol):
    """Whatever takes text: a file, standard output."""

    def write(self, text: str, /) -> Any:
        """Take `text`."""
        ...


def write_csv(found: Iterable[Subscriber], sink: TextSink, *, raw: bool = False) -> int:
    """Write people as CSV that `import_csv` reads back; returns how many.

    Args:
        found: in the order they are written.
        sink: opened with `newline=""` if it is a file.
        raw: leave cells as they are; without it a spreadsheet can't be made to run one.
    """
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(COLUMNS)
    number = 0
    for row in _rows(found):
        writer.writerow(row if raw else [formula_safe(cell) for cell in row])
        number += 1
    return number


def _rows(found: Iterable[Subscriber]) -> Iterator[list[str]]:
    for person in found:
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


def write_jsonl(found: Iterable[Subscriber], sink: TextSink) -> int:
    """Write people as one JSON object a line; returns how many."""
    number = 0
    for person in found:
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


def export_stream(
    database: Database, which: SubscriberFilter, sink: TextSink, form: Literal["csv", "jsonl"], *, raw: bool
) -> int:
    """Write people to `sink`, from one snapshot; returns how many."""
    found = people.stream(database, which)
    return write_csv(found, sink, raw=raw) if form == "csv" else write_jsonl(found, sink)


def export_file(
    database: Database,
    which: SubscriberFilter,
    path: Path,
    form: Literal["csv", "jsonl"],
    *,
    raw: bool,
    progress: Callable[[str, int, int], None] | None = None,
) -> int:
    """Write people to the file `path`, readable by its owner alone; it appears when it is whole. Returns how many.

    Raises:
        NewsletterError: it can't be written; a file that was there stays as it was.
    """
    total = people.count(database, which)

    def counted() -> Iterator[Subscriber]:
        for number, person in enumerate(people.stream(database, which), 1):
            if progress is not None and number % 1000 == 0:
                progress("writing", number, total)
            yield person

    with private_file(path) as sink:
        return write_csv(counted(), sink, raw=raw) if form == "csv" else write_jsonl(counted(), sink)


@contextmanager
def private_file(path: Path) -> Iterator[TextIO]:
    """A text file that its owner alone reads; it appears when it is whole.

    Raises:
        NewsletterError: it can't be written; a file that was there stays as it was.
    """
    if path.is_dir():
        raise NewsletterError(f"{path} can't be written: it is a folder", hint="name a file in it with --out")
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as sink:
            yield sink
            # On the disk before it takes the old file's place: a power cut leaves one of the two whole.
            sink.flush()
            os.fsync(descriptor)
        draft.replace(path)
    except OSError as error:
        raise NewsletterError(
            f"{path} can't be written: {error.strerror}", hint="name another file with --out"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
