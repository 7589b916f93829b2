"""Which installation is at work: this package as it stands on the disk, and what else is installed beside it?

What is remembered between runs is true for the installation that found it, and for no other.
"""

from __future__ import annotations

import os
import sys
import zlib
from functools import cache

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - before every command
# Where packages are installed, by virtual environments and by Debian.
_SITES = ("site-packages", "dist-packages")


@cache
def installation() -> str:
    """A word that is another one after any change of our modules and templates, or of what is installed.

    An installed package has its version; one that is worked on changes without it. Of other packages the folder is
    asked alone: installing, upgrading or removing one makes or removes a folder in it. Asked once in a process, which goes on
    with the modules it has.
    """
    folders = [_PACKAGE]
    if not os.path.isdir(f"{_PACKAGE}/_templates"):  # noqa: PTH112 - as above
        # In a checkout they stand beside the package (`app.files`).
        folders.append(f"{os.path.dirname(_PACKAGE)}/templates")  # noqa: PTH120 - as above
    found = [f"{path} {_changed(path)}" for path in sys.path if path.endswith(_SITES)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if not entry.is_dir(follow_symlinks=False):
                        status = entry.stat()
                        found.append(f"{entry.path} {status.st_mtime_ns} {status.st_size}")
                    elif entry.name != "__pycache__":
                        folders.append(entry.path)
        except OSError:
            # An editor's file may be gone again.
            continue
    return f"{zlib.crc32(chr(10).join(sorted(found)).encode('utf-8', 'surrogateescape')):08x}"


def _changed(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - as above
    except OSError:
        return 0
