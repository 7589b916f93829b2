"""What does each open page have to be told? The studio keeps the last good picture of every issue and tells its viewers what changed.

Pictures are made in a process of their own, one at a time; the HTML goes out first, the message
and the findings follow, the list of issues comes last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from newsletter.app import Workspace, open_workspace
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.template import InlineImage
from newsletter.preview.events import event, explained
from newsletter.preview.files import settling, shown_name, written
from newsletter.preview.picture import Broken, Picture
from newsletter.preview.process import RenderProcess
from newsletter.preview.shelf import Entry, Shelf
from newsletter.preview.trial import Trial, send_trial
from newsletter.preview.variants import FrameHtml, Variant
from newsletter.preview.viewers import Viewer, Viewers
from newsletter.preview.watch import SETTINGS_FILES

# Of a file that never stops being written, the last verdict is shown.
_LOOKS = 6
# Seconds in which the picture gets out of the door, and another thread to its turn.
_HAND_OVER = 0.004
# While many issues are checked: after how many they are kept, and after how many seconds the list is told.
_KEEP_EVERY = 100
_TELL_EVERY = 4.0
# Findings of these codes may end by a change of another file.
_BETWEEN_FILES = "NL9"


class Studio:
    """All issues of one newsletter, live.

    Args:
        workspace: the newsletter; it is read again when its settings change.
        process: makes the pictures.
        extra: issue files outside its `issues/`.
        reader: who reads unless a page says otherwise, as `reader_named` knows them; empty for a sample.
        owner: whether `close` ends the process.

    Raises:
        NewsletterError: there is no such reader.
    """

    def __init__(
        self,
        workspace: Workspace,
        process: RenderProcess,
        extra: Iterable[Path] = (),
        reader: str = "",
        *,
        owner: bool = True,
    ) -> None:
        self.workspace = workspace
        self._process, self._reader, self._owner = process, reader, owner
        self._home = workspace.home.resolve()
        self._extra = [path.resolve() for path in extra]
        self._identity = process.open(workspace.home, reader)
        self._shelf = Shelf()
        self._lock = threading.RLock()
        self._viewers = Viewers(self._home)
        self._settings_error: NewsletterError | None = None
        self._closed = False
        self._checking = False
        self._list_files()

    # -- the index --------------------------------------------------------------------------

    def keys(self) -> list[str]:
        """The issues, newest first."""
        with self._lock:
            return self._shelf.keys()

    def key_of(self, path: Path) -> str:
        """The key of an issue's file, or empty."""
        with self._lock:
            return self._shelf.key_of(path)

    def path_of(self, key: str) -> Path | None:
        """The file of an issue."""
        with self._lock:
            entry = self._shelf.get(key)
            return entry.path if entry else None

    def name_of(self, path: Path) -> str:
        """A file as findings name it."""
        return shown_name(self._home, path)

    def check_all(self) -> None:
        """Find what is wrong with every issue not looked at yet, the newest first; meant for a thread of its own.

        One thread at a time does it, and goes on until there is nothing left; a second one ends at once.
        """
        with self._lock:
            if self._checking:
                return
            self._checking = True
        checked, told = 0, time.monotonic()
        try:
            while self._check_next():
                checked += 1
                if checked % _KEEP_EVERY == 0:
                    self._process.keep_findings()
                if time.monotonic() - told > _TELL_EVERY:
                    self._tell_index()
                    told = time.monotonic()
                # A lock that is let go and taken at once is never given to the thread that waits with a save.
                time.sleep(_HAND_OVER)
        except BaseException:
            self._checking = False
            raise
        if checked and not self._closed:
            self._tell_index()
            self._process.keep_findings()

    def _check_next(self) -> bool:
        """Check one more issue; whether there was one, or else nobody is checking any more."""
        with self._lock:
            key, entry = next(
                ((key, entry) for key, entry in self._shelf.items() if entry.findings is None), ("", None)
            )
            if entry is None or self._closed:
                self._checking = False
                return False
            self._check(entry)
            self._viewers.tell_findings(key, entry, self._viewers.of(key))
            return True

    def _list_files(self) -> None:
        self._shelf.set_files([*self.workspace.issue_files(), *self._extra])

    def _tell_index(self) -> None:
        with self._lock:
            self._viewers.tell_index(self._index_json())

    def _index_json(self) -> dict[str, Any]:
        editor = self.workspace.secrets.get("NEWSLETTER_EDITOR_URL")
        return {
            **self._identity,
            "home": str(self._home),
            "editor": editor.get_secret_value() if editor else "",
            "settings_error": explained(self._settings_error) if self._settings_error else None,
            "issues": self._shelf.json(),
        }

    # -- viewers ----------------------------------------------------------------------------

    def join(self, viewer: Viewer) -> None:
        """Tell a page everything it shows, and everything that changes from now on."""
        with self._lock:
            if self._closed:
                viewer.push(None)
                return
            self._viewers.add(viewer)
            viewer.push(event("index", self._index_json()))
            key, entry = viewer.key, self._shelf.get(viewer.key)
            if entry is None:
                if key:
                    self._viewers.tell_gone(key, [viewer])
                return
            self._build(entry, viewer.reader)
            self._viewers.tell_picture(key, entry, [viewer])
            self._viewers.tell_message(key, entry, [viewer])
            if entry.findings is None:
                self._check(entry)
                self._tell_index()
            self._viewers.tell_findings(key, entry, [viewer])
            self._find_support(entry)
            self._viewers.tell_support(key, entry, [viewer])

    def leave(self, viewer: Viewer) -> None:
        """Forget a page that was closed."""
        with self._lock:
            self._viewers.remove(viewer)

    def send_away(self) -> None:
        """Send every page away; nothing is told after that. Waits for nothing, so that a signal handler may call it."""
        # Without the lock: a build that is under way must not delay the end.
        self._closed = True
        self._viewers.send_away()
        if self._owner:
            self._process.kill()

    def close(self) -> None:
        """Send every page away, and wait for the end of what makes the pictures."""
        self.send_away()
        if self._owner:
            self._process.close()

    # -- what the server asks for -----------------------------------------------------------

    def picture(self, key: str, reader: str = "") -> Picture | None:
        """The last good picture of an issue, built now where there is none."""
        with self._lock:
            entry = self._shelf.get(key)
            if entry is None:
                return None
            self._build(entry, reader)
            return entry.copy(reader).picture

    def frame(self, key: str, variant: Variant, reader: str = "") -> FrameHtml | None:
        """An issue's HTML part as `variant` shows it, from the last good picture."""
        with self._lock:
            entry = self._shelf.get(key)
            if entry is None:
                return None
            self._build(entry, reader)
            return entry.copy(reader).frame(variant)

    def image(self, filename: str) -> InlineImage | None:
        """A picture of any issue by its content-hashed name."""
        with self._lock:
            return self._shelf.image(filename)

    def send_trial(self, key: str, address: str) -> Trial:
        """Send an issue, as its file is now, to one address, marked as a test.

        Raises:
            UsageError: there is no such issue or no such address.
            NewsletterError: it can't be sent.
        """
        path = self.path_of(key)
        if path is None:
            raise UsageError(f"there is no issue `{key}`")
        content = self._process.frozen(path, self.name_of(path))
        return send_trial(self.workspace, content, address)

    # -- what the watcher says --------------------------------------------------------------

    def changed(self, paths: set[Path]) -> None:
        """Files were written, made or removed: build again what somebody looks at, and tell."""
        with self._lock:
            if self._closed:
                return
            templates = self._home / "templates"
            if any(
                path.is_relative_to(templates) or (path.parent == self._home and path.name in SETTINGS_FILES)
                for path in paths
            ):
                self._reload()
            before = {key: entry.summary.number for key, entry in self._shelf.items()}
            self._list_files()
            issues = {path for path in paths if path.suffix == ".md" and not path.is_relative_to(templates)}
            # Settings, a template, a picture: any issue may depend on it.
            everything = bool(paths - issues)
            touched = {key: e for key, e in self._shelf.items() if everything or e.path in issues}
            self._update(touched)
            gone = before.keys() - set(self._shelf.keys())
            # What came in the same moment under the same number is the same issue by another name.
            came = {entry.summary.number: key for key, entry in self._shelf.items() if key not in before}
            for key in gone:
                self._viewers.tell_gone(key, self._viewers.of(key), came.get(before[key], ""))
            if touched or gone:
                self._tell_index()
        if touched or gone:
            # A changed template concerns every issue: the next save mustn't wait for all of them.
            threading.Thread(target=self.check_all, name="check-all", daemon=True).start()

    def _update(self, touched: dict[str, Entry]) -> None:
        """Build the touched issues that somebody looks at; leave the others, and all checks, for later."""
        self._shelf.keep(self._viewers.looked_at())
        for entry in touched.values():
            entry.outdated()
        for key, entry in touched.items():
            viewers = self._viewers.of(key)
            for reader in {viewer.reader for viewer in viewers}:
                self._build(entry, reader)
            if viewers:
                self._viewers.tell_picture(key, entry, viewers)
                # The thread that writes to the sockets needs the interpreter now more than the rest of this does.
                time.sleep(_HAND_OVER)
                self._viewers.tell_message(key, entry, viewers)
        for key, entry in self._shelf.items():
            if key in touched:
                entry.findings, entry.as_before = None, False
            elif any(found.code.startswith(_BETWEEN_FILES) for found in entry.findings or ()):
                entry.findings, entry.as_before = None, True
        # What is looked at is checked first.
        looked_at = {key for key, _ in self._viewers.looked_at()} & touched.keys()
        for key in looked_at:
            self._check(touched[key])
            self._viewers.tell_findings(key, touched[key], self._viewers.of(key))
        for key in looked_at:
            self._find_support(touched[key])
            self._viewers.tell_support(key, touched[key], self._viewers.of(key))

    def _reload(self) -> None:
        try:
            workspace = open_workspace(self._home)
            self._identity = self._process.open(self._home, self._reader)
        except NewsletterError as error:
            # The last good settings go on serving; the page says what is wrong with the new ones.
            self._settings_error = error
        else:
            self.workspace, self._settings_error = workspace, None

    def _build(self, entry: Entry, reader: str) -> None:
        copy = entry.copy(reader)
        if copy.fresh:
            return
        name = self.name_of(entry.path)
        before, looks = written(entry.path), 1
        result = self._process.build(entry.path, name, reader)
        while isinstance(result, Broken) and looks < _LOOKS and not self._closed:
            # Half saved when it was read: it is being written, or was written again meanwhile.
            rest = settling(entry.path)
            if rest <= 0 and written(entry.path) == before:
                break
            time.sleep(max(0.0, rest))
            before, looks = written(entry.path), looks + 1
            result = self._process.build(entry.path, name, reader)
        copy.take(result)
        if isinstance(result, Picture):
            entry.summary = result.summary

    def _check(self, entry: Entry) -> None:
        name = self.name_of(entry.path)
        entry.findings = self._process.findings(entry.path, name, as_before=entry.as_before)
        if not any(copy.fresh for copy in entry.copies.values()):
            entry.summary = self._process.summary(entry.path) or entry.summary

    def _find_support(self, entry: Entry) -> None:
        if entry.support_fresh:
            return
        # A file that can't be shown keeps what was known of its last good picture.
        if not entry.broken:
            entry.support = self._process.support(entry.path)
        entry.support_fresh = True


def open_studio(workspace: Workspace, extra: Iterable[Path] = (), reader: str = "") -> Studio:
    """The studio of a newsletter, with a process of its own; see `Studio`."""
    process = RenderProcess()
    try:
        return Studio(workspace, process, extra, reader)
    except BaseException:
        process.close()
        raise
