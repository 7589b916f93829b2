"""What does each open page have to be told? The studio keeps the last good picture of every issue and tells its viewers what changed.

Builds happen in whichever thread noticed the need for one, under one lock; the HTML goes out
first, the message and the findings follow, the list of issues comes last.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from newsletter.app import Workspace
from newsletter.diagnostics import Diagnostic
from newsletter.errors import NewsletterError
from newsletter.model.template import InlineImage
from newsletter.preview.build import Broken, Builder, Picture, Summary
from newsletter.preview.events import event, explained, message_json
from newsletter.preview.findings import counts, finding_json
from newsletter.preview.variants import FrameHtml, Variant, as_seen, split_body, with_addresses
from newsletter.preview.watch import SETTINGS_FILES

# A verdict of "broken" on a file written less than this long ago (seconds) waits and looks again: it may be half saved.
_SETTLING = 0.08

# Seconds in which the picture gets out of the door.
_HAND_OVER = 0.004
# Findings of these codes may end by a change of another file.
_BETWEEN_FILES = "NL9"

Push = Callable[[bytes | None], None]


@dataclass(eq=False)
class Viewer:
    """One open page.

    Attributes:
        key: the issue it shows, or empty.
        variant: how it shows it.
        push: takes one server-sent event, or None at the end; may be called from any thread.
    """

    key: str
    variant: Variant
    push: Push


@dataclass
class _Entry:
    path: Path
    summary: Summary
    picture: Picture | None = None
    broken: Broken | None = None
    findings: list[Diagnostic] | None = None
    version: int = 0
    fresh: bool = False  # whether `picture` or `broken` is of the file as it is


@dataclass
class _Look:
    """Frames of one picture, made once per variant."""

    version: int = -1
    frames: dict[Variant, FrameHtml] = field(default_factory=dict)


class Studio:
    """All issues of one newsletter, live."""

    def __init__(
        self, make_builder: Callable[[], Builder], home: Path, extra: Iterable[Path] = (), editor: str = ""
    ) -> None:
        self._make_builder = make_builder
        self._builder = make_builder()
        self._home = home.resolve()
        self._extra = [path.resolve() for path in extra]
        self._editor = editor
        self._lock = threading.RLock()
        self._viewers: set[Viewer] = set()
        self._entries: dict[str, _Entry] = {}
        self._looks: dict[str, _Look] = {}
        self._settings_error: NewsletterError | None = None
        self._closed = False
        self._started = False
        self._list_files()

    # -- the index --------------------------------------------------------------------------

    def keys(self) -> list[str]:
        """The issues, newest first."""
        with self._lock:
            return list(self._entries)

    def key_of(self, path: Path) -> str:
        """The key of an issue's file, or empty."""
        real = path.resolve()
        with self._lock:
            return next((key for key, entry in self._entries.items() if entry.path == real), "")

    def check_all(self) -> None:
        """Find what is wrong with every issue not looked at yet; meant for a thread of its own."""
        checked = False
        for key in self.keys():
            if self._closed:
                return
            with self._lock:
                entry = self._entries.get(key)
                if entry is not None and entry.findings is None:
                    self._check(entry)
                    self._tell_findings(key, entry, self._viewing(key))
                    checked = True
        if checked:
            self._tell_index()

    def _list_files(self) -> None:
        files = {path.resolve(): None for path in [*self._builder.files(), *self._extra] if path.is_file()}
        known = {entry.path: (key, entry) for key, entry in self._entries.items()}
        entries: dict[str, _Entry] = {}
        for path in files:
            if path in known:
                key, entry = known[path]
            else:
                key, entry = path.stem, _Entry(path, self._builder.guess(path))
            while key in entries:
                key += "-"
            entries[key] = entry
        newest = sorted(entries.items(), key=lambda item: (-item[1].summary.number, item[0]))
        self._entries = dict(newest)

    def _tell_index(self) -> None:
        with self._lock:
            data = event("index", self._index_json())
            for viewer in self._viewers:
                viewer.push(data)

    def _index_json(self) -> dict[str, Any]:
        return {
            **self._builder.identity(),
            "home": str(self._home),
            "editor": self._editor,
            "settings_error": explained(self._settings_error) if self._settings_error else None,
            "issues": [
                {
                    "key": key,
                    "number": entry.summary.number,
                    "title": entry.summary.title,
                    "date": entry.summary.date,
                    "status": entry.summary.status,
                    "broken": entry.broken is not None,
                    "counts": None if entry.findings is None else counts(entry.findings),
                }
                for key, entry in self._entries.items()
            ],
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
            entry = self._entries.get(viewer.key)
            if entry is None:
                if viewer.key:
                    viewer.push(event("gone", {"key": viewer.key}))
                return
            if not entry.fresh:
                self._build(entry)
            self._tell_picture(viewer.key, entry, [viewer])
            self._tell_message(viewer.key, entry, [viewer])
            if entry.findings is None:
                self._check(entry)
                self._tell_index()
            self._tell_findings(viewer.key, entry, [viewer])

    def leave(self, viewer: Viewer) -> None:
        """Forget a page that was closed."""
        with self._lock:
            self._viewers.discard(viewer)

    def close(self) -> None:
        """Send every page away; nothing is told after that."""
        # Without the lock: a build that is under way must not delay the end.
        self._closed = True
        for viewer in list(self._viewers):
            viewer.push(None)

    # -- what the server asks for -----------------------------------------------------------

    def picture(self, key: str) -> Picture | None:
        """The last good picture of an issue, built now where there is none."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if not entry.fresh:
                self._build(entry)
            return entry.picture

    def frame(self, key: str, variant: Variant) -> FrameHtml | None:
        """An issue's HTML part as `variant` shows it, from the last good picture."""
        picture = self.picture(key)
        with self._lock:
            entry = self._entries.get(key)
            if picture is None or entry is None:
                return None
            look = self._looks.setdefault(key, _Look())
            if look.version != entry.version:
                look.version, look.frames = entry.version, {}
            if variant not in look.frames:
                addresses = {a: f"../images/{image.filename}" for a, image in picture.assets.items()}
                html = with_addresses(picture.html, addresses)
                look.frames[variant] = split_body(as_seen(html, variant))
            return look.frames[variant]

    def image(self, filename: str) -> InlineImage | None:
        """A picture of any issue by its content-hashed name."""
        with self._lock:
            for entry in self._entries.values():
                for image in entry.picture.assets.values() if entry.picture else ():
                    if image.filename == filename:
                        return image
        return None

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
            before = set(self._entries)
            self._list_files()
            issues = {path for path in paths if path.suffix == ".md" and not path.is_relative_to(templates)}
            # Settings, a template, a picture: any issue may depend on it.
            everything = bool(paths - issues)
            touched = {
                key: entry for key, entry in self._entries.items() if everything or entry.path in issues
            }
            self._update(touched)
            gone = before - set(self._entries)
            for key in gone:
                self._looks.pop(key, None)
                for viewer in self._viewing(key):
                    viewer.push(event("gone", {"key": key}))
            if touched or gone:
                self._tell_index()
        if touched or gone:
            self.check_all()

    def _update(self, touched: dict[str, _Entry]) -> None:
        """Build the touched issues that somebody looks at; leave the others, and all checks, for later."""
        for entry in touched.values():
            entry.fresh = False
        watched = {viewer.key for viewer in self._viewers}
        for key, entry in touched.items():
            if key in watched:
                self._build(entry)
                viewers = self._viewing(key)
                self._tell_picture(key, entry, viewers)
                # The thread that writes to the sockets needs the interpreter now more than the rest of this does.
                time.sleep(_HAND_OVER)
                self._tell_message(key, entry, viewers)
        for key, entry in self._entries.items():
            if key in touched or any(d.code.startswith(_BETWEEN_FILES) for d in entry.findings or ()):
                entry.findings = None
        # What is looked at is checked first.
        for key in watched & touched.keys():
            self._check(touched[key])
            self._tell_findings(key, touched[key], self._viewing(key))

    def _reload(self) -> None:
        try:
            self._builder = self._make_builder()
            self._settings_error = None
        except NewsletterError as error:
            # The last good settings go on serving; the page says what is wrong with the new ones.
            self._settings_error = error

    def _viewing(self, key: str) -> list[Viewer]:
        return [viewer for viewer in self._viewers if viewer.key == key]

    def _build(self, entry: _Entry) -> None:
        result = self._builder.build(entry.path)
        while isinstance(result, Broken) and (rest := _settling(entry.path)) > 0:
            time.sleep(rest)
            result = self._builder.build(entry.path)
        if isinstance(result, Broken):
            entry.broken = result
        else:
            entry.broken, entry.picture, entry.summary = None, result, result.summary
            entry.version += 1
        entry.fresh = True

    def _check(self, entry: _Entry) -> None:
        entry.findings = self._builder.findings(entry.path)
        if not entry.fresh:
            entry.summary = self._builder.summary(entry.path) or entry.summary

    # -- events -----------------------------------------------------------------------------

    def _tell_picture(self, key: str, entry: _Entry, viewers: list[Viewer]) -> None:
        broken = self._broken_json(entry)
        for viewer in viewers:
            data: dict[str, Any] = {"key": key, "version": entry.version, "broken": broken}
            frame = self.frame(key, viewer.variant)
            if frame is not None and entry.picture is not None:
                data |= {
                    "shell": frame.shell,
                    "body": frame.body,
                    "took": round(entry.picture.took * 1000, 1),
                    "sender": entry.picture.message.header("From"),
                    "subject": entry.picture.subject,
                    "preheader": entry.picture.preheader,
                }
            viewer.push(event("picture", data))

    def _broken_json(self, entry: _Entry) -> list[dict[str, Any]] | None:
        if entry.broken is None:
            return None
        return [finding_json(d, entry.broken.text, entry.path) for d in entry.broken.diagnostics]

    def _tell_message(self, key: str, entry: _Entry, viewers: list[Viewer]) -> None:
        if entry.picture is None or not viewers:
            return
        data = event("message", {"key": key, "version": entry.version, **message_json(entry.picture)})
        for viewer in viewers:
            viewer.push(data)

    def _tell_findings(self, key: str, entry: _Entry, viewers: list[Viewer]) -> None:
        findings = entry.findings or []
        text = self._builder.text(entry.path)
        data = event(
            "findings",
            {"key": key, "findings": [finding_json(d, text, entry.path) for d in findings]},
        )
        for viewer in viewers:
            viewer.push(data)


def open_studio(workspace: Workspace, extra: Iterable[Path] = (), reader: str = "") -> Studio:
    """The studio of a newsletter; it reads the settings again when they change.

    Args:
        workspace: the newsletter.
        extra: issue files outside its `issues/`.
        reader: address of the subscriber to read as, or empty for a sample one.

    Raises:
        NewsletterError: there is no such subscriber.
    """
    from newsletter.app import open_workspace

    first = [workspace]

    def make() -> Builder:
        # The first time with what the caller opened, later with what the files say by then.
        space = first.pop() if first else open_workspace(workspace.home)
        return Builder(space, reader)

    return Studio(make, workspace.home, extra, editor=_editor(workspace))


def _editor(workspace: Workspace) -> str:
    """The address template that opens a file in the author's editor, from `NEWSLETTER_EDITOR_URL`."""
    value = workspace.secrets.get("NEWSLETTER_EDITOR_URL")
    return value.get_secret_value() if value else ""


def _settling(path: Path) -> float:
    """Seconds until a file written just now can be judged; 0 or less when it can."""
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
    return _SETTLING - age if age >= 0 else 0.0
