"""What is new in the mailbox, and what became of it? One look: read, commit, then tidy; a crash repeats, and changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from newsletter.errors import NewsletterError, UsageError
from newsletter.store.only_one import only_one
from newsletter.tracking.mailbox.boxes import LARGEST_MAIL, Box, BoxOptions, Entry, Maildir
from newsletter.tracking.mailbox.intake import Settled

# One transaction takes in so many, and so much: other writers get their turn, and memory stays flat.
_AT_ONCE: Final = 25
_BYTES_AT_ONCE: Final = 2 * LARGEST_MAIL

Take = Callable[[Sequence[bytes]], list[Settled]]


@dataclass(slots=True)
class Look:
    """What one look came to.

    Attributes:
        read: mails read.
        results: how many of them came to what.
        shown: each of them, as far as they say something new.
        aside: what was set aside, and why.
        more: whether mails are left for the next look.
    """

    read: int = 0
    results: Counter[str] = field(default_factory=Counter)
    shown: list[Settled] = field(default_factory=list)
    aside: list[tuple[str, str]] = field(default_factory=list)
    more: bool = False


class Memory:
    """Which mails stay where they are because they are nothing of ours: they are read once.

    Args:
        path: the file; losing it costs a second look at each of them.
        source: names the mailbox.
    """

    def __init__(self, path: Path, source: str) -> None:
        self._path, self._source = path, source
        self._all: dict[str, list[str]] = {}
        with suppress(OSError, ValueError):
            told = json.loads(path.read_text("utf-8"))
            self._all = {
                str(name): [str(key) for key in keys] for name, keys in told.items() if isinstance(keys, list)
            }
        self._known = set(self._all.get(source, ()))

    def __contains__(self, key: object) -> bool:
        return key in self._known

    def add(self, key: str) -> None:
        """Remember one."""
        self._known.add(key)

    def save(self, present: set[str] | None = None) -> None:
        """Write it down; what isn't `present` any more is forgotten, where that is known."""
        if present is not None:
            self._known &= present
        self._all[self._source] = sorted(self._known)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._all), "utf-8")
        draft.replace(self._path)


def open_box(options: BoxOptions) -> Box:
    """The mailbox of the settings.

    Raises:
        UsageError: a setting is missing.
        NewsletterError: it can't be reached.
    """
    match options.protocol:
        case "maildir":
            return Maildir(options.path, options.done, options.aside)
        case "imap":
            from newsletter.tracking.mailbox.imap import ImapBox

            return ImapBox(options)
        case "pop3":
            from newsletter.tracking.mailbox.pop3 import Pop3Box

            return Pop3Box(options)
        case _:
            raise UsageError(
                "no mailbox is named",
                hint='set `protocol` under [bounces] to "imap", "pop3" or "maildir", or give --maildir FOLDER',
            )


def look(box: Box, memory: Memory, take: Take, *, limit: int, dry_run: bool = False) -> Look:
    """Read what is new, at most `limit` mails; each group is committed by `take` before it is moved.

    Args:
        box: the mailbox.
        memory: what was found to be nothing of ours before.
        take: carries out what mails mean, and commits it.
        limit: so many mails are read at most.
        dry_run: nothing is moved or remembered.
    """
    found = Look()
    present = {}
    for entry in box.waiting():
        present[entry.key] = entry
    fresh = [entry for entry in present.values() if entry.key not in memory]
    found.more = len(fresh) > limit
    try:
        for group in _groups(islice(fresh, limit)):
            mails = _readable(box, memory, group, found, dry_run=dry_run)
            for (entry, data), settled in zip(mails, take([data for _, data in mails]), strict=True):
                found.read += 1
                found.results[settled.result] += 1
                if settled.new:
                    found.shown.append(settled)
                if dry_run:
                    continue
                if settled.ours:
                    box.done(entry, data)
                else:
                    memory.add(entry.key)
    finally:
        if not dry_run:
            memory.save(set(present))
    return found


def _readable(
    box: Box, memory: Memory, group: Sequence[Entry], found: Look, *, dry_run: bool
) -> list[tuple[Entry, bytes]]:
    """The mails of a group, without those that are too large or no mails at all, which are set aside."""
    mails = []
    for entry in group:
        data: bytes | None = None
        reason = ""
        if entry.size > LARGEST_MAIL:
            reason = f"{entry.size / 1_048_576:.0f} MB is more than the {LARGEST_MAIL // 1_048_576} MB that are read"
        else:
            try:
                data = box.read(entry)
            except KeyError:
                continue
            if len(data) > LARGEST_MAIL:
                data, reason = None, "it is larger than the mailbox says"
            elif not _is_mail(data):
                reason = "it has no headers: this is no mail"
        if not reason and data is not None:
            mails.append((entry, data))
            continue
        found.aside.append((entry.key, reason))
        if not dry_run and not box.set_aside(entry, data):
            memory.add(entry.key)
    return mails


def _is_mail(data: bytes) -> bool:
    from newsletter.tracking.mailbox.mime import read_mail

    return bool(read_mail(data[:64_000]).headers)


def _groups(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    size = 0
    for entry in entries:
        if group and (len(group) >= _AT_ONCE or size + entry.size > _BYTES_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(entry)
        size += entry.size
    if group:
        yield group


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """While this holds no other process looks into the mailbox.

    Raises:
        NewsletterError: another one does.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    refusal = NewsletterError(
        "another process looks into the mailbox now", hint="one `newsletter bounces poll` is enough"
    )
    with only_one(folder / "lock", refusal):
        yield
