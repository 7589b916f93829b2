"""The root command: a table of commands whose modules are imported when they are called."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from newsletter.cli.ending import ended
from newsletter.cli.garbage import collect_seldom
from newsletter.cli.help_text import show_as_written
from newsletter.errors import UsageError
from newsletter.interrupts import forget_answered

# Command → the module below `newsletter.cli` whose `app` has it, in the order of the help.
COMMANDS = {
    "init": "init",
    "new": "new",
    "check": "check",
    "explain": "explain",
    "schema": "check",
    "preview": "preview",
    "send": "send",
    "status": "progress",
    "pause": "progress",
    "resume": "send",
    "cancel": "progress",
    "reconcile": "reconcile",
    "subscribers": "subscribers",
    "worker": "worker",
    "serve": "serve",
    "site": "site",
    "search": "search",
    "ask": "ask",
    "eval": "evaluate",
    "mcp": "mcp",
    "export": "export",
    "webhooks": "webhooks",
    "stats": "stats",
    "bounces": "bounces",
    "keys": "keys",
    "doctor": "doctor",
    "lsp": "lsp",
    "demo": "demo",
}


class LazyGroup(TyperGroup):
    """A group that imports a command's module only to run it or to list its help."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the framework's signature
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the framework's signature
        """The command, its module imported now.

        Raises:
            UsageError: there is no such command.
        """
        module_name = COMMANDS.get(cmd_name)
        if module_name is None:
            from newsletter.content.suggest import did_you_mean

            hint = did_you_mean(cmd_name, COMMANDS) or "newsletter --help lists all commands"
            raise UsageError(f"there is no command `{cmd_name}`", hint=hint)
        app: typer.Typer = import_module(f"newsletter.cli.{module_name}").app
        # Imported is what the command is made of; what it makes is another matter.
        collect_seldom()
        group = typer.main.get_group(app)
        command = group.commands.get(cmd_name, group)
        command.name = cmd_name
        show_as_written(command)
        return command


app = typer.Typer(
    cls=LazyGroup,
    name="newsletter",
    help="Write a weekly email as Markdown, preview it, send it, and own the list.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and leave."),
) -> None:
    if version:
        from newsletter import __version__

        typer.echo(f"newsletter {__version__}")
        raise typer.Exit


def run() -> NoReturn:
    """Run the command line, and leave with its exit code."""
    ended(_run_to_its_end)


def _run_to_its_end() -> int:
    try:
        app(standalone_mode=True)
    except SystemExit as ending:
        # Typer makes this of Ctrl-C, and says nothing.
        if ending.__context__ is not None and isinstance(ending.__context__.__cause__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        # A command that has said something ends in its own way.
        forget_answered()
        return int(ending.code or 0)
    return 0
