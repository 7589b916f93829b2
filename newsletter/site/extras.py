"""What can a build do without? Packages that may not be installed, and somebody who wants to know how far it is."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

# What is going on, how much of it is done, and of how much.
Progress = Callable[[str, int, int], None]


def untold(phase: str, done: int, total: int) -> None:
    """Nobody hears how far it is."""


def can_draw() -> bool:
    """Whether Pillow is there, which draws cards."""
    return find_spec("PIL") is not None


def encodings() -> tuple[str, ...]:
    """The content codings that files can be packed in: gzip, and br where the brotli package is."""
    return ("gzip", "br") if find_spec("brotli") else ("gzip",)
