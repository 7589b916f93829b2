"""Bringing a list in: every row of a CSV file validated, staged, and merged as a whole; nobody who left comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from newsletter.audience.columns import Columns, clean_tags, find_columns, status_of_file_name
from newsletter.audience.csv_source import CsvSource, inspect_csv, rereadable
from newsletter.audience.import_rows import ImportRows, Progress, RejectedRows, tags_json
from newsletter.audience.membership import Audience
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store.base import utc_text
from newsletter.store.imports import ImportCounts, ImportFacts, Stage, import_lock, merge_import
from newsletter.store.sqlite import SqliteDatabase


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the operator says about a file.

    Attributes:
        mapping: one of `columns.MAPPABLE` → the column's name in the file.
        status: of rows that name none; None to go by the file's name, else active.
        tags: given to every row.
        raw: cells are taken as they are: no `'` before `= + - @` is removed.
        dry_run: count, change nothing.
        attestation: how these people agreed, for the consent record.
    """

    mapping: Mapping[str, str] = field(default_factory=dict)
    status: SubscriberStatus | None = None
    tags: tuple[str, ...] = ()
    raw: bool = False
    dry_run: bool = False
    attestation: str = ""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, or with `dry_run` would do.

    Attributes:
        counts: rows by what became of them.
        notes: what was assumed about the file, a sentence each.
    """

    counts: ImportCounts
    notes: tuple[str, ...] = ()


def import_csv(
    audience: Audience, path: Path, options: ImportOptions, progress: Progress | None = None
) -> ImportResult:
    """Bring in the people of a CSV file; running it again changes nothing more.

    Up to the moment all rows are validated and staged nothing has happened; from then on the import
    is finished, by this call or, after a crash, when the store is next opened.

    Raises:
        NewsletterError: the file can't be read or has no email column; the list is as it was.
        UsageError: a mapping names a column that isn't there.
        StoreError: the disk is full, or another import is running.
    """
    # What came through a pipe can be read only once, and an import reads twice.
    with rereadable(path, audience.database.path.parent) as content:
        return _import_source(audience, inspect_csv(content), options, progress)


def _import_source(
    audience: Audience, source: CsvSource, options: ImportOptions, progress: Progress | None
) -> ImportResult:
    database, address_hmac = audience.database, audience.suppressions.address_hmac
    path = source.path
    columns = find_columns(source.header, options.mapping, str(path))
    status, notes = _default_status(source, columns, options)
    with import_lock(database), Stage(database, status.value) as stage:
        at = utc_text(audience.clock.now())
        rejected = RejectedRows(_errors_path(database, source), source.header)
        with rejected:
            rows = ImportRows(
                source,
                columns,
                rejected,
                status=options.status if columns.decide else status,
                tags=clean_tags(options.tags),
                raw=options.raw,
                latest=at,
            )
            for staged in rows.vectors(progress):
                stage.add(staged)
            _, people = stage.seal(has_tags=rows.has_tags, has_status=rows.has_status)
        errors_file = str(rejected.path) if rejected.count else ""
        if options.dry_run:
            counts = stage.forecast(address_hmac, tags=tags_json(options.tags))
            return ImportResult(_with_rejected(counts, rejected.count, errors_file), notes)
        facts = ImportFacts(
            file_name=path.name.encode("utf-8", "replace").decode(),
            sha256=source.sha256,
            started_at=at,
            status=status.value,
            tags=tags_json(options.tags),
            attestation=options.attestation,
            rejected=rejected.count,
            errors_file=errors_file,
        )
        import_id = stage.register(facts)

        def merging(done: int, total: int) -> None:
            if progress is not None:
                progress("merging", done, total)

        merging(0, people)
        counts = merge_import(database, import_id, address_hmac, at=at, progress=merging)
    return ImportResult(counts, notes)


def _default_status(
    source: CsvSource, columns: Columns, options: ImportOptions
) -> tuple[SubscriberStatus, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    if source.encoding == "cp1252":
        notes = ("the file is not UTF-8: read as Windows-1252",)
    if columns.signs:
        listed = ", ".join(f"`{source.header[sign.index]}`" for sign in columns.signs)
        notes = (*notes, f"who left is read from {listed}")
    if options.status is not None or columns.decide:
        return options.status or SubscriberStatus.ACTIVE, notes
    named = status_of_file_name(source.path.stem)
    if named is not None:
        return named, (*notes, f"the file's name says so: every row is taken as {named.value}")
    which = "everybody else" if columns.signs else "every row"
    said = f"the file has no status column: {which} is taken as active (--status says otherwise)"
    return SubscriberStatus.ACTIVE, (*notes, said)


def _with_rejected(counts: ImportCounts, rejected: int, errors_file: str) -> ImportCounts:
    return ImportCounts(
        counts.added, counts.updated, counts.unchanged, counts.suppressed, rejected, errors_file
    )


def _errors_path(database: SqliteDatabase, source: CsvSource) -> Path:
    stem = re.sub(r"[^\w.-]+", "_", source.path.stem, flags=re.ASCII)
    # Beside the store, which is kept out of version control, rather than beside a file that may not be;
    # named after the content, so that running again replaces it.
    return database.path.parent / "rejected" / f"{stem[:80]}-{source.sha256[:8]}.csv"
