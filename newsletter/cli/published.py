"""What is published, read for a command that writes it down; what stands in its way is printed as findings."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from newsletter.cli.output import counted, from_here
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.app import Workspace
    from newsletter.site.published import Published

# More take longer than anybody waits without a word.
_MANY = 100
DRAFTS = typer.Option(False, "--drafts", help="Take issues that were not sent as well.")


def published_or_exit(workspace: Workspace, *, drafts: bool) -> Published:
    """The published issues and guides.

    Raises:
        UsageError: there is no `base_url`, so that nothing has an address.
        typer.Exit: one has an error; it is told, and nothing is written without it.
    """
    from dataclasses import replace

    from newsletter.site.published import read_published

    if not workspace.settings.publication.base_url:
        raise UsageError(
            "`base_url` isn't set: what is exported says where it can be read",
            hint='set it to where the site will be, such as base_url = "https://news.example.com"',
        )
    files = workspace.archive_files(drafts=drafts)
    if len(files.issues) > _MANY and sys.stderr.isatty():
        print(f"reading {counted(len(files.issues), 'issue')} …", file=sys.stderr)
    named = [[(path, from_here(path)) for path, _ in found] for found in (files.issues, files.guides)]
    published = read_published(replace(files, issues=named[0], guides=named[1]))
    if published.findings:
        from newsletter.cli.diagnostic_formats import formatted

        sys.stderr.write(formatted(list(published.findings), "text", 0))
        print("nothing was written", file=sys.stderr)
        raise typer.Exit(1)
    return published


def say_what_is_left_out(published: Published, *, drafts: bool) -> None:
    """Where there is nothing to write, why."""
    if not published.issues and not drafts:
        print("only sent issues are published; --drafts takes the others as well", file=sys.stderr)
