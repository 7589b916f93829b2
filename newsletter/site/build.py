"""From issues and guides to a folder that any host serves; what didn't change is not made again."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.content.installation import installation
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.publication import Publication, Theme
from newsletter.site.cache import Cache, Stamps, digest, unchanged
from newsletter.site.entry import PictureFile, SiteOptions
from newsletter.site.extras import Progress, untold
from newsletter.site.folder import as_written, refuse_foreign
from newsletter.store.only_one import only_one

if TYPE_CHECKING:
    from newsletter.render.workshop import Workshop

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


@dataclass(frozen=True)
class SiteInputs:
    """All that a site is made of.

    Attributes:
        publication: whose it is; `base_url` is where the site will be.
        theme: how it looks.
        options: what is the same for every page.
        template_dirs: where templates are looked for, the user's own first.
        consent: the words beside the button of the form.
        issues: the paths of the files, each with the one that findings call it.
        guides: the same of the guides.
        sent: slugs of issues that went out to people.
        cache: the file in which work is kept between builds.
        workshop: fits pictures and draws diagrams as it does for mails; without it, the former stay as they are and
            the latter code.
        told: hears how far the build is.
    """

    publication: Publication
    theme: Theme
    options: SiteOptions
    template_dirs: Sequence[Path]
    consent: str
    issues: Sequence[tuple[str, str]]
    guides: Sequence[tuple[str, str]]
    sent: frozenset[str]
    cache: Path
    workshop: Workshop | None = None
    told: Progress = untold


@dataclass(frozen=True)
class Built:
    """What a build came to.

    Attributes:
        replaced: whether the folder is another one now; not so where an error stood in the way or nothing changed.
        issues: published.
        guides: published.
        pages: HTML pages of the site.
        written: files that were made anew.
        findings: what is wrong, by place; the folder is not replaced where one is an error.
    """

    replaced: bool
    issues: int
    guides: int
    pages: int
    written: int
    findings: tuple[Diagnostic, ...]

    @property
    def failed(self) -> bool:
        """Whether an error stood in the way."""
        return any(found.severity is Severity.ERROR for found in self.findings)


def build_site(inputs: SiteInputs, out: Path) -> Built:
    """Build the site into `out`, or leave that as it is where something is wrong.

    Raises:
        UsageError: there is no `base_url`, or `out` holds what no build made.
        NewsletterError: a template has a mistake, a file can't be read, or the disk is full.
        OSError: the folder can't be written; the old one is as it was.
    """
    if not inputs.publication.base_url:
        raise UsageError(
            "`base_url` isn't set: feeds and mails link to it",
            hint='set it to where the site will be, such as base_url = "https://news.example.com"',
        )
    refuse_foreign(out)
    inputs.cache.parent.mkdir(parents=True, exist_ok=True)
    lock = spare_of(inputs, out).with_suffix(".lock")
    busy = NewsletterError(f"another build makes {out}", hint="try again when it has ended")
    with only_one(lock, busy):
        cache = Cache(inputs.cache, _key(inputs))
        try:
            # Taken before the files are read: one that is saved meanwhile is read again by the next build.
            stamps = _stamps(inputs)
            named = [(display, stamps[path]) for path, display in (*inputs.issues, *inputs.guides)]
            stamp = digest(json.dumps([named, sorted(inputs.sent)]))
            built = _up_to_date(out, cache, stamp) or _made(inputs, out, cache, stamp, stamps)
            if not built.failed:
                cache.commit(stamps)
        except sqlite3.OperationalError as error:
            raise NewsletterError(
                f"{inputs.cache} can't be written: {error}", hint="make room on the disk, and build again"
            ) from error
        else:
            return built
        finally:
            cache.close()


def spare_of(inputs: SiteInputs, out: Path) -> Path:
    """Where the folder that `out` was before is kept."""
    return inputs.cache.with_name(f"site-{digest(str(out))[:8]}.before")


def _up_to_date(out: Path, cache: Cache, stamp: str) -> Built | None:
    """What the last build came to, where everything is as it was after it: then nothing that builds is even imported."""
    known = cache.about(f"last:{out}")
    if not known or (last := json.loads(known))["stamp"] != stamp:
        return None
    before = cache.pages(str(out))
    pictures = (PictureFile(*picture) for picture in last["pictures"])
    if len(as_written(out, before)) != len(before) or not unchanged(pictures):
        return None
    findings = tuple(Diagnostic(**found) for found in last["findings"])
    issues, guides, pages = last["counts"]
    return Built(False, issues, guides, pages, 0, findings)  # noqa: FBT003 - named by the class


def _made(inputs: SiteInputs, out: Path, cache: Cache, stamp: str, stamps: Stamps) -> Built:
    from newsletter.site.making import make_site

    try:
        sources, built = make_site(inputs, out, spare_of(inputs, out), cache, stamps)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NewsletterError(
            f"there is no room for the site beside {out}: {error.strerror}",
            hint="make room, and build again; the site is as it was",
        ) from error
    if not built.failed:
        kept = {
            "stamp": stamp,
            "pictures": [
                tuple(picture)
                for pictures in (*(entry.pictures for entry in sources.entries), sources.waiting)
                for picture in pictures
            ],
            "findings": [asdict(found) for found in built.findings],
            "counts": [built.issues, built.guides, built.pages],
        }
        cache.set_about(f"last:{out}", json.dumps(kept))
    return built


def _stamps(inputs: SiteInputs) -> Stamps:
    """Time of the last change and size of each file."""
    stamps: Stamps = {}
    for path, _ in (*inputs.issues, *inputs.guides):
        status = os.stat(path)  # noqa: PTH116 - some thousand times a build
        stamps[path] = (status.st_mtime_ns, status.st_size)
    return stamps


def _key(inputs: SiteInputs) -> str:
    """What decides how any page looks: settings, templates, this package and what it is made with."""
    folders = [folder / "site" for folder in inputs.template_dirs]
    templates = [
        # One that isn't UTF-8 is told about where it is used.
        f"{path.name}\0{path.read_text('utf-8', 'backslashreplace')}"
        for folder in folders
        for path in sorted(folder.glob("*.j2"))
    ]
    settings = [
        str(asdict(inputs.publication)),
        str(asdict(inputs.theme)),
        str(inputs.options),
        inputs.consent,
        inputs.workshop.signature if inputs.workshop else "",
    ]
    # What is kept is written in the form of this Python.
    return digest(installation(), sys.implementation.cache_tag or "", *settings, *templates)
