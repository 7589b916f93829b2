"""Do the issues of a newsletter contradict one another, or their own file names?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath

from newsletter.content.document import Document, Findings
from newsletter.content.issue import ParseResult
from newsletter.diagnostics import Diagnostic
from newsletter.model.issue import FrontMatter


def check_across(reported: Sequence[ParseResult], others: Iterable[ParseResult] = ()) -> list[Diagnostic]:
    """Findings about `reported`, compared with one another and with `others`."""
    found: list[Diagnostic] = []
    numbers: dict[int, str] = {}
    slugs: dict[str, str] = {}
    for parsed in others:
        if parsed.front is not None and parsed.document is not None:
            numbers.setdefault(parsed.front.number, parsed.document.path)
            for slug, _ in _addresses(parsed.front):
                slugs.setdefault(slug, parsed.document.path)
    for parsed in sorted(reported, key=lambda p: p.document.path if p.document else ""):
        if parsed.front is None or parsed.document is None:
            continue
        front, document = parsed.front, parsed.document
        findings = Findings(document)
        _check_file_name(document, front, findings)
        first = numbers.setdefault(front.number, document.path)
        if first != document.path:
            findings.add(
                "NL901",
                f"issue number {front.number} is taken by {first}",
                *_place(document, "number"),
                help="give one of them another number",
            )
        for slug, key in _addresses(front):
            first = slugs.setdefault(slug, document.path)
            if first != document.path:
                findings.add(
                    "NL902",
                    f"the address `{slug}` is taken by {first}",
                    *_place(document, key),
                    help="write another `slug`" if key == "slug" else f"remove it from `{key}`",
                )
        found += findings.found
    return found


def _addresses(front: FrontMatter) -> Iterator[tuple[str, str]]:
    yield front.slug, "slug"
    for alias in front.aliases:
        yield alias.strip("/"), "aliases"


def _check_file_name(document: Document, front: FrontMatter, findings: Findings) -> None:
    named = re.match(r"\d{1,9}(?=[-_. ])", PurePath(document.path).name)
    if named and int(named[0]) != front.number:
        findings.add(
            "NL903",
            f"the file name says issue {int(named[0])}, the front matter {front.number}",
            *_place(document, "number"),
            help="rename the file or change the number",
        )


def _place(document: Document, key: str) -> tuple[int, int]:
    """Where the value of a front matter key stands; the first line where the key isn't written."""
    assert document.front is not None
    start, end = document.front
    match = re.compile(
        rf"^(?:{key}|\"{key}\"|'{key}')[ \t]*:[ \t]*(?P<value>[^\n]*?)[ \t]*$", re.MULTILINE
    ).search(document.text, start, end)
    return match.span("value") if match else (0, 3)
