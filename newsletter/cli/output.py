"""How text reaches the terminal: plain off a terminal, colour on one, `NO_COLOR` honoured, JSON when asked."""

from __future__ import annotations

import os
import sys
from typing import Any


def colour_wanted(stream: Any = None) -> bool:
    """Whether `stream` (standard output) should be coloured: a terminal, and no `NO_COLOR`."""
    stream = sys.stdout if stream is None else stream
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, *codes: int, stream: Any = None) -> str:
    """`text` in the SGR attributes `codes` (1 bold, 2 dim, 31 red …) where colour is wanted, else as it is."""
    if not colour_wanted(stream):
        return text
    return f"\x1b[{';'.join(map(str, codes))}m{text}\x1b[0m"


def print_error(message: str, hint: str) -> None:
    """Print what went wrong and what to do, to standard error."""
    print(f"{paint('error', 1, 31, stream=sys.stderr)}: {message}", file=sys.stderr)
    if hint:
        print(f"  {paint('help', 1, stream=sys.stderr)}: {hint}", file=sys.stderr)


def print_json(value: Any) -> None:
    """Print `value` as one JSON document; the shape is a contract with scripts."""
    import json

    print(json.dumps(value, ensure_ascii=False, indent=2))
