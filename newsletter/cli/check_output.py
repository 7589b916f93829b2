"""What is wrong with the messages that issues become, and with the pictures of guides? Rendered where they changed since the last look, else remembered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from newsletter.app import Workspace
from newsletter.checks.output.kept import CACHE, KeptFindings
from newsletter.cli.output import from_here
from newsletter.cli.progress_bar import ProgressBar
from newsletter.content.guide_files import guide_files, is_guide
from newsletter.content.source import read_text
from newsletter.diagnostics import Diagnostic

if TYPE_CHECKING:
    # Rendering is imported for an issue that nobody has looked at yet.
    from newsletter.checks.output.rendered import Rendering


def output_findings(workspace: Workspace, files: Sequence[Path]) -> list[Diagnostic]:
    """What rendering and the rules on the finished message say of each issue in `files`, and of a guide what making its page says.

    What was found is kept in `.newsletter/`, so that an issue costs its rendering once, also where this is interrupted.

    Raises:
        NewsletterError: a file can't be read, or the sender can't be expressed in a message.
    """
    settings = workspace.settings
    kept = KeptFindings(
        workspace.state_dir / CACHE, workspace.home.absolute(), repr(settings), workspace.template_dirs
    )
    rendering: Rendering | None = None
    found: list[Diagnostic] = []
    try:
        with ProgressBar() as progress:
            for done, path in enumerate(files):
                text = read_text(path).text
                if text is None:
                    continue
                known = kept.find(path, text, str(path))
                if known is None:
                    progress("rendering", done, len(files))
                    if is_guide(path, text):
                        known = _guide_findings(path, workspace)
                    else:
                        rendering = rendering or rendering_for(workspace)
                        known = _rendered_findings(path, rendering, workspace)
                    kept.keep(path, text, str(path), known)
                found += known
    finally:
        # Where there is no newsletter, checking a file leaves nothing behind.
        if workspace.issues_dir.is_dir() or workspace.state_dir.is_dir():
            kept.write([*files, *workspace.issue_files(), *guide_files(workspace.issues_dir)])
    return found


def _rendered_findings(path: Path, rendering: Rendering, workspace: Workspace) -> list[Diagnostic]:
    from newsletter.checks.output.rendered import check_rendered
    from newsletter.content.issue import read_issue

    issue = read_issue(path, workspace.settings.kinds).issue
    # The checks of the source say why there is none.
    return check_rendered(issue, rendering) if issue is not None else []


def _guide_findings(path: Path, workspace: Workspace) -> list[Diagnostic]:
    from newsletter.content.guide import read_guide
    from newsletter.site.guide_findings import guide_findings

    guide = read_guide(path).guide
    return guide_findings(guide, workspace.settings.base_url, workspace.workshop) if guide is not None else []


def rendering_for(workspace: Workspace) -> Rendering:
    """What the issues of a newsletter are judged with, files named from where one stands."""
    from newsletter.preview.reader import outgoing_of, rendering_of

    outgoing = outgoing_of(workspace)
    images: Literal["attach", "link"] = "attach" if outgoing.attach else "link"
    return rendering_of(
        workspace, outgoing, lambda: workspace.renderer(images), lambda path: str(from_here(path))
    )
