"""The archive as examples for fine-tuning a chat model: notes → section and question → answer, for format and tone.

Facts are no reason to fine-tune: what changes belongs in retrieval, where it can be cited and corrected.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from newsletter.content.slots import to_nobody
from newsletter.model.guide import Guide
from newsletter.model.issue import Bullet, Issue, Labelled, Prose, Section, SectionKind, markers
from newsletter.model.publication import Publication
from newsletter.render.dialect import take_definitions, with_definitions, without_comments
from newsletter.render.html import MarkdownConverter
from newsletter.site.near_copies import Copy, find_copies
from newsletter.site.outline import outline
from newsletter.site.plain import PlainConverter, plain_converter
from newsletter.site.questions_export import answered_sections

Task = Literal["section", "answer"]
ROLES: Final = ("system", "user", "assistant")
# What JSON allows in a string and some readers take for the end of a line.
_LINE_ENDS: Final = str.maketrans({"\u0085": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"})
# How `cl100k_base` cuts a text before it looks anything up (tiktoken, openai_public.py): no token crosses these cuts.
_PIECES: Final = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)|(?:[^\w\r\n]|_)?[^\W\d_]+|\d{1,3}| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    re.IGNORECASE,
)
# What the chat format puts around each message, and before the answer.
_AROUND_MESSAGE: Final = 3


@dataclass(frozen=True)
class Example:
    """One conversation to learn from.

    Attributes:
        id: `<page>#<anchor>` and the task; unique.
        page: slug of its issue, or `guides/` and that of its guide; all of a page are in one part of the split.
        task: what is learned.
        system: who the model is.
        user: what it is asked.
        assistant: what it should say.
    """

    id: str
    page: str
    task: Task
    system: str
    user: str
    assistant: str

    @property
    def messages(self) -> list[dict[str, str]]:
        """As the chat format has them."""
        return [{"role": role, "content": getattr(self, role)} for role in ROLES]

    @property
    def tokens(self) -> int:
        """How many tokens it has, estimated; see `estimated_tokens`."""
        contents = (self.system, self.user, self.assistant)
        return sum(_AROUND_MESSAGE + estimated_tokens(text) for text in contents) + _AROUND_MESSAGE


@dataclass(frozen=True)
class Dataset:
    """Examples without copies, in two parts that share no page.

    Attributes:
        train: to learn from.
        validation: to measure with.
        copies: examples that were left out, each with the one that says the same.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    copies: tuple[tuple[Example, Example, Copy], ...]


def make_dataset(
    issues: Sequence[Issue],
    guides: Sequence[Guide],
    publication: Publication,
    kinds: Sequence[SectionKind],
    share: float = 0.1,
) -> Dataset:
    """The examples of these issues and guides.

    Args:
        issues: in the order in which the first of two copies stays.
        guides: after them.
        publication: whose voice it is.
        kinds: what the sections are called.
        share: of issues, and of guides, that are for validation; one at least is, and one is not, where there are two.
    """
    examples = list(_examples(issues, guides, publication, kinds))
    copies: list[tuple[Example, Example, Copy]] = []
    # Each task on its own: the section of a question holds its answer, and both are learned.
    for task in ("section", "answer"):
        same = [example for example in examples if example.task == task]
        found = find_copies([example.assistant for example in same])
        copies += [(same[copy.place], same[copy.of], copy) for copy in found]
    left_out = {example.id for example, _, _ in copies}
    kept = [example for example in examples if example.id not in left_out]
    slugs = {issue.slug for issue in issues}
    pages = {example.page for example in kept}
    # Each kind of page on its own: a guide has no sections to measure with.
    held_out = validation_pages(pages & slugs, share) | validation_pages(pages - slugs, share)
    return Dataset(
        train=tuple(example for example in kept if example.page not in held_out),
        validation=tuple(example for example in kept if example.page in held_out),
        copies=tuple(copies),
    )


def validation_pages(pages: Iterable[str], share: float) -> frozenset[str]:
    """The pages that are held out: chosen by a hash of their name alone, so that a page hardly ever changes sides.

    Where chance held out none or all, the one nearest to the border is moved.
    """
    places = {page: int.from_bytes(hashlib.sha256(page.encode()).digest()[:8]) / 2**64 for page in pages}
    order = sorted(places, key=lambda page: places[page])
    if len(order) < 2:
        return frozenset()
    number = sum(place < share for place in places.values())
    return frozenset(order[: min(max(number, 1), len(order) - 1)])


# Examples --------------------------------------------------------------------------------------


