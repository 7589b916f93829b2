"""`newsletter export corpus`: the archive's passages as JSON lines, for a search or a model to read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from newsletter.app import open_workspace
from newsletter.cli.export_targets import refuse_own_files
from newsletter.cli.output import counted, from_here, print_json
from newsletter.cli.published import published_or_exit

if TYPE_CHECKING:
    from newsletter.site.corpus import Corpus


def add_to(app: typer.Typer) -> None:
    """Make the command part of `newsletter export`."""
    app.command("corpus")(corpus)


def corpus(
    out: Path = typer.Option(
        ..., "--out", metavar="PATH", help="The file, such as corpus.jsonl, or a folder."
    ),
    changes: bool = typer.Option(
        False, "--changes", help="Print what changed since the last export to that place; write nothing."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Write what is published as passages, one a line, each with its address, date, tags and licence.

    A manifest beside the file has a hash and a version of each passage, and lists those that went away:
    whoever indexes the corpus does only what changed.

    Example: newsletter export corpus --out corpus.jsonl
    """
    from newsletter.site.corpus import Licence, corpus_path, make_corpus, manifest_path
    from newsletter.site.passages import passages_of
    from newsletter.store.base import utc_text

    workspace = open_workspace()
    settings = workspace.settings
    path = corpus_path(out)
    refuse_own_files(workspace, (path, manifest_path(path)))
    published = published_or_exit(workspace, drafts=False)
    made = make_corpus(
        passages_of(published, settings.publication.base_url, settings.kinds),
        path.absolute(),
        base_url=settings.publication.base_url,
        licence=Licence(settings.site.licence, settings.site.licence_url),
        now=utc_text(workspace.clock.now()),
    )
    if not changes:
        made.write()
    _report(made, written=not changes, as_json=as_json)


def _report(made: Corpus, *, written: bool, as_json: bool) -> None:
    changes = made.changes
    number = len(changes.added) + len(changes.changed) + changes.unchanged
    if as_json:
        print_json(
            {
                "out": str(made.path),
                "manifest": str(made.manifest_path),
                "written": written,
                "passages": number,
                "added": list(changes.added),
                "changed": list(changes.changed),
                "removed": list(changes.removed),
                "unchanged": changes.unchanged,
            }
        )
        return
    counts = (
        f"{len(changes.added):,} added, {len(changes.changed):,} changed, {len(changes.removed):,} removed"
    )
    print(f"{from_here(made.path)}: {counted(number, 'passage')}; {counts}")
    if not written:
        for sign, ids in (("+", changes.added), ("~", changes.changed), ("-", changes.removed)):
            for one in ids:
                print(f"{sign} {one}")
    elif not number:
        print("only sent issues and guides that are ready are exported", file=sys.stderr)
