"""Is the text fit to send: slots that exist, no raw HTML, nothing left to write?"""

from __future__ import annotations

import re
from functools import cache

from newsletter.checks.rule import Rule, Subject
from newsletter.checks.vocabulary import LEFT
from newsletter.content.document import Findings
from newsletter.content.slots import FIELDS, METADATA_PREFIX, is_known, parse_expression
from newsletter.content.suggest import nearest
from newsletter.diagnostics import Fix, Severity

_BRACES = re.compile(r"\{\{(?P<inner>[^{}\n]*)\}\}")


@cache
def _statement() -> re.Pattern[str]:
    # None reaches over the beginning of another one, so that many of them are read in one go.
    return re.compile(r"\{%(?:[^\n{]|\{(?!%))*?%\}|\{\{(?![^{}\n]*\}\})")


@cache
def _html() -> re.Pattern[str]:
    # A tag, a comment, a declaration; `a < b` and `<https://…>`, `<me@example.com>` and `[a](<b c.png>)` are none.
    return re.compile(r"(?<!\]\()(?<!\]: )<(?:!--|![A-Za-z]|/?[A-Za-z][A-Za-z0-9-]*(?=[\s/>])[^<>]*>)")


@cache
def _left() -> re.Pattern[str]:
    # Who writes about a to-do list, a TODO in somebody's code, or a model called TK-421, has nothing left to write; neither has who says that a
    # date is TBD, or saw Super Bowl XXX.
    return re.compile(
        r"\b(?:TK(?:TK)?|(?<!\ba )(?<!\bthe )(?<!\bthis )(?<!\bno )(?<!\bevery )(?:TODO|FIXME))\b"
        r"(?!-\d|[ -](?:app|comment|file|item|list|marker|note|option|statement|tag)s?\b):?"
        r"|\b(?:TBD|XXX+):|\[(?:TBD|XXX+)\](?![(\[])|(?<=\n)(?:TBD|XXX+)(?=[ \t]*\.?[ \t]*\n)"
        r"|\b(?:[Ll]orem ipsum|LOREM IPSUM|dolor sit amet)\b"
    )


def _unquoted(inner: str) -> str:
    """What stands between braces, where YAML has quotes around it all, and marks those within."""
    return inner.replace('\\"', '"').replace("''", "'")


def _check_slots(subject: Subject, findings: Findings) -> None:
    masked = subject.document.masked
    opened = masked.count("{{") if "{" in masked else 0
    if not opened and "{%" not in masked:
        return
    slots = list(_BRACES.finditer(masked)) if opened else []
    for match in slots:
        parsed = parse_expression(match["inner"])
        if parsed is None and match.start() < subject.document.body_start:
            parsed = parse_expression(_unquoted(match["inner"]))
        if parsed is None:
            findings.add(
                "NL302",
                "this slot can't be read",
                match.start(),
                match.end(),
                help='write `{{ subscriber.name | default("there") }}`, or put the braces into code',
            )
            continue
        field = parsed[0]
        if is_known(field):
            continue
        near = _meant(field)
        start = match.start("inner") + match["inner"].index(field)
        findings.add(
            "NL301",
            f"unknown slot `{field}`",
            start,
            start + len(field),
            help=f"did you mean `{near}`?"
            if near
            else f"the fields are {', '.join(FIELDS)}, {METADATA_PREFIX}KEY",
            fix=Fix(start, start + len(field), near) if near and near in FIELDS else None,
        )
    if opened == len(slots) and "{{{" not in masked and "{%" not in masked:
        return  # all that was opened is a slot
    for match in _statement().finditer(masked, subject.document.body_start):
        findings.add(
            "NL302",
            "this slot can't be read"
            if match[0].startswith("{{")
            else "there are no template statements in an issue",
            match.start(),
            match.end(),
            help='a slot is `{{ field }}` or `{{ field | default("…") }}` on one line; text about templates goes into code',
        )


def _meant(field: str) -> str:
    """The slot that was probably meant; `subscriber.city` is `subscriber.metadata.city`."""
    owner, _, key = field.rpartition(".")
    names = {name.rpartition(".")[2]: name for name in FIELDS}
    if owner in {"subscriber", "metadata", "subscriber.meta"} and key:
        near = nearest(key, names)
        return names[near] if near else f"{METADATA_PREFIX}{key}"
    near = nearest(field, (*FIELDS, *names))
    return names.get(near, near)


def _check_html(subject: Subject, findings: Findings) -> None:
    document = subject.document
    if "<" not in document.masked:
        return
    for match in _html().finditer(document.masked, document.body_start):
        comment = match[0].startswith("<!--")
        findings.add(
            "NL304",
            "an HTML comment" if comment else "raw HTML",
            match.start(),
            match.end(),
            help=f"remove it: notes to yourself don't belong into what is {'sent' if subject.is_mailed else 'published'}"
            if comment
            else f"use Markdown, or write about it in code: `` `{match[0][:40]}` ``",
        )


def _check_left(subject: Subject, findings: Findings) -> None:
    document = subject.document
    if not any(words in document.masked for words in LEFT):
        return
    severity = Severity.ERROR if subject.is_ready else Severity.WARNING
    last_line_end = -1
    for match in _left().finditer(document.masked):
        if match.start() < last_line_end:
            continue  # one per line is enough
        if document.masked.endswith("](", 0, match.start()):
            continue  # an address; the link's own rule speaks of it
        last_line_end = document.line_end(match.start())
        rest = document.text[match.end() : last_line_end].strip(" \t\"'.:")
        findings.add(
            "NL310",
            f"left to write: {rest if len(rest) <= 60 else rest[:59] + '…'}"
            if rest
            else f"`{match[0].rstrip(':')}` is left to write",
            match.start(),
            match.end(),
            help="write it, or set `status: draft`"
            if subject.is_ready
            else f"write it before the {'issue' if subject.is_mailed else 'guide'} is ready",
            severity=severity,
        )


RULES = (
    Rule(("NL301", "NL302"), _check_slots, of_mail=True),
    Rule(("NL304",), _check_html),
    Rule(("NL310",), _check_left),
)
