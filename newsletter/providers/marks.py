"""What may stand for a slot in a text that a provider fills in, when neither the author nor a reader may have written it?

For providers that replace marks of our choice wherever they stand: a word drawn from the content itself,
found in no literal and in no reader's value, so that the order of replacements can't matter and a value that
looks like a mark is never replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from itertools import chain
from typing import Final, Generic, TypeVar

from newsletter.model.message import SharedContent
from newsletter.model.template import Slot, Template
from newsletter.providers.base import Batch

T = TypeVar("T")
# Sender threads have a `SharedContent` each; more than these are of sends that are over.
_KEPT: Final = 64


class Translations(Generic[T]):
    """Translates the content of a send once; safe to use from several threads.

    Args:
        translate: makes a provider's form of the content, given a word to begin each mark with.
    """

    def __init__(self, translate: Callable[[SharedContent, str], T]) -> None:
        self._translate = translate
        self._kept: dict[int, tuple[SharedContent, str, T]] = {}

    def of(self, batch: Batch) -> T:
        """What became of the content of `batch`; made for this batch alone where a reader wrote its word."""
        shared = batch.shared
        assert shared is not None
        kept = self._kept.get(id(shared))
        if kept is None or kept[0] is not shared:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            word = unused_word(shared)
            kept = self._kept[id(shared)] = (shared, word, self._translate(shared, word))
        _, word, made = kept
        for message in batch.messages:
            if word in message.subject or word in "\n".join(message.values):
                written = "\n".join(chain.from_iterable((m.subject, *m.values) for m in batch.messages))
                return self._translate(shared, unused_word(shared, written))
        return made


def unused_word(shared: SharedContent, also: str = "") -> str:
    """Twelve lower-case letters and digits that occur neither in the content nor in `also`; the same for the same."""
    literals = [shared.subject or "", shared.from_header, *chain.from_iterable(shared.headers), also]
    literals += [part for part in (*shared.html.parts, *shared.text.parts) if isinstance(part, str)]
    content = "\n".join(literals)
    digest = blake2b(content.encode("utf-8", "surrogatepass"), digest_size=5)
    while (word := f"nl{digest.hexdigest()}") in content:
        digest.update(b"another")
    return word


def marked(
    template: Template, marks: dict[Slot, str], escape: Callable[[str], str] = lambda literal: literal
) -> str:
    """The text with a mark in each slot's place.

    Args:
        template: literals and slots.
        marks: of each slot.
        escape: what a literal has to be written as.
    """
    return "".join(escape(part) if isinstance(part, str) else marks[part] for part in template.parts)


def numbered(slots: Iterable[Slot], mark: str) -> dict[Slot, str]:
    """A mark for each slot: `mark` with the slot's number in place of `{}`."""
    return {slot: mark.format(number) for number, slot in enumerate(slots)}
