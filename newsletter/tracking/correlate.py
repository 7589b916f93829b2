"""Which delivery of ours is a report about? Only one that we sent can be moved, and only by the provider that took it."""

from __future__ import annotations

from typing import Final, Protocol

from newsletter.audience.addresses import parse_address
from newsletter.errors import NewsletterError
from newsletter.model.event import Event
from newsletter.store.base import Transaction

# Reports come within days. A person's deliveries are found send by send.
_LATEST_SENDS: Final = 200


class DeliveryIds(Protocol):
    """Makes and reads the ids that ride along; see `audience.tokens.TokenSigner`."""

    def delivery(self, send_id: int, subscriber_id: int) -> str:
        """The id of a delivery."""
        ...

    def read_delivery(self, token: str) -> tuple[int, int] | None:
        """The send and the subscriber, or None where the id is not ours."""
        ...


def delivery_of(tx: Transaction, ids: DeliveryIds, event: Event) -> tuple[int, int] | None:
    """The send and the subscriber; None where we didn't send it, or not through this provider.

    A delivery that is pending or skipped was tried by nobody. Our own id, which nobody can make without the key, decides where it rode along. Else the recipient and the
    provider's id of the message have to fit together.
    """
    if event.delivery_id:
        named = ids.read_delivery(event.delivery_id)
        if named is None:
            return None
        rows = tx.query(
            "SELECT 1 FROM deliveries d JOIN sends n ON n.id = d.send_id "
            "WHERE d.send_id = ? AND d.subscriber_id = ? AND n.provider = ? AND d.state IN (1, 2, 3, 4, 5)",
            (*named, event.provider),
        )
        return named if rows else None
    return _by_message_id(tx, event) if event.message_id and event.recipient else None


def _by_message_id(tx: Transaction, event: Event) -> tuple[int, int] | None:
    try:
        key = parse_address(event.recipient).match_key
    except NewsletterError:
        return None
    rows = tx.query(
        "SELECT d.send_id, d.subscriber_id, d.provider_id, b.provider_ids FROM subscribers s "
        "JOIN (SELECT id FROM sends WHERE provider = ? ORDER BY id DESC LIMIT ?) n "
        "JOIN deliveries d ON d.send_id = n.id AND d.subscriber_id = s.id "
        "LEFT JOIN batches b ON b.id = d.batch_id "
        "WHERE s.match_key = ? AND d.state IN (1, 2, 3, 4, 5)",
        (event.provider, _LATEST_SENDS, key),
    )
    for send_id, subscriber_id, own, of_batch in rows:
        if event.message_id == own or event.message_id in (of_batch or "").split("\n"):
            return send_id, subscriber_id
    return None
