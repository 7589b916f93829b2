"""Keys and passwords: from the environment and `.env`, never from the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr


class Secrets:
    """Keys and passwords, from the process's environment and then from `.env`; never printed, never written."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._dotenv_path = home / ".env"
        self._dotenv: dict[str, str | None] | None = None

    def get(self, name: str) -> SecretStr | None:
        """The secret called `name` (`NEWSLETTER_…`), or None where it isn't set or empty."""
        value = self._environ.get(name)
        if value is None:
            if self._dotenv is None:
                self._dotenv = _read_dotenv(self._dotenv_path)
            value = self._dotenv.get(name)
        return SecretStr(value) if value else None


def _read_dotenv(path: Path) -> dict[str, str | None]:
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return dict(dotenv_values(path, interpolate=False))
