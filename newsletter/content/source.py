"""What does a file hold as text, before anything is read out of it?"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import NewsletterError

# Ten times what Gmail shows of a message; past it a file is a data set or a picture with a wrong name.
MAX_BYTES = 1_000_000
# Most files are read in one piece. For more, room would be made each time, and given back.
_AT_ONCE = 65_536


class Source(NamedTuple):
    """The text of a file.

    Attributes:
        path: the file.
        named: what findings call it.
        text: what it holds, wrong bytes replaced; None where it is no text, or too much of it.
        diagnostics: what is wrong with its bytes.
    """

    path: str
    named: str
    text: str | None
    diagnostics: tuple[Diagnostic, ...] = ()


def read_text(path: Path, display: str | None = None) -> Source:
    """Read a file; findings call it `display`, or its path as given.

    Raises:
        NewsletterError: there is no such file, or it can't be read.
    """
    named = str(path) if display is None else display
    data = read_source(path, named)
    if len(data) > MAX_BYTES:
        return Source(str(path), named, None, (too_large(named, len(data)),))
    try:
        return Source(str(path), named, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        text = None if _is_utf16(data) or b"\0" in data else data.decode("utf-8", errors="replace")
        return Source(str(path), named, text, (_undecodable(data, error, named),))


def read_source(path: Path, named: str) -> bytes:
    """The bytes of a regular file, at most one more than an issue may have.

    Raises:
        NewsletterError: there is no such file, it is something else, or it can't be read.
    """
    try:
        # A pipe or a device would be waited for without end.
        if not path.is_file():
            if path.is_dir():
                raise NewsletterError(f"{named} is a folder", hint="name an issue in it")
            if path.exists():
                raise NewsletterError(f"{named} is not an ordinary file")
            raise NewsletterError(f"{named} doesn't exist", hint='make an issue with newsletter new "Title"')
        with open(path, "rb") as file:  # noqa: PTH123 - a thousand times a build
            data = file.read(_AT_ONCE)
            return data if len(data) < _AT_ONCE else data + file.read(MAX_BYTES + 1 - _AT_ONCE)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise NewsletterError(
            f"{named} can't be read: {reason}", hint="check the path and its permissions"
        ) from None


def too_large(path: str, size: int) -> Diagnostic:
    """The finding about a text of `size` characters or bytes, which is past the limit."""
    return Diagnostic(
        "NL109",
        Severity.ERROR,
        f"the file has {size / 1e6:.1f} MB or more, and an issue has at most {MAX_BYTES / 1e6:.0f}",
        path,
        help="keep pictures in files of their own, and link to data",
    )


def _is_utf16(data: bytes) -> bool:
    return data.startswith((b"\xff\xfe", b"\xfe\xff"))


def _undecodable(data: bytes, error: UnicodeDecodeError, path: str) -> Diagnostic:
    """Say where the first wrong byte stands."""
    before = data[: error.start].decode("utf-8")
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    what = "the file is UTF-16" if _is_utf16(data) else f"byte 0x{data[error.start]:02X} is not UTF-8"
    return Diagnostic("NL100", Severity.ERROR, what, path, line, column, help="save the file as UTF-8")


def by_place(diagnostic: Diagnostic) -> tuple[str, int, int, str]:
    """Sorts findings as an author works through them."""
    return diagnostic.path, diagnostic.line, diagnostic.column, diagnostic.code
