"""Which files are guides? Told without parsing one: every check asks it, and few newsletters have any."""

from __future__ import annotations

import re
from pathlib import Path

from newsletter.content.front_matter import slugify

FOLDER = "guides"
_TYPE = re.compile(r"^type[ \t]*:[ \t]*[\"']?guide[\"']?[ \t\r]*$", re.MULTILINE)
_BLOCK_END = re.compile(r"^---", re.MULTILINE)


def guide_files(issues: Path) -> list[Path]:
    """The guides beside the issues in a folder, `guides/*.md`, by name.

    Raises:
        OSError: the folder can't be read, which is not the same as an empty one.
    """
    try:
        entries = list((issues / FOLDER).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(p for p in entries if p.suffix == ".md" and is_guide_name(p.name))


def is_guide_name(name: str) -> bool:
    """Whether a file in a folder of guides is one: `README.md` and hidden files aren't."""
    return not name.startswith(".") and name.casefold() != "readme.md"


def is_guide(path: Path, text: str) -> bool:
    """Whether a file is meant to be a guide: by its folder, or because it says so."""
    if path.parent.name == FOLDER:
        return True
    if "guide" not in text or not text.startswith(("---", "\ufeff---")):
        return False
    found = _TYPE.search(text)
    return found is not None and not _BLOCK_END.search(text, 4, found.start())


def guide_slug(path: str) -> str:
    """The slug a file name stands for; a leading number is part of it: `4-bit-vs-8-bit.md` is about numbers."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return slugify(name.rpartition(".")[0] or name) or "guide"
