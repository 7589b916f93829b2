"""Where does the Web page panel get its pages? From the site as it would be, built in a process of its own into a folder of ours."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsletter.errors import NewsletterError
from newsletter.preview.findings import findings_json
from newsletter.preview.process import RenderProcess
from newsletter.preview.studio import Studio
from newsletter.preview.variants import Scheme, fixed_scheme

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".md": "text/plain",
    ".txt": "text/plain",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".gif": "image/gif",
    ".xml": "text/xml",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True)
class SiteFile:
    """One file of the built site, as the frame gets it."""

    content: bytes
    media_type: str


class WebPages:
    """The pages of the site, one build for each issue that is looked at.

    Args:
        studio: whose issues they are.
        base: tells the address under which the files of an issue's site are served, without a trailing slash.
    """

    def __init__(self, studio: Studio, base: Callable[[str, Scheme], str]) -> None:
        self._studio, self._base = studio, base
        self._process = RenderProcess()
        self._turn = threading.Lock()
        # Made when somebody looks, so that whoever never does leaves nothing to remove.
        self._folder: Path | None = None
        self._opened: object = None

    def look(self, key: str) -> dict[str, Any] | None:
        """Where the page of an issue is, built now, and what the site says of it; None where there is no such issue."""
        path = self._studio.path_of(key)
        if path is None:
            return None
        with self._turn:
            workspace = self._studio.workspace
            try:
                if self._opened is not workspace:
                    self._process.open(workspace.home, "")
                    self._opened = workspace
            except NewsletterError as error:
                return {"address": "", "findings": [], "message": error.message, "hint": error.hint}
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="newsletter-preview-"))
            folder = _place(self._folder, key)
            folder.mkdir(exist_ok=True)
            page = self._process.web_page(
                path, self._studio.name_of(path), self._base(key, Scheme.LIGHT), folder
            )
        return {
            "address": page.address,
            "findings": findings_json(page.findings, self._studio.workspace.home, path),
        }

    def file(self, key: str, name: str, scheme: Scheme) -> SiteFile | None:
        """A file of the site built for `key`; None where there is none."""
        if self._folder is None:
            return None
        root = _place(self._folder, key) / "site"
        wanted = (root / name.lstrip("/")).resolve()
        if not wanted.is_relative_to(root.resolve()):
            return None
        if wanted.is_dir():
            wanted /= "index.html"
        try:
            content = wanted.read_bytes()
        except OSError:
            return None
        if wanted.suffix in {".html", ".css"}:
            text = content.decode("utf-8", "replace")
            if scheme is not Scheme.LIGHT:
                ours, theirs = (
                    self._base(key, one).partition("//")[2].partition("/")[2]
                    for one in (Scheme.LIGHT, scheme)
                )
                text = text.replace(f"/{ours}/", f"/{theirs}/")
            if wanted.suffix == ".css":
                text = fixed_scheme(text, dark=scheme is Scheme.DARK)
            content = text.encode()
        return SiteFile(content, _TYPES.get(wanted.suffix, "application/octet-stream"))

    def send_away(self) -> None:
        """Give up what is being built; waits for nothing, so that a signal handler may call it."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and remove what it built."""
        self._process.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _place(folder: Path, key: str) -> Path:
    # A key is a file's name, and may be anything a file may be called.
    return folder / hashlib.sha256(key.encode()).hexdigest()[:16]
