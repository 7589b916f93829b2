"""What would sending this issue do, and what stands in its way? Checked, rendered and compiled, nothing sent.

Whatever can be known before the first message is refused here, with the way out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, assert_never
from urllib.parse import urlsplit

from newsletter.checks.output.duties import CLIPPED_AT
from newsletter.checks.output.rendered import Rendering, check_compiled
from newsletter.checks.output.repeats import without_repeats
from newsletter.checks.run import check_file, settled
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.delivery import Recipient
from newsletter.model.issue import DEFAULT_KINDS, Issue, SectionKind
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue, Template
from newsletter.providers.base import Capabilities, ContentForm
from newsletter.providers.this_machine import is_this_machine
from newsletter.render.compile import compile_rendered
from newsletter.render.email import EmailRenderer
from newsletter.render.message import MessageWriter
from newsletter.render.slots import TOKEN
from newsletter.render.tracked import NOTHING_TRACKED, TrackingWishes, track
from newsletter.send.frozen import Frozen
from newsletter.send.linked import NOT_PUBLISHED, LinkedPictures
from newsletter.send.sizes import require_size
from newsletter.store.send_records import SendRecord
from newsletter.store.sends import SendLedger

# What the size is compared with wherever it is shown.
GMAIL_CLIPS_AT = CLIPPED_AT


class FindingsError(NewsletterError):
    """The issue has errors.

    Attributes:
        diagnostics: all findings, errors and others.
    """

    def __init__(self, message: str, diagnostics: Sequence[Diagnostic], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.diagnostics = tuple(diagnostics)


@dataclass(frozen=True, slots=True)
class Preparation:
    """What an issue is prepared with.

    Attributes:
        renderer: makes a renderer for pictures that are attached or linked.
        images: the `[sending]` wish.
        off: codes nobody wants to hear of.
        off_in: the same for one file, where that makes a difference.
        errors: codes that count as errors.
        issues: the newsletter's files, which the issue must not contradict.
        tracking: what is counted of its readers; nothing unless they say so.
        pictures: where linked pictures are found.
        templates: the folders of the templates, in which findings have places.
        settings: the file of the settings, for the same.
        named: what a file is called in findings.
    """

    publication: Publication
    renderer: Callable[[Literal["attach", "link"]], EmailRenderer]
    kinds: tuple[SectionKind, ...] = DEFAULT_KINDS
    images: Literal["auto", "attach", "link"] = "auto"
    off: tuple[str, ...] = ()
    off_in: Callable[[Path], tuple[str, ...]] | None = None
    errors: tuple[str, ...] = ()
    issues: tuple[Path, ...] = ()
    tracking: TrackingWishes = NOTHING_TRACKED
    pictures: LinkedPictures | None = None
    templates: tuple[Path, ...] = ()
    settings: Path | None = None
    named: Callable[[Path], str] = str


@dataclass(frozen=True, slots=True)
class Prepared:
    """An issue that could be sent.

    Attributes:
        subject: as one reader without a name sees it.
        html_bytes: size of the HTML part, without what differs between readers.
        findings: what the checks found, none of it an error.
        warnings: other things to know before sending.
    """

    issue: Issue
    frozen: Frozen
    subject: str
    preheader: str
    html_bytes: int
    findings: tuple[Diagnostic, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Audience:
    """Who would get it.

    Attributes:
        count: after suppressions, without those an earlier send reached.
        late: whether an earlier send of the issue reached somebody.
        unreachable: how many of `count` the provider can't reach: their mailbox has a letter outside ASCII.
        if_offered: how many of `count` it reaches only through a server that offers SMTPUTF8, for the same reason.
    """

    count: int
    tag: str = ""
    late: bool = False
    unreachable: int = 0
    if_offered: int = 0


def prepare(
    path: Path,
    preparation: Preparation,
    capabilities: Capabilities,
    *,
    local: bool = False,
    display: str = "",
) -> Prepared:
    """Check, render and compile the issue in `path` for a provider.

    Args:
        path: the file.
        preparation: the newsletter's settings.
        capabilities: what the provider can do.
        local: nothing leaves this machine: any `base_url` will do.
        display: what findings call the file.

    Raises:
        FindingsError: it has errors.
        UsageError: the settings lack something every message must have, or a message would be larger than
            the provider takes.
        NewsletterError: the sender, the list's id or a picture can't be expressed in a message.
    """
    require_identity(preparation.publication, local=local)
    if preparation.off_in is not None:
        preparation = replace(preparation, off=preparation.off_in(path))
    name = display or str(path)
    issue, found = _checked(path, preparation, name)
    _refuse_attaching(preparation.images, capabilities)
    attach = attaches(preparation.images, capabilities)
    rendered = preparation.renderer("attach" if attach else "link").render(issue)
    found = [*found, *settled(rendered.diagnostics, preparation.off, preparation.errors)]
    _refuse_errors(name, found)
    compiled = compile_rendered(rendered, issue, attach=attach)
    found += compiled.diagnostics
    if compiled.issue is None:
        _refuse_errors(name, found)
        raise FindingsError(f"{name} can't be compiled", found)
    publication = preparation.publication
    frozen = Frozen(track(compiled.issue, preparation.tracking, publication.base_url), publication)
    _try_out(frozen, capabilities)
    found += without_repeats(_message_findings(compiled.issue, issue, preparation, attach=attach), found)
    _refuse_errors(name, found)
    html_bytes = sum(len(part.encode()) for part in compiled.issue.html.parts if isinstance(part, str))
    warnings: list[str] = []
    if rendered.linked and preparation.pictures is not None:
        missing = preparation.pictures.missing(rendered.linked, name)
        found += settled(missing, preparation.off, preparation.errors)
        _refuse_errors(name, found)
        preparation.pictures.publish(rendered.linked)
        warnings.append(preparation.pictures.said(rendered.linked, publication.base_url))
    return Prepared(
        issue=issue,
        frozen=frozen,
        subject=as_read(compiled.issue.subject),
        preheader=TOKEN.sub("…", rendered.preheader),
        html_bytes=html_bytes,
        findings=tuple(found),
        warnings=tuple(warnings),
    )


def _checked(path: Path, preparation: Preparation, name: str) -> tuple[Issue, list[Diagnostic]]:
    """The issue, and what the rules on its text say that is no error."""
    issue, found = check_file(
        path,
        kinds=preparation.kinds,
        off=preparation.off,
        errors=preparation.errors,
        display=name,
        beside=[other for other in preparation.issues if other.resolve() != path.resolve()],
    )
    _refuse_errors(name, found)
    if issue is None:
        raise FindingsError(f"{name} can't be read as an issue", found, hint=f"newsletter check {name}")
    return issue, found


def _message_findings(
    compiled: CompiledIssue, issue: Issue, preparation: Preparation, *, attach: bool
) -> list[Diagnostic]:
    """What the rules on the finished message say."""
    rendering = Rendering(
        publication=preparation.publication,
        make_renderer=lambda: preparation.renderer("attach" if attach else "link"),
        attach=attach,
        templates=preparation.templates,
        settings=preparation.settings,
        named=preparation.named,
        tracking=preparation.tracking,
    )
    return settled(check_compiled(compiled, issue, rendering), preparation.off, preparation.errors)


def require_identity(publication: Publication, *, local: bool = False) -> None:
    """Refuse what would make every message wrong.

    Raises:
        UsageError: no sender, no postal address, or no address where a reader can leave.
    """
    if not publication.from_email:
        raise UsageError(
            "the newsletter has no sender",
            hint='set `from = "Name <address@example.com>"` in newsletter.toml',
        )
    if not publication.postal_address:
        raise UsageError(
            "the newsletter has no postal address; every issue must carry one (CAN-SPAM §7704(a)(5))",
            hint='set `postal_address = "…"` in newsletter.toml; a post office box will do',
        )
    if not publication.base_url:
        raise UsageError(
            "the newsletter has no `base_url`: its unsubscribe links would lead nowhere",
            hint='set `base_url = "https://…"` in newsletter.toml to where `newsletter serve` is reached',
        )
    address = urlsplit(publication.base_url)
    if address.scheme != "https" and not is_this_machine(address.hostname) and not local:
        raise UsageError(
            f"`base_url` is {publication.base_url}: one-click unsubscribe needs https (RFC 8058, section 3.1)",
            hint="serve it under https:// and set `base_url` so; http is for localhost alone",
        )


def require_ready(prepared: Prepared, earlier: Sequence[SendRecord], *, new_only: bool) -> None:
    """Refuse to send what is not meant to be sent, or was.

    Args:
        prepared: the issue.
        earlier: sends of the same slug or the same number.
        new_only: late subscribers are meant.

    Raises:
        UsageError: a draft, a slug that changed, or an issue sent before.
    """
    slug, number = prepared.issue.slug, prepared.issue.front.number
    if prepared.issue.front.status != "ready":
        raise UsageError(
            f"`{slug}` is a draft",
            hint=f"set `status: ready`, or try it on yourself: newsletter send {number} --test you@example.com",
        )
    for record in earlier:
        if record.slug != slug:
            raise UsageError(
                f"issue {number} was sent as `{record.slug}`; a slug is frozen once it is sent",
                hint=f"set `slug: {record.slug}`, or give this issue a number of its own",
            )
    unfinished = [record for record in earlier if record.unfinished]
    if unfinished:
        raise UsageError(
            f"a send of `{slug}` is not finished (it is {unfinished[-1].state.value})",
            hint=f"go on with it: newsletter resume {slug}; or give it up: newsletter cancel {slug}",
        )
    if earlier and not new_only:
        when = earlier[-1].created_at
        raise UsageError(
            f"`{slug}` was sent before" + (f", on {when:%Y-%m-%d}" if when else ""),
            hint=f"for those who joined since: newsletter send {number} --new-only",
        )
    if new_only and not earlier:
        raise UsageError(f"`{slug}` was not sent yet", hint="leave --new-only out")


def find_audience(
    ledger: SendLedger, slug: str, tag: str, *, expect: int | None, capabilities: Capabilities | None = None
) -> Audience:
    """Who would get it now, through a provider with these `capabilities`.

    Raises:
        UsageError: nobody, or not as many as expected.
    """
    count = ledger.count_audience(slug, tag)
    late = any(ledger.reached_anybody(record.id) for record in ledger.sends(slug))
    if count and expect is not None and expect != count:
        raise UsageError(
            f"the audience is {count}, not {expect}",
            hint=f"look at the list (newsletter subscribers list), then use --expect-count {count}",
        )
    if not count:
        segment = f" with the tag `{tag}`" if tag else ""
        if late:
            raise UsageError(f"everybody{segment} on the list has been sent `{slug}`")
        raise UsageError(
            f"there is no active subscriber{segment}",
            hint="newsletter subscribers import FILE, or newsletter subscribers stats",
        )
    if capabilities is None or capabilities.non_ascii_mailbox:
        return Audience(count, tag, late)
    non_ascii = ledger.count_non_ascii(slug, tag)
    if capabilities.non_ascii_if_offered:
        return Audience(count, tag, late, if_offered=non_ascii)
    return Audience(count, tag, late, unreachable=non_ascii)


def as_read(template: Template) -> str:
    """A template as a reader without a name sees it."""
    return "".join(part if isinstance(part, str) else part.default for part in template.parts)


def attaches(images: str, capabilities: Capabilities) -> bool:
    """Whether pictures travel with the message; otherwise they are linked.

    Args:
        images: the `[sending]` wish.
        capabilities: what the provider can do.
    """
    return images != "link" and capabilities.attachments


def _refuse_attaching(images: str, capabilities: Capabilities) -> None:
    if images == "attach" and not capabilities.attachments:
        raise UsageError(
            "this provider can't attach pictures to a batch",
            hint='set `images = "link"` (or "auto") in `[sending]`, and publish the site before you send',
        )


def _try_out(frozen: Frozen, capabilities: Capabilities) -> None:
    """Write one message: what can't be expressed is refused now, not when a send has begun."""
    writer = MessageWriter(
        frozen.compiled,
        frozen.publication,
        send_key="send-0",
        non_ascii_mailbox=capabilities.writes_to_non_ascii,
    )
    # As long as any token is.
    leave = f"{frozen.publication.base_url}/u/{'x' * 24}"
    reader = Recipient("plan", 0, "reader@example.com", {"unsubscribe_url": leave})
    shared = None
    match capabilities.content:
        case ContentForm.MIME:
            write = writer.mime
        case ContentForm.FIELDS:
            write = writer.fields
        case ContentForm.VALUES:
            write, shared = writer.values, writer.shared()
        case _:
            assert_never(capabilities.content)
    require_size(write(reader, datetime(2000, 1, 1, tzinfo=UTC)), capabilities, shared)


def _refuse_errors(name: str, found: Sequence[Diagnostic]) -> None:
    errors = [diagnostic for diagnostic in found if diagnostic.severity is Severity.ERROR]
    if errors:
        more = "newsletter explain CODE says more"
        # What is published is no matter of the issue's file, which is all that a check looks at.
        checked = any(error.code != NOT_PUBLISHED for error in errors)
        raise FindingsError(
            f"{name} has {len(errors)} error{'s' if len(errors) > 1 else ''}; nothing was sent",
            found,
            hint=f"newsletter check {name} shows them again; {more}" if checked else more,
        )
