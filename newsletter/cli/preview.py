"""`newsletter preview`: the studio in the browser, live on save; or the same as plain files."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.output import counted, from_here, paint, print_json
from newsletter.errors import NewsletterError, UsageError

if TYPE_CHECKING:
    from newsletter.preview.studio import Studio

app = typer.Typer()

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@app.command()
def preview(
    issue: str = typer.Argument(
        "", metavar="ISSUE", help="A number, a slug or a file; the newest if left out."
    ),
    port: int = typer.Option(
        0, "--port", min=0, max=65535, help="Listen on this port; any free one by default."
    ),
    host: str = typer.Option("127.0.0.1", "--host", help="This machine only: 127.0.0.1 or localhost."),
    browser: bool | None = typer.Option(
        None, "--open/--no-open", help="Open the browser; by default on a terminal."
    ),
    out: Path | None = typer.Option(
        None, "--out", metavar="DIR", help="Write static files into DIR and leave."
    ),
    screenshot: Path | None = typer.Option(
        None,
        "--screenshot",
        metavar="DIR",
        help="Write a picture of every panel into DIR and leave (Chromium).",
    ),
    reader: str = typer.Option(
        "", "--as", metavar="READER", help="Read as this subscriber, or as a sample such as sample:unnamed."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the address, or what --out wrote, as JSON."),
) -> None:
    """See an issue as its readers will, live while you write.

    Example: newsletter preview 3

    Example: newsletter preview --out build/preview

    Example: newsletter preview 3 --screenshot pictures
    """
    if host not in _LOOPBACK:
        raise UsageError(
            f"the preview doesn't listen on {host}: it has no login",
            hint="leave --host out; to show it to others, write files with --out and share those",
        )
    if out is not None and screenshot is not None:
        raise UsageError("--out and --screenshot exclude each other", hint="run it twice")
    workspace = open_workspace()
    chosen = workspace.find_issue(issue) if issue else None
    if out is not None:
        _export(workspace, chosen, out, reader, as_json=as_json)
    elif screenshot is not None:
        _take_pictures(workspace, chosen, screenshot, reader, as_json=as_json)
    else:
        _serve(workspace, chosen, port, reader, browser=browser, as_json=as_json)


def _serve(
    workspace: Workspace, chosen: Path | None, port: int, reader: str, *, browser: bool | None, as_json: bool
) -> None:
    from newsletter.preview.server import PreviewServer
    from newsletter.preview.studio import open_studio
    from newsletter.preview.watch import Watcher

    extra = [chosen] if chosen else []
    studio = open_studio(workspace, extra, reader)
    server = PreviewServer(studio, Watcher(workspace.home, extra, studio.changed), port)
    keys = studio.keys()
    url = server.url_of(studio.key_of(chosen) if chosen else (keys[0] if keys else ""))
    if as_json:
        print_json({"url": url, "port": server.port})
    else:
        print(f"Preview of {paint(workspace.settings.name, 1)} at {paint(url, 4)}")
        print(
            "Ctrl-C ends it." if keys else 'No issues yet: newsletter new "Title" makes one. Ctrl-C ends it.'
        )
    # The address is read by scripts through a pipe, long before the server ends.
    sys.stdout.flush()
    if browser if browser is not None else sys.stdout.isatty():
        _open_browser(url)
    server.run()


def _take_pictures(
    workspace: Workspace, chosen: Path | None, folder: Path, reader: str, *, as_json: bool
) -> None:
    from newsletter.preview.chromium import Chromium, find_chromium
    from newsletter.preview.screenshots import take_screenshots
    from newsletter.preview.server import PreviewServer
    from newsletter.preview.studio import open_studio
    from newsletter.preview.watch import Watcher

    program = find_chromium()
    extra = [chosen] if chosen else []
    studio = open_studio(workspace, extra, reader)
    server = PreviewServer(studio, Watcher(workspace.home, extra, studio.changed))
    serving = threading.Thread(target=server.run, name="preview", daemon=True)
    serving.start()
    written: list[Path] = []
    try:
        key = _shown_issue(studio, chosen)
        with Chromium(program) as browser:
            for path in take_screenshots(browser, server.url, key, folder / key):
                written.append(path)
                if not as_json:
                    print(path)
    finally:
        server.stop()
        serving.join(5)
    if as_json:
        print_json({"out": str(folder), "issue": key, "files": [str(path) for path in written]})


def _shown_issue(studio: Studio, chosen: Path | None) -> str:
    """The key of an issue there is a picture of.

    Raises:
        UsageError: there are no issues.
        NewsletterError: it can't be rendered.
    """
    keys = studio.keys()
    key = studio.key_of(chosen) if chosen else (keys[0] if keys else "")
    if not key:
        raise UsageError("there is no issue to take a picture of", hint='newsletter new "Title" makes one')
    if studio.picture(key) is None:
        shown = from_here(studio.path_of(key) or Path(key))
        raise NewsletterError(f"{shown} can't be rendered", hint=f"newsletter check {shown}")
    return key


def _open_browser(url: str) -> None:
    """Open `url` where there is a graphical browser; a text browser would take the terminal away."""
    import os
    import webbrowser

    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    # The server isn't up yet, but its socket listens: the browser's first request waits for it.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()


def _export(workspace: Workspace, chosen: Path | None, out: Path, reader: str, *, as_json: bool) -> None:
    from newsletter.preview.build import Builder
    from newsletter.preview.export import export

    files = [chosen] if chosen else workspace.issue_files()
    written = export(Builder(workspace, reader), files, out)
    if as_json:
        print_json({"out": str(out), "issues": [issue.as_json() for issue in written]})
    else:
        for issue in written:
            state = f"{issue.size / 1024:.1f} KB" if issue.rendered else paint("can't be rendered", 31)
            print(f"{issue.number:>4}  {issue.title}  {state}, {counted(len(issue.findings), 'finding')}")
        print(f"Open {out / 'index.html'}")
    if not all(issue.rendered for issue in written):
        raise typer.Exit(1)
