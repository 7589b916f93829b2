"""From the lines of a CSV file to rows that can be staged, and a file of those that can't."""

from __future__ import annotations

import ast
import csv
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from newsletter.audience.addresses import Address, AddressChecker
from newsletter.audience.columns import Columns, clean_tags, clean_text, read_status, read_tags, read_time
from newsletter.audience.csv_source import MAX_CELL, CsvSource
from newsletter.audience.formula import formula_safe, without_guard
from newsletter.audience.signs import Sign
from newsletter.errors import NewsletterError
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store.imports import StagedRow

if TYPE_CHECKING:
    from _csv import Writer

VECTOR: Final = 4000  # lines read and checked together
_MOST_REMEMBERED: Final = 10_000  # distinct tag cells, so that memory stays flat
_LONGEST_LITERAL: Final = 10_000
# What Substack's exports have in the place of an address whose owner asked to be erased.
_ERASED: Final = "@deletion-request.substack.com"

# (what is going on: "reading" or "merging", done, of)
Progress = Callable[[str, int, int], None]
RawRow = list[str]


class RejectedRows:
    """The errors file: line, reason and the row as it was, made at the first row and whole at the end."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self.path = path
        self.count = 0
        self._header = header
        self._draft = path.with_suffix(".part")
        self._writer: Writer | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, line: int, reason: str, row: Sequence[str]) -> None:
        """File a row, with the line it begins on and why it can't be used."""
        if self._writer is None:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            self._stream = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._stream, lineterminator="\n")
            self._writer.writerow(["line", "reason", *map(formula_safe, self._header)])
        self._writer.writerow([line, reason, *map(formula_safe, row)])
        self.count += 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is None:
            return
        self._stream.close()
        if kind is None:
            self._draft.replace(self.path)
        else:
            self._draft.unlink(missing_ok=True)


