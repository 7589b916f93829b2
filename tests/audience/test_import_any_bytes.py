"""Whatever the file holds, an import ends in counts that add up or in one of our errors."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.audience.export import write_csv, write_jsonl
from newsletter.audience.formula import formula_safe, without_guard
from newsletter.audience.membership import Audience
from newsletter.audience.suppression import LEFT, Suppressions
from newsletter.audience.transfer import ImportOptions, import_csv
from newsletter.clock import FakeClock
from newsletter.errors import NewsletterError
from newsletter.model.subscriber import SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.store.sqlite import SqliteDatabase

relaxed = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated store to copy: a new one per example would spend the time in fsync."""
    folder = tmp_path_factory.mktemp("template")
    with SqliteDatabase(folder / "newsletter.db") as database:
        Suppressions(database, b"k" * 32)
        database.checkpoint()
    return folder / "newsletter.db"


def fresh(template: Path, folder: Path) -> Audience:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(template, folder / "newsletter.db")
    database = SqliteDatabase(folder / "newsletter.db")
    return Audience(database, Suppressions(database, b"k" * 32), FakeClock())


cells = st.one_of(
    st.sampled_from(
        [
            *(
                "a@example.com",
                "B@Example.com",
                "ü@bücher.ch",
                "bad",
                "",
                "active",
                "bounced",
                "'=x",
                '"VIP","Blog"',
            ),
            *(
                '["a","\\ud800"]',
                '{"k": "\\ud800", "n": 1}',
                "[[[",
                "2024-01-01",
                "9999-12-31T23:59:59-12:00",
                "x;y",
            ),
        ]
    ),
    st.text(max_size=12),
)
headers = st.sampled_from(
    [
        "email",
        "Email Address",
        "name",
        "first name",
        "tags",
        "status",
        "created_at",
        "metadata",
        "plan",
        "",
        "line",
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """CSV of any shape, whole or cut, in any encoding."""
    rows = draw(st.lists(st.lists(cells, max_size=6), max_size=12))
    header = ["email", *draw(st.lists(headers, max_size=5))]
    sink = io.StringIO()
    delimiter = draw(st.sampled_from(",;\t"))
    writer = csv.writer(sink, delimiter=delimiter, lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])))
    writer.writerows([header, *rows])
    codec = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    data = sink.getvalue().encode(codec, "replace")
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@relaxed
@given(
    data=st.one_of(st.binary(max_size=300), tables(), st.binary(max_size=200).map(lambda b: b"email,x\n" + b))
)
def test_any_bytes_end_in_counts_that_add_up_or_in_our_error(
    template: Path, tmp_path: Path, data: bytes
) -> None:
    audience = fresh(template, tmp_path / "store")
    path = tmp_path / "list.csv"
    path.write_bytes(data)
    try:
        counts = import_csv(audience, path, ImportOptions()).counts
        again = import_csv(audience, path, ImportOptions()).counts
    except NewsletterError:
        assert people.count(audience.database) == 0
    else:
        by_status = people.counts_by_status(audience.database)
        left = sum(by_status[status] for status in LEFT)
        assert counts.added + left == sum(by_status.values())
        assert counts.suppressed == left
        assert (again.added, again.updated, again.rejected) == (0, 0, counts.rejected)
        assert bool(counts.errors_file) == bool(counts.rejected)
    finally:
        audience.database.close()


texts = st.text(st.characters(codec="utf-8"), max_size=12)
records = st.fixed_dictionaries(
    {
        "name": texts.map(lambda text: " ".join("".join(c for c in text if c.isprintable()).split()))
        | st.sampled_from(["=1+1", "'=x", "@x", "+1", "-", "''-"]),
        "tags": st.lists(
            st.sampled_from(["a", "b c", "x,y", 'q"q', "[z", "=t", "é", "a;b", "'+"]), max_size=3, unique=True
        ),
        "metadata": st.dictionaries(texts, texts, max_size=2),
        "status": st.sampled_from(SubscriberStatus),
    }
)


@relaxed
@given(rows=st.lists(records, max_size=4), raw=st.booleans())
def test_an_export_brought_into_an_empty_list_gives_the_same_list(
    template: Path, tmp_path: Path, rows: list[dict[str, object]], raw: bool
) -> None:
    first = fresh(template, tmp_path / "one")
    with first.database.write() as tx:
        for index, row in enumerate(rows):
            # A local part may begin with what a spreadsheet runs.
            email = f"{'+=-'[index % 3]}Person{index}@Example.com"
            number = people.insert(
                tx,
                email=email,
                match_key=email.lower(),
                at="2024-01-02T03:04:05.678Z",
                name=row["name"],  # type: ignore[arg-type] # the strategy above
                status=row["status"],  # type: ignore[arg-type] # ditto
                metadata=row["metadata"],  # type: ignore[arg-type] # ditto
            )
            people.add_tags(tx, number, row["tags"])  # type: ignore[arg-type] # ditto
    path = tmp_path / "export.csv"
    with path.open("w", encoding="utf-8", newline="") as sink:
        write_csv(people.stream(first.database), sink, raw=raw)
    second = fresh(template, tmp_path / "two")
    counts = import_csv(second, path, ImportOptions(raw=raw)).counts
    assert counts.rejected == 0, path.read_text()

    def lines(audience: Audience) -> list[str]:
        sink = io.StringIO()
        write_jsonl(people.stream(audience.database), sink)
        audience.database.close()
        return sorted(sink.getvalue().splitlines())

    assert lines(second) == lines(first)


@given(st.text())
def test_no_exported_cell_is_run_by_a_spreadsheet_and_each_comes_back(cell: str) -> None:
    safe = formula_safe(cell)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert list(without_guard([safe])) == [cell]
