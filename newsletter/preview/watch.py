"""What did the author just save? Changes of issues, templates and settings, some milliseconds after the write."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from watchfiles import DefaultFilter, watch

from newsletter.config import CONFIG_NAME

# A step of 5 ms is what makes a save visible within a few frames; the debounce only groups the
# several events that one save makes.
_STEP_MS = 5
_DEBOUNCE_MS = 40
# Seconds after which it is seen that the whole folder went, or came back: nothing tells.
_LOOK_AGAIN = 1.0
# Seconds after which it is watched anew, where watching ended.
_PAUSE = 0.1

_LOG = logging.getLogger(__name__)
SETTINGS_FILES = frozenset({CONFIG_NAME, "pyproject.toml", ".env"})


class Watcher:
    """Two threads that call `changed` with the paths that were written, made or removed.

    The folders of content are watched with all below them; the newsletter's own folder only for
    its settings and for a content folder that appears later. Nothing else in it is looked at: it
    may hold a database being written, or a checkout of anything.
    """

    def __init__(self, home: Path, files: Iterable[Path], changed: Callable[[set[Path]], None]) -> None:
        # Events carry real paths; a home reached through a symbolic link must still match.
        self._home = home.resolve()
        self._changed = changed
        self._stop = threading.Event()
        self._content_moved = threading.Event()
        outside = {file.resolve().parent for file in files}
        self._flat = [self._home, *sorted(f for f in outside if not f.is_relative_to(self._home / "issues"))]
        self._outside = {file.resolve() for file in files}
        self._threads = [
            threading.Thread(target=self._watch_content, name="watch-content", daemon=True),
            threading.Thread(target=self._watch_home, name="watch-home", daemon=True),
        ]

    def start(self) -> None:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop watching, within some 20 ms."""
        self._stop.set()
        self._content_moved.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=1)

    def _content_folders(self) -> list[Path]:
        return [folder for name in ("issues", "templates") if (folder := self._home / name).is_dir()]

    def _watch_content(self) -> None:
        # What is saved from the end of watching until it begins anew is told by nobody.
        missed = False
        while not self._stop.is_set():
            self._content_moved.clear()
            if (
                self._stop.is_set()
            ):  # set between the two lines above: the flag just cleared was the last call
                return
            folders = self._content_folders()
            if not folders:
                self._content_moved.wait(timeout=1)
                continue
            try:
                for changes in watch(
                    *folders,
                    watch_filter=DefaultFilter(),
                    step=_STEP_MS,
                    debounce=_DEBOUNCE_MS,
                    rust_timeout=int(_LOOK_AGAIN * 1000) if missed else 60_000,
                    yield_on_timeout=True,
                    stop_event=self._content_moved,
                    raise_interrupt=False,
                    ignore_permission_denied=True,
                ):
                    paths = {Path(path) for _, path in changes} | (set(folders) if missed else set())
                    missed = False
                    if paths:
                        self._tell(paths)
            except FileNotFoundError:  # gone since
                continue
            except RuntimeError:  # the name of a file isn't text, and watchfiles says no more than that
                self._tell(set(folders))
                missed = True
                self._stop.wait(_PAUSE)

    def _tell(self, paths: set[Path]) -> None:
        """Whatever one change brings about, the next one is told as well."""
        try:
            self._changed(paths)
        except Exception as error:  # noqa: BLE001 - as above
            names = ", ".join(sorted(repr(path.name) for path in paths)[:3])
            _LOG.warning("a change of %s can't be shown: %s: %s", names, type(error).__name__, error)

    def _watch_home(self) -> None:
        known = self._identities()
        while not self._stop.is_set():
            for paths in self._home_changes():
                now = self._identities()
                replaced = now[0] != known[0]
                if now != known:
                    self._content_moved.set()
                known = now
                if replaced:
                    paths |= {self._home / name for name in ("issues", *SETTINGS_FILES)}
                if paths:
                    self._tell(paths)
                if replaced:
                    break  # the system goes on watching the folder that was there

    def _home_changes(self) -> Iterator[set[Path]]:
        """What was written in the folders that are watched without what is below; nothing every second, too."""
        folders = [folder for folder in self._flat if folder.is_dir()]
        if not folders:
            self._stop.wait(_LOOK_AGAIN)
            yield set()
            return
        try:
            for changes in watch(
                *folders,
                watch_filter=self._concerns_us,
                step=_STEP_MS * 4,
                debounce=_DEBOUNCE_MS,
                rust_timeout=int(_LOOK_AGAIN * 1000),
                yield_on_timeout=True,
                stop_event=self._stop,
                recursive=False,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                yield {Path(path) for _, path in changes}
        except FileNotFoundError:  # gone since
            return
        except RuntimeError:  # as above
            self._stop.wait(_PAUSE)
            yield {self._home / name for name in SETTINGS_FILES}

    def _identities(self) -> list[tuple[int, int] | None]:
        """Which folders these are: one that was removed and made again has the same name."""
        return [_identity(self._home / name) for name in (".", "issues", "templates")]

    def _concerns_us(self, _change: object, path: str) -> bool:
        place = Path(path)
        if place in self._outside:
            return True
        return place.parent == self._home and (
            place.name in SETTINGS_FILES or place.name in {"issues", "templates"}
        )


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
