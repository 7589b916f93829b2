"""Which folder is the newsletter's, and what do `newsletter.toml` or `[tool.newsletter]` there say?"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from newsletter.config.settings import Settings
from newsletter.errors import UsageError

CONFIG_NAME = "newsletter.toml"


def find_home(start: Path, environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the newsletter: `NEWSLETTER_HOME`, else the nearest folder upwards with settings, else `start`.

    Raises:
        UsageError: `NEWSLETTER_HOME` names something that is not a folder.
    """
    named = (os.environ if environ is None else environ).get("NEWSLETTER_HOME")
    if named:
        home = Path(named).expanduser()
        if not home.is_dir():
            raise UsageError(
                f"NEWSLETTER_HOME names {named}, which is not a folder", hint="unset it or make the folder"
            )
        return home
    for folder in (start, *start.parents):
        # A folder above that nobody may look into is not where this newsletter lives.
        with suppress(PermissionError):
            if _named_there(folder / CONFIG_NAME) or _pyproject_table(folder / "pyproject.toml") is not None:
                return folder
    return start


def _named_there(path: Path) -> bool:
    """Whether its folder has such an entry, be it a file that can be read or not: settings are never passed over in silence.

    Raises:
        OSError: the folder can't be looked into.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _pyproject_table(path: Path) -> dict[str, Any] | None:
    """`[tool.newsletter]` of a pyproject.toml, or None; another project's broken file is not our business."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if "newsletter" not in text:
        return None
    try:
        tool = _parse_toml(text, path).get("tool")
    except UsageError:
        if "[tool.newsletter" in text:
            raise
        return None
    table = tool.get("newsletter") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{path}: `tool.newsletter` is not a table", hint="write it as [tool.newsletter]")
    return table


def _parse_toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(
            f"{path}: not valid TOML: {error}", hint="text stands in quotes; see https://toml.io"
        ) from None


def load_settings(home: Path) -> Settings:
    """The settings of the newsletter in `home`; all defaults where it has none.

    Raises:
        UsageError: the file can't be read or parsed, has an unknown key or a wrong value.
    """
    path = home / CONFIG_NAME
    try:
        # With the mark that Notepad puts before UTF-8, which TOML knows nothing of.
        text = path.read_text("utf-8-sig") if _named_there(path) else None
    except OSError as error:
        raise UsageError(
            f"{path} can't be read: {error.strerror}", hint="it has to be a file that you may read"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} can't be read: byte {error.start + 1} is not UTF-8", hint="save it as UTF-8"
        ) from None
    if text is not None:
        return settings_from_table(_parse_toml(text, path), path, text)
    pyproject = home / "pyproject.toml"
    table = _pyproject_table(pyproject)
    if table is None:
        return Settings()
    return settings_from_table(table, pyproject, pyproject.read_text("utf-8"))


def settings_from_table(table: Mapping[str, Any], path: Path, text: str = "") -> Settings:
    """Validate a parsed table; `text` is its source, to say the line of what is wrong.

    Raises:
        UsageError: an unknown key or a wrong value, all of them in one message.
    """
    try:
        settings = Settings.model_validate(dict(table))
    except ValidationError as error:
        from newsletter.config.mistakes import explain

        lines = [explain(problem, path, text) for problem in error.errors(include_url=False)]
        raise UsageError("\n".join(lines)) from None
    try:
        _ = settings.kinds  # a wrong [sections] table is refused here, not when the first issue is read
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", hint=error.hint) from None
    return settings
