"""What does a new issue or a new guide look like? Every blank is a `TK`, which the checks find and a send refuses."""

from __future__ import annotations

import datetime as dt
import json
import re

from newsletter.content.fields import FieldPlan, Shape, plan_of
from newsletter.model.guide import CHOOSING, COMPARISON, FAQ
from newsletter.model.issue import Bullet, Labelled, SectionKind, Subsection

_REVIEW_AFTER = dt.timedelta(days=182)
_BETWEEN = re.compile(r",?[ ]+(?:vs\.?|versus|or)[ ]+|,[ ]+", re.IGNORECASE)


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


def guide_skeleton(*, title: str, today: dt.date) -> str:
    """The text of a new guide that checks clean but for its blanks; the options are those the title compares."""
    options = options_of(title)
    columns = len(options) + 1
    front = [
        "---",
        "type: guide",
        f"title: {_yaml_text(title)}",
        'description: "TK the answer in at most 160 characters"',
        f"options: [{', '.join(map(_yaml_text, options))}]",
        f"updated: {today.isoformat()}",
        f"review_by: {(today + _REVIEW_AFTER).isoformat()}",
        "tags: []",
        "related: []",
        "sources: []",
        "status: draft",
        "---",
        "TK the straight answer, in two or three sentences",
    ]
    bars = [
        f"| {' | '.join(cells)} |" for cells in (["Aspect", *options], *[["TK", *["TK"] * len(options)]] * 3)
    ]
    table = [
        bars[0],
        "|" + "---|" * columns,
        *(bar.replace("TK", f"TK aspect {n}", 1) for n, bar in enumerate(bars[1:], 1)),
    ]
    return (
        "\n\n".join(
            [
                "\n".join(front),
                f"## {COMPARISON.heading}",
                "\n".join(table),
                "**Caption:** TK what the table compares",
                f"## {CHOOSING.heading}",
                *(f"### Choose {option}\n\nTK when it is the right one" for option in options),
                "> [!NOTE]\n> TK what holds for all of them",
                f"## {FAQ.heading}",
                "### TK what do people ask?\n\nTK the answer",
            ]
        )
        + "\n"
    )


def options_of(title: str) -> list[str]:
    """The two to four things a title such as `A vs B` compares; blanks where it compares none."""
    subject = title.partition(":")[0]
    options = [part.strip(" ,") for part in _BETWEEN.split(subject)]
    unique = {option.casefold() for option in options}
    if (
        2 <= len(options) <= 4
        and all(options)
        and len(unique) == len(options)
        and not re.search(r"[|`#]", subject)
    ):
        return options
    return ["TK option A", "TK option B"]


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
