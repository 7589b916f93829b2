"""Which encoding, which delimiter, which line is the header? What a CSV file doesn't say about itself."""

from __future__ import annotations

import codecs
import csv
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO, Final

from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from _csv import Reader

_BLOCK: Final = 1 << 20
_DELIMITERS: Final = (",", ";", "\t", "|")
_BOMS: Final = (
    # The longer ones first: UTF-32's little-endian mark begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAX_CELL: Final = 131_072  # csv's own default, stated because an unclosed quote is found by it


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file, to be read from their beginning as often as needed, one reader at a time.

    Attributes:
        path: the file, as the operator named it.
        copy: a descriptor of what came through a pipe; None where `path` itself can be opened again.
    """

    path: Path
    copy: int | None = None

    def open(self) -> BinaryIO:
        """The bytes, from the first."""
        if self.copy is None:
            return self.path.open("rb")
        os.lseek(self.copy, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self.copy), "rb")

    def text(self, encoding: str) -> io.TextIOWrapper:
        """The text, line ends kept as `csv` wants them."""
        return io.TextIOWrapper(self.open(), encoding=encoding, newline="")


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A CSV file, as it has to be read.

    Attributes:
        path: the file, as the operator named it.
        content: its bytes.
        sha256: of its bytes, in hex.
        size: in bytes.
        encoding: a Python codec.
        delimiter: between cells.
        header: the names of the columns, as written.
        header_line: the line the header ends on, counted from 1.
    """

    path: Path
    content: Content
    sha256: str
    size: int
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    header_line: int

    def open(self) -> io.TextIOWrapper:
        """The file as text, line ends kept as `csv` wants them."""
        return self.content.text(self.encoding)

    def reader(self, lines: Iterator[str]) -> Reader:
        """What splits `lines` into rows; `csv.Error` for a row that is broken."""
        csv.field_size_limit(MAX_CELL)
        # Strict: a stray quote would otherwise swallow rows up to the next one, and say nothing.
        return csv.reader(lines, delimiter=self.delimiter, strict=True)


@contextmanager
def rereadable(path: Path, folder: Path) -> Iterator[Content]:
    """The bytes of `path`, to be read several times: a pipe's are copied into `folder`, nameless, for as long as needed.

    Raises:
        NewsletterError: it can't be read.
        OSError: there is no room for the copy.
    """
    with _explained(path):
        regular = path.is_file() or path.is_dir()
        piped = None if regular else path.open("rb")
    if piped is None:
        yield Content(path)
        return
    # Without a name, so that no crash leaves addresses behind.
    with piped, TemporaryFile(dir=folder) as copy:
        shutil.copyfileobj(piped, copy, _BLOCK)
        copy.flush()
        yield Content(path, copy.fileno())


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NewsletterError(f"{path} can't be read: {error.strerror}", hint="check the path") from error


def inspect_csv(content: Content) -> CsvSource:
    """Read a file once to learn its hash, encoding, delimiter and header.

    Raises:
        NewsletterError: it can't be read, is empty, is not text, or is a spreadsheet or an archive.
    """
    path, encoding = content.path, ""
    try:
        with _explained(path):
            digest, size, encoding = _hash_and_encoding(content)
            with content.text(encoding) as stream:
                delimiter, header, line = _header(stream)
    except UnicodeError as error:
        raise NewsletterError(f"{path} is broken {encoding}: {error}", hint="save it as UTF-8") from error
    except csv.Error as error:
        raise NewsletterError(f"{path}: the header line can't be read: {error}") from error
    if not header:
        raise NewsletterError(
            f"{path} is empty", hint="the first line names the columns, one of them `email`"
        )
    return CsvSource(path, content, digest, size, encoding, delimiter, header, line)


def _hash_and_encoding(content: Content) -> tuple[str, int, str]:
    digest, size, utf8 = sha256(), 0, True
    encoding = ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with content.open() as stream:
        while block := stream.read(_BLOCK):
            if size == 0:
                _refuse_binary(content.path, block)
                encoding = next((name for mark, name in _BOMS if block.startswith(mark)), "")
            digest.update(block)
            size += len(block)
            if utf8 and not encoding:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    utf8 = False
    if not encoding:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            utf8 = False
        encoding = "utf-8" if utf8 else "cp1252"
    return digest.hexdigest(), size, encoding


def _refuse_binary(path: Path, block: bytes) -> None:
    if block.startswith(b"PK\x03\x04"):
        raise NewsletterError(
            f"{path} is a spreadsheet or a ZIP archive", hint="export it as CSV, or unpack it first"
        )
    if b"\x00" in block and not block.startswith(tuple(mark for mark, _ in _BOMS)):
        raise NewsletterError(f"{path} is not a text file", hint="export the list as CSV in UTF-8")


def _header(stream: io.TextIOWrapper) -> tuple[str, tuple[str, ...], int]:
    """The delimiter, the first row that isn't blank, and the line it ends on."""
    before = 0
    lines = iter(stream)
    first = next(lines, "")
    named = ""
    # Excel's own way to name the delimiter.
    if first.lower().startswith("sep=") and len(first.rstrip("\r\n")) == 5:
        named, first, before = first[4], next(lines, ""), 1
    while first and not first.strip():
        first, before = next(lines, ""), before + 1
    seen = [first]
    rows, broken = [], False
    for delimiter in (named,) if named else _DELIMITERS:
        reader = csv.reader(_Replay(seen, lines), delimiter=delimiter, strict=True)
        try:
            row = next(reader, [])
            rows.append((len(row), delimiter, row, before + reader.line_num))
        except csv.Error:
            broken = True
    width, delimiter, row, line = max(rows, key=lambda found: found[0], default=(0, "", [], 0))
    if broken and width < 2:
        msg = "a quote is opened and never closed"
        raise csv.Error(msg)
    return delimiter, tuple(cell.strip() for cell in row), line


class _Replay:
    """Lines already read, then fresh ones, which are remembered for the next reader."""

    def __init__(self, seen: list[str], fresh: Iterator[str]) -> None:
        self._seen = seen
        self._fresh = fresh
        self._at = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._at == len(self._seen):
            # No header has a hundred lines: an unclosed quote would read the whole file into memory.
            if self._at > 100:
                raise StopIteration
            self._seen.append(next(self._fresh))
        self._at += 1
        return self._seen[self._at - 1]
