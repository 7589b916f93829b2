"""What does a sender see before saying yes? The page that `newsletter send` shows, and `--dry-run`'s headers."""

from __future__ import annotations

from typing import Any

from newsletter.cli.output import paint
from newsletter.providers.base import Provider
from newsletter.send.forecast import Forecast
from newsletter.send.plan import GMAIL_CLIPS_AT, Audience, Prepared
from newsletter.send.rates import duration_in_words
from newsletter.send.run import Desk, sample_mime
from newsletter.store.base import utc_text
from newsletter.store.send_records import Person


def page(
    prepared: Prepared, audience: Audience, provider: Provider, outlook: Forecast, *, sandbox: bool = False
) -> str:
    """Subject, preheader, sender, audience, provider, pace, size and warnings.

    Args:
        prepared: the issue.
        audience: who gets it.
        provider: through which.
        outlook: when it will be finished.
        sandbox: whether the provider is asked to deliver nothing.
    """
    publication = prepared.frozen.publication
    front = prepared.issue.front
    people = f"{audience.count:,} active subscriber{'s' if audience.count != 1 else ''}"
    rows = [
        ("Subject", prepared.subject),
        ("Preheader", prepared.preheader),
        ("From", f"{publication.from_name} <{publication.from_email}>"),
        (
            "To",
            people
            + (f" tagged `{audience.tag}`" if audience.tag else "")
            + (", not reached before" if audience.late else ""),
        ),
        ("Through", _through(provider, sandbox=sandbox)),
        ("Pace", outlook.pace() + _hold(outlook)),
        ("Size", _size(prepared)),
    ]
    rows += [("Warning", text) for text in _warnings(prepared, provider, outlook)]
    lines = [paint(f"Issue {front.number} · {front.date.isoformat()}", 1), ""]
    lines += [f"  {paint(f'{name:<10}', 33 if name == 'Warning' else 2)} {text}" for name, text in rows]
    return "\n".join([*lines, ""])


def page_as_json(
    prepared: Prepared, audience: Audience, provider: Provider, outlook: Forecast, *, sandbox: bool = False
) -> dict[str, Any]:
    """The same for scripts; `seconds` is null where only the provider and the network decide."""
    limits, ends = outlook.limits, outlook.ends
    return {
        "issue": prepared.issue.slug,
        "number": prepared.issue.front.number,
        "subject": prepared.subject,
        "preheader": prepared.preheader,
        "from": prepared.frozen.publication.from_email,
        "audience": audience.count,
        "unreachable": audience.unreachable,
        "tag": audience.tag,
        "provider": provider.name,
        "sandbox": sandbox,
        "batch": limits.batch,
        "messages_per_second": limits.rate,
        "calls_per_second": limits.calls,
        "daily_quota": limits.daily_quota,
        "within_quota": outlook.today,
        "hold_seconds": limits.hold,
        "seconds": None if outlook.seconds is None else round(outlook.seconds, 3),
        "finishes_at": utc_text(ends) if ends else "",
        "html_bytes": prepared.html_bytes,
        "warnings": _warnings(prepared, provider, outlook),
    }


def sample_headers(desk: Desk, prepared: Prepared, provider: Provider) -> list[str]:
    """The header lines one made-up subscriber's message would have."""
    dkim = desk.dkim() if provider.name == "smtp" else None
    person = Person(0, "reader@example.org", "Ada Reader", "{}", 1)
    message = sample_mime(prepared.frozen, person, desk.signer, desk.clock.now(), dkim)
    return message.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n")


def _through(provider: Provider, *, sandbox: bool) -> str:
    if provider.name == "outbox":
        return "outbox: a folder, nothing leaves this machine"
    return f"{provider.name}{', in its sandbox: nothing is delivered to anybody' if sandbox else ''}"


def _warnings(prepared: Prepared, provider: Provider, outlook: Forecast) -> list[str]:
    found = [f"{d.code}: {d.message} ({d.path}{f':{d.line}' if d.line else ''})" for d in prepared.findings]
    quota = [outlook.quota()] if outlook.quota() else []
    return [*provider.capabilities.notes, *quota, *prepared.warnings, *found]


def _hold(outlook: Forecast) -> str:
    hold = outlook.limits.hold
    return f", after waiting {duration_in_words(hold)} in which cancelling is free" if hold else ""


def _size(prepared: Prepared) -> str:
    pictures = sum(len(image.data) for image in prepared.frozen.compiled.images)
    text = f"{prepared.html_bytes / 1024:.0f} KB of HTML (Gmail clips at {GMAIL_CLIPS_AT // 1024})"
    return text + (f", {pictures / 1024:.0f} KB of pictures" if pictures else "")
