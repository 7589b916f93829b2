"""Which packages that the site can do without are installed? Asked before anything that builds is imported."""

from __future__ import annotations

from importlib.util import find_spec


def can_draw() -> bool:
    """Whether Pillow is there, which draws cards."""
    return find_spec("PIL") is not None


def encodings() -> tuple[str, ...]:
    """The content codings that files can be packed in: gzip, and br where the brotli package is."""
    return ("gzip", "br") if find_spec("brotli") else ("gzip",)
