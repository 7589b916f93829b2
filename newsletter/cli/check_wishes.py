"""Which findings does this run want: the web's as well, and not those that are turned off in single files?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.app import Workspace
    from newsletter.diagnostics import Diagnostic


def as_wanted(
    workspace: Workspace, files: Sequence[Path], found: list[Diagnostic], *, online: bool, everything: bool
) -> list[Diagnostic]:
    """`found`, with what the web says of the links and pictures in `files`, without what `[checks.files]` turns off.

    Args:
        workspace: the newsletter.
        files: what is checked.
        found: what was found so far.
        online: whether the web is to be asked; a bar shows how far it is.
        everything: whether `files` are all of the newsletter's, so that a pattern that names none is of no use.

    Raises:
        UsageError: a code in `[checks.files]` doesn't exist, or can't be turned off.
    """
    from newsletter.content.source import by_place

    _refuse_unknown(workspace)
    if online:
        found = sorted([*found, *_said_by_the_web(workspace, files)], key=by_place)
    if everything:
        _note_unused(workspace, files)
    off = {path: workspace.off_in(Path(path)) for path in {diagnostic.path for diagnostic in found}}
    return [diagnostic for diagnostic in found if diagnostic.code not in off[diagnostic.path]]


def _said_by_the_web(workspace: Workspace, files: Sequence[Path]) -> list[Diagnostic]:
    from newsletter.checks.online.findings import online_findings
    from newsletter.checks.run import settled
    from newsletter.cli.progress_bar import ProgressBar

    settings = workspace.settings
    with ProgressBar() as progress:
        found = online_findings(files, own=settings.publication.base_url, progress=progress)
    return settled(found, settings.checks.off, settings.checks.errors)


def _refuse_unknown(workspace: Workspace) -> None:
    from newsletter.checks.run import validate_codes

    for pattern, codes in workspace.settings.checks.files.items():
        validate_codes(codes, (), key=f'files "{pattern}"')


def _note_unused(workspace: Workspace, files: Sequence[Path]) -> None:
    """Say which patterns name none of the newsletter's files: most often one was renamed."""
    from newsletter.config.content import ChecksSettings

    home = workspace.home.resolve()
    names = [path.resolve().relative_to(home).as_posix() for path in files]
    for pattern, codes in workspace.settings.checks.files.items():
        alone = ChecksSettings(files={pattern: codes})
        if codes and not any(alone.off_in(name) for name in names):
            print(f'note: [checks.files] "{pattern}" names no issue or guide', file=sys.stderr)
