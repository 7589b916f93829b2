"""`newsletter subscribers export-data | erase | retention`: what is kept about people, and the end of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from newsletter.cli.output import print_json
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.app import Workspace
    from newsletter.audience.membership import Audience

_ADDRESS = typer.Argument(..., metavar="ADDRESS", help="The person's email address.")
_JSON = typer.Option(False, "--json", help="Print JSON, for scripts.")


def add_to(app: typer.Typer) -> None:
    """Make the commands part of `newsletter subscribers`."""
    app.command("export-data")(export_data)
    app.command("erase")(erase)
    app.command("retention")(retention)


@contextmanager
def _opened() -> Iterator[tuple[Workspace, Audience]]:
    from newsletter.app import open_workspace

    workspace = open_workspace()
    audience = workspace.open_audience()
    try:
        yield workspace, audience
    finally:
        audience.database.close()


def export_data(
    email: str = _ADDRESS,
    out: Path | None = typer.Option(
        None, "--out", metavar="FILE", help="Write it there, readable by you alone."
    ),
) -> None:
    """Print everything that is kept about a person, as JSON: for their request under GDPR Art. 15.

    Example: newsletter subscribers export-data ada@example.com --out ada.json
    """
    from newsletter.audience.privacy import export_data as export

    with _opened() as (_, audience):
        data = export(audience.database, audience.get(email).id)
    if out is None:
        print_json(data)
        return
    import json

    from newsletter.audience.export import private_file

    with private_file(out) as file:
        file.write(json.dumps(data, ensure_ascii=False, indent=2) + "\n")
    print(f"written to {out}")


def erase(
    email: str = _ADDRESS,
    yes: bool = typer.Option(False, "--yes", help="Don't ask."),
    json_: bool = _JSON,
) -> None:
    """Forget a person at their request. What stays is a keyed hash, so that no import brings them back.

    Example: newsletter subscribers erase ada@example.com --yes
    """
    with _opened() as (_, audience):
        person = audience.get(email)
        if not yes:
            from newsletter.cli.sending import ask, at_a_terminal

            if not at_a_terminal():
                raise UsageError("erasing can't be undone", hint="confirm it with --yes")
            if not ask(f"Forget {person.email} for good?"):
                print("Nobody was erased.")
                raise typer.Exit(1)
        number = audience.erase(email)
    if json_:
        print_json({"erased": True, "id": number})
    else:
        print("erased; copies outside the store, such as the outbox and old exports, are yours to delete")


_SAID = {
    "people": ("people who left, erased but for the keyed hash", "left_days"),
    "networks": ("network addresses in the consent record", "network_days"),
    "reasons": ("words of receiving servers", "reason_days"),
    "reports": ("reports of providers", "[tracking] keep_days"),
    "mails": ("notes on single mails", "mail_days"),
}


def retention(
    now: bool = typer.Option(False, "--now", help="Forget it now; serve and worker do so once a day."),
    json_: bool = _JSON,
) -> None:
    """Show how long what is kept, as `privacy` in newsletter.toml says, and how much has had its time; `--now` forgets that.

    Example: newsletter subscribers retention --now
    """
    from newsletter.audience.retention import apply, count

    with _opened() as (workspace, audience):
        periods = workspace.periods
        found = apply(audience, periods) if now else count(audience.database, periods, workspace.clock.now())
    numbers = asdict(found)
    days = {name: period.days if period else None for name, period in asdict(periods).items()}
    if json_:
        print_json({"forgotten" if now else "due": numbers, "days": days})
        return
    for name, (words, setting) in _SAID.items():
        kept = f"{days[name]} days" if days[name] is not None else "for good"
        had = f"{numbers[name]:,} {'forgotten' if now else 'to forget'}"
        print(f"{words:48} {kept:>10}  {had:>16}  ({setting})")
