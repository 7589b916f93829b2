"""What would one subscriber get of this file as it is now? The very bytes, made by the parts that send.

The panels are read back from the finished MIME message, so that nothing can be shown that would not leave.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.app import Workspace
from newsletter.checks.across import check_across
from newsletter.checks.run import check_file, settled
from newsletter.content.issue import ParseResult, read_issue
from newsletter.content.source import by_place
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import NewsletterError
from newsletter.model.issue import FrontMatter
from newsletter.model.template import InlineImage
from newsletter.preview.message import MessageView, read_message
from newsletter.preview.reader import SAMPLE, find_reader, outgoing_of, presentable, signer_for
from newsletter.render.compile import compile_rendered
from newsletter.render.slots import TOKEN, SlotTable
from newsletter.render.tracked import track
from newsletter.send.frozen import Frozen
from newsletter.send.recipients import Recipients
from newsletter.send.run import sample_mime

# Code of what no check foresaw: a template of the author's own that raises, a picture that can't be read.
NOT_RENDERED = "preview"


@dataclass(frozen=True, slots=True)
class Summary:
    """What the list of issues says about one of them."""

    number: int
    title: str
    date: str
    status: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One issue as one reader gets it.

    Attributes:
        summary: for the list.
        message: the whole message, taken apart.
        preheader: what the inbox shows after the subject.
        assets: pictures by what `src` says: `cid:…` where they travel along, an address where they are linked.
        took: seconds from reading the file to the finished message.
    """

    summary: Summary
    message: MessageView
    preheader: str
    assets: Mapping[str, InlineImage]
    took: float

    @property
    def subject(self) -> str:
        """The subject as the inbox shows it."""
        return self.message.header("Subject")

    @property
    def html(self) -> str:
        """The HTML part, decoded."""
        part = self.message.first("text/html")
        return part.text if part else ""

    @property
    def text(self) -> str:
        """The plain-text part, decoded."""
        part = self.message.first("text/plain")
        return part.text if part else ""


@dataclass(frozen=True, slots=True)
class Broken:
    """Why there is no picture of the file as it is.

    Attributes:
        diagnostics: at least one.
        text: the file's text, to show the places in it; empty where it can't be read.
    """

    diagnostics: tuple[Diagnostic, ...]
    text: str = ""


