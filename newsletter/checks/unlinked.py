"""What looks like a link to its author, and is none to Markdown?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from newsletter.checks.rule import Rule, Subject
from newsletter.content.document import Findings
from newsletter.diagnostics import Fix


def _check_bare(subject: Subject, findings: Findings) -> None:
    document = subject.document
    masked = document.masked
    # Without front matter, what was meant to be it stands in the body.
    if document.front is None or "://" not in subject.body:
        return
    # Mostly each stands in a link of its own; `[a]: <https://…>` is two targets with one address.
    linked = {target.start: target.address.count("://") for target in subject.targets}
    if subject.body.count("://") == sum(linked.values()):
        return
    for match in _bare_addresses(masked, document.body_start):
        if subject.is_in_target(match.start()):
            continue
        before = masked[max(0, match.start() - 8) : match.start()]
        if before.endswith(("](", ")[")) or before.replace(" ", "").endswith("]("):
            continue  # a link that is broken in another way
        findings.add(
            "NL815",
            "an address that is no link",
            match.start(),
            match.end(),
            help=f"write `<{match[0][:60]}>`, or better words: `[what is there]({match[0][:60]})`",
            fix=Fix(match.start(), match.end(), f"<{match[0]}>"),
        )


def _check_without_scheme(subject: Subject, findings: Findings) -> None:
    document = subject.document
    if document.front is None or "www." not in document.masked:
        return
    for match in _www().finditer(document.masked, document.body_start):
        if subject.is_in_target(match.start()):
            continue
        address = match[0]
        findings.add(
            "NL815",
            "an address that is no link",
            *match.span(),
            help=f"write `[{address[:60]}](https://{address[:60]})`, or put it into code if it is only a name",
        )


@cache
def _www() -> re.Pattern[str]:
    # Not within an address, nor in quotes, nor a name that stands for any: `www.example.com`.
    return re.compile(
        r"(?<![\w/.@:'\"-])www\.(?!example\.)(?:[a-z0-9-]+\.)+[a-z]{2,24}\b(?:/[^\s<>\"'`|\\^{}\ufffb\ufffc]*[^\s<>\"'`|\\^{}\ufffb\ufffc.,;:!?)\]*_])?/?",
        re.IGNORECASE,
    )


@cache
def _url() -> re.Pattern[str]:
    never = r"\s<>\"'`|\\^{}\ufffb\ufffc"
    return re.compile(rf"https?://[^{never}]*[^{never}.,;:!?)\]*_]", re.IGNORECASE)


def _bare_addresses(masked: str, start: int) -> Iterator[re.Match[str]]:
    at = masked.find("://", start)
    while at >= 0:
        begin = at - 5 if masked[at - 5 : at].casefold() == "https" else at - 4
        match = _url().match(masked, begin) if begin >= start else None
        if match is not None:
            yield match
        at = masked.find("://", match.end() if match else at + 3)


@cache
def _nearly() -> re.Pattern[str]:
    return re.compile(
        r"(?P<spaced>\[[^\[\]\n]{1,200}\] +\((?=https?://)[^\s()]*\))|(?P<turned>\([^()\n]{1,200}\)\[https?://[^\[\]\s]*\])"
    )


def _check_nearly(subject: Subject, findings: Findings) -> None:
    body = subject.body
    if "] (http" not in body and ")[http" not in body:
        return
    for match in _nearly().finditer(subject.document.masked, subject.document.body_start):
        written = match[0]
        if match["spaced"]:
            mended = re.sub(r"\] +\(", "](", written)
        else:
            words, _, address = written[1:-1].partition(")[")
            mended = f"[{words}]({address})"
        findings.add(
            "NL821",
            "a link that is none: a space too many"
            if match["spaced"]
            else "a link that is none: its brackets are swapped",
            *match.span(),
            help=f"write `{mended[:80]}`",
            fix=Fix(*match.span(), mended),
        )


RULES = (
    Rule(("NL815",), _check_bare),
    Rule(("NL815",), _check_without_scheme),
    Rule(("NL821",), _check_nearly),
)
