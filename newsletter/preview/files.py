"""What can be said of an issue's file without rendering it?"""

from __future__ import annotations

import re
import time
from pathlib import Path

from newsletter.preview.picture import Summary

# A verdict of "broken" on a file written less than this long ago (seconds) waits and looks again: it may be half saved.
_SETTLING = 0.08


def shown_name(home: Path, path: Path) -> str:
    """The file as findings name it: from the newsletter's folder where it lies below it."""
    home, real = home.resolve(), path.resolve()
    return real.relative_to(home).as_posix() if real.is_relative_to(home) else str(path)


def text_of(path: Path) -> str:
    """The file's text, or empty where it can't be read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def guessed(path: Path) -> Summary:
    """What the file's name says, until it was read."""
    match = re.match(r"(\d+)[-_ ]*(.*)", path.stem)
    number, words = (int(match[1]), match[2]) if match else (0, path.stem)
    title = words.replace("-", " ").replace("_", " ").strip() or path.stem
    return Summary(number, title[:1].upper() + title[1:], "", "")


def settling(path: Path) -> float:
    """Seconds until a file written just now can be judged; 0 or less when it can."""
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
    return _SETTLING - age if age >= 0 else 0.0


def written(path: Path) -> tuple[int, int]:
    """When a file was written, and how long it is; zeros where it isn't there."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)
