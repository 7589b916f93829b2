"""Who looks at what, and in which words are they told of it? Each open page hears of the issue it shows, as it shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsletter.preview.events import event, message_json
from newsletter.preview.shelf import Entry
from newsletter.preview.variants import Variant

Push = Callable[[bytes | None], None]


@dataclass(eq=False)
class Viewer:
    """One open page.

    Attributes:
        key: the issue it shows, or empty.
        variant: how it shows it.
        push: takes one server-sent event, or None at the end; may be called from any thread.
        reader: whose copy it shows, as `reader_named` knows them; empty for the studio's own reader.
    """

    key: str
    variant: Variant
    push: Push
    reader: str = ""


class Viewers:
    """All open pages.

    Args:
        home: what files are named from.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._all: set[Viewer] = set()

    def add(self, viewer: Viewer) -> None:
        """A page was opened."""
        self._all.add(viewer)

    def remove(self, viewer: Viewer) -> None:
        """A page was closed."""
        self._all.discard(viewer)

    def of(self, key: str) -> list[Viewer]:
        """The pages that show an issue."""
        return [viewer for viewer in self._all if viewer.key == key]

    def looked_at(self) -> set[tuple[str, str]]:
        """What is shown somewhere, by issue and reader."""
        return {(viewer.key, viewer.reader) for viewer in self._all}

    def send_away(self) -> None:
        """The end, for every page; takes no lock, so that a signal handler may call it."""
        for viewer in list(self._all):
            viewer.push(None)

    def tell_index(self, index: dict[str, Any]) -> None:
        """Tell every page what there is."""
        _tell(self._all, "index", index)

    def tell_gone(self, key: str, to: Iterable[Viewer], now: str = "") -> None:
        """The issue is no more; `now` is the key of the same one by another name."""
        _tell(to, "gone", {"key": key, "now": now})

    def tell_picture(self, key: str, entry: Entry, to: Iterable[Viewer]) -> None:
        """Each page gets its own reader's copy, as it shows it."""
        for viewer in to:
            copy = entry.copy(viewer.reader)
            data: dict[str, Any] = {
                "key": key,
                "version": copy.version,
                "broken": entry.broken_json(viewer.reader, self._home),
            }
            frame = copy.frame(viewer.variant)
            if frame is not None and copy.picture is not None:
                data |= {
                    "shell": frame.shell,
                    "body": frame.body,
                    "took": round(copy.picture.took * 1000, 1),
                    "sender": copy.picture.message.header("From"),
                    "subject": copy.picture.subject,
                    "preheader": copy.picture.preheader,
                    "reader": copy.picture.reader,
                }
            viewer.push(event("picture", data))

    def tell_message(self, key: str, entry: Entry, to: list[Viewer]) -> None:
        """Each page gets the message to its own reader, made once for all who look at that."""
        for reader in {viewer.reader for viewer in to}:
            copy = entry.copy(reader)
            if copy.picture is not None:
                data = {"key": key, "version": copy.version, **message_json(copy.picture)}
                _tell([viewer for viewer in to if viewer.reader == reader], "message", data)

    def tell_findings(self, key: str, entry: Entry, to: list[Viewer]) -> None:
        """What is wrong with an issue; files are named from home."""
        if to:
            _tell(to, "findings", {"key": key, "findings": entry.findings_json(self._home)})

    def tell_support(self, key: str, entry: Entry, to: Iterable[Viewer]) -> None:
        """Which mail programs know what the issue is made of."""
        _tell(to, "support", {"key": key, "support": entry.support.as_json() if entry.support else None})


def _tell(to: Iterable[Viewer], name: str, about: dict[str, Any]) -> None:
    data = event(name, about)
    for viewer in to:
        viewer.push(data)
