"""What does an editor hear about a text that is open in it? The newsletter's own findings, for text that isn't saved yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from newsletter.app import Workspace, open_workspace
from newsletter.checks.across import check_across, read_claims
from newsletter.checks.run import check_guide_text, check_text, settled
from newsletter.content.guide import parse_guide
from newsletter.content.guide_files import guide_files, is_guide, is_guide_name
from newsletter.content.issue import parse_issue
from newsletter.content.source import by_place
from newsletter.diagnostics import CODES, Diagnostic
from newsletter.diagnostics.origins import ORIGINS
from newsletter.editor.completion import Completion, completions, describe_key, front_matter_key
from newsletter.errors import NewsletterError

_MOST_KEPT = 32


@dataclass
class Session:
    """Answers about open files; the settings of each file's newsletter are read again when they change.

    Attributes:
        mistakes: what is wrong with settings, by folder: their checks are those of a newsletter without any.
    """

    mistakes: dict[Path, str] = field(default_factory=dict)
    _workspaces: dict[Path, tuple[tuple[int, ...], Workspace | None]] = field(default_factory=dict)

    def findings(self, path: Path, text: str) -> list[Diagnostic]:
        """All that `newsletter check --no-render` would say about this file, were it saved with this text."""
        workspace = self._workspace(path)
        settings = workspace.settings if workspace else None
        off = workspace.off_in(path) if workspace else ()
        errors = settings.checks.errors if settings else ()
        others = [read_claims(other) for other in self._others(workspace, path)]
        if is_guide(path, text):
            zone = ZoneInfo(settings.timezone) if settings else None
            today = workspace.clock.now().astimezone(zone).date() if workspace else None
            _, found = check_guide_text(
                text, str(path), off=off, errors=errors, folder=path.parent, today=today
            )
            across = check_across([parse_guide(text, str(path))], others)
        else:
            kinds = {"kinds": settings.kinds} if settings else {}
            _, found = check_text(text, str(path), off=off, errors=errors, folder=path.parent, **kinds)
            across = check_across([parse_issue(text, str(path), **kinds)], others)
        return sorted([*found, *settled(across, off, errors)], key=by_place)

    def is_ours(self, path: Path, text: str) -> bool:
        """Whether a file is an issue or a guide: a README beside them isn't."""
        if path.suffix != ".md" or path.name.startswith("."):
            return False
        if is_guide(path, text):
            return is_guide_name(path.name)
        return path.name[:1].isdigit() and path.parent.name == "issues"

    def complete(self, path: Path, text: str, line: int, column: int) -> list[Completion]:
        """What may be written at a line and a column, from 0."""
        from newsletter.model.issue import DEFAULT_KINDS

        workspace = self._workspace(path)
        kinds = workspace.settings.kinds if workspace else DEFAULT_KINDS
        return completions(text, line, column, kinds, guide=is_guide(path, text))

    def explain(self, path: Path, text: str, line: int, column: int) -> str:
        """What is wrong at a place, why it matters, and what the key there is for, in Markdown; may be empty."""
        said = [
            f"**{found.code}**: {CODES[found.code].title}\n\n{CODES[found.code].explanation}\n\n"
            f"*Source: {ORIGINS[found.code]}*"
            for found in self.findings(path, text)
            if found.line == line + 1
            and (not found.column or found.column - 1 <= column < found.column - 1 + max(1, found.length))
        ]
        key = front_matter_key(text, line)
        about = describe_key(key, guide=is_guide(path, text)) if key else ""
        return "\n\n---\n\n".join(dict.fromkeys(filter(None, [about, *said])))

    # The newsletter of a file -----------------------------------------------------------------------

    def _workspace(self, path: Path) -> Workspace | None:
        """The newsletter a file belongs to; None where its settings can't be read."""
        from newsletter.config import CONFIG_NAME, find_home

        try:
            home = find_home(path.parent)
            changed = tuple(_changed(home / name) for name in (CONFIG_NAME, "pyproject.toml", ".env"))
            kept = self._workspaces.get(home)
            if kept is None or kept[0] != changed:
                self.mistakes.pop(home, None)
                if len(self._workspaces) >= _MOST_KEPT:
                    self._workspaces.clear()
                kept = self._workspaces[home] = (changed, self._opened(home))
        except (NewsletterError, OSError) as error:
            self.mistakes[path.parent] = str(error)
            return None
        return kept[1]

    def _opened(self, home: Path) -> Workspace | None:
        try:
            return open_workspace(home)
        except NewsletterError as error:
            self.mistakes[home] = error.message
            return None

    @staticmethod
    def _others(workspace: Workspace | None, path: Path) -> Iterator[Path]:
        if workspace is None:
            return
        try:
            files = [*workspace.issue_files(), *guide_files(workspace.issues_dir)]
        except OSError:
            return
        yield from (file for file in files if file.absolute() != path.absolute())


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
