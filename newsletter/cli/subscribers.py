"""`newsletter subscribers …`: who is on the list, and moving people in, out and between tags."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from newsletter.cli import privacy, transfer
from newsletter.cli.output import counted, json_text, paint, print_json
from newsletter.cli.people import JSON, STATUS, TAG, opened_audience, people_filter
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.audience.membership import Audience
    from newsletter.model.subscriber import Subscriber

app = typer.Typer(
    name="subscribers",
    help="Keep the list: add, find, tag, import, export, unsubscribe and erase people.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_ADDRESS = typer.Argument(..., metavar="ADDRESS", help="The person's email address.")
_ON_A_TERMINAL = 100  # people `list` shows where nobody asked for more


@app.command("add")
def add(
    email: str = _ADDRESS,
    name: str = typer.Option("", "--name", metavar="NAME", help="Their name, for `{{ subscriber.name }}`."),
    tag: list[str] = typer.Option([], "--tag", metavar="TAG", help="A tag to give them; repeat for more."),
    resubscribe: str = typer.Option(
        "",
        "--resubscribe",
        metavar="HOW",
        help="Bring back someone who left and asked for it; say how they asked.",
    ),
    json_: bool = JSON,
) -> None:
    """Add a person who agreed to be mailed. The consent record says that you did.

    Example: newsletter subscribers add ada@example.com --name "Ada Lovelace" --tag beta
    """
    from newsletter.audience.columns import clean_tags, clean_text

    with opened_audience() as audience:
        person, outcome = audience.add(
            email, name=clean_text(name), tags=clean_tags(tag), resubscribe=clean_text(resubscribe)
        )
        if json_:
            print_json({"outcome": outcome.value, **_details(audience, person)})
        else:
            print(f"{outcome.value}: {_one_line(person)}")


@app.command("list")
def list_(
    status: str = STATUS,
    tag: str = TAG,
    search: str = typer.Option("", "--search", metavar="WORDS", help="Part of the address or the name."),
    limit: int = typer.Option(0, "--limit", min=0, help="At most so many; 0 for all."),
    json_: bool = JSON,
) -> None:
    """List people, in the order they came.

    Example: newsletter subscribers list --status active --tag beta --limit 20
    """
    from newsletter.store import subscribers as people

    which = people_filter(status, tag, search, limit)
    with opened_audience() as audience:
        if json_:
            _print_json_list(people.stream(audience.database, which))
            return
        shortened = not limit and sys.stdout.isatty()
        shown = people_filter(status, tag, search, _ON_A_TERMINAL) if shortened else which
        number = 0
        for person in people.stream(audience.database, shown):
            number += 1
            print(_one_line(person))
        if number == 0:
            empty = which == people.EVERYONE
            hint = "nobody is on the list yet: newsletter subscribers import FILE" if empty else "nobody fits"
            print(hint, file=sys.stderr)
        elif shortened and number == _ON_A_TERMINAL:
            more = people.count(audience.database, which) - number
            if more:
                print(f"… and {more:,} more: --limit {number + more}", file=sys.stderr)


@app.command("show")
def show(email: str = _ADDRESS, json_: bool = JSON) -> None:
    """Show all that is known of a person, their consent record included.

    Example: newsletter subscribers show ada@example.com --json
    """
    with opened_audience() as audience:
        details = _details(audience, audience.get(email))
    if json_:
        print_json(details)
        return
    consent, texts = details.pop("consent"), details.pop("consent_texts")
    joining = details.pop("joining")
    for key, value in details.items():
        if key == "metadata":
            for name, text in value.items():
                print(f"  {paint(name.ljust(12), 2)} {text}")
        else:
            text = ", ".join(value) if isinstance(value, list) else value
            print(f"{paint(key.ljust(14), 2)} {text or '–'}")
    if joining:
        print(f"{paint('joining'.ljust(14), 2)} {_in_words(joining)}")
    print(paint("consent", 2))
    for event in consent:
        said = [
            event["source"],
            event["form_id"] and f"form {event['form_id']}",
            event["ip"],
            event["detail"],
        ]
        print(f"  {event['at']}  {event['action']} by {event['actor']} · {' · '.join(filter(None, said))}")
    for text in texts.values():
        print(f"  agreed to: {text or 'words that are not kept'}")


@app.command("tag")
def tag_(
    emails: list[str] = typer.Argument(..., metavar="ADDRESS...", help="People on the list."),
    add_: list[str] = typer.Option([], "--add", metavar="TAG", help="A tag to give; repeat for more."),
    remove: list[str] = typer.Option(
        [], "--remove", metavar="TAG", help="A tag to take away; repeat for more."
    ),
    json_: bool = JSON,
) -> None:
    """Give people tags, or take tags away.

    Example: newsletter subscribers tag ada@example.com bob@example.com --add beta --remove trial
    """
    from newsletter.audience.columns import clean_tags

    adding, removing = clean_tags(add_), clean_tags(remove)
    if not adding and not removing:
        raise UsageError("no tag to give or take", hint="say which: --add TAG, --remove TAG")
    with opened_audience() as audience:
        changed = audience.tag(emails, add=adding, remove=removing)
    if json_:
        print_json({"people": len(emails), "changed": changed})
    else:
        print(f"{counted(changed, 'tag')} changed on {counted(len(emails), 'person', 'people')}")


transfer.add_to(app)


@app.command("unsubscribe")
def unsubscribe(email: str = _ADDRESS, json_: bool = JSON) -> None:
    """Take a person off the list, for good; doing it twice is fine.

    Example: newsletter subscribers unsubscribe ada@example.com
    """
    with opened_audience() as audience:
        changed = audience.unsubscribe(email)
        person = audience.get(email)
    if json_:
        print_json({"email": person.email, "status": person.status.value, "changed": changed})
    else:
        print(f"{'unsubscribed' if changed else 'had left before'}: {_one_line(person)}")


@app.command("stats")
def stats(json_: bool = JSON) -> None:
    """Count people by status, and the active ones by tag.

    Example: newsletter subscribers stats
    """
    from newsletter.store import subscribers as people

    with opened_audience() as audience:
        by_status = people.counts_by_status(audience.database)
        by_tag = people.counts_by_tag(audience.database)
    if json_:
        print_json(
            {
                "total": sum(by_status.values()),
                "status": {status.value: number for status, number in by_status.items()},
                "active_by_tag": by_tag,
            }
        )
        return
    for status, number in by_status.items():
        print(f"{status.value:14}{number:>12,}")
    print(f"{paint('total'.ljust(14), 1)}{sum(by_status.values()):>12,}")
    for tag, number in list(by_tag.items())[:20]:
        print(f"  {paint(tag.ljust(12), 2)}{number:>12,}")


privacy.add_to(app)


def _details(audience: Audience, person: Subscriber) -> dict[str, Any]:
    from dataclasses import asdict

    from newsletter.audience.consent import history
    from newsletter.audience.export import as_json
    from newsletter.audience.joining import consent_text

    consent = [asdict(event) for event in history(audience.database, person.id)]
    versions = sorted({event["text_version"] for event in consent} - {""})
    return {
        "id": person.id,
        **as_json(person),
        "joining": _joining(audience, person),
        "consent": consent,
        "consent_texts": {version: consent_text(audience.database, version) for version in versions},
    }


def _joining(audience: Audience, person: Subscriber) -> dict[str, str] | None:
    """The open request to join, and what became of its mail; None where there is none."""
    from dataclasses import asdict

    from newsletter.audience.joining import pending
    from newsletter.store.outgoing import latest

    found = pending(audience.database, person)
    if found is None:
        return None
    mail = latest(audience.database, person.id)
    state = {"mail": mail[0].value, "mail_state": mail[1].value, "mail_reason": mail[3]} if mail else {}
    return {**asdict(found), **state}


def _in_words(joining: dict[str, str]) -> str:
    mail = f"{joining['mail']} mail {joining['mail_state']}" if "mail" in joining else "no mail yet"
    reason = f" ({joining['mail_reason']})" if joining.get("mail_reason") else ""
    reminded = f"; reminded {joining['reminded_at']}" if joining["reminded_at"] else ""
    asked = f"asked {joining['requested_at']} by form {joining['form_id'] or '–'}"
    return f"{asked}; {mail}{reason}{reminded}; the link works until {joining['expires_at']}"


def _one_line(person: Subscriber) -> str:
    tags = f"  [{', '.join(person.tags)}]" if person.tags else ""
    name = f"  {person.name}" if person.name else ""
    return f"{person.status.value:13} {person.email}{name}{paint(tags, 2)}"


def _print_json_list(people: Iterator[Subscriber]) -> None:
    """One JSON array, written as it is read: a million people don't fit in memory twice."""
    from newsletter.audience.export import as_json

    before = "["
    for person in people:
        print(before, json_text(as_json(person), indent=None), sep="\n  ", end="")
        before = ","
    print("[]" if before == "[" else "\n]")
