"""Which addresses in an issue are counted, where an author switched that on? Links and a picture become slots.

Each slot's default is the address the author wrote. So a preview, a test message and anybody without a
value for it get the plain link, and what a link leads to is read from the frozen content of the send, never
from the link itself: no redirect can be made up.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from newsletter.model.template import CompiledIssue, Context, Slot, Template

OPEN_FIELD: Final = "tracking.open"
LINK_FIELD: Final = "tracking.link."
# The link nobody sees: whoever follows it follows every link, and reads none.
CANARY: Final = 0
_LINK = re.compile(r'(<a\b(?:[^<>"]|"[^"<>]*")*?\shref=")(https?://[^"<>]+)(?=")', re.IGNORECASE)
_END = re.compile(r"</body\s*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TrackingWishes:
    """What is counted.

    Attributes:
        opens: who loads a picture nobody sees.
        clicks: who follows a link of the HTML part; the plain text's links stay as they are.
        leave_alone: beginnings of addresses that are never counted.
    """

    opens: bool = False
    clicks: bool = False
    leave_alone: tuple[str, ...] = ()


NOTHING_TRACKED: Final = TrackingWishes()


def track(issue: CompiledIssue, wishes: TrackingWishes, base_url: str) -> CompiledIssue:
    """`issue` with slots where something is counted; the same issue where nothing is.

    Args:
        issue: compiled.
        wishes: what is counted.
        base_url: of the public service, without a trailing slash.
    """
    if not (wishes.opens or wishes.clicks) or not base_url.startswith(("http://", "https://")):
        return issue
    parts: list[str | Slot] = []
    numbers: dict[str, int] = {}
    for part in issue.html.parts:
        if isinstance(part, Slot) or not wishes.clicks:
            parts.append(part)
            continue
        parts += _with_links(part, numbers, wishes.leave_alone)
    return replace(issue, html=Template(_with_end(tuple(parts), wishes, base_url)))


def links_of(issue: CompiledIssue) -> Mapping[int, str]:
    """Where each counted link leads, by its number."""
    return {
        int(slot.field.removeprefix(LINK_FIELD)): slot.default
        for slot in issue.html.slots
        if slot.field.startswith(LINK_FIELD)
    }


def _with_links(literal: str, numbers: dict[str, int], leave_alone: tuple[str, ...]) -> list[str | Slot]:
    parts: list[str | Slot] = []
    position = 0
    for match in _LINK.finditer(literal):
        url = html.unescape(match[2])
        if leave_alone and url.startswith(leave_alone):
            continue
        number = numbers.setdefault(url, len(numbers) + 1)
        parts += [literal[position : match.end(1)], Slot(f"{LINK_FIELD}{number}", url, Context.URL)]
        position = match.end()
    return [*parts, literal[position:]]


def _with_end(parts: tuple[str | Slot, ...], wishes: TrackingWishes, base_url: str) -> tuple[str | Slot, ...]:
    """`parts` with what nobody sees at the end of the body."""
    added: list[str | Slot] = []
    if wishes.clicks:
        added += ['<a href="', Slot(f"{LINK_FIELD}{CANARY}", base_url, Context.URL), '" tabindex="-1" aria-hidden="true"></a>']  # fmt: skip
    if wishes.opens:
        added += ['<img src="', Slot(OPEN_FIELD, f"{base_url}/o/-.gif", Context.URL), '" width="1" height="1" alt="" style="border:0">']  # fmt: skip
    last = parts[-1] if parts and isinstance(parts[-1], str) else ""
    before = parts[:-1] if last else parts
    ends = list(_END.finditer(last))
    at = ends[-1].start() if ends else len(last)
    return tuple(part for part in (*before, last[:at], *added, last[at:]) if part != "")
