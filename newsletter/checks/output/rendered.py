"""What is wrong with the message an issue becomes? Rendered, compiled, written for the longest reader, and judged."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from newsletter.checks.output.mail import OutgoingMail, read_mail
from newsletter.checks.output.message import check_mail
from newsletter.checks.output.origin import Origin
from newsletter.content.slots import METADATA_PREFIX
from newsletter.diagnostics import Diagnostic
from newsletter.diagnostics.codes_output import OUTPUT
from newsletter.errors import NewsletterError
from newsletter.model.delivery import Recipient
from newsletter.model.issue import Issue
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue
from newsletter.render.compile import compile_rendered
from newsletter.render.dkim import DkimSigner
from newsletter.render.email import EmailRenderer
from newsletter.render.message import MessageWriter
from newsletter.render.tagged_address import unsubscribe_mailto
from newsletter.render.tracked import NOTHING_TRACKED, TrackingWishes, track

# Longer than most, and with letters that take nine bytes each in quoted-printable: a size is measured with these.
_LONG_NAME = "Þórgunnur Maximiliane Featherstonehaugh-Cholmondeley von und zu Hohenlohe-Öhringen"
_LONG_ADDRESS = "maximiliane.featherstonehaugh-cholmondeley@a-rather-long-department.example.com"
_LONG_WORDS = (
    "Something a reader wrote about themselves, as long as such a thing usually gets, and a little longer"
)
_TOKEN = "x" * 64
_WHERE = re.compile(r"^(?P<path>.+?):(?P<line>\d+): (?P<message>.+)$", re.DOTALL)


@dataclass
class Rendering:
    """What the issues of one newsletter are rendered and judged with.

    Attributes:
        publication: who sends; what it lacks is filled in for the check, since a send refuses without.
        make_renderer: makes the renderer, when the first issue asks for it.
        attach: whether pictures travel along; else they are linked.
        templates: their folders, searched in order.
        settings: the file of the settings, where there is one.
        named: what a file is called in findings.
        tracking: what is counted of readers, which makes links longer.
        dkim: signs what leaves, or None.
    """

    publication: Publication
    make_renderer: Callable[[], EmailRenderer]
    attach: bool = True
    templates: tuple[Path, ...] = ()
    settings: Path | None = None
    named: Callable[[Path], str] = str
    tracking: TrackingWishes = NOTHING_TRACKED
    dkim: DkimSigner | None = None

    @cached_property
    def renderer(self) -> EmailRenderer:
        """One for all issues: it keeps the pieces they share."""
        return self.make_renderer()

    def origin(self, issue: Issue) -> Origin:
        """Where the places of findings are looked for."""
        return Origin(
            issue=issue,
            templates=self.templates,
            settings=self.settings,
            named=self.named,
            personal=(_LONG_NAME, _LONG_ADDRESS, _LONG_WORDS),
        )


def check_rendered(issue: Issue, rendering: Rendering) -> list[Diagnostic]:
    """What rendering, compiling and the rules on the finished message find in an issue."""
    try:
        rendered = rendering.renderer.render(issue)
    except NewsletterError as error:
        return [_unrendered(error, issue, rendering.named)]
    compiled = compile_rendered(rendered, issue, attach=rendering.attach)
    found = [*rendered.diagnostics, *compiled.diagnostics]
    if compiled.issue is None:
        return found
    try:
        return [*found, *check_compiled(compiled.issue, issue, rendering)]
    except NewsletterError as error:
        return [*found, _unrendered(error, issue, rendering.named)]


def check_compiled(compiled: CompiledIssue, issue: Issue, rendering: Rendering) -> list[Diagnostic]:
    """What the rules on the finished message find, for an issue that was compiled already.

    Raises:
        NewsletterError: the sender, the subject or an image can't be expressed in a message.
    """
    publication = complete(rendering.publication)
    mail = mail_of(compiled, publication, rendering.dkim)
    tracked = track(compiled, rendering.tracking, publication.base_url)
    if tracked is not compiled:
        # Where links lead is seen in the author's own addresses, how large it gets in those that are sent.
        larger = mail_of(tracked, publication, rendering.dkim)
        mail = replace(mail, encoded=larger.encoded, decoded=larger.decoded)
    return check_mail(mail, rendering.origin(issue))


def complete(publication: Publication) -> Publication:
    """The identity with placeholders (RFC 2606) for what is not set: no fault of an issue."""
    return replace(
        publication,
        from_email=publication.from_email or "sender@newsletter.example",
        base_url=publication.base_url or "https://newsletter.example",
    )


def mail_of(compiled: CompiledIssue, publication: Publication, dkim: DkimSigner | None) -> OutgoingMail:
    """The message of the longest reader, taken apart.

    Raises:
        NewsletterError: the sender, the subject or an image can't be expressed in a message.
    """
    writer = MessageWriter(compiled, publication, send_key="check", dkim=dkim, non_ascii_mailbox=True)
    return read_mail(writer.mime(_reader(compiled, publication), datetime.now(UTC)).mime, publication)


def _reader(compiled: CompiledIssue, publication: Publication) -> Recipient:
    """Somebody with a long name, a long address and much to say."""
    slots = (slot for part in (compiled.subject, compiled.html, compiled.text) for slot in part.slots)
    values = {slot.field: f"{publication.base_url}/c/{_TOKEN}" for slot in slots}
    values |= {field: _LONG_WORDS for field in values if field.startswith(METADATA_PREFIX)}
    values |= {
        "subscriber.name": _LONG_NAME,
        "subscriber.email": _LONG_ADDRESS,
        "subscriber.tags": "product, engineering, weekly, everything-else",
        "unsubscribe_url": f"{publication.base_url}/u/{_TOKEN}",
        "preferences_url": f"{publication.base_url}/p/{_TOKEN}",
    }
    if publication.unsubscribe_address:
        values["unsubscribe_mailto"] = unsubscribe_mailto(publication.unsubscribe_address, _TOKEN)
    return Recipient("check", 0, _LONG_ADDRESS, values)


def _unrendered(error: NewsletterError, issue: Issue, named: Callable[[Path], str]) -> Diagnostic:
    where = _WHERE.match(error.message)
    path = named(Path(where["path"])) if where else issue.display or issue.path
    return Diagnostic(
        code="NL760",
        severity=OUTPUT["NL760"].severity,
        message=(where["message"] if where else error.message).strip().rstrip("."),
        path=path,
        line=int(where["line"]) if where else 0,
        help=error.hint or "mend the template there",
    )
