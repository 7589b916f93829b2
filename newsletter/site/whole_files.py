"""How do the files of one export appear together? Only when all are written aside do they take their places."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from newsletter.content.whole_files import write_aside
from newsletter.errors import NewsletterError
from newsletter.interrupts import uninterrupted


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
            drafts.append(write_aside(path, text.encode()))
        with uninterrupted():
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
            with suppress(OSError):
                draft.unlink()
