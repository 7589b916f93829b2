"""`newsletter site build` and `site serve`: the public archive as plain files."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Lock

import typer

from newsletter.app import open_workspace
from newsletter.cli.output import print_error
from newsletter.cli.site_building import build_once, built_into, report
from newsletter.errors import NewsletterError

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
    code = build_once(out, drafts=drafts, as_json=as_json)
    if code:
        raise typer.Exit(code)


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
    from newsletter.app.http_server import listen
    from newsletter.preview.watch import Watcher
    from newsletter.web.site_preview import serve_folder

    workspace = open_workspace()
    folder = (out or workspace.state_dir / "site-preview").absolute()
    # Before the build, which may take a while: nobody should wait for it to hear that the port is taken.
    with listen(host, port) as listening:
        built = built_into(workspace, folder, drafts=drafts)
        report(built, folder, as_json=False)
        if built.failed and not folder.is_dir():
            raise typer.Exit(1)
        rebuilding = _Rebuilding(folder, drafts=drafts)
        watcher = Watcher(workspace.home, (), rebuilding.saved)
        watcher.start()
        try:
            serve_folder(listening, folder, workspace.settings.publication.base_url, host, told=_told)
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
                built = built_into(open_workspace(), self._folder, drafts=self._drafts, told=self._give_up)
                report(built, self._folder, as_json=False)
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
