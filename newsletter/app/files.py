"""Where is what in the folder of a newsletter, and which of its files does an author mean?"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from newsletter.config import CONFIG_NAME, Settings
from newsletter.errors import UsageError

_PACKAGE = Path(__file__).parent.parent


def shipped(name: str) -> Path:
    """A folder shipped with the package: `templates` or `issues`, inside the wheel or beside the package in a checkout."""
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name


@dataclass
class NewsletterFiles:
    """The files of one newsletter.

    Attributes:
        home: the folder with the settings and `issues/`.
        settings: what they say.
    """

    home: Path
    settings: Settings

    @property
    def state_dir(self) -> Path:
        """`.newsletter`: the store, the outbox, the secret key, the cache."""
        return self.home / ".newsletter"

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return self.state_dir / "newsletter.db"

    @property
    def outbox(self) -> Path:
        """Where the outbox provider writes `<send>/*.eml`."""
        return self.state_dir / "outbox"

    @property
    def served_site(self) -> Path | None:
        """The built site that the service shows as well; None where it shows none.

        Raises:
            UsageError: `[web] site` names no folder, or one with more in it than a site.
        """
        name = self.settings.web.site
        if not name:
            return None
        folder = self.home / name
        if not folder.is_dir():
            raise UsageError(
                f"`web.site` names {folder}, which is not a folder",
                hint=f"build the site: newsletter site build --out {name}",
            )
        if self.home.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"`web.site` names {folder}, which holds the newsletter itself: anybody could read its settings and lists",
                hint='name the folder of the built site alone, such as site = "site"',
            )
        return folder

    def off_in(self, path: Path) -> tuple[str, ...]:
        """The codes of findings that nobody wants to hear of in a file."""
        try:
            named = path.resolve().relative_to(self.home.resolve()).as_posix()
        except (OSError, ValueError):
            named = path.name
        return self.settings.checks.off_in(named)

    @property
    def settings_file(self) -> Path | None:
        """The file of the settings; None where the newsletter has none."""
        return next(
            (path for name in (CONFIG_NAME, "pyproject.toml") if (path := self.home / name).is_file()), None
        )

    @property
    def issues_dir(self) -> Path:
        """Where issues are written."""
        return self.home / "issues"

    @cached_property
    def template_dirs(self) -> tuple[Path, ...]:
        """Where templates are looked for: the user's own first, then ours."""
        own = self.home / "templates"
        return (own, shipped("templates")) if own.is_dir() else (shipped("templates"),)

    def issue_names(self) -> list[str]:
        """The names of the issue files in `issues_dir`, in order; guides and other folders aside.

        Raises:
            OSError: the folder can't be read, which is not the same as an empty one.
        """
        try:
            names = os.listdir(self.issues_dir)  # noqa: PTH208 - no paths are needed
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in names if name.endswith(".md") and name[0].isdecimal())

    def issue_files(self) -> list[Path]:
        """The issue files of this newsletter, by name; see `issue_names`."""
        return [self.issues_dir / name for name in self.issue_names()]

    def find_issue(self, name: str) -> Path:
        """The file an author means by a path, a number (`2`, `002`) or a slug.

        Raises:
            UsageError: there is no such issue, or a number fits several.
        """
        for path in (Path(name), self.home / name):
            if path.is_file():
                return path
        files = self.issue_files()
        if name.isascii() and name.isdigit():
            matches = [p for p in files if int(re.match(r"\d+", p.name)[0]) == int(name)]  # type: ignore[index]
        else:
            from newsletter.checks.across import read_claims
            from newsletter.content.front_matter import slug_of_file

            matches = [
                p for p in files if name in (p.stem, slug_of_file(p.name, -1), *read_claims(p).slugs[:1])
            ]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(p.name for p in matches)
            raise UsageError(f"`{name}` fits several issues: {names}", hint="name the file")
        known = ", ".join(p.name for p in files[-5:]) or "none yet"
        raise UsageError(
            f"there is no issue `{name}`",
            hint=f'issues in {self.issues_dir}: {known}; make one with newsletter new "Title"',
        )
