"""Which files of the site does a host send packed, and how are they packed beforehand? The same bytes give the same bytes."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from newsletter.site.folder import NewFolder

# What isn't packed by its own format already.
_TEXT: Final = (".html", ".css", ".js", ".xml", ".json", ".txt", ".md", ".svg")
_ENDINGS: Final = {"gzip": ".gz", "br": ".br"}
# Below it the answer is one network packet either way.
_LEAST = 1_000


def pack(folder: NewFolder, known: Mapping[str, tuple[int, int]], wanted: tuple[str, ...]) -> None:
    """Put packed forms beside the files of a folder; those of files that stayed as they are in `known` are kept.

    Args:
        folder: in the making, everything else written.
        known: time of the last change and size of the old folder's files.
        wanted: content codings, of those `extras.encodings` names.
    """
    jobs: list[tuple[str, str]] = []
    for path, found in list(folder.files.items()):
        if not path.endswith(_TEXT) or found[1] < _LEAST:
            continue
        for coding in wanted:
            packed = f"{path}{_ENDINGS[coding]}"
            if known.get(path) == found and packed in known:
                folder.keep(packed)
            else:
                jobs.append((path, coding))

    def done(job: tuple[str, str]) -> bytes:
        return _packed(folder.read(job[0]), job[1])

    # A packed form is never older than what it is a form of: who serves it can tell that they belong together.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for (path, coding), data in zip(jobs, threads.map(done, jobs), strict=True):
            folder.write(f"{path}{_ENDINGS[coding]}", data)


def _packed(data: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.compress(data, mtime=0)
    import brotli

    packed: bytes = brotli.compress(data, mode=brotli.MODE_TEXT)
    return packed
