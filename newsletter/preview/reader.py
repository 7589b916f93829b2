"""Whose copy is shown, and as which provider would carry it?"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.app import Workspace
from newsletter.audience.tokens import TokenSigner
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.publication import Publication
from newsletter.model.subscriber import Subscriber
from newsletter.providers.base import ContentForm
from newsletter.render.dkim import DkimSigner
from newsletter.send.plan import attaches
from newsletter.store.send_records import Person

if TYPE_CHECKING:
    # Judging is imported with its rules, for what is judged.
    from newsletter.checks.output.rendered import Rendering
    from newsletter.render.email import EmailRenderer

SAMPLE_NAME = "Ada Lovelace"
SAMPLE_EMAIL = "ada@example.com"
_TAGGED = "sample:tag:"
# At most so many people are offered for a few letters.
_OFFERED = 20


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose copy is shown.

    Attributes:
        label: how the page calls them.
        person: as a send would know them; the number 0 is a sample's.
    """

    label: str
    person: Person


SAMPLE = Reader(f"{SAMPLE_NAME}, a sample reader", Person(0, SAMPLE_EMAIL, SAMPLE_NAME, "{}", 1))
# Those whose names break what was written with one's own in mind.
SAMPLES = {
    "sample:ada": SAMPLE,
    "sample:unnamed": Reader("A sample reader without a name", Person(0, SAMPLE_EMAIL, "", "{}", 1)),
    "sample:long": Reader(
        "A sample reader with a long name",
        Person(
            0,
            "wilhelmina.featherstonehaugh-cholmondeley@a-rather-long-department-name.example.com",
            "Wilhelmina Maximiliane Featherstonehaugh-Cholmondeley von und zu Hohenlohe-Langenburg",
            "{}",
            1,
        ),
    ),
    "sample:rtl": Reader(
        "A sample reader whose name runs right to left",
        Person(0, "layla@example.com", "ليلى العطّار", "{}", 1),
    ),
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """How messages leave, as far as it shows.

    Attributes:
        provider: its name.
        attach: pictures travel along; otherwise they are linked.
        writes_mime: the provider gets fields and writes the MIME itself.
        dkim: signs what leaves, or None.
    """

    provider: str
    attach: bool
    writes_mime: bool = False
    dkim: DkimSigner | None = None


def reader_named(workspace: Workspace, name: str) -> Reader:
    """Who is meant by a name in an address or behind `--as`: a sample (`sample:rtl`, `sample:tag:rag`) or a subscriber's address.

    Raises:
        UsageError: nobody is.
    """
    if not name:
        return SAMPLE
    if name in SAMPLES:
        return SAMPLES[name]
    if name.startswith(_TAGGED):
        tag = name.removeprefix(_TAGGED)
        person = SAMPLE.person._replace(tags=(tag,))
        return Reader(f"{SAMPLE_NAME}, a sample reader with the tag {tag}", person)
    return find_reader(workspace, name)


def offered_readers(workspace: Workspace, letters: str = "") -> list[dict[str, str]]:
    """Who can be read as: the samples, one for each tag, and subscribers whose address or name has `letters` in it.

    Raises:
        NewsletterError: the store can't be read.
    """
    from newsletter.store.subscribers import SubscriberFilter, counts_by_tag, stream

    samples = {name: reader.label for name, reader in SAMPLES.items()}
    people: list[dict[str, str]] = []
    tags = list(workspace.settings.web.topics)
    if workspace.database_path.is_file():
        with contextlib.closing(workspace.open_database()) as database:
            tags += counts_by_tag(database)
            if letters.strip():
                wanted = SubscriberFilter(search=letters.strip(), limit=_OFFERED)
                people = [
                    {"name": found.email, "label": _called(found), "note": _noted(found)}
                    for found in stream(database, wanted)
                ]
    samples |= {_TAGGED + tag: f"A sample reader with the tag {tag}" for tag in dict.fromkeys(tags)}
    folded = letters.strip().casefold()
    return [
        *people,
        *(
            {"name": n, "label": label, "note": ""}
            for n, label in samples.items()
            if folded in label.casefold()
        ),
    ]


def _called(found: Subscriber) -> str:
    return f"{found.name} <{found.email}>" if found.name else found.email


def _noted(found: Subscriber) -> str:
    return ", ".join([found.status.value, *found.tags])


def find_reader(workspace: Workspace, email: str) -> Reader:
    """The subscriber with this address, whatever their status.

    Raises:
        UsageError: nobody on the list has it.
    """
    from newsletter.audience.addresses import match_key
    from newsletter.store.subscribers import find

    found = None
    # Looking must not make a store where there is none.
    if workspace.database_path.is_file():
        with contextlib.closing(workspace.open_database()) as database:
            found = find(database, match_key=match_key(email.strip()))
    if found is None:
        raise UsageError(
            f"there is no subscriber {email}",
            hint="leave --as out to read as a sample one, or see newsletter subscribers list",
        )
    metadata = json.dumps(dict(found.metadata))
    return Reader(_called(found), Person(found.id, found.email, found.name, metadata, 1, found.tags))


def signer_for(workspace: Workspace, reader: Reader) -> TokenSigner:
    """What makes the tokens in the links: ours for a subscriber, one nobody keeps for a sample.

    A sample's links must not open anything, and looking must not make a key.
    """
    return workspace.signer if reader.person.subscriber_id else TokenSigner(secrets.token_bytes(32))


def presentable(publication: Publication) -> Publication:
    """The identity, with placeholders (RFC 2606) where a send would refuse for want of it: one wants to see the page before that."""
    return replace(
        publication,
        from_email=publication.from_email or "sender@example.com",
        base_url=publication.base_url or "https://newsletter.example",
    )


def outgoing_of(workspace: Workspace) -> Outgoing:
    """How the newsletter's messages leave, as far as its settings and keys tell."""
    settings = workspace.settings
    try:
        provider = workspace.provider()
    except NewsletterError:
        # A key that isn't set (yet, or on this machine) matters to a send; a preview does without.
        return Outgoing(settings.provider.name, attach=settings.sending.images != "link")
    # A provider with an API signs itself: it changes what it gets.
    dkim = None
    if provider.name == "smtp":
        with contextlib.suppress(NewsletterError):
            dkim = workspace.dkim()
    capabilities = provider.capabilities
    return Outgoing(
        provider.name,
        attach=attaches(settings.sending.images, capabilities),
        writes_mime=capabilities.content is ContentForm.FIELDS,
        dkim=dkim,
    )


def rendering_of(
    workspace: Workspace,
    outgoing: Outgoing,
    make_renderer: Callable[[], EmailRenderer],
    named: Callable[[Path], str],
) -> Rendering:
    """What an issue's message is judged with, by `newsletter check` as in the preview.

    Args:
        workspace: the newsletter.
        outgoing: how its messages leave.
        make_renderer: what renders issues, made when the first one is.
        named: what a file is called in findings.
    """
    from newsletter.checks.output.rendered import Rendering

    settings = workspace.settings
    return Rendering(
        publication=settings.publication,
        make_renderer=make_renderer,
        attach=outgoing.attach,
        templates=workspace.template_dirs,
        settings=workspace.settings_file,
        named=named,
        tracking=settings.tracking.wishes,
        dkim=outgoing.dkim,
    )
