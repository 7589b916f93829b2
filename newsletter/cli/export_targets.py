"""Where may an export be written? Never over what the newsletter is made of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from newsletter.app import Workspace
from newsletter.errors import UsageError

# Of these none is a source: an export may stand among the issues.
_EXPORTED = frozenset((".jsonl", ".json", ".csv", ".tsv", ".txt"))


def refuse_own_files(workspace: Workspace, paths: Iterable[Path]) -> None:
    """Refuse to write over an issue, a template, the settings or the store; nothing is written then.

    Raises:
        UsageError: one of `paths` is such a file, or would be one.
    """
    home = workspace.home
    own = [workspace.state_dir, *(home / name for name in ("templates", "newsletter.toml", ".env"))]
    own = [path.resolve() for path in own]
    issues = workspace.issues_dir.resolve()
    for path in paths:
        target = path.resolve()
        among_issues = target.is_relative_to(issues) and target.suffix.lower() not in _EXPORTED
        if among_issues or any(target.is_relative_to(one) for one in own):
            raise UsageError(
                f"{path} is the newsletter's own, and no place for an export",
                hint="name another file with --out",
            )
