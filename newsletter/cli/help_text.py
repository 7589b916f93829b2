"""How does a help text reach the terminal as it was written? Brackets kept, and paragraphs as wide as the terminal."""

from __future__ import annotations

import re
from typing import Any

# Typer shows help by Rich, which takes `[site]` for a style and swallows it.
_TAG = re.compile(r"(\\*)(?=\[[a-z#/@][^\[]*?\])")
# A line's end within a paragraph; each example has a line of its own.
_WRAP = re.compile(r"(?<=\S)[ \t]*\n[ \t]*(?=\S)(?!Example:)")


def show_as_written(command: Any) -> None:
    """Make Rich show the help of a command, of its options and of its subcommands as it stands in the source."""
    if command.help:
        command.help = _literal(_WRAP.sub(" ", command.help))
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = _literal(parameter.help)
    for below in getattr(command, "commands", {}).values():
        show_as_written(below)


def _literal(text: str) -> str:
    return _TAG.sub(r"\1\1\\", text)
