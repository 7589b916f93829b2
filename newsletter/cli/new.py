"""`newsletter new "Title"`: the next issue, numbered, dated and ready to be written into; or a guide."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import typer

from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.app import Workspace

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DEFAULT_DAY = "tuesday"


@app.command("new")
def new(
    title: str = typer.Argument(
        ..., metavar="TITLE", help="The title; that of an issue becomes the subject line."
    ),
    date: str = typer.Option(
        "",
        "--date",
        metavar="DATE",
        help="When it is sent, such as 2026-03-03; the next send day if not given.",
    ),
    guide: bool = typer.Option(False, "--guide", help='A guide instead, such as "RAG vs fine-tuning".'),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Begin the next issue, or a guide.

    Example: newsletter new "Hybrid retrieval without the hype"
    """
    from zoneinfo import ZoneInfo

    from newsletter.app import open_workspace
    from newsletter.cli.output import from_here, print_json
    from newsletter.cli.scaffold import write_new
    from newsletter.content.addresses import unusable
    from newsletter.content.front_matter import slugify
    from newsletter.content.skeleton import skeleton

    title = " ".join(title.split())
    if not title or not title.isprintable():
        raise UsageError(
            "the title has to be a few printable words", hint='newsletter new "What it is about"'
        )
    workspace = open_workspace()
    if guide:
        if date:
            raise UsageError("a guide isn't sent on a date", hint="leave out --date")
        _new_guide(workspace, title, as_json=as_json)
        return
    number, last_date, taken = _before(workspace)
    number += 1
    today = workspace.clock.now().astimezone(ZoneInfo(workspace.settings.timezone)).date()
    when = _given_date(date) if date else next_date(today, last_date, workspace.settings.sending.day)
    slug = slugify(title)[:60].rstrip("-")
    if slug in taken or (slug and unusable(slug)):
        # Some titles come every week, and some pages have theirs; addresses stand for one.
        slug = f"{slug}-{number}"
    path = workspace.issues_dir / (f"{number:03}-{slug}.md" if slug else f"{number:03}.md")
    text = skeleton(number=number, title=title, date=when, kinds=workspace.settings.kinds)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not write_new(path, text):
        raise UsageError(f"{path} exists already", hint="choose another title, or edit that file")
    shown = from_here(path)
    if as_json:
        print_json(
            {
                "path": str(shown),
                "number": number,
                "date": when.isoformat(),
                "slug": slug or f"issue-{number}",
            }
        )
        return
    print(f"{shown}  (issue {number}, {when:%A} {when.isoformat()})")
    print(f"\nWrite it, then:\n  newsletter check {shown}\n  newsletter preview {shown}")


def _new_guide(workspace: Workspace, title: str, *, as_json: bool) -> None:
    """Begin a guide that compares what its title compares."""
    from zoneinfo import ZoneInfo

    from newsletter.cli.output import from_here, print_json
    from newsletter.cli.scaffold import write_new
    from newsletter.content.front_matter import slugify
    from newsletter.content.guide_files import FOLDER
    from newsletter.content.skeleton import guide_skeleton

    slug = slugify(title)[:60].rstrip("-")
    if not slug:
        raise UsageError(
            "the title has no letter that an address could be made of",
            hint="give it one, and change the title in the file",
        )
    path = workspace.issues_dir / FOLDER / f"{slug}.md"
    today = workspace.clock.now().astimezone(ZoneInfo(workspace.settings.timezone)).date()
    path.parent.mkdir(parents=True, exist_ok=True)
    if not write_new(path, guide_skeleton(title=title, today=today)):
        raise UsageError(f"{path} exists already", hint="choose another title, or edit that file")
    shown = from_here(path)
    if as_json:
        print_json({"path": str(shown), "slug": slug})
        return
    print(f"{shown}  (guide {slug})")
    print(f"\nWrite it, then:\n  newsletter check {shown}")


def next_date(today: dt.date, last: dt.date | None, day: str) -> dt.date:
    """When the next issue is sent: on `day` of the week; a week after the last one if no day is set; never before today."""
    if not day and last is not None:
        following = last + dt.timedelta(days=7)
        if following >= today:
            return following
        # The rhythm was interrupted: the same day of the week again.
        return following + dt.timedelta(days=-(-(today - following).days // 7) * 7)
    earliest = today if last is None else max(today, last + dt.timedelta(days=1))
    ahead = (_DAYS.index(day or _DEFAULT_DAY) - earliest.weekday()) % 7
    return earliest + dt.timedelta(days=ahead)


def _before(workspace: Workspace) -> tuple[int, dt.date | None, set[str]]:
    """The highest number, by name and by front matter, the latest date, and the slugs taken; of files that can't be read, the name."""
    from newsletter.content.issue import read_issue
    from newsletter.errors import NewsletterError

    highest, latest = 0, None
    taken: set[str] = set()
    for path in workspace.issue_files():
        named = re.match(r"\d{1,9}", path.name)
        highest = max(highest, int(named[0]) if named else 0)
        try:
            front = read_issue(path, workspace.settings.kinds).front
        except NewsletterError:
            continue
        if front is not None:
            highest = max(highest, front.number)
            latest = max(latest, front.date) if latest else front.date
            taken.update((front.slug, *front.aliases))
    return highest, latest, taken


def _given_date(date: str) -> dt.date:
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", date):
            raise ValueError  # noqa: TRY301 - other ISO forms are refused with the same words
        return dt.date.fromisoformat(date)
    except ValueError:
        raise UsageError(f"`{date}` is not a date", hint="write it like 2026-03-03") from None
