"""Which address does the page of an issue or a guide have? Told from its first lines: nothing is parsed for a link to it."""

from __future__ import annotations

import re
from errno import EINVAL
from pathlib import Path
from stat import S_ISREG
from typing import Final

from newsletter.content.front_matter import slug_of_file
from newsletter.content.guide_files import FOLDER, guide_slug, is_guide

# Front matter is shorter.
HEAD_BYTES: Final = 8_192
_NUMBER = re.compile(r"^number[ \t]*:[ \t]*(\d{1,9})[ \t]*$", re.MULTILINE)
_SLUG = re.compile(r"^slug[ \t]*:[ \t]*[\"']?([a-z0-9-]+)", re.MULTILINE)
# Where pages and files of the site and the service are: no issue may stand there.
_TAKEN: Final = frozenset(
    [
        *("404.html", "archive", "assets", "atom.xml", "favicon.ico", "feed.json", "feed.xml", "guides"),
        *("index.html", "index.md", "llms.txt", "questions", "robots.txt", "sitemap.xml", "tags"),
        *("api", "c", "confirm", "healthz", "hooks", "join", "left", "metrics", "o", "p", "preferences"),
        *("readyz", "search", "static", "u", "view"),
    ]
)
# Of these, what only the service answers, and the files beside the pages.
_OF_THE_SERVICE: Final = frozenset(("api", "confirm", "join", "p", "preferences", "search", "u", "view"))
_FILES: Final = frozenset(
    ("/feed.xml", "/atom.xml", "/feed.json", "/sitemap.xml", "/robots.txt", "/llms.txt")
)
HOW_TO_LINK: Final = "links start from the file's own folder, such as `../002-hybrid-retrieval.md#concept`"
# What stands in the folder of every page.
_IN_FOLDERS: Final = frozenset(("index.html", "index.md"))
# A part of an address that is a name in the site's folder, and in no other.
_PART = re.compile(r"[^./\\\x00-\x20\x7f?#%\"<>&][^/\\\x00-\x20\x7f?#%\"<>&]{0,120}")


def unusable(address: str) -> str:
    """Why no page can stand at an address, which begins without `/`; empty where one can.

    Guides are below `guides/`, and so may be what leads to one.
    """
    parts = address.strip("/").split("/")
    if not all(map(_PART.fullmatch, parts)):
        return f"`{address}` can't be the address of a page"
    below_guides = parts[0] == FOLDER and len(parts) > 1
    if (parts[0].casefold() in _TAKEN and not below_guides) or not _IN_FOLDERS.isdisjoint(
        map(str.casefold, parts)
    ):
        return f"the address `{address}` is a page of the site or the service"
    return ""


def head_of(path: Path) -> str:
    """The beginning of a file, long enough for its front matter.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    # A pipe or a device would be waited for without end.
    if not S_ISREG(path.stat().st_mode):
        raise OSError(EINVAL, "not an ordinary file", str(path))
    with path.open("rb") as file:
        return file.read(HEAD_BYTES).decode("utf-8", errors="replace").replace("\r\n", "\n")


def is_beside_pages(address: str) -> bool:
    """Whether an address, which begins with `/`, is the service's or that of a file beside the pages: either may be linked."""
    return address in _FILES or address.split("/")[1] in _OF_THE_SERVICE


def number_in(block: str) -> int | None:
    """The number that front matter gives an issue."""
    found = _NUMBER.search(block)
    return int(found[1]) if found else None


def slug_in(path: Path, head: str) -> str:
    """The slug of the file that begins with `head`: the one it names, else the one its name stands for."""
    block = head.partition("\n---")[0]
    named = _SLUG.search(block)
    if named:
        return named[1]
    return guide_slug(str(path)) if is_guide(path, head) else slug_of_file(str(path), number_in(block) or 0)


def page_address(path: Path) -> str:
    """The address of a file's page from the site's root, such as `/guides/rag/`; by its name where there is no such file."""
    try:
        head = head_of(path)
    except (OSError, ValueError):  # a name that no file system can have
        head = ""
    folder = f"/{FOLDER}" if is_guide(path, head) else ""
    return f"{folder}/{slug_in(path, head)}/"
