"""What do the reports of all providers have in common? JSON, moments and identifiers, read with suspicion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def read_report(body: bytes) -> Any:
    """The JSON of a webhook call.

    Raises:
        ValueError: it isn't JSON in UTF-8.
    """
    try:
        return json.loads(body.decode("utf-8"))
    except RecursionError:
        raise ValueError("the report is nested too deeply") from None


def read_entries(body: bytes, title: str) -> list[dict[str, Any]]:
    """The entries of a call that holds a list of them, or one alone; `title` is the provider's name for people.

    Raises:
        ValueError: it isn't JSON, or an entry names no `event`.
    """
    tree = read_report(body)
    entries = tree if isinstance(tree, list) else [tree]
    if not entries or not all(isinstance(entry, dict) and "event" in entry for entry in entries):
        msg = f"no {title} event: an object or a list of objects with `event` was expected"
        raise ValueError(msg)
    return entries


def text(report: Any, *path: str) -> str:
    """What stands at `path`, a field in a field; empty unless it is a string or a number."""
    for name in path:
        report = report.get(name) if isinstance(report, Mapping) else None
    if isinstance(report, bool) or not isinstance(report, str | int | float):
        return ""
    return str(report)


def moment(value: Any) -> datetime | None:
    """A moment with its zone: of ISO 8601 text (UTC where it names none) or seconds since 1970; None otherwise."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def digest(report: Any) -> str:
    """An identifier for a report that has none: the same for the same report, whatever the order of its fields."""
    canonical = json.dumps(report, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]
