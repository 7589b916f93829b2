"""What does a delivery status notification (RFC 3464) say about each recipient? Its non-conforming relatives included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from newsletter.tracking.mailbox.addresses import first_address
from newsletter.tracking.mailbox.classes import LONGEST_DIAGNOSTIC, smtp_code_in, status_in, verdict_on
from newsletter.tracking.mailbox.mime import Part
from newsletter.tracking.mailbox.reading import Kind, Report

_MOST_REPORTS: Final = 50
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})")
_RECIPIENT_FIELDS: Final = ("final-recipient", "original-recipient", "x-actual-recipient")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")  # RFC 3461 §4


def delivery_status(mail: Part) -> tuple[Kind, tuple[Report, ...]] | None:
    """What the report says of the worst it has happened to; None where the mail is no such report.

    Failures count before delays, and delays before successes: one report may hold all three.
    """
    found: dict[Kind, list[Report]] = {}
    for part in _status_parts(mail):
        words = _words_beside(mail)
        for fields in _blocks(part):
            if len(found.get(Kind.BOUNCE, ())) < _MOST_REPORTS and (one := _report(fields, words)):
                found.setdefault(one[0], []).append(one[1])
    for kind in (Kind.BOUNCE, Kind.DELAYED, Kind.DELIVERED):
        if kind in found:
            return kind, tuple(found[kind])
    return None


def _status_parts(mail: Part) -> list[Part]:
    types = ("message/delivery-status", "message/global-delivery-status")
    found = [part for part in mail.own() if part.media_type in types]
    if not found and mail.parameters.get("report-type", "").lower() == "delivery-status":
        # A gateway has wrapped the report up as it would any mail.
        found = [part for part in mail.walk() if part.media_type in types][:1]
    return found


def rejection(mail: Part) -> tuple[Kind, tuple[Report, ...]] | None:
    """A mailbox's own refusal, sent as a disposition notification (RFC 5429 §2.1.2); None where it is none."""
    for part in mail.own():
        if part.media_type == "message/disposition-notification":
            fields = next(iter(_blocks(part)), {})
            said = _words_beside(mail)
            if not fields.get("disposition", "").lower().startswith("automatic-action/"):
                return None
            if "deleted" not in fields["disposition"].lower() or not re.search(
                "reject|refus", said, re.IGNORECASE
            ):
                return None
            address = _address(fields.get("final-recipient", ""))
            return Kind.BOUNCE, (Report(address, verdict_on("", said), diagnostic=said),)
    return None


def _blocks(part: Part) -> Iterator[dict[str, str]]:
    """The groups of fields; a group about a recipient names one, or says what became of them."""
    text = part.text()
    for group in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in group.split("\n"):
            if line[:1] in (" ", "\t") and name:
                fields[name] = f"{fields[name]} {line.strip()}"[:LONGEST_DIAGNOSTIC]
            elif ":" in line:
                key, _, value = line.partition(":")
                name = key.strip().lower()
                fields.setdefault(name, value.strip()[:LONGEST_DIAGNOSTIC])
            elif name and line.strip():  # some break long diagnostics without indenting
                fields[name] = f"{fields[name]} {line.strip()}"[:LONGEST_DIAGNOSTIC]
        if any(key in fields for key in (*_RECIPIENT_FIELDS, "action", "status")):
            yield fields


def _report(fields: dict[str, str], words: str) -> tuple[Kind, Report] | None:
    status_field = _STATUS.match(fields.get("status", ""))
    status = status_field[1] if status_field else ""
    action = fields.get("action", "").lower()
    diagnostic = fields.get("diagnostic-code", "")
    said = diagnostic.partition(";")[2].strip() or diagnostic
    if action.startswith("fail") or (not action and status[:1] == "5"):
        kind = Kind.BOUNCE
    elif action.startswith("delay") or (not action and status[:1] == "4"):
        kind = Kind.DELAYED
    elif action.startswith(("deliver", "relay", "expand")) or (not action and status[:1] == "2"):
        kind = Kind.DELIVERED
    elif not action and (status_in(said) or smtp_code_in(said).startswith("5")):
        kind = Kind.BOUNCE
    else:
        return None
    final, original = (
        _address(fields.get("final-recipient", "")),
        _address(fields.get("original-recipient", "")),
    )
    actual = _address(fields.get("x-actual-recipient", ""))
    address = original or final or actual
    verdict = verdict_on(status, said or words)
    # Many gateways leave the reason to the part for people.
    if said and verdict.source.startswith("nothing says") and words:
        verdict = verdict_on(status, f"{said}\n{words}")
    return kind, Report(
        address,
        verdict,
        status or status_in(said),
        said[:LONGEST_DIAGNOSTIC],
        final if final.lower() != address.lower() else "",
    )


def _address(field: str) -> str:
    """The address of `rfc822; user@example.com`, in its many spellings."""
    kind, separator, value = field.partition(";")
    value = value if separator else kind
    if "+" in value and kind.strip().lower() == "rfc822" and "@" not in value:
        value = _XTEXT.sub(lambda hexadecimal: chr(int(hexadecimal[1], 16)), value)
    return first_address(value)


def _words_beside(mail: Part) -> str:
    """The part for people, up to where the reasons end."""
    for part in mail.own():
        if part.media_type in ("text/plain", "text/html"):
            return " ".join(part.text()[: 2 * LONGEST_DIAGNOSTIC].split())[:LONGEST_DIAGNOSTIC]
    return ""
