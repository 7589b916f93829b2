"""Do the subject and the preheader look like a letter of one's own, in the one line an inbox gives them?"""

from __future__ import annotations

import re
from functools import cache

from newsletter.checks.rule import Rule, Subject
from newsletter.content.document import Findings

# Gmail and Outlook in a wide window show 60 to 70 characters of a subject, a phone about 40.
MOST_SUBJECT = 60
# From here on a repetition is no coincidence.
_LEAST_REPEATED = 16


def _check_subject(subject: Subject, findings: Findings) -> None:
    if subject.front is None:
        return
    title = subject.front.title
    # What a slot will hold isn't known: most names are no longer.
    shown = re.sub(r"\{\{[^{}]*\}\}", "12345678", title) if "{{" in title else title
    if len(shown) > MOST_SUBJECT:
        findings.add(
            "NL801",
            f"the subject has {len(shown)} characters",
            *_within(subject, "title", title, MOST_SUBJECT, len(title)),
            help=f"inboxes cut it after about {MOST_SUBJECT}, phones after 40: put what matters first",
        )
    reply = re.match(r"(?i:re|fwd?|aw|wg)(?:\[\d+\])?:", title) if ":" in title else None
    if reply:
        findings.add(
            "NL803",
            f"the subject begins with `{reply[0]}`",
            *_within(subject, "title", title, 0, reply.end()),
            help="remove it: this is no reply",
        )
    # Acronyms are in capitals by right: only a longer row of capital words is shouted.
    if title.isupper() and len(title.split()) >= 3 and sum(map(str.isalpha, title)) >= 12:
        findings.add(
            "NL804",
            "the subject is in capitals",
            *subject.place_of("title"),
            help=f"write `{title.capitalize()[:60]}`",
        )
    shouted = _shouted(title)
    if shouted:
        findings.add(
            "NL805",
            "the subject shouts",
            *_within(subject, "title", title, *shouted.span()),
            help="one exclamation mark is enough, none is better",
        )
    if not title.isascii():
        _check_emoji(subject, title, findings)


def _shouted(text: str) -> re.Match[str] | None:
    if not any(mark in text for mark in "!?$€£"):
        return None
    return re.search(r"[!?]{2,}|!(?=.*!)|[$€£]{2,}", text)


def _check_emoji(subject: Subject, title: str, findings: Findings) -> None:
    emoji = list(_emoji().finditer(title))
    if not emoji:
        return
    if len(emoji) > 1 or emoji[0].start() == 0:
        findings.add(
            "NL802",
            f"{len(emoji)} emoji in the subject" if len(emoji) > 1 else "the subject begins with an emoji",
            *_within(subject, "title", title, *emoji[len(emoji) > 1].span()),
            help="one, after the words, is read out once they are known",
        )


@cache
def _emoji() -> re.Pattern[str]:
    # One picture, however many characters it is joined of; arrows, ticks and plain dingbats are text.
    return re.compile(
        "[\U0001f1e6-\U0001f1ff]{2}"
        "|(?:[\U0001f300-\U0001faff]|[\u2600-\u26ff\u2705\u270a-\u270d\u2728\u274c\u2753-\u2757\u2b50]\ufe0f?|[\u2190-\u3299]\ufe0f)"
        "(?:[\U0001f3fb-\U0001f3ff\ufe0f]|\u200d[\u2600-\U0001faff]\ufe0f?)*"
    )


def _check_preheader(subject: Subject, findings: Findings) -> None:
    front = subject.front
    if front is None:
        return
    own = str(getattr(front, "preheader", ""))
    key, preheader = ("preheader", own) if own else ("description", front.description)
    title, line = _plain(front.title), _plain(preheader)
    if line == title or (len(title) >= _LEAST_REPEATED and line.startswith(title)):
        findings.add(
            "NL806",
            "the preheader repeats the subject",
            *subject.place_of(key),
            help="say what the subject leaves open: the two are read as one line",
        )
        return
    shared = _shared_ending(title.split(), line.split())
    if len(" ".join(shared)) >= _LEAST_REPEATED:
        ending = " ".join(shared)
        findings.add(
            "NL806",
            f"the preheader ends as the subject does: `{ending[:60]}`",
            *_within(
                subject, key, preheader, max(0, len(preheader.rstrip(".!?…")) - len(ending)), len(preheader)
            ),
            help="say what the subject leaves open: the two are read as one line",
        )
    shouted = _shouted(preheader)
    if shouted:
        findings.add(
            "NL805",
            "the preheader shouts",
            *_within(subject, key, preheader, *shouted.span()),
            help="one exclamation mark is enough, none is better",
        )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!?…")


def _shared_ending(first: list[str], second: list[str]) -> list[str]:
    count = 0
    while count < min(len(first), len(second)) and first[-count - 1] == second[-count - 1]:
        count += 1
    return first[len(first) - count :]


def _within(subject: Subject, key: str, value: str, start: int, end: int) -> tuple[int, int]:
    """Where a part of a front matter value stands; all of it where YAML writes it in another way than it reads."""
    place = subject.place_of(key)
    at = subject.document.text.find(value, *place)
    return (at + start, at + end) if at >= 0 else place


RULES = (
    Rule(("NL801", "NL802", "NL803", "NL804", "NL805"), _check_subject, of_mail=True),
    Rule(("NL805", "NL806"), _check_preheader, of_mail=True),
)
