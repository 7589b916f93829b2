"""Was this very check made before, and is everything it looked at as it was? Then what it said is said again.

Nothing that checks is imported for it: editors and commit hooks ask often, mostly about files that didn't change.
What a check looks at is any file of the newsletter's folder; a check of something outside of it is not kept.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress

from newsletter.content.installation import installation

_FOLDER = ".newsletter/checks-made"
_MOST_KEPT = 64
# Of the newsletter's folder: with more of them, looking at all takes as long as checking.
_MOST_FILES = 4_000
# Two writes within it may leave the same time on a file (as git's index has it: "racy" entries).
_TICK_NS = 20_000_000
# Imported before anything is read.
_BEGAN_NS = time.time_ns()
# Ours are read by the command itself, or change what it may refer to.
_VARIABLES = ("COLUMNS", "NO_COLOR", "TERM", "FORCE_COLOR", "PYTHONIOENCODING", "LANG", "LC_ALL", "TZ")
_NOT_LOOKED_AT = frozenset(("__pycache__", "node_modules", "venv"))
_UPWARDS = re.compile(r"(?:\.\.(?:/|%2[fF]))+")

Stamps = dict[str, tuple[int, int]]


class Check:
    """One run of the command that can be said again, from before it looks at anything.

    Args:
        home: the newsletter's folder.
        arguments: the words after `newsletter check`.
    """

    def __init__(self, home: str, arguments: Sequence[str]) -> None:
        self._home, self._key = home, _key(home, arguments)
        self._stamps = _stamps(home)

    def keep(self, files: Iterable[str], said: str, code: int, until: float) -> None:
        """Remember what was said.

        Args:
            files: what was checked.
            said: to standard output.
            code: what the command leaves with.
            until: seconds since the epoch: from then on it may say something else.
        """
        stamps = self._stamps
        if stamps is None or any(changed > _BEGAN_NS - _TICK_NS for changed, _ in stamps.values()):
            return
        if any(_leads_out(file, self._home) for file in files):
            return
        path = _file(self._home, self._key)
        made = {"key": self._key, "stamps": stamps, "said": said, "code": code}
        aside = f"{path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - no Path is needed
            with open(aside, "w", encoding="utf-8") as file:  # noqa: PTH123 - as above
                json.dump(made | {"since": _BEGAN_NS / 1e9, "until": until}, file)
            os.replace(aside, path)  # noqa: PTH105 - as above
            _forget_the_oldest(os.path.dirname(path))  # noqa: PTH120 - as above
        except OSError:
            # No room, or no permission: the next check takes its time.
            with suppress(OSError):
                os.unlink(aside)  # noqa: PTH108 - as above


def repeat(arguments: Sequence[str]) -> int | None:
    """Say again what this check said the last time, and return its code; None where it has to be made."""
    home = _home()
    if home is None or sys.stdout is None:
        return None
    key = _key(home, arguments)
    try:
        with open(_file(home, key), encoding="utf-8") as file:  # noqa: PTH123 - no Path is needed
            made = json.load(file)
        # As JSON has it: without tuples.
        if made["key"] != json.loads(json.dumps(key)) or not made["since"] <= time.time() < made["until"]:
            return None
        stamps = _stamps(home)
        if stamps is None or {path: list(stamp) for path, stamp in stamps.items()} != made["stamps"]:
            return None
        said, code = str(made["said"]), int(made["code"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    sys.stdout.write(said)
    sys.stdout.flush()
    return code


def _home() -> str | None:
    """The folder whose checks are remembered: that of the environment, or the nearest upwards that may have settings."""
    named = os.environ.get("NEWSLETTER_HOME")
    if named:
        return os.path.abspath(os.path.expanduser(named))  # noqa: PTH100, PTH111 - as above
    folder = os.getcwd()  # noqa: PTH109 - as above
    while not os.path.isdir(f"{folder}/.newsletter"):  # noqa: PTH112 - as above
        above = os.path.dirname(folder)  # noqa: PTH120 - as above
        if above == folder:
            return None
        folder = above
    return folder


def _key(home: str, arguments: Sequence[str]) -> list[object]:
    """Where, of whom and with what the question is asked, and which installation answers."""
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    # Their values may be secrets.
    ours = sorted(name for name in os.environ if name.startswith("NEWSLETTER_"))
    stream = [sys.stdout.isatty(), sys.stdout.encoding]
    return [home, os.getcwd(), list(arguments), variables, ours, stream, sys.version, installation()]  # noqa: PTH109 - as above


def _file(home: str, key: Sequence[object]) -> str:
    return f"{home}/{_FOLDER}/{zlib.crc32(json.dumps(key).encode()):08x}.json"


def _forget_the_oldest(folder: str) -> None:
    with os.scandir(folder) as entries:
        kept = sorted((entry.stat().st_mtime_ns, entry.path) for entry in entries)
    for _, path in kept[:-_MOST_KEPT]:
        os.unlink(path)  # noqa: PTH108 - as above


def _stamps(home: str) -> Stamps | None:
    """Time of the last change and size of each file of the newsletter; None where there are too many, or not all can be seen."""
    found: Stamps = {}
    folders = [home]
    try:
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir():
                        if entry.is_symlink():
                            return None
                        if not entry.name.startswith(".") and entry.name not in _NOT_LOOKED_AT:
                            folders.append(entry.path)
                    else:
                        status = entry.stat()
                        found[entry.path] = (status.st_mtime_ns, status.st_size)
            if len(found) > _MOST_FILES:
                return None
    except OSError:
        # Such as a link to nothing.
        return None
    return found


def _leads_out(path: str, home: str) -> bool:
    """Whether a file stands outside of the newsletter's folder, or names one that does."""
    whole = os.path.abspath(path)  # noqa: PTH100 - as above
    if not whole.startswith(home + os.sep):
        return True
    below = whole[len(home) :].count(os.sep) - 1
    with open(whole, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
        text = file.read()
    return any(len(re.findall(r"\.\.", match[0])) > below for match in _UPWARDS.finditer(text))
