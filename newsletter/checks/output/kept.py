"""Has this issue been rendered and judged before, as it is now? Findings kept between runs, without anything that renders.

One file below `.newsletter/`, that may be deleted at any time: what it lacks is found again. Two processes that
write it leave the work of one of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from newsletter import __version__
from newsletter.content.installation import installation
from newsletter.diagnostics import Diagnostic, Severity

# What an issue refers to beside it: a picture that changes changes the mail.
_REFERS = re.compile(r"\]\(\s*<?([^)\s>]+)|^\[[^\]\n]+\]:\s*<?([^\s>]+)", re.MULTILINE)
# The file's name below `.newsletter/`.
CACHE = "check.cache"
# Whether a diagram can be drawn depends on what is installed.
OF_THE_MACHINE = frozenset((*(f"NL46{digit}" for digit in range(10)), "NL470"))
_ISSUE = ""


class KeptFindings:
    """The findings of earlier runs.

    Args:
        path: the file they are kept in.
        home: the newsletter's folder; files in it are remembered relative to it.
        settings: everything the settings say, in a form that changes with them.
        templates: the folders of the templates.
        here: the folder that findings name files from; the current one, unless given.
    """

    def __init__(
        self, path: Path, home: Path, settings: str, templates: Sequence[Path], here: Path | None = None
    ) -> None:
        self._path = path
        self._home = home
        self._here = os.getcwd() if here is None else str(here)  # noqa: PTH109 - no Path is needed
        self._common = _common(settings, templates)
        self._entries: dict[str, dict[str, object]] = {}
        self._changed = False
        try:
            tree = json.loads(path.read_bytes())
            if tree["common"] == self._common:
                self._entries = dict(tree["issues"])
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def find(self, path: Path, text: str, display: str) -> list[Diagnostic] | None:
        """What was found in an issue with this text; None where it has to be looked at again.

        Args:
            path: the issue's file.
            text: what it says.
            display: what findings call it now.
        """
        entry = self._entries.get(self._name(path))
        if entry is None or entry.get("key") != _key(path, text):
            return None
        try:
            return [self._from_row(row, display) for row in entry["found"]]  # type: ignore[attr-defined]  # a list, or it is caught
        except (TypeError, ValueError, KeyError):
            return None

    def keep(self, path: Path, text: str, display: str, found: Sequence[Diagnostic]) -> None:
        """Remember what was found in an issue with this text."""
        if any(diagnostic.code in OF_THE_MACHINE for diagnostic in found):
            return
        rows = [self._to_row(diagnostic, display) for diagnostic in found]
        self._entries[self._name(path)] = {"key": _key(path, text), "found": rows}
        self._changed = True

    def write(self, files: Iterable[Path]) -> None:
        """Write what is new, and forget issues that are no longer there; a full disk costs time the next time only.

        Args:
            files: the newsletter's issues.
        """
        if not self._changed:
            return
        from newsletter.content.whole_files import write_whole

        there = {self._name(path) for path in files}
        kept = {name: entry for name, entry in self._entries.items() if name in there}
        data = json.dumps({"common": self._common, "issues": kept}, separators=(",", ":")).encode()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, data)
        except OSError:
            return
        self._changed = False

    def _name(self, path: Path) -> str:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` asks the disk for every part of it
        return (
            absolute.relative_to(self._home).as_posix()
            if absolute.is_relative_to(self._home)
            else str(absolute)
        )

    def _to_row(self, diagnostic: Diagnostic, display: str) -> list[object]:
        path = _ISSUE if diagnostic.path == display else self._whole(diagnostic.path)
        return [
            *(diagnostic.code, diagnostic.severity.value, diagnostic.message, path, diagnostic.line),
            *(diagnostic.column, diagnostic.length, diagnostic.help),
        ]

    def _whole(self, path: str) -> str:
        return os.path.normpath(os.path.join(self._here, path))  # noqa: PTH118 - as in `_name`

    def _from_row(self, row: Sequence[object], display: str) -> Diagnostic:
        code, severity, message, path, line, column, length, way_out = row
        return Diagnostic(
            code=str(code),
            severity=Severity(str(severity)),
            message=str(message),
            path=str(path).removeprefix(self._here + os.sep) if path else display,
            line=int(str(line)),
            column=int(str(column)),
            length=int(str(length)),
            help=str(way_out),
        )


def _key(path: Path, text: str) -> str:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16)
    for match in _REFERS.finditer(text):
        target = match[1] or match[2]
        if "://" not in target and not target.startswith("#"):
            digest.update(f"{target}{_changed(path.parent / target)}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _changed(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


def _common(settings: str, templates: Sequence[Path]) -> str:
    """What all issues' findings depend on."""
    digest = hashlib.blake2b(f"{__version__} {installation()}\n{settings}".encode(), digest_size=16)
    for folder in (folder / "email" for folder in templates):
        try:
            entries = sorted((entry.name, entry.stat()) for entry in os.scandir(folder) if entry.is_file())
        except OSError:
            entries = []
        for name, found in entries:
            digest.update(f"{name} {found.st_mtime_ns} {found.st_size}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
