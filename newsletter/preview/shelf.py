"""Which issues are there, and what was last seen of each? A list of files, and for every reader the last good picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.diagnostics import Diagnostic
from newsletter.model.template import InlineImage
from newsletter.preview.files import guessed
from newsletter.preview.findings import counts, findings_json
from newsletter.preview.picture import Broken, Picture, Summary
from newsletter.preview.variants import FrameHtml, Variant, as_seen, split_body, with_addresses

if TYPE_CHECKING:
    # What finds it is the other process's.
    from newsletter.preview.support import Support


@dataclass
class Copy:
    """One issue as one reader gets it.

    Attributes:
        picture: the last good one.
        broken: why there is no newer one.
        version: goes up with every picture.
        fresh: whether `picture` or `broken` is of the file as it is.
    """

    picture: Picture | None = None
    broken: Broken | None = None
    version: int = 0
    fresh: bool = False
    _frames: dict[Variant, FrameHtml] = field(default_factory=dict)

    def take(self, result: Picture | Broken) -> None:
        """Keep what a build came to."""
        if isinstance(result, Broken):
            self.broken = result
        else:
            self.broken, self.picture = None, result
            self.version += 1
            self._frames = {}
        self.fresh = True

    def frame(self, variant: Variant) -> FrameHtml | None:
        """The HTML part as `variant` shows it, from the last good picture; made once."""
        if self.picture is None:
            return None
        if variant not in self._frames:
            addresses = {a: f"../images/{image.filename}" for a, image in self.picture.assets.items()}
            html = with_addresses(self.picture.html, addresses)
            self._frames[variant] = split_body(as_seen(html, variant))
        return self._frames[variant]


@dataclass
class Entry:
    """One issue's file.

    Attributes:
        summary: for the list.
        copies: what was seen of it, by reader.
        findings: everything found; None where it has to be looked at.
        as_before: whether it is looked at for the sake of other files alone.
        support: which mail programs know what its last good picture is made of.
        support_fresh: whether that is of the file as it is.
    """

    path: Path
    summary: Summary
    copies: dict[str, Copy] = field(default_factory=dict)
    findings: list[Diagnostic] | None = None
    as_before: bool = False
    support: Support | None = None
    support_fresh: bool = False

    def copy(self, reader: str) -> Copy:
        """What was seen of it for `reader`."""
        return self.copies.setdefault(reader, Copy())

    def outdated(self) -> None:
        """The file, or something it is made of, has changed; copies nobody looks at are forgotten by `Shelf.keep`."""
        self.support_fresh = False
        for copy in self.copies.values():
            copy.fresh = False

    @property
    def broken(self) -> bool:
        """Whether it couldn't be shown when it was looked at last."""
        return any(copy.broken is not None for copy in self.copies.values())

    def broken_json(self, reader: str, home: Path) -> list[dict[str, Any]] | None:
        """Why there is no picture of the file as it is, for the page; files are named from `home`."""
        broken = self.copy(reader).broken
        if broken is None:
            return None
        return findings_json(broken.diagnostics, home, self.path, broken.text)

    def findings_json(self, home: Path) -> list[dict[str, Any]]:
        """Everything found, for the page; files are named from `home`."""
        return findings_json(self.findings or [], home, self.path)


class Shelf:
    """The issues, newest first, by key: the file's name without its ending."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def set_files(self, paths: Iterable[Path]) -> None:
        """Take in what is there now; what was known of a file stays known."""
        files = {path.resolve(): None for path in paths if path.is_file()}
        known = {entry.path: (key, entry) for key, entry in self._entries.items()}
        entries: dict[str, Entry] = {}
        for path in files:
            key, entry = known.get(path) or (_key_of(path), Entry(path, guessed(path)))
            while key in entries:
                key += "-"
            entries[key] = entry
        self._entries = dict(sorted(entries.items(), key=lambda item: (-item[1].summary.number, item[0])))

    def keys(self) -> list[str]:
        """The issues, newest first."""
        return list(self._entries)

    def get(self, key: str) -> Entry | None:
        """The issue called `key`."""
        return self._entries.get(key)

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Keys and issues, newest first."""
        return iter(list(self._entries.items()))

    def key_of(self, path: Path) -> str:
        """The key of an issue's file, or empty."""
        real = path.resolve()
        return next((key for key, entry in self._entries.items() if entry.path == real), "")

    def keep(self, looked_at: set[tuple[str, str]]) -> None:
        """Forget the copies, by issue and reader, that nobody looks at: every reader's would add up."""
        for key, entry in self._entries.items():
            for reader in [name for name in entry.copies if name and (key, name) not in looked_at]:
                del entry.copies[reader]

    def image(self, filename: str) -> InlineImage | None:
        """A picture of any issue by its content-hashed name."""
        for entry in self._entries.values():
            for copy in entry.copies.values():
                for image in copy.picture.assets.values() if copy.picture else ():
                    if image.filename == filename:
                        return image
        return None

    def json(self) -> list[dict[str, Any]]:
        """The list, for the page."""
        return [
            {
                "key": key,
                "number": entry.summary.number,
                "title": entry.summary.title,
                "date": entry.summary.date,
                "status": entry.summary.status,
                "broken": entry.broken,
                "counts": None if entry.findings is None else counts(entry.findings),
            }
            for key, entry in self._entries.items()
        ]


def _key_of(path: Path) -> str:
    """A file's name without its ending, in characters that an address can hold: a file system takes any bytes."""
    return path.stem.encode(errors="replace").decode()
