"""Which messages belong to a claimed batch? The same claim gives the same bytes, today and after a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, assert_never

from newsletter.errors import NewsletterError
from newsletter.model.delivery import Recipient
from newsletter.model.message import Message, SharedContent
from newsletter.providers.base import Batch, ContentForm
from newsletter.render.list_headers import is_one_click
from newsletter.send.frozen import Frozen
from newsletter.send.recipients import Recipients, Tokens
from newsletter.store.send_records import ClaimedBatch


class Writer(Protocol):
    """Makes messages of a compiled issue; see `render.message.MessageWriter`."""

    def mime(self, recipient: Recipient, at: datetime) -> Message:
        """The whole message as bytes."""
        ...

    def fields(self, recipient: Recipient, at: datetime) -> Message:
        """Subject, HTML, text and headers apart."""
        ...

    def values(self, recipient: Recipient, at: datetime) -> Message:
        """What differs from `shared`."""
        ...

    def shared(self, *, one_click: bool = True) -> SharedContent:
        """What all messages have in common."""
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """The messages of a claim.

    Attributes:
        batch: in the order of the claim.
        refused: whom no message can be written to: position in the claim, and why.
    """

    batch: Batch
    refused: tuple[tuple[int, str], ...] = ()


class MessageSource:
    """Makes the batches of one send.

    Args:
        frozen: what was frozen when it began.
        writer: makes a writer; asked once per sender thread.

    Attributes:
        recipients: makes whom a message is for.
    """

    def __init__(
        self,
        frozen: Frozen,
        *,
        send_id: int,
        form: ContentForm,
        signer: Tokens,
        writer: Callable[[], Writer],
    ) -> None:
        self._form = form
        self._writer = writer
        # Every unsubscribe address of a send begins alike: one tells for all.
        self._one_click = is_one_click(frozen.publication.base_url)
        self.recipients = Recipients(
            send_id,
            signer,
            frozen.publication.base_url,
            frozen.fields,
            unsubscribe_address=frozen.publication.unsubscribe_address,
        )

    def maker(self) -> Callable[[ClaimedBatch], Made]:
        """What turns a claim into messages, for one thread."""
        writer = self._writer()
        write, shared = writer.fields, None
        match self._form:
            case ContentForm.MIME:
                write = writer.mime
            case ContentForm.FIELDS:
                pass
            case ContentForm.VALUES:
                write, shared = writer.values, writer.shared(one_click=self._one_click)
            case _:
                assert_never(self._form)
        recipient = self.recipients.make

        def make(claimed: ClaimedBatch) -> Made:
            messages: list[Message] = []
            at = claimed.at
            refused: list[tuple[int, str]] = []
            for position, person in enumerate(claimed.people):
                try:
                    messages.append(write(recipient(person), at))
                except NewsletterError as error:
                    # One address that can't be written down must not keep the others waiting.
                    refused.append((position, error.message))
            return Made(Batch(claimed.key, messages, shared), tuple(refused))

        return make
