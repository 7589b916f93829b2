"""Does a message fit, and how many fit into one call? Measured on a message that was really built."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from newsletter.errors import UsageError
from newsletter.model.message import Message, SharedContent
from newsletter.providers.base import Capabilities, HttpProvider, Provider
from newsletter.send.messages import MessageSource
from newsletter.store.send_records import ClaimedBatch, Person

# Names, addresses and what is put into the text differ from one recipient to the next.
_SPREAD = 1.1
_SPARE_BYTES = 256
_SMALLER = (
    'link pictures instead of attaching them (`images = "link"` under [sending]), or make the issue shorter'
)


def require_size(message: Message, capabilities: Capabilities, shared: SharedContent | None = None) -> None:
    """Refuse a message that the provider would refuse.

    Raises:
        UsageError: it is too large; says by how much and what to do.
    """
    most, size = capabilities.max_message_bytes, message_bytes(message, shared)
    if most and size > most:
        raise UsageError(
            f"a message of this issue has {in_units(size)}, and this provider takes {in_units(most)} at most",
            hint=_SMALLER,
        )


def message_bytes(message: Message, shared: SharedContent | None = None) -> int:
    """The size of one message: the whole of it as MIME, else HTML, text and what fills them."""
    if message.mime:
        return len(message.mime)
    size = sum(len(part.encode()) for part in message.values)
    if shared is not None:
        parts = (*shared.html.parts, *shared.text.parts)
        size += sum(len(part.encode()) for part in parts if isinstance(part, str))
        return size + sum(len(image.data) for image in shared.images)
    bodies = (b"".join(message.html_json), b"".join(message.text_json))
    return size + sum(len(json.loads(b'"%b"' % body).encode()) for body in bodies)


def fits_in_a_call(provider: Provider, source: MessageSource) -> int:
    """How many messages of an issue fit into one call; 0 where the provider has no such limit.

    Raises:
        UsageError: not even one does.
    """
    most = provider.capabilities.max_call_bytes
    if not most or not isinstance(provider, HttpProvider):
        return 0
    one, two = (_call_bytes(provider, source, count) for count in (1, 2))
    each = (two - one) * _SPREAD + _SPARE_BYTES
    fits = int((most - (2 * one - two)) / each)
    if fits < 1:
        raise UsageError(
            f"a single message of this issue makes a call of {in_units(one)}, "
            f"and {provider.name} takes {in_units(most)} at most",
            hint=_SMALLER,
        )
    return fits


def in_units(size: int) -> str:
    """`102 KB`, `9.8 MB`."""
    return f"{size / 1024**2:.1f} MB" if size >= 1024**2 else f"{size / 1024:.0f} KB"


def _call_bytes(provider: HttpProvider, source: MessageSource, count: int) -> int:
    people = tuple(
        # As long as such things usually are.
        Person((1 << 40) + n, f"some.rather.long.address.{n}@example.org", "Somebody Or-Other", "{}", 1)
        for n in range(count)
    )
    made = source.maker()(ClaimedBatch(0, "nl-0-" + 24 * "0", datetime(2000, 1, 1, tzinfo=UTC), people))
    return sum(map(len, provider.build_request(made.batch).body))
