"""Do the issues and guides of a newsletter contradict one another, or their own file names?"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from newsletter.checks.rule import place_of
from newsletter.content.addresses import head_of, number_in, slug_in, unusable
from newsletter.content.document import Document, Findings
from newsletter.content.guide_files import FOLDER, is_guide
from newsletter.content.issue import ParseResult
from newsletter.content.suggest import nearest
from newsletter.diagnostics import Diagnostic
from newsletter.model.issue import FrontMatter

if TYPE_CHECKING:
    # Only who meets a guide imports what reads guides.
    from newsletter.content.guide import GuideResult
    from newsletter.model.guide import GuideFrontMatter


class Claims(NamedTuple):
    """What an issue lays claim to, its number and its addresses; or a guide, which has no number."""

    path: str
    number: int | None
    slugs: tuple[str, ...]


# In brackets, or a line each.
_ALIASES = re.compile(
    r"^aliases[ \t]*:[ \t]*(?:\[(?P<row>[^\]]*)\]|(?:#.*)?(?P<lines>(?:\n[ \t]*(?:-[ \t].*|#.*)?$)+))",
    re.MULTILINE,
)
_COMMENT = re.compile(r"(?:^|[ \t])#.*", re.MULTILINE)


def read_claims(path: Path) -> Claims:
    """What an issue or a guide claims, from its first lines: checking one of a thousand issues must not parse them all.

    A file that can't be read claims nothing; it is reported on when it is checked itself.
    """
    try:
        head = head_of(path)
    except OSError:
        return Claims(str(path), None, ())
    return claims_in(path, head)


def claims_in(path: Path, head: str) -> Claims:
    """What the issue or guide that begins with `head` claims."""
    block = head.partition("\n---")[0]
    guide = is_guide(path, head)
    value = None if guide else number_in(block)
    slugs = [slug_in(path, head)]
    if aliases := _ALIASES.search(block):
        written = _COMMENT.sub("", aliases["row"] or aliases["lines"])
        items = written.split(",") if aliases["row"] else written.split("\n")
        slugs += [item.strip().removeprefix("-").strip(" \t\"'/") for item in items]
    if guide:
        slugs.append(f"{FOLDER}/{slugs[0]}")
    return Claims(str(path), value, tuple(filter(None, slugs)))


def claims_of(parsed: ParseResult | GuideResult) -> Claims:
    """What a parsed issue or guide claims; nothing if its front matter isn't valid."""
    if parsed.front is None or parsed.document is None:
        return Claims("", None, ())
    number = parsed.front.number if isinstance(parsed.front, FrontMatter) else None
    return Claims(parsed.document.path, number, tuple(slug for slug, _ in _addresses(parsed.front)))


def check_across(
    reported: Sequence[ParseResult | GuideResult],
    others: Iterable[ParseResult | GuideResult | Claims] = (),
) -> list[Diagnostic]:
    """Findings about `reported`, compared with one another and with `others`."""
    found: list[Diagnostic] = []
    numbers: dict[int, str] = {}
    slugs: dict[str, str] = {}
    for other in others:
        claims = other if isinstance(other, Claims) else claims_of(other)
        if claims.number is not None:
            numbers.setdefault(claims.number, claims.path)
        for slug in claims.slugs:
            slugs.setdefault(slug, claims.path)
    guides: list[tuple[GuideResult, Findings]] = []
    for parsed in sorted(reported, key=lambda p: p.document.path if p.document else ""):
        if parsed.front is None or parsed.document is None:
            continue
        findings = Findings(parsed.document)
        if isinstance(parsed.front, FrontMatter):
            _check_file_name(parsed.document, parsed.front, findings)
            _check_number(parsed.document, parsed.front.number, numbers, findings)
        _check_addresses(parsed.document, parsed.front, slugs, findings)
        if not isinstance(parsed, ParseResult):
            guides.append((parsed, findings))
        found += findings.found
    for guide, findings in guides:
        # Only now are all numbers and addresses known.
        known = len(findings.found)
        _check_related(guide, numbers, slugs, findings)
        found += findings.found[known:]
    return found


def number_taken(number: int, by: str) -> str:
    """What NL901 says."""
    return f"issue number {number} is taken by {by}"


def address_taken(address: str, by: str) -> str:
    """What NL902 says."""
    return f"the address `{address}` is taken by {by}"


def is_there(name: str, numbers: Container[object], slugs: Container[object]) -> bool:
    """Whether a guide's `related` may name this: the number of an issue, or the slug of an issue or a guide."""
    return name in slugs or (_is_number(name) and int(name[:18]) in numbers)


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _check_number(document: Document, number: int, numbers: dict[int, str], findings: Findings) -> None:
    first = numbers.setdefault(number, document.path)
    if first != document.path:
        findings.add(
            "NL901",
            number_taken(number, first),
            *place_of(document, "number"),
            help="give one of them another number",
        )


def _check_addresses(
    document: Document,
    front: FrontMatter | GuideFrontMatter,
    slugs: dict[str, str],
    findings: Findings,
) -> None:
    said = ""
    for slug, key in _addresses(front):
        first = slugs.setdefault(slug, document.path)
        help_ = "write another `slug`" if key == "slug" else f"remove it from `{key}`"
        is_name = key == "slug" and not isinstance(front, FrontMatter) and slug == front.slug
        # A guide's slug alone is what `related` calls it; its page is below `guides/`.
        if why_not := "" if is_name else unusable(slug):
            findings.add("NL603", why_not, *_place_of(document, slug, key), help=help_)
        elif first != document.path and slug != said:
            findings.add("NL902", address_taken(slug, first), *_place_of(document, slug, key), help=help_)
            said = f"{FOLDER}/{slug}" if is_name else said


def _place_of(document: Document, address: str, key: str) -> tuple[int, int]:
    """Where an address is written; an alias in brackets, or on a line of its own."""
    start, end = place_of(document, key)
    if key != "aliases" or document.front is None:
        return start, end
    word = re.compile(rf"(?<![\w/-]){re.escape(address)}(?![\w/-])")
    found = word.search(document.text, start, document.front[1])
    return found.span() if found else (start, end)


def _check_related(
    guide: GuideResult, numbers: dict[int, str], slugs: dict[str, str], findings: Findings
) -> None:
    assert guide.front is not None
    for position, name in enumerate(guide.front.related):
        if is_there(name, numbers, slugs):
            continue
        is_number = _is_number(name)
        near = "" if is_number else nearest(name, slugs)
        findings.add(
            "NL515",
            f"there is no issue {name[:18]}" if is_number else f"there is no issue or guide `{name[:60]}`",
            *guide.entries["related"].place((position,)),
            help=f"did you mean `{near}`?"
            if near
            else "name an issue by its number or slug, or a guide by its slug",
        )


def _addresses(front: FrontMatter | GuideFrontMatter) -> Iterator[tuple[str, str]]:
    yield front.slug, "slug"
    if not isinstance(front, FrontMatter):
        yield f"{FOLDER}/{front.slug}", "slug"
    for alias in front.aliases:
        yield alias.strip("/"), "aliases"


def _check_file_name(document: Document, front: FrontMatter, findings: Findings) -> None:
    named = re.match(r"\d{1,9}(?=[-_. ])", PurePath(document.path).name)
    if named and int(named[0]) != front.number:
        findings.add(
            "NL903",
            f"the file name says issue {int(named[0])}, the front matter {front.number}",
            *place_of(document, "number"),
            help="rename the file or change the number",
        )
