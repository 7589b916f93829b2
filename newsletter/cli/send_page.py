"""What does a sender see before saying yes? The page that `newsletter send` shows, and `--dry-run`'s headers."""

from __future__ import annotations

from typing import Any

from newsletter.cli.output import counted, paint
from newsletter.providers.base import Provider
from newsletter.send.limits import Limits
from newsletter.send.plan import GMAIL_CLIPS_AT, Audience, Prepared
from newsletter.send.run import Desk, sample_mime
from newsletter.store.send_records import Person


def page(prepared: Prepared, audience: Audience, provider: Provider, limits: Limits) -> str:
    """Subject, preheader, sender, audience, provider, pace, size and warnings."""
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
        (
            "Through",
            provider.name + (": a folder, nothing leaves this machine" if provider.name == "outbox" else ""),
        ),
        ("Pace", _pace(audience.count, limits)),
        ("Size", _size(prepared)),
    ]
    rows += [("Warning", text) for text in _warnings(prepared)]
    lines = [paint(f"Issue {front.number} · {front.date.isoformat()}", 1), ""]
    lines += [f"  {paint(f'{name:<10}', 33 if name == 'Warning' else 2)} {text}" for name, text in rows]
    return "\n".join([*lines, ""])


def page_as_json(
    prepared: Prepared, audience: Audience, provider: Provider, limits: Limits
) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "issue": prepared.issue.slug,
        "number": prepared.issue.front.number,
        "subject": prepared.subject,
        "preheader": prepared.preheader,
        "from": prepared.frozen.publication.from_email,
        "audience": audience.count,
        "tag": audience.tag,
        "provider": provider.name,
        "messages_per_second": limits.rate,
        "html_bytes": prepared.html_bytes,
        "warnings": _warnings(prepared),
    }


def sample_headers(desk: Desk, prepared: Prepared, provider: Provider) -> list[str]:
    """The header lines one made-up subscriber's message would have."""
    dkim = desk.dkim() if provider.name == "smtp" else None
    person = Person(0, "reader@example.org", "Ada Reader", "{}", 1)
    message = sample_mime(prepared.frozen, person, desk.signer, desk.clock.now(), dkim)
    return message.partition(b"\r\n\r\n")[0].decode("utf-8", "replace").split("\r\n")


def _warnings(prepared: Prepared) -> list[str]:
    found = [f"{d.code}: {d.message} ({d.path}:{d.line})" for d in prepared.findings]
    return [*prepared.warnings, *found]


def _pace(count: int, limits: Limits) -> str:
    if not limits.rate:
        return "as fast as it is taken" + _hold(limits)
    return f"at most {limits.rate:g} a second: about {_spelled(count / limits.rate)}" + _hold(limits)


def _hold(limits: Limits) -> str:
    return f", after waiting {_spelled(limits.hold)} in which cancelling is free" if limits.hold else ""


def _spelled(seconds: float) -> str:
    if seconds < 90:
        return counted(max(1, round(seconds)), "second")
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _size(prepared: Prepared) -> str:
    pictures = sum(len(image.data) for image in prepared.frozen.compiled.images)
    text = f"{prepared.html_bytes / 1024:.0f} KB of HTML (Gmail clips at {GMAIL_CLIPS_AT // 1024})"
    return text + (f", {pictures / 1024:.0f} KB of pictures" if pictures else "")
