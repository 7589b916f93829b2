"""What does a new issue look like? Every blank is a `TK`, which the checks find and a send refuses."""

from __future__ import annotations

import datetime as dt
import json

from newsletter.content.fields import FieldPlan, Shape, plan_of
from newsletter.model.issue import Bullet, Labelled, SectionKind, Subsection


def skeleton(*, number: int, title: str, date: dt.date, kinds: tuple[SectionKind, ...]) -> str:
    """The text of a new issue that checks clean but for its blanks."""
    front = [
        "---",
        f"number: {number}",
        f"title: {_yaml_text(title)}",
        f"date: {date.isoformat()}",
        'description: "TK what the inbox shows after the subject"',
        "tags: []",
        "status: draft",
        "---",
    ]
    return "\n\n".join(["\n".join(front), *(_section(kind) for kind in kinds)]) + "\n"


def _yaml_text(text: str) -> str:
    # JSON's strings are YAML's double-quoted ones.
    return json.dumps(text, ensure_ascii=False)


def _section(kind: SectionKind) -> str:
    fields = [plan for plan in plan_of(kind.model).fields if plan.required or _is_worth_showing(plan)]
    bullets = [plan for plan in fields if isinstance(plan.marker, Bullet)]
    # What readers choose by stands first; what sums up a text stands after it.
    leading = [plan for plan in bullets if not plan.repeats]
    trailing = [plan for plan in bullets if plan.repeats]
    blocks = [f"## {kind.heading}: TK its title"]
    if leading:
        blocks.append("\n".join(plan.written(_blank(plan)) for plan in leading))
    blocks.append("TK the text")
    if trailing:
        blocks.append("\n".join(plan.written(_blank(plan)) for plan in trailing))
    blocks += [plan.written("TK one sentence") for plan in fields if isinstance(plan.marker, Labelled)]
    for plan in fields:
        if isinstance(plan.marker, Subsection):
            blocks.append(f"{plan.written()}\n\nTK")
    return "\n\n".join(blocks)


def _is_worth_showing(plan: FieldPlan) -> bool:
    """Optional Markdown is shown, so that nobody has to remember it; it is deleted as easily."""
    return plan.shape is Shape.PROSE


def _blank(plan: FieldPlan) -> str:
    if plan.takes:
        return f"TK {plan.takes}"
    return "TK a few words, separated by commas" if plan.shape is Shape.LIST else "TK"
