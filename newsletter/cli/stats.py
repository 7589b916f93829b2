"""`newsletter stats`: how an issue did, or all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import typer

from newsletter.app import open_workspace
from newsletter.cli.output import paint, print_json
from newsletter.cli.sending import find_named
from newsletter.cli.terminal_text import printable
from newsletter.errors import UsageError
from newsletter.store import hits
from newsletter.store.sends import SendLedger
from newsletter.store.sqlite import SqliteDatabase
from newsletter.tracking.report import Report, issues_sent, report_of

app = typer.Typer()
# Gmail's guidelines for senders: stay below 0.1 %, never reach 0.3 %.
_COMPLAINTS_HIGH, _COMPLAINTS_TOO_HIGH = 0.1, 0.3


@app.command()
def stats(
    issue: str = typer.Argument("", metavar="ISSUE", help="A number, a slug or a file; all without it."),
    json_: bool = typer.Option(False, "--json", help="Print it as JSON."),
) -> None:
    """Show what became of an issue: delivered, bounced, reported as spam, and who left after it.

    Opens and clicks are shown where they are counted: they are off unless [tracking] switches them on.

    Example: newsletter stats 42
    """
    workspace = open_workspace()
    tracking = workspace.settings.tracking
    with workspace.open_database() as database:
        if not issue:
            reports = [report for slug in issues_sent(database) if (report := report_of(database, slug))]
            print_json([_as_json(report) for report in reports]) if json_ else _print_all(reports)
            return
        named = find_named(workspace, SendLedger(database), issue)
        report = report_of(database, named.slug)
        if report is None:
            raise UsageError(f"`{named.slug}` was not sent yet", hint=f"newsletter send {named.number}")
        followed = _followed(database, named.slug)
        if json_:
            print_json(_as_json(report) | {"links": [{"url": u, "readers": n} for u, n in followed]})
            return
        print("\n".join(_lines(report, opens=tracking.opens, clicks=tracking.clicks)))
        for url, count in followed:
            print(f"  {'':<12} {count:>9,}  {printable(url)}")


def _followed(database: SqliteDatabase, slug: str) -> list[tuple[str, int]]:
    """The links of an issue that somebody followed, as far as that was counted, the most followed first."""
    from newsletter.render.tracked import links_of
    from newsletter.send.frozen import thaw

    counts: Counter[str] = Counter()
    for number, content, content_hash in database.query(
        "SELECT id, content, content_hash FROM sends WHERE slug = ? AND sandbox = 0", (slug,)
    ):
        readers = {link: count for link, count in hits.readers(database, number).items() if link > 0}
        if readers:
            links = links_of(thaw(content, content_hash).compiled)
            counts.update({links[link]: count for link, count in readers.items() if link in links})
    return counts.most_common()


def _as_json(report: Report) -> dict[str, Any]:
    fields = asdict(report)
    return {"issue": fields.pop("slug"), **fields, "bounced": report.bounced}


def _print_all(reports: list[Report]) -> None:
    if not reports:
        print("Nothing was sent yet.\nNext: newsletter send ISSUE")
        return
    print(
        f"{'issue':>5}  {'sent':<10}  {'accepted':>9}  {'delivered':>9}  {'bounced':>8}  {'spam':>5}  {'left':>5}  title"
    )
    for one in reports:
        delivered = f"{one.delivered:,}" if one.delivered else "·"
        print(
            f"{one.number:>5}  {one.sent_at[:10]}  {one.accepted:>9,}  {delivered:>9}  {one.bounced:>8,}  "
            f"{one.complained:>5,}  {one.unsubscribed:>5,}  {one.title}"
        )


def _lines(report: Report, *, opens: bool, clicks: bool) -> list[str]:
    """The figures of one issue, a line each; what is zero and says nothing is left out."""
    lines = [
        f"{paint(report.title, 1)} · sent {report.sent_at[:10]}",
        _line("audience", report.audience),
        _line("accepted", report.accepted, "by the provider"),
    ]
    if report.accepted and report.unreported == report.accepted:
        lines.append("  Nothing was reported back yet: newsletter webhooks url says how the provider tells.")
    if report.delivered:
        lines.append(_line("delivered", report.delivered, _percent(report, report.delivered)))
    lines.append(_line("bounced", report.bounced, _bounces(report)))
    for label, count, note in (
        ("refused", report.refused, "taken by the provider and never tried"),
        ("deferred", report.deferred, "still being tried, when last heard of"),
        (
            "unreported",
            report.unreported if report.unreported != report.accepted else 0,
            "nothing was heard of them",
        ),
    ):
        if count:
            lines.append(_line(label, count, note))
    lines.append(_line("complained", report.complained, _complaints(report)))
    lines.append(_line("unsubscribed", report.unsubscribed, _percent(report, report.unsubscribed)))
    if opens or report.opened:
        note = f"{_percent(report, report.opened)}; mail programs that load pictures by themselves count too"
        lines.append(_line("opened", report.opened, note.lstrip("; ")))
    if clicks or report.clicked:
        lines.append(_line("clicked", report.clicked, _percent(report, report.clicked)))
    return lines


def _line(label: str, count: int, note: str = "") -> str:
    return f"  {label:<12} {count:>9,}" + (f"  {paint(note, 2)}" if note else "")


def _percent(report: Report, count: int) -> str:
    return f"{report.share(count):.2f} %" if count else ""


def _bounces(report: Report) -> str:
    kinds = (("hard", report.hard), ("soft", report.soft), ("blocked", report.blocked))
    named = ", ".join(f"{count:,} {kind}" for kind, count in kinds if count)
    return f"{_percent(report, report.bounced)}: {named}" if named else ""


def _complaints(report: Report) -> str:
    share = report.share(report.complained)
    if share >= _COMPLAINTS_TOO_HIGH:
        return f"{share:.2f} %: Gmail turns mail away from 0.3 % on"
    if share >= _COMPLAINTS_HIGH:
        return f"{share:.2f} %: Gmail asks for less than 0.1 %"
    return f"{share:.2f} %" if report.complained else ""
