"""What fills the slots of a message for one subscriber? Used by the sends and by the preview's samples."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Protocol

from newsletter.content.slots import METADATA_PREFIX
from newsletter.model.delivery import Recipient
from newsletter.render.tagged_address import unsubscribe_mailto
from newsletter.render.tracked import LINK_FIELD, OPEN_FIELD
from newsletter.store.send_records import Person


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


class Recipients:
    """Makes the recipients of one send.

    Args:
        send_id: 0 for messages that belong to no send: a test, a preview.
        signer: makes the tokens.
        base_url: of the public service, without a trailing slash.
        fields: those the content asks for; None for all. A value that nobody reads isn't made.
        unsubscribe_address: who mails it leaves; empty for none.
    """

    def __init__(
        self,
        send_id: int,
        signer: Tokens,
        base_url: str,
        fields: Collection[str] | None = None,
        *,
        unsubscribe_address: str = "",
    ) -> None:
        self._send_id = send_id
        self._signer = signer
        self._leave_by_mail = unsubscribe_address
        self._leave, self._prefer = f"{base_url}/u/", f"{base_url}/p/"
        self.with_tags = fields is None or "subscriber.tags" in fields
        self._with_preferences = fields is None or "preferences_url" in fields
        # Nothing is counted of a test or a preview.
        self._tracked = [
            (field, f"{base_url}/o/", ".gif")
            if field == OPEN_FIELD
            else (field, f"{base_url}/c/", f".{field.removeprefix(LINK_FIELD)}")
            for field in (fields if fields and send_id else ())
            if field == OPEN_FIELD or field.startswith(LINK_FIELD)
        ]
        self._with_metadata = fields is None or any(field.startswith(METADATA_PREFIX) for field in fields)

    def make(self, person: Person) -> Recipient:
        """The recipient a message is made for."""
        number = person.subscriber_id
        token = self._signer.unsubscribe(number)
        values = {
            "subscriber.name": person.name,
            "subscriber.email": person.email,
            "unsubscribe_url": self._leave + token,
        }
        if self._leave_by_mail:
            values["unsubscribe_mailto"] = unsubscribe_mailto(self._leave_by_mail, token)
        if self.with_tags:
            values["subscriber.tags"] = ", ".join(person.tags)
        if self._with_preferences:
            values["preferences_url"] = self._prefer + self._signer.preferences(number)
        if self._with_metadata:
            for key, value in _read_metadata(person.metadata).items():
                values[METADATA_PREFIX + key] = value
        delivery_id = self.delivery_id(number)
        for field, before, after in self._tracked:
            values[field] = f"{before}{delivery_id}{after}"
        return Recipient(delivery_id, number, person.email, values)

    def delivery_id(self, subscriber_id: int) -> str:
        """The id that rides along with this subscriber's message."""
        return self._signer.delivery(self._send_id, subscriber_id)


def _read_metadata(text: str) -> dict[str, str]:
    """The stored JSON object; a value that isn't a string is left out rather than mailed as `None`."""
    if text in ("", "{}"):
        return {}
    try:
        stored = json.loads(text)
    except ValueError:
        return {}
    return {k: v for k, v in stored.items() if isinstance(v, str)} if isinstance(stored, dict) else {}


def unreachable(email: str) -> str:
    """Why a provider without SMTPUTF8 can't reach an address: only the domain has an ASCII form."""
    local = email.rpartition("@")[0]
    return "" if local.isascii() else "this provider can't reach a mailbox with non-ASCII letters (RFC 6531)"
