"""`newsletter subscribers …`: who is on the list, and moving people in, out and between tags."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from newsletter.cli import privacy
from newsletter.cli.output import counted, json_text, paint, print_error, print_json
from newsletter.cli.progress_bar import ProgressBar
from newsletter.errors import NewsletterError, UsageError

if TYPE_CHECKING:
    from newsletter.audience.membership import Audience
    from newsletter.audience.transfer import ImportResult
    from newsletter.model.subscriber import Subscriber, SubscriberStatus
    from newsletter.store.subscribers import SubscriberFilter

app = typer.Typer(
    name="subscribers",
    help="Keep the list: add, find, tag, import, export, unsubscribe and erase people.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_ADDRESS = typer.Argument(..., metavar="ADDRESS", help="The person's email address.")
_JSON = typer.Option(False, "--json", help="Print JSON, for scripts.")
_STATUS = typer.Option("", "--status", help="pending, active, unsubscribed, bounced or complained.")
_TAG = typer.Option("", "--tag", help="Only people with this tag.")
_STDIN = Path("/dev/stdin")
_ON_A_TERMINAL = 100  # people `list` shows where nobody asked for more


@contextmanager
def _audience() -> Iterator[Audience]:
    from newsletter.app import open_workspace

    audience = open_workspace().open_audience()
    try:
        yield audience
    finally:
        audience.database.close()


@app.command("add")
def add(
    email: str = _ADDRESS,
    name: str = typer.Option("", "--name", help="Their name, for `{{ subscriber.name }}`."),
    tag: list[str] = typer.Option([], "--tag", help="A tag to give them; repeat for more."),
    resubscribe: str = typer.Option(
        "",
        "--resubscribe",
        metavar="HOW",
        help="Bring back someone who left and asked for it; say how they asked.",
    ),
    json_: bool = _JSON,
) -> None:
    """Add a person who agreed to be mailed. The consent record says that you did.

    Example: newsletter subscribers add ada@example.com --name "Ada Lovelace" --tag beta
    """
    from newsletter.audience.columns import clean_tags, clean_text

    with _audience() as audience:
        person, outcome = audience.add(
            email, name=clean_text(name), tags=clean_tags(tag), resubscribe=clean_text(resubscribe)
        )
        if json_:
            print_json({"outcome": outcome.value, **_details(audience, person)})
        else:
            print(f"{outcome.value}: {_one_line(person)}")


@app.command("list")
def list_(
    status: str = _STATUS,
    tag: str = _TAG,
    search: str = typer.Option("", "--search", help="Part of the address or the name."),
    limit: int = typer.Option(0, "--limit", min=0, help="At most so many; 0 for all."),
    json_: bool = _JSON,
) -> None:
    """List people, in the order they came.

    Example: newsletter subscribers list --status active --tag beta --limit 20
    """
    from newsletter.store import subscribers as people

    which = _filter(status, tag, search, limit)
    with _audience() as audience:
        if json_:
            _print_json_list(people.stream(audience.database, which))
            return
        shortened = not limit and sys.stdout.isatty()
        shown = _filter(status, tag, search, _ON_A_TERMINAL) if shortened else which
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
def show(email: str = _ADDRESS, json_: bool = _JSON) -> None:
    """Show all that is known of a person, their consent record included.

    Example: newsletter subscribers show ada@example.com --json
    """
    with _audience() as audience:
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
    add_: list[str] = typer.Option([], "--add", help="A tag to give; repeat for more."),
    remove: list[str] = typer.Option([], "--remove", help="A tag to take away; repeat for more."),
    json_: bool = _JSON,
) -> None:
    """Give people tags, or take tags away.

    Example: newsletter subscribers tag ada@example.com bob@example.com --add beta --remove trial
    """
    from newsletter.audience.columns import clean_tags

    adding, removing = clean_tags(add_), clean_tags(remove)
    if not adding and not removing:
        raise UsageError("no tag to give or take", hint="say which: --add TAG, --remove TAG")
    with _audience() as audience:
        changed = audience.tag(emails, add=adding, remove=removing)
    if json_:
        print_json({"people": len(emails), "changed": changed})
    else:
        print(f"{counted(changed, 'tag')} changed on {counted(len(emails), 'person', 'people')}")


@app.command("import")
def import_(
    file: Path = typer.Argument(
        ..., metavar="FILE", help="A CSV file with a header line; - for standard input."
    ),
    map_: list[str] = typer.Option(
        [], "--map", metavar="WHAT=COLUMN", help='Name a column: --map email="Your column".'
    ),
    status: str = typer.Option("", "--status", help="Of rows that name none; active unless you say so."),
    tag: list[str] = typer.Option([], "--tag", help="A tag for every row; repeat for more."),
    consent: str = typer.Option("", "--consent", help="How these people agreed, for the consent record."),
    raw: bool = typer.Option(False, "--raw", help="The file was exported with --raw."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Count, change nothing."),
    json_: bool = _JSON,
) -> None:
    """Bring in the people of a CSV file; all of it, or nothing. Running it again changes nothing more.

    Nobody who left comes back; rows marked unsubscribed, bounced or complained are taken as such.
    Rows that can't be used are put into a file of their own, with line and reason.

    Example: newsletter subscribers import list.csv --map email="E-mail (work)" --tag beta --dry-run
    """
    from newsletter.audience.columns import clean_tags, clean_text
    from newsletter.audience.transfer import ImportOptions, import_csv

    options = ImportOptions(
        mapping=dict(map(_mapping, map_)),
        status=_status(status),
        tags=clean_tags(tag),
        raw=raw,
        dry_run=dry_run,
        attestation=clean_text(consent),
    )
    with _audience() as audience, _progress() as report:
        try:
            result = import_csv(audience, _STDIN if str(file) == "-" else file, options, report)
        except KeyboardInterrupt:
            _explain_interruption(audience)
            raise typer.Exit(130) from None
    _print_import(result, dry_run=dry_run, json_=json_)


@app.command("export")
def export(
    out: Path | None = typer.Option(None, "--out", help="The file to write; standard output if none."),
    format_: str = typer.Option("csv", "--format", help="csv or jsonl."),
    status: str = _STATUS,
    tag: str = _TAG,
    raw: bool = typer.Option(
        False, "--raw", help="Leave cells as they are; by default a spreadsheet can't be made to run one."
    ),
) -> None:
    """Write people to a file that `import`, spreadsheets and other products read.

    Example: newsletter subscribers export --status active --out active.csv
    """
    if format_ not in {"csv", "jsonl"}:
        raise UsageError(f"there is no format `{format_}`", hint="it is csv or jsonl")
    which = _filter(status, tag, "", 0)
    form: Literal["csv", "jsonl"] = "csv" if format_ == "csv" else "jsonl"
    with _audience() as audience, _progress() as report:
        from newsletter.audience.export import export_file, export_stream

        if out is None or str(out) == "-":
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr] # it is a text file
            export_stream(audience.database, which, sys.stdout, form, raw=raw)
            return
        number = export_file(audience.database, which, out, form, raw=raw, progress=report)
    print(f"{counted(number, 'person', 'people')} written to {out}", file=sys.stderr)


@app.command("unsubscribe")
def unsubscribe(email: str = _ADDRESS, json_: bool = _JSON) -> None:
    """Take a person off the list, for good; doing it twice is fine.

    Example: newsletter subscribers unsubscribe ada@example.com
    """
    with _audience() as audience:
        changed = audience.unsubscribe(email)
        person = audience.get(email)
    if json_:
        print_json({"email": person.email, "status": person.status.value, "changed": changed})
    else:
        print(f"{'unsubscribed' if changed else 'had left before'}: {_one_line(person)}")


@app.command("stats")
def stats(json_: bool = _JSON) -> None:
    """Count people by status, and the active ones by tag.

    Example: newsletter subscribers stats
    """
    from newsletter.store import subscribers as people

    with _audience() as audience:
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


def _filter(status: str, tag: str, search: str, limit: int) -> SubscriberFilter:
    from newsletter.store.subscribers import SubscriberFilter

    # A shell hands over bytes that are no text as halves of surrogate pairs, which no store takes.
    tag, search = (text.encode("utf-8", "replace").decode() for text in (tag, search))
    return SubscriberFilter(status=_status(status), tag=tag, search=search, limit=limit)


def _status(text: str) -> SubscriberStatus | None:
    from newsletter.model.subscriber import SubscriberStatus

    if not text:
        return None
    try:
        return SubscriberStatus(text)
    except ValueError:
        raise UsageError(
            f"there is no status `{text}`", hint=f"it is one of {', '.join(SubscriberStatus)}"
        ) from None


def _mapping(text: str) -> tuple[str, str]:
    what, equals, column = text.partition("=")
    if not equals or not column:
        raise UsageError(f"--map {text} names no column", hint='write it as --map email="Your column"')
    return what.strip().lower(), column


def _print_json_list(people: Iterator[Subscriber]) -> None:
    """One JSON array, written as it is read: a million people don't fit in memory twice."""
    from newsletter.audience.export import as_json

    before = "["
    for person in people:
        print(before, json_text(as_json(person), indent=None), sep="\n  ", end="")
        before = ","
    print("[]" if before == "[" else "\n]")


def _print_import(result: ImportResult, *, dry_run: bool, json_: bool) -> None:
    counts = result.counts
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    if json_:
        print_json(
            {
                "added": counts.added,
                "updated": counts.updated,
                "unchanged": counts.unchanged,
                "suppressed": counts.suppressed,
                "rejected": counts.rejected,
                "errors_file": counts.errors_file or None,
            }
        )
        return
    if dry_run:
        print("this is what would happen; nothing is changed")
    for label in ("added", "updated", "unchanged", "suppressed", "rejected"):
        print(f"{label:11}{getattr(counts, label):>12,}")
    if counts.errors_file:
        print(f"rejected rows, with line and reason: {counts.errors_file}")


def _explain_interruption(audience: Audience) -> None:
    from newsletter.store.imports import pending_imports

    try:
        merging = pending_imports(audience.database)
    except NewsletterError:
        merging = []
    if merging:
        print_error("interrupted while merging", "the rest is merged as soon as any command opens the list")
    else:
        print_error("interrupted; nothing was imported", "")


@contextmanager
def _progress() -> Iterator[ProgressBar]:
    bar = ProgressBar()
    try:
        yield bar
    finally:
        bar.stop()
