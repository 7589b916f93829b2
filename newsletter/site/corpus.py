"""Which passages changed since the archive was last exported? A corpus as JSON lines, and a manifest that tells what to index again."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter import __version__
from newsletter.errors import NewsletterError
from newsletter.site.whole_files import write_whole

if TYPE_CHECKING:
    from newsletter.site.passage import Passage

FORMAT = "newsletter-corpus"
FORMAT_VERSION = 1
# Ends of lines to readers that go by Unicode, such as Python's `str.splitlines`; JSON lets them stand.
_ENDS_OF_LINES = re.compile("[\x85\u2028\u2029]")


@dataclass(frozen=True)
class Licence:
    """What readers may do with the text: in words, and where to read it; both may be empty."""

    words: str = ""
    url: str = ""


@dataclass(frozen=True)
class Changes:
    """What is otherwise than at the export before: ids, each list in the order of the corpus.

    Attributes:
        added: weren't there, or had gone.
        changed: say something else, or say it elsewhere: under another title, address or tag.
        removed: are gone since; listed in the manifest for good, or until they come back.
        unchanged: how many stayed as they were.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int

    @property
    def any(self) -> bool:
        """Whether there is something to index again."""
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True)
class Corpus:
    """An export before it is written.

    Attributes:
        path: of the lines.
        lines: the lines, as text.
        manifest: what is beside them.
        changes: against the export before.
    """

    path: Path
    lines: str
    manifest: str
    changes: Changes

    @property
    def manifest_path(self) -> Path:
        """Where the manifest is."""
        return manifest_path(self.path)

    def write(self) -> None:
        """Put both in place; a crash in between leaves new lines under an old manifest, which the next export mends.

        Raises:
            NewsletterError: they can't be written; what was there before still is.
        """
        write_whole({self.path: self.lines, self.manifest_path: self.manifest})


def corpus_path(out: Path) -> Path:
    """The file that `out` means: itself, or `corpus.jsonl` in it where it is a folder, or would be one without an ending."""
    return out / "corpus.jsonl" if out.is_dir() or not (out.suffix or out.exists()) else out


def manifest_path(path: Path) -> Path:
    """The manifest beside a corpus: `corpus.manifest.json` beside `corpus.jsonl`."""
    return path.with_name(f"{path.stem}.manifest.json")


def make_corpus(
    passages: Sequence[Passage], path: Path, *, base_url: str, licence: Licence, now: str
) -> Corpus:
    """The corpus of these passages, compared with the manifest beside `path`.

    The same passages after the same export make the same bytes; `now` (ISO 8601, UTC) is only noted for
    passages that went away.

    Raises:
        NewsletterError: the manifest can't be read, or is of a newer version; or all issues would be taken
            away at once.
    """
    before = _read_manifest(manifest_path(path))
    known: dict[str, dict[str, Any]] = before.get("passages", {})
    graves: dict[str, dict[str, Any]] = before.get("tombstones", {})
    lines = {passage.id: _line(passage, licence) for passage in passages}
    entries: dict[str, dict[str, Any]] = {}
    for passage in passages:
        digest = _sha256(lines[passage.id])
        old = known.get(passage.id) or graves.get(passage.id)
        if old is None:
            version = 1
        else:
            same = passage.id in known and old["line_sha256"] == digest
            version = old["version"] if same else old["version"] + 1
        entries[passage.id] = {"version": version, "sha256": passage.sha256, "line_sha256": digest}
    gone = [id_ for id_ in known if id_ not in entries]
    _refuse_emptying(gone, entries, manifest_path(path))
    tombstones = {id_: grave for id_, grave in graves.items() if id_ not in entries} | {
        id_: {"version": known[id_]["version"], "removed": now} for id_ in gone
    }
    text = "".join(f"{line}\n" for line in lines.values())
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "generator": f"newsletter {__version__}",
        "base_url": base_url,
        "corpus": path.name,
        "corpus_sha256": _sha256(text),
        "passages": entries,
        "tombstones": dict(sorted(tombstones.items())),
    }
    changes = Changes(
        added=tuple(id_ for id_ in entries if id_ not in known),
        changed=tuple(
            id_ for id_ in entries if id_ in known and known[id_]["version"] != entries[id_]["version"]
        ),
        removed=tuple(gone),
        unchanged=sum(id_ in known and known[id_]["version"] == entries[id_]["version"] for id_ in entries),
    )
    return Corpus(path, text, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", changes)


def _line(passage: Passage, licence: Licence) -> str:
    """A passage on one line, whatever ends a line to whom."""
    record: dict[str, Any] = {
        **passage.about(),
        "text": passage.text,
        "sha256": passage.sha256,
        "licence": licence.words,
    }
    if licence.url:
        record["licence_url"] = licence.url
    plain = json.dumps(record, ensure_ascii=False)
    return _ENDS_OF_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", plain)


def _read_manifest(path: Path) -> Mapping[str, Any]:
    """What the last export left; empty where there was none."""
    begin_anew = "delete it to begin anew; versions start from 1 then, and everything has to be indexed again"
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise NewsletterError(f"{path} can't be read: {error}", hint=begin_anew) from None
    try:
        manifest = json.loads(text)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise NewsletterError(
                f"{path} is not the manifest of a corpus", hint="name another file with --out"
            )
        if manifest["format_version"] + 0 > FORMAT_VERSION:
            raise NewsletterError(
                f"{path} has format {manifest['format_version']}, of a newer version of this program",
                hint="update this program, or export to another place",
            )
        for entry in manifest["passages"].values():
            _ = (entry["version"] + 0, entry["line_sha256"] + "")
        for entry in manifest["tombstones"].values():
            _ = (entry["version"] + 0, entry["removed"] + "")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise NewsletterError(f"{path} is damaged", hint=begin_anew) from None
    return manifest


def _refuse_emptying(gone: Sequence[str], entries: Mapping[str, object], manifest: Path) -> None:
    """Refuse to take every issue away: on a machine without the store, nothing seems to have been sent."""
    taken = [id_ for id_ in gone if not id_.startswith("guides/")]
    if taken and not any(not id_.startswith("guides/") for id_ in entries):
        raise NewsletterError(
            f"no issue is published here, and the export before has {len(taken)} passages of issues",
            hint=f"export where the issues are sent from; or delete {manifest} if they are to go",
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
