"""What `send`, `resume`, `status`, `pause`, `cancel` and `reconcile` share: which send is meant, and how it is shown."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from newsletter.app import Workspace
from newsletter.cli.output import paint
from newsletter.cli.terminal_text import printable
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.delivery import SendState
from newsletter.store.base import utc_text
from newsletter.store.schedules import Schedule, Schedules
from newsletter.store.send_records import SendRecord, Tally
from newsletter.store.sends import SendLedger

NOT_SENT = "not sent"
_STATE_COLOURS = {"sent": 32, "sending": 36, "paused": 33, "cancelled": 31}


@dataclass(frozen=True, slots=True)
class Named:
    """What an `ISSUE` argument means.

    Attributes:
        records: its sends, oldest first; empty where it was not sent yet.
        scheduled: what waits for its hour or is held.
    """

    slug: str
    number: int
    title: str
    records: tuple[SendRecord, ...] = ()
    scheduled: Schedule | None = None

    @property
    def latest(self) -> SendRecord:
        """The last send.

        Raises:
            UsageError: there is none.
        """
        if not self.records:
            raise UsageError(f"`{self.slug}` was not sent yet", hint=f"newsletter send {self.number}")
        return self.records[-1]


def find_named(workspace: Workspace, ledger: SendLedger, name: str) -> Named:
    """The issue meant by a path, a number or a slug: the ledger knows it even when its file is gone.

    Raises:
        UsageError: neither the ledger nor the folder knows it.
    """
    records = ledger.sends_numbered(int(name)) if name.isascii() and name.isdigit() else []
    records = records or ledger.sends(name)
    if not records:
        from newsletter.content.front_matter import slug_of_file

        # No issue has the number -1: a name without letters stands for no slug.
        records = ledger.sends(slug_of_file(name, -1))
    schedules = Schedules(ledger.db)
    if records:
        last = records[-1]
        return Named(
            last.slug, last.number, last.title, tuple(ledger.sends(last.slug)), schedules.open_of(last.slug)
        )
    if planned := schedules.open_named(name):
        return Named(planned.slug, planned.number, planned.title, scheduled=planned)
    path = workspace.find_issue(name)
    from newsletter.content.issue import read_issue
    from newsletter.content.slots import to_nobody

    front = read_issue(path, workspace.settings.kinds).front
    if front is None:
        raise NewsletterError(f"{path} can't be read as an issue", hint=f"newsletter check {path}")
    return Named(
        front.slug,
        front.number,
        to_nobody(front.title),
        tuple(ledger.sends(front.slug)),
        schedules.open_of(front.slug),
    )


def as_json(named: Named, record: SendRecord | None, tally: Tally, process: int = 0) -> dict[str, Any]:
    """The state of a send; the keys are a contract with scripts."""
    return {
        "issue": named.slug,
        "number": named.number,
        "title": record.title if record else named.title,
        "send": record.id if record else None,
        "state": record.state.value if record else NOT_SENT,
        "audience": tally.total,
        **tally.as_dict(),
        "provider": record.provider if record else "",
        "tag": record.tag if record else "",
        "sandbox": record.sandbox if record else False,
        "note": record.note if record else "",
        "process": process,
        "started_at": utc_text(record.created_at) if record and record.created_at else "",
        "finished_at": utc_text(record.finished_at) if record and record.finished_at else "",
        "next": next_command(record, tally, process) if record else f"newsletter send {named.number}",
    }


def next_command(record: SendRecord, tally: Tally, process: int = 0) -> str:
    """What to type next, or empty where nothing is left to do."""
    if record.unfinished:
        return f"newsletter status {record.slug}" if process else f"newsletter resume {record.slug}"
    return f"newsletter reconcile {record.slug}" if tally.unknown else ""


def table(record: SendRecord, tally: Tally, process: int = 0, *, counts_only: bool = False) -> str:
    """Every count of a send, and what to do next; `counts_only` where something else says why and what."""
    state = paint(record.state.value, 1, _STATE_COLOURS.get(record.state.value, 0))
    segment = f" to `{record.tag}`" if record.tag else ""
    sandbox = " (sandbox)" if record.sandbox else ""
    lines = [f"{paint(record.title, 1)} · {state}{sandbox}{segment} through {record.provider}"]
    if record.note and not counts_only:
        lines.append(f"  {printable(record.note)}")
    counts = {"audience": tally.total, **tally.as_dict()}
    width = len(f"{max(counts.values()):,}")
    for name, count in counts.items():
        if count or name in ("audience", "accepted", "unknown"):
            lines.append(f"  {name:<10} {count:>{width},}{_explained(name, count, record)}")
    if process:
        lines.append(f"  process {process} is sending")
    elif record.state in (SendState.SENDING, SendState.FREEZING):
        lines.append("  no process is sending it")
    command = next_command(record, tally, process)
    if command and not process and not counts_only:
        lines.append(f"Next: {paint(command, 1)}")
    return "\n".join(lines)


def _explained(name: str, count: int, record: SendRecord) -> str:
    if not count:
        return ""
    if name == "accepted" and record.sandbox:
        return f"   {paint('checked by the provider; nothing was delivered', 2)}"
    if record.state is SendState.CANCELLED and name in ("pending", "deferred"):
        return f"   {paint('never sent: the send was cancelled', 2)}"
    said = {
        "rejected": f"refused for good: newsletter status {record.slug} --failed says why",
        "deferred": "to be tried again",
        "skipped": "left since the audience was frozen",
        "unknown": "the answer was lost; not sent again by itself",
    }.get(name)
    return f"   {paint(said, 2)}" if said else ""


def at_a_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def agreed(question: str, *, yes: bool) -> bool:
    """Whether to go on: asked at a terminal, or said by `--yes`.

    Raises:
        UsageError: nobody can be asked and it wasn't said.
    """
    if yes:
        return True
    if not at_a_terminal():
        raise UsageError("there is no terminal to ask at", hint="unattended, say --yes")
    return ask(question)


def ask(question: str) -> bool:
    """Whether the person at the terminal says yes; anything but a yes is a no.

    Not the framework's own question, which takes Ctrl-C for a no and leaves with 1.
    """
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def confirm(question: str, *, count: int, yes: bool, expect: int | None, verb: str) -> bool:
    """Whether to go on: asked at a terminal, or said by `--yes --expect-count N`.

    Raises:
        UsageError: nobody can be asked and it wasn't said, or the count is another.
    """
    if expect is not None and expect != count:
        raise UsageError(
            f"there are {count}, not {expect}", hint=f"look again, then use --expect-count {count}"
        )
    if yes:
        if expect is None:
            raise UsageError(
                f"--yes needs --expect-count: how many people you mean to {verb}",
                hint=f"--yes --expect-count {count}",
            )
        return True
    if not at_a_terminal():
        raise UsageError(
            "there is no terminal to ask at", hint=f"unattended, say --yes --expect-count {count}"
        )
    return ask(question)
