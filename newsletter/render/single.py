"""What leaves for one person outside any send? One letter as a MIME message, as fields, or as content to share.

These mails answer something a person did, so they say `Auto-Submitted: auto-generated` (RFC 3834 §5) and
have no list headers, but for how to leave where the person is on the list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from newsletter.errors import NewsletterError
from newsletter.model.message import Message, SharedContent
from newsletter.model.publication import Publication
from newsletter.model.template import Template
from newsletter.render.dkim import DkimSigner
from newsletter.render.escape import clean_literal
from newsletter.render.headers import (
    display_mailbox,
    format_date,
    literal,
    mailbox,
    unstructured,
    wire_address,
)
from newsletter.render.letter import Letter
from newsletter.render.list_headers import ONE_CLICK_FIELD, is_one_click
from newsletter.render.mime_parts import boundary, part_head, quoted_printable


@dataclass(frozen=True, slots=True)
class SingleWriter:
    """Writes single mails; safe to use from several threads.

    Attributes:
        publication: who sends.
        dkim: signs whole messages; None where the provider signs.
        non_ascii_mailbox: whether the provider reaches non-ASCII local parts (RFC 6531).
    """

    publication: Publication
    dkim: DkimSigner | None = None
    non_ascii_mailbox: bool = False

    def message_id(self, key: str) -> str:
        """What `Message-ID:` says of the mail called `key`."""
        return f"<{key}@{self._sender().rpartition('@')[2]}>"

    def mime(self, letter: Letter, recipient: str, key: str, at: datetime, leave_url: str = "") -> Message:
        """The whole message.

        Args:
            letter: what it says.
            recipient: a bare address.
            key: the delivery id: letters, digits, `-`, `_`.
            at: what `Date:` says.
            leave_url: for `List-Unsubscribe`; empty where the recipient isn't on the list.

        Raises:
            NewsletterError: there is no sender, or the recipient can't be written to.
        """
        message = self.fields(letter, recipient, key, leave_url)
        separator = boundary("alternative", key)
        lines = [mailbox("From", self.publication.from_name, message.sender)]
        lines.append(
            literal("To", message.recipient) if message.recipient.isascii() else _to(message.recipient)
        )
        if message.reply_to:
            lines.append(mailbox("Reply-To", "", message.reply_to))
        lines += [
            unstructured("Subject", letter.subject),
            literal("Date", format_date(at)),
            literal("Message-ID", self.message_id(key)),
            *(literal(name, value) for name, value in message.headers),
            b"MIME-Version: 1.0\r\n",
            b'Content-Type: multipart/alternative; boundary="%s"\r\n' % separator,
        ]
        body = b"".join(
            [
                b"--%s\r\n%s" % (separator, part_head("text/plain")),
                quoted_printable(_whole(letter.text), False),  # noqa: FBT003 - nothing follows
                b"\r\n--%s\r\n%s" % (separator, part_head("text/html")),
                quoted_printable(_whole(letter.html), False),  # noqa: FBT003 - nothing follows
                b"\r\n--%s--\r\n" % separator,
            ]
        )
        if self.dkim is not None:
            lines.insert(0, self.dkim.sign([_split(line) for line in lines], body, int(at.timestamp())))
        return message._replace(mime=b"".join([*lines, b"\r\n", body]))

    def fields(self, letter: Letter, recipient: str, key: str, leave_url: str = "") -> Message:
        """The same for a provider that builds MIME itself.

        Raises:
            NewsletterError: as `mime`.
        """
        headers = [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "OOF, AutoReply")]
        if leave_url:
            headers.insert(0, ("List-Unsubscribe", f"<{leave_url}>"))
            if is_one_click(leave_url):
                headers.insert(1, ONE_CLICK_FIELD)
        return Message(
            key,
            self._sender(),
            wire_address(recipient, non_ascii_mailbox=self.non_ascii_mailbox),
            from_header=display_mailbox(self.publication.from_name, self._sender()),
            reply_to=self._reply_to(),
            subject=letter.subject,
            headers=(*headers, ("X-Newsletter-Delivery", key)),
            html_json=(_json_escape(letter.html),),
            text_json=(_json_escape(letter.text),),
        )

    def shared(self, letter: Letter) -> SharedContent:
        """The content, for a provider that takes it once a batch: here a batch of one, without any slot."""
        return SharedContent(
            sender=self._sender(),
            from_header=display_mailbox(self.publication.from_name, self._sender()),
            reply_to=self._reply_to(),
            subject=letter.subject,
            html=Template((_whole(letter.html),)),
            text=Template((_whole(letter.text),)),
            slots=(),
            headers=(),
        )

    def _sender(self) -> str:
        if not self.publication.from_email:
            raise NewsletterError(
                "the newsletter has no sender", hint='set `from = "Name <address@example.com>"`'
            )
        return wire_address(self.publication.from_email, non_ascii_mailbox=self.non_ascii_mailbox)

    def _reply_to(self) -> str:
        reply_to = self.publication.reply_to
        return wire_address(reply_to, non_ascii_mailbox=self.non_ascii_mailbox) if reply_to else ""


def _whole(text: str) -> str:
    cleaned = clean_literal(text)
    return cleaned if cleaned.endswith("\n") else f"{cleaned}\n"


def _to(address: str) -> bytes:
    # RFC 6532 §3.2: UTF-8 in headers, for a provider that announced SMTPUTF8.
    return b"To: %s\r\n" % address.encode()


def _split(line: bytes) -> tuple[str, bytes]:
    name, _, value = line.partition(b":")
    return name.decode("ascii"), value


def _json_escape(text: str) -> bytes:
    return json.dumps(clean_literal(text), ensure_ascii=False)[1:-1].encode()
