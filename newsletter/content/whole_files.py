"""How does a file appear all at once? Written aside and synced, then put in its place: a crash leaves the old or the new one whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from threading import get_ident


def write_whole(path: Path, data: bytes) -> None:
    """Replace the content of `path`: a reader sees the old or the new file, never a part, also after a crash.

    The file keeps its permissions; a symbolic link keeps pointing to where it points.

    Raises:
        OSError: it can't be written; the old content is untouched.
    """
    draft, target = write_aside(path, data)
    try:
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_aside(path: Path, data: bytes) -> tuple[Path, Path]:
    """Write what `path` is to hold into a file beside it; returns that file, and the one it is to replace.

    Raises:
        OSError: it can't be written; nothing is left of it.
    """
    target = path.resolve()
    # Of this thread alone: another one, or another process, may be writing the same file.
    draft = target.with_name(f".{target.name}.{os.getpid()}-{get_ident()}.part")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            # On the disk before it takes the old file's place: a power cut leaves one of the two whole.
            os.fsync(file.fileno())
        with suppress(FileNotFoundError):
            draft.chmod(target.stat().st_mode & 0o7777)
    except BaseException as error:
        # Where nothing can be written, nothing can be taken away either: what stopped the writing is told.
        with suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError):
            # Of a full disk the system says no more than that; and nobody knows the file beside it.
            error.filename = str(path)
        raise
    return draft, target
