"""Which lists of questions does the bank have: all, by level, by topic, by both? Plain pages, so that no script need filter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from newsletter.site.entry import Entry
from newsletter.site.page import tag_address

_LEVELS = ("junior", "mid", "senior", "staff")
# Of a filter: a page stays small however many topics there are.
_MOST_TOPICS = 60


@dataclass(frozen=True)
class Choices:
    """What a list can be narrowed to by one property: for each choice its words, its page and how many there are, or nothing."""

    name: str
    choices: tuple[tuple[str, str, str], ...]

    @cached_property
    def text(self) -> str:
        """All of it as one text."""
        return "\0".join((self.name, *(word for choice in self.choices for word in choice)))


@dataclass(frozen=True)
class QuestionList:
    """The questions of a level and a topic, either of which may be empty.

    Attributes:
        filters: what else can be chosen, each with the page of what is chosen.
    """

    level: str
    topic: str
    issues: Sequence[Entry]
    filters: list[tuple[Choices, str]]

    @property
    def address(self) -> str:
        """Its page."""
        return _address(self.level, self.topic)


def question_lists(
    issues: Iterable[Entry], topics_of: Callable[[Entry], Iterable[str]]
) -> Iterator[QuestionList]:
    """Every list that has a question, the one of all of them first."""
    # What a pair of filters leaves; the empty word stands for all.
    found: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for issue in issues:
        for level in dict.fromkeys(("", issue.level)):
            for topic in ("", *topics_of(issue)):
                found[level, topic].append(issue)
    # The commonest first: of many topics these are what readers look for.
    names = {topic for _, topic in found} - {""}
    topics = ("", *sorted(names, key=lambda name: (-len(found["", name]), name.casefold(), name)))
    levels = ("", *_LEVELS)
    by_level = {
        topic: _choices("Level", ((one.capitalize(), (one, topic)) for one in levels), found)
        for topic in topics
    }
    for level in levels:
        by_topic = _choices("Topic", ((one, (level, one)) for one in topics), found)
        in_it = {address for _, address, _ in by_topic.choices}
        for topic in topics:
            if (level, topic) in found:
                current = _address(level, topic)
                shown = by_topic
                # What is chosen is shown as chosen, however seldom it is.
                if current not in in_it:
                    shown = Choices("Topic", (*by_topic.choices, (topic, current, "")))
                filters = [(by_level[topic], current), (shown, current)]
                yield QuestionList(level, topic, found[level, topic], filters)


def _choices(
    name: str, named: Iterable[tuple[str, tuple[str, str]]], found: Mapping[tuple[str, str], object]
) -> Choices:
    """Those that leave something."""
    choices = [(name or "All", _address(*pair), "") for name, pair in named if pair in found]
    return Choices(name, tuple(choices[:_MOST_TOPICS]))


def _address(level: str, topic: str) -> str:
    if not topic:
        return f"/questions/{level}/" if level else "/questions/"
    return f"/questions/{level or 'topic'}/{tag_address(topic).split('/')[2]}/"