def _examples(
    issues: Sequence[Issue], guides: Sequence[Guide], publication: Publication, kinds: Sequence[SectionKind]
) -> Iterator[Example]:
    tagline = f" {publication.tagline}" if publication.tagline else ""
    system = (
        f"You write the newsletter {publication.name}.{tagline} Keep to its format and its tone, and to the facts "
        "you are given."
    )
    headings = {kind.name: kind.heading for kind in kinds}
    markdown = MarkdownConverter()
    for issue in issues:
        definitions = take_definitions(issue.text)[1]
        convert = plain_converter(issue.path, issue.text, "", f"/{issue.slug}/", markdown)
        for section, source in _sources(issue):
            yield Example(
                f"{issue.slug}#{section.kind}:section",
                issue.slug,
                "section",
                system,
                _notes(
                    issue, section, headings.get(section.kind) or section.heading or section.kind, convert
                ),
                _clean(source, definitions),
            )
        for section, answer in answered_sections(issue):
            yield Example(
                f"{issue.slug}#{section.kind}:answer",
                issue.slug,
                "answer",
                system,
                "\n\n".join(filter(None, (section.title, _clean(section.body.text, definitions)))),
                _clean(answer.text, definitions),
            )
    for guide in guides:
        definitions = take_definitions(guide.text)[1]
        for question in guide.faq.questions:
            page = f"guides/{guide.slug}"
            yield Example(
                f"{page}#{question.anchor}:answer",
                page,
                "answer",
                system,
                question.question,
                _clean(question.answer.text, definitions),
            )


def _sources(issue: Issue) -> Iterator[tuple[Section, str]]:
    """Each section with its own Markdown, from its heading to the next."""
    lines = issue.text.replace("\r\n", "\n").split("\n")
    sections = sorted(issue.sections, key=lambda section: section.line)
    ends = [*(section.line - 1 for section in sections[1:]), len(lines)]
    for section, end in zip(sections, ends, strict=True):
        yield section, "\n".join(lines[section.line - 1 : end])


def _clean(markdown: str, definitions: Mapping[str, str]) -> str:
    """An author's Markdown without comments, which are nobody else's business, and with the definitions it needs."""
    return with_definitions(take_definitions(without_comments(markdown))[0], definitions).strip()


def _notes(issue: Issue, section: Section, heading: str, convert: PlainConverter) -> str:
    """What an author has before writing: the title, the key fields, and what each paragraph is to say."""
    lines = [
        f"Write the section “{heading}” of an issue from these notes.",
        "",
        f"Issue: {to_nobody(issue.front.title)}",
    ]
    lines.append(f"Title: {section.title}")
    for name, marker in markers(type(section)).items():
        value = getattr(section, name)
        values = [part for part in (value if isinstance(value, tuple) else (value,)) if part]
        if not values or not isinstance(marker, (Bullet, Labelled)):
            continue
        label = marker.key if isinstance(marker, Bullet) else marker.label
        if isinstance(values[0], Prose):
            lines += [f"{label}: {' '.join(without_comments(part.text).split())}" for part in values]
        else:
            lines.append(f"{label}: {', '.join(map(str, values))}")
    points = outline(convert.content(section.body).semantic)
    if points:
        lines += ["Outline:", *(f"- {point}" for point in points)]
    return "\n".join(lines)


# The format ------------------------------------------------------------------------------------


def as_jsonl(examples: Sequence[Example]) -> str:
    """One conversation a line, as chat models are fine-tuned with.

    Raises:
        ValueError: one isn't in the format.
    """
    lines = []
    for example in examples:
        line = json.dumps({"messages": example.messages}, ensure_ascii=False).translate(_LINE_ENDS)
        if faults := format_faults(line):
            raise ValueError(f"{example.id}: {faults[0]}")
        lines.append(f"{line}\n")
    return "".join(lines)


def format_faults(line: str) -> list[str]:
    """What a service that fine-tunes chat models would refuse about a line; nothing where it is in order.

    The rules are those of OpenAI's guide to supervised fine-tuning and of its data preparation checks: an object with
    `messages`, each with a known role and words, nothing else in it, the last one the assistant's.
    """
    try:
        value: Any = json.loads(line)
    except ValueError as error:
        return [f"not JSON: {error}"]
    if not isinstance(value, dict) or set(value) != {"messages"} or not isinstance(value["messages"], list):
        return ["it has to be an object with `messages` and nothing else"]
    messages = value["messages"]
    faults = []
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            faults.append(f"message {number} has to have `role` and `content` and nothing else")
        elif message["role"] not in ROLES:
            faults.append(f"message {number} has the unknown role `{message['role']}`")
        elif not isinstance(message["content"], str) or not message["content"].strip():
            faults.append(f"message {number} says nothing")
        elif message["role"] == "system" and number > 1:
            faults.append(f"message {number} is the system's, which comes first or not at all")
    if faults:
        return faults
    roles = [message["role"] for message in messages]
    if "user" not in roles:
        faults.append("nobody asks")
    if not roles or roles[-1] != "assistant":
        faults.append("the last message has to be the assistant's")
    return faults


def estimated_tokens(text: str) -> int:
    """About how many tokens `text` has: a quarter of its bytes, but never fewer than a tokeniser cuts it into beforehand.

    An estimate: the exact number takes the model's own vocabulary, which has to be fetched. Four bytes a token is what
    OpenAI gives for English.
    """
    return max(least_tokens(text), math.ceil(len(text.encode()) / 4))


def least_tokens(text: str) -> int:
    """A lower bound: how many pieces OpenAI's `cl100k_base` cuts `text` into before it looks anything up."""
    return len(_PIECES.findall(text))
