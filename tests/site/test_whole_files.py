"""Several files appear together, or the old ones stay: a disk that is full, a folder in the way, a reader meanwhile."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from newsletter.errors import NewsletterError
from newsletter.site.whole_files import write_whole


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_texts_are_written_as_they_are_into_folders_that_are_made(tmp_path: Path) -> None:
    write_whole({tmp_path / "a" / "b" / "c.txt": "é\r\n\n", tmp_path / "d.txt": ""})
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "é\r\n\n".encode()
    assert (tmp_path / "d.txt").read_bytes() == b""


def test_a_full_disk_leaves_all_the_old_files_and_nothing_else(tmp_path: Path) -> None:
    small, large = tmp_path / "small.txt", tmp_path / "large.txt"
    small.write_text("old")
    large.write_text("old")
    with (
        full_disk(5_000),
        pytest.raises(NewsletterError, match=r"large\.txt can't be written: File too large"),
    ):
        write_whole({small: "new", large: "x" * 100_000})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "small.txt": "old",
        "large.txt": "old",
    }


def test_who_has_the_old_file_open_reads_it_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "bank.csv"
    path.write_text("old " * 10_000)
    with path.open() as reader:
        first = reader.read(4)
        write_whole({path: "new"})
        assert first + reader.read() == "old " * 10_000
    assert path.read_text() == "new"


def test_a_name_below_a_file_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NewsletterError, match=r"file/bank\.csv can't be written: .*/file is a file"):
        write_whole({tmp_path / "file" / "bank.csv": "x"})


def test_what_can_be_neither_written_nor_taken_away_is_told_by_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(NewsletterError, match=r"x\.csv can't be written: File name too long"):
        write_whole({tmp_path / f"{'x' * 251}.csv": "x"})
