"""What draws diagrams on this machine? Asked by every build, most of which draw nothing."""

from __future__ import annotations

import shutil
from importlib.util import find_spec

from newsletter.render.diagrams.source import Language

_PACKAGES = ("merman", "resvg_py", "PIL")


def drawer(language: Language) -> str:
    """What would draw it here, empty where nothing can: tells whether an answer still holds."""
    if language == "dot":
        return shutil.which("dot") or ""
    return "merman" if all(find_spec(name) for name in _PACKAGES) else ""
