"""Will the site have the page, and its part, that a link to the newsletter's own leads to? A build refuses one that leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from newsletter.checks.rule import Rule, Subject
from newsletter.checks.site_pages import SitePages, whole_path
from newsletter.checks.targets import Target
from newsletter.content.addresses import HOW_TO_LINK
from newsletter.content.document import Findings
from newsletter.content.guide_files import FOLDER
from newsletter.content.slots import stands_in
from newsletter.content.suggest import listed, nearest

_ELSEWHERE = (
    "of a page that isn't made from your issues and guides, write the whole address, https:// and all"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//")
_REFERENCE = re.compile(r"(?P<image>!?)\[(?P<first>[^\[\]]*+)\](?:\[(?P<second>[^\[\]]*+)\])?+(?![(:])")
_INDENTED = re.compile(r"(?: {4}| {0,3}\t)[ \t]*+(?![-*+][ \t]|\d{1,9}[.)][ \t])")
_MOST_NAMED = 12


class _Link(NamedTuple):
    """A link to something of the newsletter's own, and the file it stands in."""

    target: Target
    parts: SplitResult
    folder: Path
    own: Path


def _check_own_links(subject: Subject, findings: Findings) -> None:
    if subject.folder is None:
        return
    linked: Collection[str] | None = None
    comments = [*_comments(subject.document.masked)]
    for target in subject.targets:
        parts = _own_address(subject, target)
        if parts is None or stands_in(comments, target.start) or _may_be_code(subject, target):
            continue
        if _is_definition(target):
            linked = _linked_labels(subject) if linked is None else linked
            if _label(target.text) not in linked:
                continue
        own = whole_path(subject.folder, Path(subject.document.path).name)
        if own is not None:
            _check_link(subject, _Link(target, parts, subject.folder, own), findings)


def _own_address(subject: Subject, target: Target) -> SplitResult | None:
    """The parts of an address without a host; None for any other, and for what is no link."""
    address = target.address
    if target.image or not address or address[0] == "#" or _SCHEME.match(address):
        return None
    # Of an escape, which character is meant depends on what it stands before; a slot says it later.
    if "{{" in address or "\\" in address or subject.document.text[target.whole_start - 1] == "\\":
        return None
    try:
        parts = urlsplit(unescape(address))
    except ValueError:
        return None
    return parts if parts.path else None


def _comments(masked: str) -> Iterator[tuple[int, int]]:
    """The author's own, as rendering leaves them out."""
    at = masked.find("<!--")
    while at >= 0 and (end := masked.find("-->", at + 4)) >= 0:
        yield at, end
        at = masked.find("<!--", end)


def _may_be_code(subject: Subject, target: Target) -> bool:
    """Whether a link stands on an indented line: code, or text of a list's item; what is an item itself is no code."""
    text = subject.document.text
    return _INDENTED.match(text, text.rfind("\n", 0, target.whole_start) + 1) is not None


def _is_definition(target: Target) -> bool:
    return not target.worded and target.text != "·"


def _linked_labels(subject: Subject) -> Collection[str]:
    """The definitions that links use: the address of a picture may be written as one as well."""
    found = _REFERENCE.finditer(subject.document.masked, subject.document.body_start)
    return {_label(match["second"] or match["first"]) for match in found if not match["image"]}


def _label(words: str) -> str:
    return " ".join(words.split()).casefold()


def _check_link(subject: Subject, link: _Link, findings: Findings) -> None:
    path = link.parts.path
    if not path.startswith("/"):
        file = whole_path(link.folder, path)
        try:
            exists = file is not None and file.exists()
        except (OSError, ValueError):
            exists = False
        if file is None or not exists:
            return  # `links` says so
        if path.endswith(".md"):
            _check_file(subject, link, file, findings)
            return
    site = subject.sites.of(link.own)
    if site is not None:
        _check_page(subject, link, site, findings)


def _check_file(subject: Subject, link: _Link, file: Path, findings: Findings) -> None:
    site = subject.sites.of(link.own)
    if site is not None and not site.has_file(file):
        _report(
            link.target, f"there is no issue or guide `{link.target.address[:80]}`", HOW_TO_LINK, findings
        )
    elif link.parts.fragment:
        _check_part(link, subject.sites.anchors_of(file), findings)


def _check_page(subject: Subject, link: _Link, site: SitePages, findings: Findings) -> None:
    address = _address_of(subject, link.parts.path, site)
    if address is None or address == _own_page(subject) or site.is_known(address):
        return
    file = site.file_at(address)
    message = f"the site has no page `{address[:80]}`"
    if file is None:
        near = nearest(f"/{address.strip('/')}/", site.addresses)
        if near:
            way_out = f"did you mean `{site.root}{near}`?"
        elif link.parts.path.startswith("/"):
            way_out = _ELSEWHERE
        else:
            way_out = "only issues, guides and the pictures they show are on the site: put the file on the web, and link all of its address"
        _report(link.target, message, way_out, findings)
    elif subject.is_ready and site.is_draft(file):
        _report(link.target, message, f"{file.name} is a draft: `status: ready` in it publishes it", findings)
    elif link.parts.fragment and file != link.own:
        _check_part(link, site.anchors_of(file), findings)


def _address_of(subject: Subject, path: str, site: SitePages) -> str | None:
    """Where a path of this text's page leads, from the site's root."""
    own = _own_page(subject)
    if not path.startswith("/") and not own:
        return None
    address = urljoin(f"{site.root}{own}", path).removeprefix(site.root)
    return address if address.startswith("/") else f"/{address}"


def _own_page(subject: Subject) -> str:
    """The address of this text's page; empty where that isn't known."""
    if subject.front is None:
        return ""
    return f"/{subject.front.slug}/" if subject.is_mailed else f"/{FOLDER}/{subject.front.slug}/"


def _check_part(link: _Link, anchors: Collection[str] | None, findings: Findings) -> None:
    if anchors is not None and unquote(link.parts.fragment) not in anchors:
        report_part(link.target, anchors, findings)


def report_part(target: Target, anchors: Collection[str], findings: Findings) -> None:
    """Report a fragment that isn't among the parts of the page that `target` leads to."""
    start = target.address.index("#")
    fragment = target.address[start + 1 :]
    near = nearest(unquote(fragment), anchors)
    findings.add(
        "NL518",
        f"the page has no part `#{fragment[:60]}`",
        target.start + start,
        target.end,
        help=f"did you mean `#{near}`?" if near else f"its parts are {_some(anchors)}",
    )


def _some(anchors: Collection[str]) -> str:
    from newsletter.model.guide import PARTS

    fixed = [f"`#{part.anchor}`" for part in PARTS if part.anchor in anchors]
    return listed(fixed or [f"`#{anchor}`" for anchor in anchors][:_MOST_NAMED], "and")


def _report(target: Target, message: str, way_out: str, findings: Findings) -> None:
    findings.add("NL601", message, target.start, target.end, help=way_out)


RULES = (Rule(("NL518", "NL601"), _check_own_links),)
