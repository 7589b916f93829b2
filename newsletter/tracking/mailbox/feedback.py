"""Is this a reader's complaint? Feedback reports (RFC 5965) and the forms without one."""

from __future__ import annotations

import re
from typing import Final

from newsletter.model.event import BounceClass
from newsletter.tracking.mailbox.addresses import first_address
from newsletter.tracking.mailbox.mime import Part
from newsletter.tracking.mailbox.reading import Kind, Report, Verdict

# RFC 5965 §3.5 and the registry; `not-spam` takes nothing back by itself: whoever complained before, left.
_COMPLAINTS: Final = ("abuse", "fraud", "virus", "other", "miscategorized", "")
_LEAVING: Final = ("opt-out", "opt-out-list", "unsubscribe")
_FIELD = re.compile(r"^([A-Za-z-]{1,60}):[ \t]*([^\n]{0,1000})", re.MULTILINE)
_JUNK_SENDERS = re.compile(r"staff@hotmail\.com|feedbackloop@|fbl@|abuse-?report|complaints?@", re.IGNORECASE)


def feedback(mail: Part) -> tuple[Kind, str, tuple[Report, ...]] | None:
    """The kind, what decided and whom it is about; None where the mail is no such report."""
    for part in mail.own():
        if part.media_type == "message/feedback-report":
            fields = {name.lower(): value.strip() for name, value in reversed(_FIELD.findall(part.text()))}
            kind = fields.get("feedback-type", "").lower()
            address = first_address(fields.get("original-rcpt-to", "")) or first_address(
                fields.get("removal-recipient", "")
            )
            said = f"feedback report: {kind or 'no type'}"
            verdict = Verdict(BounceClass.NONE, said, "RFC 5965 §3.5")
            found = (Report(address, verdict, diagnostic=said),)
            if kind in _COMPLAINTS:
                return Kind.COMPLAINT, said, found
            return (Kind.UNSUBSCRIBE if kind in _LEAVING else Kind.OTHER), said, found
    return _without_report(mail)


def _without_report(mail: Part) -> tuple[Kind, str, tuple[Report, ...]] | None:
    """Microsoft's junk mail reporting: the message itself, in a mail of theirs, with a header naming the reader."""
    for part in mail.walk():
        address = first_address(part.get("x-hmxmroriginalrecipient"))
        if address and (part is not mail or _JUNK_SENDERS.search(mail.get("from"))):
            said = "junk mail report"
            verdict = Verdict(BounceClass.NONE, said, "Microsoft JMRP: X-HmXmrOriginalRecipient")
            return Kind.COMPLAINT, said, (Report(address, verdict, diagnostic=said),)
    return None
