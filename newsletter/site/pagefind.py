"""How is a site searched that no service stands behind? Pagefind makes an index of its pages, as files any host serves.

https://pagefind.app: the reader's browser fetches only the parts of the index that the words need.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.errors import NewsletterError, UsageError
from newsletter.site.cache import digest

if TYPE_CHECKING:
    from newsletter.site.folder import NewFolder

FOLDER = "assets/pagefind/"
# What the page's own script asks for; the bundle's user interfaces are left out.
_NEEDED = ("pagefind.js", "pagefind-worker.js", "pagefind-entry.json")
_NEEDED_ENDS = (".pf_meta", ".pf_index", ".pf_fragment", ".pf_filter", ".pagefind")
# What leads elsewhere or only tells of the page.
_NOT_SEARCHED = "nav, .tags, .title .mark, section[aria-labelledby=related]"
# C++, C# and top_k are words.
_CHARACTERS = "_+#"
_SECONDS = 600


def pagefind_version() -> str:
    """Which Pagefind is installed.

    Raises:
        UsageError: none is, or not the program itself.
    """
    try:
        metadata.version("pagefind_bin")
        return metadata.version("pagefind")
    except metadata.PackageNotFoundError:
        raise UsageError(
            '`search = "pagefind"` below `[site]` needs Pagefind, which isn\'t installed',
            hint="pip install 'newsletter-toolkit[site]'; or search by the service: search = \"service\"",
        ) from None


def is_of_bundle(path: str) -> bool:
    """Whether a file of the site is one of the index; packed forms of one aren't."""
    return path.startswith(FOLDER) and _is_needed(path.rpartition("/")[2])


def _is_needed(name: str) -> bool:
    return name in _NEEDED or name.endswith(_NEEDED_ENDS)


def bundle_key(pages: Mapping[str, str]) -> str:
    """What decides what the index holds.

    Args:
        pages: the key of each page that is searched, by path.

    Raises:
        UsageError: see `pagefind_version`.
    """
    return digest(pagefind_version(), _CHARACTERS, *(f"{path} {key}" for path, key in sorted(pages.items())))


def write_bundle(
    folder: NewFolder, pages: Collection[str], before: Sequence[str] | None, *, language: str
) -> None:
    """Put the index of `pages` into a folder in the making.

    Args:
        folder: has the pages already.
        pages: their paths.
        before: the files of the index that is there and still right; None makes another.
        language: of the pages.

    Raises:
        NewsletterError: Pagefind fails.
        OSError: there is no room.
    """
    if before is not None:
        for path in before:
            folder.keep(path)
        return
    if not pages:
        return
    with tempfile.TemporaryDirectory(prefix="newsletter-pagefind-") as scratch:
        site, made = Path(scratch, "site"), Path(scratch, "made")
        for path in pages:
            target = site / path
            target.parent.mkdir(parents=True, exist_ok=True)
            _share(folder.place_of(path), target)
        _run(site, made, language)
        for file in sorted(made.rglob("*")):
            if file.is_file() and _is_needed(file.name):
                folder.write(f"{FOLDER}{file.relative_to(made).as_posix()}", file.read_bytes())


def _share(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _run(site: Path, made: Path, language: str) -> None:
    # Only there with the extra.
    from pagefind_bin import get_executable  # type: ignore[import-untyped]  # it has no types

    arguments = [
        *("--site", str(site), "--output-path", str(made)),
        *("--root-selector", "article", "--exclude-selectors", _NOT_SEARCHED),
        *("--include-characters", _CHARACTERS, "--force-language", language.partition("-")[0].lower()),
        "--silent",
    ]
    try:
        done = subprocess.run(  # noqa: S603 - the program the extra installed, on files of ours
            [str(get_executable()), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NewsletterError(
            f"Pagefind didn't run: {error}",
            hint="install it anew: pip install --force-reinstall 'pagefind[bin]'",
        ) from None
    if done.returncode or not (made / "pagefind-entry.json").is_file():
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NewsletterError(
            f"Pagefind made no index: {said[-1] if said else f'it ended with {done.returncode}'}",
            hint='build without it: search = "" below `[site]`',
        )
