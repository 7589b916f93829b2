"""`newsletter init`: a folder that checks clean, previews and sends at once."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import sys
import tomllib
from pathlib import Path

import typer

from newsletter.cli.output import paint, print_json
from newsletter.cli.scaffold import first_issue, ignore_state, settings_text, workflow_text, write_new
from newsletter.config import CONFIG_NAME, settings_from_table
from newsletter.errors import UsageError

app = typer.Typer()


@app.command()
def init(
    directory: Path = typer.Argument(Path(), metavar="DIR", help="The newsletter's folder; made if missing."),
    name: str = typer.Option("", "--name", metavar="NAME", help="The newsletter's name."),
    sender: str = typer.Option("", "--from", metavar="ADDR", help='"Name <you@example.com>" or an address.'),
    postal_address: str = typer.Option(
        "", "--postal-address", metavar="TEXT", help="Printed in every issue."
    ),
    base_url: str = typer.Option(
        "", "--base-url", metavar="URL", help="Where the archive and the unsubscribe page will live."
    ),
    tagline: str = typer.Option("", "--tagline", metavar="TEXT", help="One line under the name."),
    as_json: bool = typer.Option(False, "--json", help="Print what was made as JSON."),
) -> None:
    """Make a folder for a newsletter of your own. What exists already is left alone.

    Example: newsletter init notes --name "Field Notes" --from "Ada <ada@example.com>"
    --postal-address "1 Example Street, 12345 Example Town"
    """
    if (directory / CONFIG_NAME).exists():
        raise UsageError(
            f"{directory / CONFIG_NAME} exists: this folder is a newsletter already",
            hint=f'write an issue: cd {shlex.quote(str(directory))} && newsletter new "Title"',
        )
    name = _given(name, "--name", "Name of the newsletter")
    sender = _given(sender, "--from", "Sender (Name <you@example.com>)")
    postal_address = _given(postal_address, "--postal-address", "Postal address, printed in every issue")
    base_url = base_url or f"https://{_domain(sender)}"
    text = settings_text(
        name=name, sender=sender, postal_address=postal_address, base_url=base_url, tagline=tagline
    )
    # Refused before anything is written: no folder is left half made.
    settings = settings_from_table(tomllib.loads(text), Path("newsletter init"))
    _check_address(settings.publication.from_email)

    (directory / "issues").mkdir(parents=True, exist_ok=True)
    made = [CONFIG_NAME]
    if not any((directory / "issues").glob("*.md")):
        write_new(directory / "issues" / "001-hello.md", first_issue(dt.datetime.now().astimezone().date()))
        made.append("issues/001-hello.md")
    workflow = directory / ".github" / "workflows" / "newsletter.yml"
    workflow.parent.mkdir(parents=True, exist_ok=True)
    if write_new(workflow, workflow_text()):
        made.append(str(workflow.relative_to(directory)))
    ignore_state(directory)
    # Last: with it the folder counts as a newsletter, and an interrupted init can be run again.
    write_new(directory / CONFIG_NAME, text)

    if as_json:
        print_json({"directory": str(directory), "files": made})
        return
    print(f"{paint(settings.name, 1)} lives in {directory.resolve()}")
    for file in made:
        print(f"  {file}")
    print("\nNext:")
    if directory.resolve() != Path.cwd():
        print(f"  cd {shlex.quote(str(directory))}")
    print("  newsletter preview                     see the first issue, live while you write")
    print("  newsletter subscribers add you@example.com")
    print("  newsletter send 1                      into .newsletter/outbox, until you set a provider")


def _given(value: str, option: str, question: str) -> str:
    """The option's value, asked for on a terminal, an error elsewhere."""
    if value.strip():
        return value.strip()
    if sys.stdin.isatty() and sys.stdout.isatty():
        # Asked again until there is an answer; Ctrl-C and Ctrl-D leave.
        while not (answer := input(f"{question}: ").strip()):
            pass
        return answer
    raise UsageError(
        f"{option} is missing",
        hint='newsletter init DIR --name "…" --from "Name <you@example.com>" --postal-address "…"',
    )


def _domain(sender: str) -> str:
    domain = sender.strip().rstrip(">").rpartition("@")[2].strip()
    # Where it is none, the sender is at fault, and is what is told.
    return domain if "@" in sender and domain and not re.search(r"[\s/<>]", domain) else "example.com"


def _check_address(address: str) -> None:
    from email_validator import EmailNotValidError, validate_email

    try:
        validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise UsageError(f"--from: `{address}` is not a valid address: {error}") from None