class ImportRows:
    """The rows of one file, as vectors ready to stage.

    Args:
        source: the file.
        columns: what stands where in it.
        rejected: takes the rows that can't be used.
        status: of rows that name none; None refuses them, where the file has a column for it.
        tags: given to every row.
        raw: cells are taken as they are, see `formula_safe`.
        latest: no date is later than this one, see `utc_text`.

    Attributes:
        has_tags: some row so far, or all, bring tags.
        has_status: some row so far, or all, are other than active.
    """

    def __init__(
        self,
        source: CsvSource,
        columns: Columns,
        rejected: RejectedRows,
        *,
        status: SubscriberStatus | None,
        tags: tuple[str, ...],
        raw: bool,
        latest: str,
    ) -> None:
        self._source = source
        self._columns = columns
        self._rejected = rejected
        self._status = status
        self._common_tags = tags
        self._raw = raw
        self._latest = latest
        self._checker = AddressChecker()
        self._tags: dict[str, str] = {}
        self.has_tags = bool(tags)
        self.has_status = status not in (None, SubscriberStatus.ACTIVE)

    def vectors(self, progress: Progress | None) -> Iterator[list[StagedRow]]:
        """Validated rows, some thousand at a time; the others are in the errors file by then.

        Raises:
            NewsletterError: the file can't be decoded, or a quote is never closed.
        """
        number, read = self._source.header_line, 0
        with self._source.open() as stream:
            try:
                for _ in islice(stream, number):
                    pass
                while chunk := list(islice(stream, VECTOR)):
                    numbers, rows, number = self._parse(chunk, stream, number + 1)
                    yield self._staged(*self._full_width(numbers, rows))
                    if progress is not None:
                        read += sum(map(len, chunk))
                        progress("reading", min(read, self._source.size), self._source.size)
            except UnicodeError as error:
                raise NewsletterError(
                    f"{self._source.path} is broken {self._source.encoding} near line {number}",
                    hint="save it as UTF-8; nothing was imported",
                ) from error
            except OSError as error:
                raise NewsletterError(
                    f"{self._source.path} can't be read any further: {error.strerror}",
                    hint="nothing was imported",
                ) from error

    def _parse(
        self, chunk: list[str], stream: Iterator[str], first: int
    ) -> tuple[Sequence[int], list[RawRow], int]:
        """The rows of some lines and of as many more as their last row has, each with the line it begins on.

        Args:
            chunk: lines.
            stream: the lines that follow.
            first: the number of the first line.

        Returns:
            line numbers, rows, and the number of the last line read.
        """
        try:
            rows = list(self._source.reader(iter(chunk)))
            if len(rows) == len(chunk):
                return range(first, first + len(rows)), rows, first + len(rows) - 1
        except csv.Error:
            pass
        # A row over several lines, or a broken one: once more, row by row.
        lines = _Lines(chunk, stream)
        reader = self._source.reader(lines)
        numbers, rows = [], []
        while lines.read < len(chunk):
            start = lines.read
            try:
                row = next(reader, [])
            except csv.Error as error:
                if "field limit" in str(error) and '"' not in lines.seen[start]:
                    raise NewsletterError(
                        f"{self._source.path}:{first + start}: a cell is longer than {MAX_CELL:,} characters",
                        hint="shorten it, or leave its column out; nothing was imported",
                    ) from None
                if "unexpected end" in str(error) or "field limit" in str(error):
                    raise NewsletterError(
                        f"{self._source.path}:{first + start}: a quote is opened and never closed",
                        hint='write a quote inside a quoted cell twice: ""; nothing was imported',
                    ) from None
                text = "".join(lines.seen[start:]).rstrip("\r\n")
                self._rejected.add(first + start, f"not valid CSV: {error}", [text])
                continue
            numbers.append(first + start)
            rows.append(row)
        return numbers, rows, first + lines.read - 1

    def _full_width(self, numbers: Sequence[int], rows: list[RawRow]) -> tuple[Sequence[int], list[RawRow]]:
        """Rows as wide as the header: blank ones dropped, short ones filled up, long ones rejected."""
        width = self._columns.width
        if set(map(len, rows)) == {width}:
            return numbers, rows
        kept, full = [], []
        for number, row in zip(numbers, rows, strict=True):
            if any(cell.strip() for cell in row[width:]):
                reason = f"{len(row)} cells where the header has {width}"
                self._rejected.add(number, reason, row)
            elif row:
                kept.append(number)
                full.append((row + [""] * width)[:width])
        return kept, full

    def _staged(self, numbers: Sequence[int], rows: list[RawRow]) -> list[StagedRow]:
        if not rows:
            return []
        columns = self._columns
        cells: list[Sequence[str]] = list(zip(*rows, strict=True))
        if not self._raw:
            cells = [without_guard(column) for column in cells]
        emails = [email.strip() for email in cells[columns.email]]
        checked = self._checker.check(emails)
        keys = [email.lower() for email in emails]
        sent: list[str] = ["" if email == key else email for email, key in zip(emails, keys, strict=True)]
        statuses, problems = self._statuses(cells, len(rows))
        for index, result in enumerate(checked):
            if result is None:
                continue
            if isinstance(result, Address):
                keys[index], sent[index] = result.match_key, result.email
            else:
                problems[index] = result if emails[index] else "no address"
        # Looked for in all of them at once: few lists have any.
        if _ERASED in "\n".join(keys):
            gone = (index for index, key in enumerate(keys) if key.endswith(_ERASED))
            problems |= dict.fromkeys(gone, "whoever this was had Substack erase them")
        staged = zip(
            keys,
            sent,
            self._names(cells, len(rows)),
            statuses,
            self._tag_cells(cells, len(rows)),
            *self._metadata_and_times(cells, len(rows)),
            strict=True,
        )
        if not problems:
            return list(staged)
        for index, reason in sorted(problems.items()):
            self._rejected.add(numbers[index], reason, rows[index])
        return [row for index, row in enumerate(staged) if index not in problems]

    def _statuses(self, cells: Sequence[Sequence[str]], size: int) -> tuple[list[str], dict[int, str]]:
        """Each row's own status, and why a row can't be placed."""
        columns = self._columns
        problems: dict[int, str] = {}
        statuses: list[str] = [""] * size
        if columns.status is not None:
            column = cells[columns.status]
            known = {cell: read_status(cell) for cell in set(column)}
            for index, cell in enumerate(column):
                status = known[cell]
                if status is not None:
                    statuses[index] = status.value
                elif cell.strip():
                    problems[index] = f"unknown status `{clean_text(cell)[:40]}`"
        if columns.left_at is not None:
            for index, cell in enumerate(cells[columns.left_at]):
                if cell.strip() and statuses[index] in ("", "active", "pending"):
                    statuses[index] = SubscriberStatus.UNSUBSCRIBED.value
        for sign in columns.signs:
            self._read_sign(sign, cells[sign.index], statuses)
        if columns.decide and self._status is None:
            for index, found in enumerate(statuses):
                if not found:
                    problems.setdefault(index, self._undecided(cells, index))
        self.has_status = self.has_status or any(status not in ("", "active") for status in statuses)
        return statuses, problems

    @staticmethod
    def _read_sign(sign: Sign, column: Sequence[str], statuses: list[str]) -> None:
        """Let a column say who left; what said so before stays, and nobody comes back by it."""
        known = {cell: sign.read(cell) for cell in set(column)}
        for index, cell in enumerate(column):
            said = known[cell]
            if said is not None and statuses[index] in ("", "active", "pending"):
                stays = said in (SubscriberStatus.ACTIVE, SubscriberStatus.PENDING)
                statuses[index] = (statuses[index] if stays else "") or said.value

    def _undecided(self, cells: Sequence[Sequence[str]], index: int) -> str:
        """Why a row has no status: a deciding column's cell is empty, or says what nobody knows."""
        for sign in self._columns.signs:
            if sign.decides and (cell := cells[sign.index][index].strip()):
                return f"unknown status `{clean_text(cell)[:40]}`"
        return "no status"

    def _names(self, cells: Sequence[Sequence[str]], size: int) -> list[str]:
        parts = [cells[index] for index in self._columns.names]
        if not parts:
            return [""] * size
        names = parts[0] if len(parts) == 1 else [" ".join(part) for part in zip(*parts, strict=True)]
        if "".join(names).isprintable():
            return [name.strip() for name in names]
        return [clean_text(name) for name in names]

    def _tag_cells(self, cells: Sequence[Sequence[str]], size: int) -> list[str]:
        if self._columns.tags is None:
            return [""] * size
        if len(self._tags) > _MOST_REMEMBERED:
            self._tags.clear()
        column, known = cells[self._columns.tags], self._tags
        for cell in set(column) - known.keys():
            tags = read_tags(cell)
            known[cell] = tags_json((*tags, *self._common_tags)) if tags else ""
            self.has_tags = self.has_tags or bool(tags)
        return [known[cell] for cell in column]

    def _metadata_and_times(self, cells: Sequence[Sequence[str]], size: int) -> tuple[list[str], list[str]]:
        columns = self._columns
        metadata: dict[int, dict[str, str]] = defaultdict(dict)
        for at, name in columns.others:
            for index, cell in enumerate(cells[at]):
                if cell:
                    metadata[index][name] = cell
        if columns.metadata is not None:
            for index, cell in enumerate(cells[columns.metadata]):
                if cell.strip():
                    metadata[index] |= _metadata_cell(cell)
        times = [""] * size
        if columns.created_at is not None:
            column, latest = cells[columns.created_at], self._latest
            times = [read_time(cell, latest) for cell in column]
            # A date with two meanings is not guessed, and not lost.
            if "" in times:
                for index, cell in enumerate(column):
                    if not times[index] and cell.strip():
                        metadata[index][self._source.header[columns.created_at]] = cell
        packed = [""] * size
        for index, entry in metadata.items():
            packed[index] = json.dumps(entry, ensure_ascii=False)
        return packed, times


