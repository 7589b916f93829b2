"""`newsletter site build`, from its options to its last line.

It is asked for after every save by whoever watches a folder, and an edit is built in the time that the command line
framework takes to be imported: a plainly written command does without.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.app import Workspace, open_workspace
from newsletter.cli.garbage import uncollected
from newsletter.cli.output import counted, from_here, named_from_here, print_json

if TYPE_CHECKING:
    from newsletter.site.build import Built


def plainly_written(arguments: Sequence[str]) -> Callable[[], int] | None:
    """What the words after `site build` ask for, to be done by a call that gives the exit code.

    None for whatever needs the framework: help, and what is wrong.
    """
    out: Path | None = None
    flags: set[str] = set()
    words = iter(arguments)
    for word in words:
        if word in {"--drafts", "--json"}:
            flags.add(word)
        elif word.startswith("--out="):
            out = Path(word.removeprefix("--out="))
        elif word == "--out" and not (value := next(words, "-")).startswith("-"):
            out = Path(value)
        else:
            return None
    return partial(build_once, out, drafts="--drafts" in flags, as_json="--json" in flags)


def build_once(out: Path | None, *, drafts: bool, as_json: bool) -> int:
    """Build the site into `out`, or where the settings say; returns the exit code.

    Raises:
        NewsletterError: see `open_workspace` and `build_site`.
    """
    workspace = open_workspace()
    folder = _folder(workspace, out)
    built = built_into(workspace, folder, drafts=drafts)
    report(built, folder, as_json=as_json)
    return 1 if built.failed else 0


def _folder(workspace: Workspace, out: Path | None) -> Path:
    return (out if out is not None else workspace.home / workspace.settings.site.out).absolute()


def built_into(
    workspace: Workspace, folder: Path, *, drafts: bool, told: Callable[[str, int, int], None] | None = None
) -> Built:
    """Build the site into `folder`; `told` hears how far it is in place of the bar on the terminal."""
    from dataclasses import replace

    from newsletter.app.site import site_inputs
    from newsletter.cli.progress_bar import ProgressBar
    from newsletter.site.build import build_site
    from newsletter.site.extras import can_draw

    with uncollected(), ProgressBar() as bar:
        inputs = site_inputs(workspace, named=named_from_here(), drafts=drafts)
        built = build_site(replace(inputs, told=told or bar), folder)
    if built.replaced and workspace.settings.site.cards and not can_draw():
        print(
            "pages have no picture for where they are shared: pip install 'newsletter-toolkit[site]', "
            "or set `cards = false` below `[site]`",
            file=sys.stderr,
        )
    return built


def report(built: Built, folder: Path, *, as_json: bool) -> None:
    """Print what a build came to."""
    if as_json:
        from newsletter.cli.diagnostic_formats import as_json as finding_json

        print_json(
            {
                "out": str(folder),
                "replaced": built.replaced,
                "issues": built.issues,
                "guides": built.guides,
                "pages": built.pages,
                "written": built.written,
                "findings": [finding_json(found) for found in built.findings],
            }
        )
        return
    if built.findings:
        from newsletter.cli.diagnostic_formats import formatted

        sys.stderr.write(formatted(list(built.findings), "text", built.issues + built.guides, built.guides))
    where = from_here(folder)
    if built.failed:
        left = f"{where} is as it was" if folder.is_dir() else "nothing was built"
        print(f"the site was not built: {left}", file=sys.stderr)
    elif not built.replaced:
        print(f"{where} is up to date: {counted(built.issues, 'issue')}, {counted(built.guides, 'guide')}")
    else:
        print(
            f"{where}: {counted(built.issues, 'issue')}, {counted(built.guides, 'guide')}, "
            f"{counted(built.pages, 'page')}, {counted(built.written, 'file')} written"
        )
        if not built.issues:
            print("only sent issues are published; --drafts shows the others", file=sys.stderr)
