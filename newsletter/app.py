"""The one place that turns Settings into a store, a provider, a renderer and a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from newsletter.clock import Clock, SystemClock
from newsletter.config import Secrets, Settings, find_home, load_settings

PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """A folder shipped with the package: `templates` or `issues`, inside the wheel or beside the package in a checkout."""
    inside = PACKAGE / f"_{name}"
    return inside if inside.is_dir() else PACKAGE.parent / name


@dataclass
class Workspace:
    """One newsletter's folder, its settings and its state.

    Attributes:
        home: the folder with the settings and `issues/`.
        settings: what they say.
        secrets: keys from the environment.
        clock: what time it is.
    """

    home: Path
    settings: Settings
    secrets: Secrets
    clock: Clock = field(default_factory=SystemClock)

    @property
    def state_dir(self) -> Path:
        """`.newsletter`: the store, the outbox, the secret key, the cache."""
        return self.home / ".newsletter"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.state_dir / "newsletter.db"

    @property
    def outbox(self) -> Path:
        """Where the outbox provider writes `<send>/*.eml`."""
        return self.state_dir / "outbox"

    @property
    def issues_dir(self) -> Path:
        """Where issues are written."""
        return self.home / "issues"

    @cached_property
    def template_dirs(self) -> tuple[Path, ...]:
        """Where templates are looked for: the user's own first, then ours."""
        own = self.home / "templates"
        return (own, shipped("templates")) if own.is_dir() else (shipped("templates"),)


def open_workspace(start: Path | None = None) -> Workspace:
    """The newsletter of the current folder, or of `NEWSLETTER_HOME`.

    Raises:
        UsageError: its settings are wrong.
    """
    home = find_home(start or Path.cwd())
    return Workspace(home=home, settings=load_settings(home), secrets=Secrets(home))