def _metadata_cell(cell: str) -> dict[str, str]:
    """A JSON object, or Buttondown's Python dictionary, as strings; anything else is kept under its own name."""
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        value = _python_literal(cell) if cell.lstrip().startswith("{") else None
    if not isinstance(value, dict):
        return {"metadata": cell}
    entries = {
        key: entry if isinstance(entry, str) else json.dumps(entry)
        for key, entry in value.items()
        if entry is not None
    }
    # An escaped half of a surrogate pair is valid JSON and no text.
    return {_text(key): _text(entry) for key, entry in entries.items()}


def _python_literal(cell: str) -> object:
    """The value Python would print so; None for anything else, and for what would take long to read."""
    if len(cell) > _LONGEST_LITERAL:
        return None
    try:
        value = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    plain = isinstance(value, dict) and all(
        isinstance(key, str) and (entry is None or isinstance(entry, str | int | float | list | dict))
        for key, entry in value.items()
    )
    try:
        return json.loads(json.dumps(value)) if plain else None
    except (ValueError, TypeError, RecursionError):
        return None


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def tags_json(tags: Sequence[str]) -> str:
    """Tags as a staged row holds them."""
    return json.dumps(clean_tags(tags), ensure_ascii=False)


class _Lines:
    """Some lines and those that follow, remembered, to show a broken row as it was."""

    def __init__(self, chunk: list[str], stream: Iterator[str]) -> None:
        self._lines = chain(chunk, stream)
        self.seen: list[str] = []

    @property
    def read(self) -> int:
        """How many lines were read."""
        return len(self.seen)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.seen.append(next(self._lines))
        return self.seen[-1]
