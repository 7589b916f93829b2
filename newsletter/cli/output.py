"""How text reaches the terminal: plain off a terminal, colour on one, `NO_COLOR` honoured, JSON when asked."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def prepare_streams() -> None:
    """Make the standard streams such that no print can fail for what is printed, or for a stream that is closed.

    A character the terminal's encoding doesn't have is written as an escape. A stream the caller
    closed (`>&-`) is None in Python, and its number would be given to the next file opened.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - it lives as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def colour_wanted(stream: Any = None) -> bool:
    """Whether `stream` (standard output) should be coloured: a terminal, and no `NO_COLOR`."""
    stream = sys.stdout if stream is None else stream
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, *codes: int, stream: Any = None) -> str:
    """`text` in the SGR attributes `codes` (1 bold, 2 dim, 31 red …) where colour is wanted, else as it is."""
    if not colour_wanted(stream):
        return text
    return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 issue`, `2 issues`, `1,000 people`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def from_here(path: Path) -> Path:
    """`path` as seen from the current folder, where it is below it."""
    return Path(named_from_here()(str(path)))


def named_from_here() -> Callable[[str], str]:
    """What gives a path as seen from the current folder, where it is below it; of a thousand that are asked for."""
    here = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118 - as above

    def named(path: str) -> str:
        # A comparison of words takes a third of what `relative_to` does.
        return path.removeprefix(here) if f"{path}{os.sep}" != here else "."

    return named


def print_error(message: str, hint: str) -> None:
    """Print what went wrong and what to do, to standard error.

    What a file, a server or an argument put into the words is shown, never obeyed by the terminal.
    """
    from newsletter.cli.terminal_text import printable

    shown, way_out = ("\n".join(map(printable, text.split("\n"))) for text in (message, hint))
    print(f"{paint('error', 1, 31, stream=sys.stderr)}: {shown}", file=sys.stderr)
    if hint:
        print(f"  {paint('help', 1, stream=sys.stderr)}: {way_out}", file=sys.stderr)


def json_text(value: Any, *, indent: int | None = 2) -> str:
    """`value` as JSON that standard output can carry: with its own escapes where that isn't Unicode."""
    import json

    unicode_wanted = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    return json.dumps(value, ensure_ascii=not unicode_wanted, indent=indent)


def print_json(value: Any) -> None:
    """Print `value` as one JSON document; the shape is a contract with scripts."""
    print(json_text(value))
