"""How do files appear all at once? Each is written aside and synced; only when all are there do they take their places."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from newsletter.errors import NewsletterError


def write_whole(files: Mapping[Path, str]) -> None:
    """Write texts as UTF-8; the folders they are in are made where they are missing.

    Raises:
        NewsletterError: one can't be written; what was there before still is.
    """
    drafts: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for path, text in files.items():
            if path.is_dir():
                raise NewsletterError(
                    f"{path} can't be written: it is a folder", hint="name another place with --out"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}.part")
            drafts.append((draft, path))
            with draft.open("w", encoding="utf-8", newline="") as sink:
                sink.write(text)
                sink.flush()
                # On the disk before it takes the old file's place: a power cut leaves one of the two whole.
                os.fsync(sink.fileno())
        for draft, path in drafts:
            draft.replace(path)
    except OSError as error:
        in_the_way = next((above for above in path.parents if above.is_file()), None)
        why = f"{in_the_way} is a file" if in_the_way else error.strerror or error
        raise NewsletterError(
            f"{path} can't be written: {why}", hint="name another place with --out"
        ) from error
    finally:
        for draft, _ in drafts:
            # Where nothing can be written, nothing can be taken away either: what stopped the writing is told.
            with suppress(OSError):
                draft.unlink()
