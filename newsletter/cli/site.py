"""`newsletter site build` and `site serve`: the public archive as plain files."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.output import counted, from_here, print_error, print_json
from newsletter.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.site.build import Built

# Seconds for a build to notice that nobody waits for it any more.
_PATIENCE = 1.5

app = typer.Typer(
    name="site",
    help="Build the public archive, and look at it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("build")
def build(
    out: Path | None = typer.Option(None, "--out", help="The folder; `[site] out` unless given."),
    drafts: bool = typer.Option(
        False, "--drafts", help="Show issues that were not sent as well, to look at them."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Build the site: sent issues, guides, the question bank, feeds.

    The folder is replaced as a whole, and only where nothing is wrong.

    Example: newsletter site build --out public
    """
    workspace = open_workspace()
    folder = _folder(workspace, out)
    built = _build(workspace, folder, drafts=drafts)
    _report(built, folder, as_json=as_json)
    if built.failed:
        raise typer.Exit(1)


@app.command("serve")
def serve(
    out: Path | None = typer.Option(None, "--out", help="The folder; one below `.newsletter` unless given."),
    drafts: bool = typer.Option(False, "--drafts", help="Show issues that were not sent as well."),
    host: str = typer.Option("127.0.0.1", "--host", metavar="ADDRESS", help="The address to listen on."),
    port: int = typer.Option(8090, "--port", min=0, max=65535, help="The port to listen on; 0 for any."),
) -> None:
    """Build the site, show it, and build it again whenever something is saved.

    Example: newsletter site serve --drafts
    """
    from newsletter.preview.watch import Watcher
    from newsletter.web.site_preview import serve_folder

    workspace = open_workspace()
    folder = (out or workspace.state_dir / "site-preview").absolute()
    built = _build(workspace, folder, drafts=drafts)
    _report(built, folder, as_json=False)
    if built.failed and not folder.is_dir():
        raise typer.Exit(1)
    rebuilding = _Rebuilding(folder, drafts=drafts)
    watcher = Watcher(workspace.home, (), rebuilding.saved)
    watcher.start()
    try:
        serve_folder(folder, workspace.settings.publication.base_url, host, port, told=_told)
    finally:
        rebuilding.end()
        watcher.stop()


def _told(address: str) -> None:
    print(f"the site is shown on {address}; Ctrl-C ends it", file=sys.stderr, flush=True)


class _Rebuilding:
    """Builds once more whatever is saved, one build at a time; a mistake is told, and what was built before stays."""

    def __init__(self, folder: Path, *, drafts: bool) -> None:
        self._folder, self._drafts = folder, drafts
        self._turn = Lock()
        self._ended = False

    def saved(self, _: set[Path]) -> None:
        """Build, unless it has ended."""
        with self._turn:
            if self._ended:
                return
            try:
                # Settings may be what was saved.
                built = _build(open_workspace(), self._folder, drafts=self._drafts, told=self._give_up)
                _report(built, self._folder, as_json=False)
            except NewsletterError as error:
                if not self._ended:
                    print_error(error.message, error.hint)

    def end(self) -> None:
        """Have the build that is under way give up and tidy, which it does at its next page."""
        self._ended = True
        self._turn.acquire(timeout=_PATIENCE)

    def _give_up(self, *_: object) -> None:
        if self._ended:
            raise NewsletterError("the build was given up")


def _folder(workspace: Workspace, out: Path | None) -> Path:
    return (out if out is not None else workspace.home / workspace.settings.site.out).absolute()


def _build(
    workspace: Workspace, folder: Path, *, drafts: bool, told: Callable[[str, int, int], None] | None = None
) -> Built:
    import gc
    from dataclasses import replace

    from newsletter.app.site import site_inputs
    from newsletter.cli.progress_bar import ProgressBar
    from newsletter.site.build import build_site
    from newsletter.site.extras import can_draw

    # A build makes millions of small objects and no cycles that matter: looking for them is a tenth of its time.
    gc.disable()
    try:
        inputs = site_inputs(workspace, named=from_here, drafts=drafts)
        with ProgressBar() as bar:
            built = build_site(replace(inputs, told=told or bar), folder)
    finally:
        gc.enable()
    if built.replaced and workspace.settings.site.cards and not can_draw():
        print(
            "pages have no picture for where they are shared: pip install 'newsletter-toolkit[site]', "
            "or set `cards = false` below `[site]`",
            file=sys.stderr,
        )
    return built


def _report(built: Built, folder: Path, *, as_json: bool) -> None:
    from newsletter.cli.diagnostic_formats import as_json as finding_json
    from newsletter.cli.diagnostic_formats import formatted

    if as_json:
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
