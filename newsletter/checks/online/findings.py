"""Which links and pictures of which files does the web not have? What was answered, as findings at their places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from newsletter.checks.online.ask import ask_all
from newsletter.checks.online.fetch import SECONDS, Answer, Failure
from newsletter.checks.pictures import HEAVY
from newsletter.checks.targets import targets_of
from newsletter.content.document import Document, Findings
from newsletter.content.source import read_text
from newsletter.diagnostics import Diagnostic

# A guide names its sources in the front matter.
_SOURCE = re.compile(
    r"^[ \t]*-?[ \t]*(?:\{[ \t]*)?url:[ \t]*[\"']?(?P<address>https?://[^\s\"',}]+)", re.MULTILINE
)
# Fewer hosts that can't be found may be so many slips; more of them are a cable.
_SURELY_OFFLINE = 3
# Standing in for all of them is the first.
_NOBODY = frozenset((Failure.OFFLINE, Failure.NO_HOST))


class _Place(NamedTuple):
    url: str
    start: int
    end: int
    picture: bool


def online_findings(
    files: Sequence[Path],
    *,
    own: str = "",
    progress: Callable[[str, int, int], None] = lambda *_: None,
    ask: Callable[..., Iterator[tuple[str, Answer]]] = ask_all,
) -> list[Diagnostic]:
    """What the web says of the links and pictures in issues and guides; each address is asked for once.

    Args:
        files: issues and guides.
        own: where the newsletter's own pages are or will be; building the site checks links to them.
        progress: called with what is done, how much and of how much.
        ask: gets (address, whether it is a picture) and yields (address, answer).

    Raises:
        NewsletterError: a file is missing or can't be read.
    """
    documents = [_document(path) for path in files]
    places = [[place for place in _places(document) if not _is_own(place.url, own)] for document in documents]
    wanted = [(place.url, place.picture) for found in places for place in found]
    total = len({url for url, _ in wanted})
    answers: dict[str, Answer] = {}
    for url, answer in ask(wanted):
        answers[url] = answer
        progress("links", len(answers), total)
    collected = [Findings(document) for document in documents]
    if answers and _is_offline(answers):
        first = next(position for position, found in enumerate(places) if found)
        _report_offline(places[first][0], total, collected[first])
    else:
        reached = any(answer.failure not in {*_NOBODY, Failure.PRIVATE} for answer in answers.values())
        for found, findings in zip(places, collected, strict=True):
            for place in found:
                _report(place, answers[place.url], findings, reached=reached)
    return [diagnostic for findings in collected for diagnostic in findings.found]


def _document(path: Path) -> Document:
    source = read_text(path)
    return Document(source.text or "", source.named)


def _places(document: Document) -> Iterator[_Place]:
    """Where a file names an address of the web, code aside."""
    for target in targets_of(document):
        if re.match(r"https?://", target.address, re.IGNORECASE) and "{{" not in target.address:
            yield _Place(target.address, target.start, target.end, target.image)
    if document.front:
        for match in _SOURCE.finditer(document.text, *document.front):
            yield _Place(match["address"], *match.span("address"), picture=False)


def _is_own(url: str, own: str) -> bool:
    own = own.rstrip("/")
    return bool(own) and (url == own or url.startswith((f"{own}/", f"{own}?", f"{own}#")))


def _is_offline(answers: dict[str, Answer]) -> bool:
    # Who is in a private network is known without one.
    failures = {
        _host(url): answer.failure for url, answer in answers.items() if answer.failure != Failure.PRIVATE
    }
    if not failures or any(failure not in _NOBODY for failure in failures.values()):
        return False
    return Failure.OFFLINE in failures.values() or len(failures) >= _SURELY_OFFLINE


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].casefold()


def _report_offline(place: _Place, total: int, findings: Findings) -> None:
    findings.add(
        "NL856",
        f"no host could be found: {total} {'address was' if total == 1 else 'addresses were'} not checked",
        place.start,
        place.end,
        help="is there a network? The other checks were made",
    )


def _report(place: _Place, answer: Answer, findings: Findings, *, reached: bool) -> None:
    what = "picture" if place.picture else "page"
    match answer.failure:
        case None:
            _report_status(place, answer, what, findings)
        case Failure.NO_HOST:
            # Some resolvers say so without a network as well.
            way_out = (
                "correct the address, or leave the link out"
                if reached
                else "is there a network? Else correct the address"
            )
            _add(findings, "NL851", "there is no such host", place, way_out)
        case Failure.PRIVATE:
            message = f"the {what} is in a private network, or its redirection leads there"
            _add(findings, "NL854", message, place, "use an address that readers can reach")
        case Failure.CIRCLE:
            _add(findings, "NL852", "its redirections lead nowhere", place, "open it in a browser")
        case Failure.SLOW:
            _add(findings, "NL852", f"no answer within {SECONDS:.0f} seconds", place, "open it in a browser")
        case Failure.CERTIFICATE:
            _add(
                findings,
                "NL852",
                "its certificate isn't valid",
                place,
                "browsers warn their readers: open it in one",
            )
        case Failure.NO_ADDRESS:
            _add(findings, "NL852", "it leads to what is no page of the web", place, "correct the address")
        case Failure.UNREACHABLE | Failure.OFFLINE:
            _add(
                findings,
                "NL852",
                "the server can't be reached",
                place,
                "open it in a browser, or check again",
            )


def _report_status(place: _Place, answer: Answer, what: str, findings: Findings) -> None:
    status = answer.status
    if status in {404, 410}:
        way_out = "correct the address, or link to a copy at https://web.archive.org/"
        _add(findings, "NL851", f"the {what} is gone (status {status})", place, way_out)
    elif answer.by_machine or 400 <= status < 500:
        _add(findings, "NL855", f"the server doesn't tell (status {status})", place, "open it in a browser")
    elif not 200 <= status < 300:
        _add(findings, "NL852", f"the server failed (status {status})", place, "check again before you send")
    elif answer.moved_to:
        _add(findings, "NL853", f"the {what} has moved for good", place, f"it is at {answer.moved_to[:200]}")
    if place.picture and answer.size > HEAVY and 200 <= status < 300:
        message = f"the picture has {answer.size / 1e6:.1f} MB"
        _add(
            findings,
            "NL825",
            message,
            place,
            "1,200 pixels are enough for the column; keep a copy next to the issue",
        )


def _add(findings: Findings, code: str, message: str, place: _Place, way_out: str) -> None:
    findings.add(code, message, place.start, place.end, help=way_out)
