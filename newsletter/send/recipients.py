"""What fills the slots of a message for one subscriber? Used by the sends and by the preview's samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from newsletter.content.slots import METADATA_PREFIX
from newsletter.model.delivery import Recipient


class Tokens(Protocol):
    """Makes the tokens that ride along; see `audience.tokens.TokenSigner`."""

    def unsubscribe(self, subscriber_id: int) -> str:
        """Names the subscriber in the unsubscribe address."""
        ...

    def preferences(self, subscriber_id: int) -> str:
        """Names the subscriber in the preferences address."""
        ...

    def delivery(self, send_id: int, subscriber_id: int) -> str:
        """Names the delivery."""
        ...


def make_recipient(
    *,
    send_id: int,
    subscriber_id: int,
    email: str,
    name: str = "",
    tags: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
    signer: Tokens,
    base_url: str,
    preferences: bool = True,
) -> Recipient:
    """The recipient a message is made for.

    `send_id` is 0 for a message that belongs to no send: a test, a preview. `base_url` is that of
    the public service, without a trailing slash. `preferences` says whether the content links to
    the preferences at all: a token that nobody reads need not be made.
    """
    values = {
        "subscriber.name": name,
        "subscriber.email": email,
        "subscriber.tags": ", ".join(tags) if tags else "",
        "unsubscribe_url": f"{base_url}/u/{signer.unsubscribe(subscriber_id)}",
    }
    if preferences:
        values["preferences_url"] = f"{base_url}/p/{signer.preferences(subscriber_id)}"
    if metadata:
        for key, value in metadata.items():
            values[METADATA_PREFIX + key] = value
    return Recipient(signer.delivery(send_id, subscriber_id), subscriber_id, email, values)


def read_metadata(text: str) -> dict[str, str]:
    """The stored JSON object; a value that isn't a string is left out rather than mailed as `None`."""
    if text in ("", "{}"):
        return {}
    try:
        stored = json.loads(text)
    except ValueError:
        return {}
    return {k: v for k, v in stored.items() if isinstance(v, str)} if isinstance(stored, dict) else {}
