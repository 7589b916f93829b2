"""What did this person agree to or withdraw, when, and through what? Events are added, never changed."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from newsletter.store.base import Database, Transaction


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """One entry of the record (GDPR Art. 7(1): consent has to be demonstrable).

    Attributes:
        action: added, imported, requested, confirmed, resubscribed, unsubscribed, bounced, complained, erased.
        at: UTC, as `utc_text` writes it.
        source: a URL, `cli`, or `import:<sha256 of the file>`.
        actor: subscriber, operator or provider.
        ip: of the request, where one was made by the person.
        user_agent: of that request.
        form_id: the form that was filled in.
        text_version: hash of the consent text shown.
        detail: a sentence for people.
        message_id: of the mail whose link was followed, or the provider's own id of it.
    """

    action: str
    at: str
    source: str
    actor: str
    ip: str = ""
    user_agent: str = ""
    form_id: str = ""
    text_version: str = ""
    detail: str = ""
    message_id: str = ""


_COLUMNS: Final = "action, at, source, actor, ip, user_agent, form_id, text_version, detail, message_id"

# A storm of unsubscribes writes thousands a second: `asdict` copies each value and takes as long as the INSERT.
_values = attrgetter(*_COLUMNS.split(", "))


def record(tx: Transaction, subscriber_id: int, event: ConsentEvent) -> int:
    """Append `event` to a person's record, in the transaction that acts on it; returns its number there."""
    return tx.insert(
        f"INSERT INTO consent_events (subscriber_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        (subscriber_id, *_values(event)),
    )


def history(source: Database | Transaction, subscriber_id: int) -> list[ConsentEvent]:
    """A person's record, oldest first; it begins with the import that brought them, if one did."""
    brought = source.query(
        "SELECT i.started_at, i.sha256, i.file_name, i.attestation FROM subscribers s "
        "JOIN imports i ON i.id = s.import_id WHERE s.id = ?",
        (subscriber_id,),
    )
    events = [
        ConsentEvent(
            action="imported",
            at=at,
            source=f"import:{sha256}",
            actor="operator",
            detail=f"{name}: {attestation}" if attestation else name,
        )
        for at, sha256, name, attestation in brought
    ]
    rows = source.query(
        f"SELECT {_COLUMNS} FROM consent_events WHERE subscriber_id = ? ORDER BY id",  # noqa: S608 - constants
        (subscriber_id,),
    )
    return events + [ConsentEvent(*row) for row in rows]