class Builder:
    """Builds issues under one set of settings; keeps the renderer's cache between builds.

    Attributes:
        reader: whose copy is shown.
        outgoing: how messages leave.

    Args:
        workspace: the newsletter.
        reader_email: address of the subscriber to read as, or empty for a sample one.

    Raises:
        NewsletterError: there is no such subscriber, or the store can't be read.
    """

    def __init__(self, workspace: Workspace, reader_email: str = "") -> None:
        self._workspace = workspace
        self._settings = workspace.settings
        self._publication = presentable(workspace.settings.publication)
        self.outgoing = outgoing_of(workspace)
        self._renderer = workspace.renderer(images="attach" if self.outgoing.attach else "link")
        self.reader = find_reader(workspace, reader_email) if reader_email else SAMPLE
        self._signer = signer_for(workspace, self.reader)
        # What rendering said of a file, and what the parser did, for findings that other files have a part in.
        self._rendered: dict[Path, tuple[Diagnostic, ...]] = {}
        self._known: dict[Path, ParseResult] = {}

    def identity(self) -> dict[str, str | bool]:
        """What the page calls the newsletter and its reader."""
        return {
            "name": self._publication.name,
            "tagline": self._publication.tagline,
            "reader": self.reader.label,
            "provider": self.outgoing.provider,
            "provider_writes_mime": self.outgoing.writes_mime,
        }

    def files(self) -> Sequence[Path]:
        """The newsletter's issue files."""
        return self._workspace.issue_files()

    def name_of(self, path: Path) -> str:
        """The file as findings name it: from the newsletter's folder where it lies below it."""
        home = self._workspace.home.resolve()
        real = path.resolve()
        return real.relative_to(home).as_posix() if real.is_relative_to(home) else str(path)

    def text(self, path: Path) -> str:
        """The file's text, or empty where it can't be read."""
        try:
            return path.read_text("utf-8", "replace")
        except OSError:
            return ""

    def guess(self, path: Path) -> Summary:
        """What the file's name says, until it was read."""
        match = re.match(r"(\d+)[-_ ]*(.*)", path.stem)
        number, words = (int(match[1]), match[2]) if match else (0, path.stem)
        title = words.replace("-", " ").replace("_", " ").strip() or path.stem
        return Summary(number, title[:1].upper() + title[1:], "", "")

    def summary(self, path: Path) -> Summary | None:
        """What the front matter says, or None where it can't be read."""
        try:
            front = self._parse(path).front
        except NewsletterError:
            return None
        return _summary(front) if front else None

    def build(self, path: Path) -> Picture | Broken:
        """The picture of the file as it is now, or why there is none; never raises."""
        started = time.perf_counter()
        name = self.name_of(path)
        wait_until_written(path)
        try:
            return self._build(path, started)
        except NewsletterError as error:
            return Broken((_unforeseen(name, error.message, error.hint),), self.text(path))
        except Exception as error:  # noqa: BLE001 - a template of the author's own may raise anything, and the preview lives on
            return Broken((_unforeseen(name, f"{type(error).__name__}: {error}"),), self.text(path))

    def findings(self, path: Path) -> list[Diagnostic]:
        """Everything the checks say about the file; never raises."""
        name = self.name_of(path)
        try:
            return self._check(path, name)
        except NewsletterError as error:
            return [_unforeseen(name, error.message, error.hint)]
        except Exception as error:  # noqa: BLE001 - as in `build`
            return [_unforeseen(name, f"{type(error).__name__}: {error}")]

    def _check(self, path: Path, name: str) -> list[Diagnostic]:
        table = self._settings.checks
        _, found = check_file(
            path, kinds=self._settings.kinds, off=table.off, errors=table.errors, display=name
        )
        parsed = self._known[path] = self._parse(path)
        others = [other for file, other in self._known.items() if file != path and file.is_file()]
        more = [*self._rendered.get(path, ()), *check_across([parsed], others)]
        # Rendering and the checks may see the same fault.
        return sorted(dict.fromkeys([*found, *settled(more, table.off, table.errors)]), key=by_place)

    def _parse(self, path: Path) -> ParseResult:
        return read_issue(path, self._settings.kinds, self.name_of(path))

    def _build(self, path: Path, started: float) -> Picture | Broken:
        parsed = self._parse(path)
        issue = parsed.issue
        self._rendered.pop(path, None)
        if issue is None:
            errors = tuple(d for d in parsed.diagnostics if d.severity is Severity.ERROR)
            return Broken(errors or parsed.diagnostics, self.text(path))
        rendered = self._renderer.render(issue)
        self._rendered[path] = rendered.diagnostics
        compiled = compile_rendered(rendered, issue, attach=self.outgoing.attach)
        if compiled.issue is None:
            return Broken(compiled.diagnostics, self.text(path))
        message = read_message(
            sample_mime(
                Frozen(
                    track(compiled.issue, self._settings.tracking.wishes, self._publication.base_url),
                    self._publication,
                ),
                self.reader.person,
                self._signer,
                self._workspace.clock.now(),
                self.outgoing.dkim,
            )
        )
        return Picture(
            summary=_summary(issue.front),
            message=message,
            preheader=self._filled(rendered.preheader, rendered.slots),
            assets=self._assets(message, rendered.images),
            took=time.perf_counter() - started,
        )

    def _filled(self, text: str, slots: SlotTable) -> str:
        recipients = Recipients(
            0,
            self._signer,
            self._publication.base_url,
            unsubscribe_address=self._publication.unsubscribe_address,
        )
        values = recipients.make(self.reader.person).values

        def value(match: re.Match[str]) -> str:
            field, default = slots.entry(int(match[1]))
            return values.get(field) or default

        return TOKEN.sub(value, text)

    def _assets(self, message: MessageView, attached: Sequence[InlineImage]) -> dict[str, InlineImage]:
        found = {f"cid:{image.content_id}": image for image in attached}
        html = message.first("text/html")
        base = self._publication.base_url
        if not attached and html is not None and base:
            # Linked pictures are on a site that may not be built yet: their files are here.
            for name in set(re.findall(re.escape(f"{base}/assets/") + r"([\w.-]+)", html.text)):
                image = _local_asset(self._workspace.issues_dir, name)
                if image is not None:
                    found[f"{base}/assets/{name}"] = image
        return found


def wait_until_written(path: Path) -> None:
    """Wait for up to 60 ms while the file is empty: an editor that truncates and then writes is caught in between."""
    for _ in range(12):
        try:
            if path.stat().st_size:
                return
        except OSError:
            return
        time.sleep(0.005)


def _summary(front: FrontMatter) -> Summary:
    date = f"{front.date.day} {front.date:%b %Y}"
    return Summary(front.number, front.title, date, front.status)


def _local_asset(folder: Path, name: str) -> InlineImage | None:
    """The file below `folder` that a content-hashed name was made of."""
    match = re.fullmatch(r"(.+)-([0-9a-f]{8})\.(png|jpg|gif)", name)
    if match is None:
        return None
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in {".png", ".jpg", ".jpeg", ".gif"} and file.is_file():
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest().startswith(match[2]):
                kind = {"png": "png", "jpg": "jpeg", "gif": "gif"}[match[3]]
                return InlineImage(name, name, f"image/{kind}", data)
    return None


def _unforeseen(name: str, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(code=NOT_RENDERED, severity=Severity.ERROR, message=message, path=name, help=hint)
