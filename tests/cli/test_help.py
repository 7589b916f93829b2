"""What each command's help shows, against what is written in its source."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from newsletter.cli.root import COMMANDS, app

_BOX = str.maketrans("", "", "│╭╮╰╯─ \t\n")


def _commands(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield names, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*names, name))


def _as_written() -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Each command's names, and the texts of its source that its help has to show."""
    from importlib import import_module

    for name, module in COMMANDS.items():
        group = typer.main.get_group(import_module(f"newsletter.cli.{module}").app)
        for names, command in _commands(group.commands.get(name, group), (name,)):
            texts = [command.help or "", *(getattr(one, "help", None) or "" for one in command.params)]
            yield names, [text for text in texts if text]


def _help(*names: str) -> str:
    result = CliRunner().invoke(app, [*names, "--help"])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is cut into columns."""
    monkeypatch.setenv("COLUMNS", "2000")
    monkeypatch.setenv("NO_COLOR", "1")


def test_every_help_shows_each_text_as_it_is_written_brackets_and_all() -> None:
    commands = list(_as_written())

    assert any("[" in text for _, texts in commands for text in texts), "nothing here could be swallowed"
    for names, texts in commands:
        shown = _help(*names).translate(_BOX)
        for text in texts:
            assert inspect.cleandoc(text).translate(_BOX) in shown, f"newsletter {' '.join(names)} --help"


def test_the_list_of_commands_names_every_command() -> None:
    lines = [line.removeprefix("│").split() for line in _help().splitlines() if line.startswith("│")]

    assert [words[0] for words in lines if words[0] in COMMANDS] == list(COMMANDS)


def test_no_usage_has_brackets_within_brackets() -> None:
    for names, _ in _as_written():
        assert "[[" not in _help(*names), f"newsletter {' '.join(names)} --help"


def test_a_paragraph_is_not_broken_where_its_source_is_and_each_example_has_its_line() -> None:
    corpus = [line.strip() for line in _help("export", "corpus").splitlines()]
    questions = [line.strip() for line in _help("export", "questions").splitlines()]

    assert any(line.startswith("A manifest") and line.endswith("only what changed.") for line in corpus)
    assert sum(line.startswith("Example: ") for line in questions) == 2
