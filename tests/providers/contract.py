"""Batches as a send makes them, for any adapter: real rendering, readers with difficult names, an author who writes braces."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from newsletter.model.delivery import Recipient
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue, Context, Slot, Template
from newsletter.providers.base import Batch, Capabilities, ContentForm
from newsletter.render.message import MessageWriter

AT = datetime(2026, 1, 6, 9, 0, tzinfo=UTC)
PUBLICATION = Publication(
    "Notes",
    "news@example.com",
    from_name="Production “AI” Notes",
    reply_to="editor@example.com",
    postal_address="1 Example Street",
    base_url="https://news.example.com",
    list_id="notes.example.com",
)
# What template languages take for their own, and what quoting gets wrong.
AWKWARD = (
    "{{ v0 }} {{{v1}}} {% if x %} {# c #} [[data:v0]] [[v1]] %recipient.v0% %v1% %% -v0- *|v1|* ${v0} $v1 "
    "{{var:v0}} {{params.v0}} {{#each x}} {{ }} { } }} {{ 100% \\n \\u0041 \\ \" ' & ` ~ \u2028 é 日本 🎉 \x7f"
)
NAME = Slot("subscriber.name", "there", Context.HTML)
COMPILED = CompiledIssue(
    subject=Template(("Hello ", Slot("subscriber.name", "reader", Context.HEADER), ": {{ braces }} & 100%")),
    html=Template(
        (
            "<p>Hi ",
            NAME,
            f"</p><pre>{AWKWARD.replace('&', '&amp;')}</pre><p>Again ",
            NAME,
            '</p><img alt="',
            Slot("subscriber.name", "", Context.ATTRIBUTE),
            '"><a href="https://example.com/?q=',
            Slot("subscriber.metadata.city", "", Context.URL_COMPONENT),
            '">x</a><a href="',
            Slot("unsubscribe_url", "", Context.URL),
            '">Leave</a>\n',
        )
    ),
    text=Template(
        (
            f"Hi {AWKWARD}\n",
            Slot("subscriber.name", "there", Context.TEXT),
            "\n",
            Slot("unsubscribe_url", "", Context.TEXT),
            "\n",
        )
    ),
    images=(),
    web_url="https://news.example.com/issues/one/",
)
NAMES = (
    "Ada",
    "",
    "O'Brien & <Söhne>",
    "{{ v0 }} %recipient.v0% -v1- [[v2]]",
    'Quote " back \\ slash',
    "日本語 🎉",
    "{{{unsubscribe_url}}}",
)


@dataclass(frozen=True)
class Sent:
    """What one reader should have in the end."""

    delivery_id: str
    recipient: str
    subject: str
    html: str
    text: str
    headers: Mapping[str, str]


def recipient(number: int, address: str = "") -> Recipient:
    """A reader; every few of them has a difficult name."""
    return Recipient(
        f"d-{number}",
        number,
        address or f"reader{number}@example.com",
        {
            "subscriber.name": NAMES[number % len(NAMES)],
            "subscriber.metadata.city": "Zürich & {{v1}} 100%" if number % 2 else "",
            "unsubscribe_url": f"https://news.example.com/u/token-{number}",
            "unsubscribe_mailto": f"mailto:leave+{number:030x}@news.example.com?subject=unsubscribe",
        },
    )


def writer(compiled: CompiledIssue = COMPILED) -> MessageWriter:
    """What writes the messages of this send."""
    return MessageWriter(compiled, PUBLICATION, send_key="send-1")


def batch_for(
    capabilities: Capabilities,
    recipients: Sequence[Recipient],
    *,
    key: str = "nl-1-0123456789abcdef",
    compiled: CompiledIssue = COMPILED,
) -> Batch:
    """The batch the engine would hand to a provider with these capabilities."""
    making = writer(compiled)
    match capabilities.content:
        case ContentForm.MIME:
            return Batch(key, [making.mime(r, AT) for r in recipients])
        case ContentForm.FIELDS:
            return Batch(key, [making.fields(r, AT) for r in recipients])
        case ContentForm.VALUES:
            return Batch(key, [making.values(r, AT) for r in recipients], making.shared())


def as_it_should_arrive(reader: Recipient, compiled: CompiledIssue = COMPILED) -> Sent:
    """Our own rendering for `reader`: what any provider's substitution has to come to."""
    message = writer(compiled).fields(reader, AT)
    return Sent(
        message.delivery_id,
        message.recipient,
        message.subject,
        _joined(message.html_json),
        _joined(message.text_json),
        {name.lower(): value for name, value in message.headers},
    )


def _joined(parts: Sequence[bytes]) -> str:
    return str(json.loads(b'"' + b"".join(parts) + b'"'))
