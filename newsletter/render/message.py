"""What leaves for one person? A compiled issue spliced into a whole MIME message, or into fields for an API.

Everything that is the same for all recipients is encoded once, when the writer is made; a message is
then a copy of a list of byte strings, a few of them replaced, and one join.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime

from newsletter.errors import NewsletterError
from newsletter.model.delivery import Recipient
from newsletter.model.message import Message, SharedContent
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue, Slot, Template
from newsletter.render.dkim import SIGNED, DkimSigner, relaxed_header, relaxed_lines
from newsletter.render.escape import clean_literal, fill
from newsletter.render.headers import (
    display_mailbox,
    format_date,
    mailbox,
    require_safe,
    unstructured,
    wire_address,
)
from newsletter.render.list_headers import (
    ONE_CLICK_FIELD,
    ONE_CLICK_HEADER,
    fixed_fields,
    fixed_lines,
    list_unsubscribe,
)
from newsletter.render.mime_parts import boundary, image_part, part_head, quoted_printable
from newsletter.render.quoted_printable import SOFT_BREAK, encode_value
from newsletter.render.splice import Filler, Skeleton, is_plain_text, plain_in
from newsletter.render.tagged_address import tagged_address

_DELIVERY_ID = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch
_SPACES = re.compile(r"[ \t]+")
# In the order of `SIGNED`, which is the order in which `mime` hands them over.
_PERSONAL = ("To", "Subject", "Date", "Message-ID", "List-Unsubscribe")


class MessageWriter:
    """Writes the messages of one send; safe to use from several threads.

    Args:
        compiled: the frozen issue.
        publication: who sends.
        send_key: names the send in `Feedback-ID`; the same send always has the same.
        dkim: signs whole messages; None where the provider signs.
        subject_prefix: stands before the subject, such as `[Test] `.
        non_ascii_mailbox: whether the provider reaches non-ASCII local parts (RFC 6531).

    Raises:
        NewsletterError: the sender, the subject or an image can't be expressed in a message.
    """

    def __init__(
        self,
        compiled: CompiledIssue,
        publication: Publication,
        *,
        send_key: str,
        dkim: DkimSigner | None = None,
        subject_prefix: str = "",
        non_ascii_mailbox: bool = False,
    ) -> None:
        if not publication.from_email:
            raise NewsletterError(
                "the newsletter has no sender", hint='set `from = "Name <address@example.com>"`'
            )
        self._publication = publication
        self._dkim = dkim
        self._non_ascii_mailbox = non_ascii_mailbox
        self._sender = wire_address(publication.from_email, non_ascii_mailbox=non_ascii_mailbox)
        self._domain = self._sender.rpartition("@")[2]
        self._bounces = wire_address(publication.bounce_address) if publication.bounce_address else ""
        self._reply_to = (
            wire_address(publication.reply_to, non_ascii_mailbox=non_ascii_mailbox)
            if publication.reply_to
            else ""
        )
        self._from_header = display_mailbox(publication.from_name, self._sender)
        subject = _subject_template(compiled.subject, subject_prefix)
        self._subject = [part if isinstance(part, str) else "" for part in subject.parts]
        self._subject_slots = [
            (at, slot) for at, slot in enumerate(subject.parts) if not isinstance(slot, str)
        ]
        self._fixed_subject = "" if self._subject_slots else self._subject_for({})
        self._date: tuple[datetime | None, int, bytes] = (None, -1, b"")
        message = Skeleton()
        self._lay_out_headers(message, compiled, send_key)
        self._lay_out_body(message, compiled, send_key)
        self._lay_out_fields(compiled)
        self._lay_out_values(compiled)

    def mime(self, recipient: Recipient, at: datetime) -> Message:
        """The whole message: CRLF line ends, no line over 998 characters, nothing to dot-stuff.

        Args:
            recipient: whom it is for; `values["unsubscribe_url"]` is needed.
            at: what `Date:` says.

        Raises:
            NewsletterError: this recipient can't be written to: the address needs RFC 6531, or there
                is no unsubscribe address a header can carry.
        """
        values = recipient.values
        address = wire_address(recipient.email, non_ascii_mailbox=self._non_ascii_mailbox)
        delivery = _delivery_id(recipient)
        leave, one_click = list_unsubscribe(recipient)
        date = self._date_bytes(at)
        subject = self._fixed_subject or self._subject_for(values)
        subject_header = self._fixed_subject_header or unstructured("Subject", subject)

        parts = self._parts.copy()
        signature_at, to, subject_at, date_at, message_id, leave_at, post, ours = self._holes
        parts[to] = to_bytes = address.encode()
        parts[subject_at] = subject_header
        parts[date_at] = date
        parts[message_id] = parts[ours] = delivery_bytes = delivery.encode()
        parts[leave_at] = leave_bytes = leave.encode()
        parts[post] = ONE_CLICK_HEADER if one_click else b""

        self._filler.fill(parts, values)

        if self._dkim is not None:
            signed = [
                b"to:%s\r\n" % to_bytes,
                relaxed_header("Subject", subject_header[len("Subject:") :]),
                b"date:%s\r\n" % date,
                b"message-id:<%s@%s>\r\n" % (delivery_bytes, self._domain_bytes),
                b"list-unsubscribe:%s\r\n" % leave_bytes,
            ]
            parts[signature_at] = self._signature(signed, parts, at, one_click=one_click)
        return Message(
            delivery,
            tagged_address(self._bounces, delivery) if self._bounces else self._sender,
            address,
            b"".join(parts),
            self._from_header,
            self._reply_to,
            subject,
        )

    def fields(self, recipient: Recipient, at: datetime) -> Message:  # noqa: ARG002 - called as `mime` is
        """The same message for a provider that builds MIME itself: subject, headers and JSON-escaped parts.

        Args:
            recipient: whom it is for; `values["unsubscribe_url"]` is needed.
            at: unused: the provider dates it.

        Raises:
            NewsletterError: as `mime`.
        """
        values = recipient.values
        address = wire_address(recipient.email, non_ascii_mailbox=self._non_ascii_mailbox)
        delivery = _delivery_id(recipient)
        leave, one_click = list_unsubscribe(recipient)
        html, text = self._html_json.copy(), self._text_json.copy()
        self._html_filler.fill(html, values)
        self._text_filler.fill(text, values)
        return Message(
            delivery,
            self._sender,
            address,
            b"",
            self._from_header,
            self._reply_to,
            self._fixed_subject or self._subject_for(values),
            (
                ("List-Unsubscribe", leave),
                *(self._one_click_fields if one_click else self._fixed_fields),
                ("X-Newsletter-Delivery", delivery),
            ),
            tuple(html),
            tuple(text),
        )

    def shared(self, *, one_click: bool = True) -> SharedContent:
        """What `values` leaves out because all messages have it in common.

        Args:
            one_click: whether the unsubscribe addresses may carry `List-Unsubscribe-Post`.
        """
        return SharedContent(
            sender=self._sender,
            from_header=self._from_header,
            reply_to=self._reply_to,
            subject=self._fixed_subject or None,
            html=self._shared_html,
            text=self._shared_text,
            slots=tuple(slot for slot, _, _ in self._value_slots),
            headers=self._one_click_fields if one_click else self._fixed_fields,
            images=self._images,
        )

    def values(self, recipient: Recipient, at: datetime) -> Message:  # noqa: ARG002 - called as `mime` is
        """The same message for a provider that puts values into `shared` itself.

        Args:
            recipient: whom it is for; `values["unsubscribe_url"]` is needed.
            at: unused: the provider dates it.

        Raises:
            NewsletterError: as `mime`.
        """
        values = recipient.values
        address = wire_address(recipient.email, non_ascii_mailbox=self._non_ascii_mailbox)
        delivery = _delivery_id(recipient)
        leave, _ = list_unsubscribe(recipient)
        filled: list[str] = []
        for slot, plain, missing in self._value_slots:
            value = values.get(slot.field)
            filled.append(missing if not value else value if plain(value) else fill(slot, value))
        return Message(
            delivery,
            self._sender,
            address,
            subject="" if self._fixed_subject else self._subject_for(values),
            headers=(("List-Unsubscribe", leave), ("X-Newsletter-Delivery", delivery)),
            values=tuple(filled),
        )

    def _subject_for(self, values: Mapping[str, str]) -> str:
        """The subject on one line, its white space collapsed: a missing name leaves no gap."""
        parts = self._subject.copy()
        for at, slot in self._subject_slots:
            value = values.get(slot.field)
            parts[at] = value if value and is_plain_text(value) else fill(slot, value)
        joined = "".join(parts)
        if "  " in joined or "\t" in joined:
            joined = _SPACES.sub(" ", joined)
        return joined.strip(" ")

    def _date_bytes(self, at: datetime) -> bytes:
        known_at, second, written = self._date
        if at is known_at:
            return written
        if second != (second := int(at.timestamp())):
            written = format_date(at).encode("ascii")
        # One assignment of one tuple: other threads see the old three or the new three.
        self._date = (at, second, written)
        return written

    def _lay_out_headers(self, head: Skeleton, compiled: CompiledIssue, send_key: str) -> None:
        publication = self._publication
        self._domain_bytes = self._domain.encode("ascii")
        self._fixed_fields = fixed_fields(publication, compiled.web_url, send_key, self._domain)
        self._one_click_fields = (ONE_CLICK_FIELD, *self._fixed_fields)
        self._fixed_subject_header = (
            unstructured("Subject", self._fixed_subject) if self._fixed_subject else b""
        )
        sender = mailbox("From", publication.from_name, self._sender)
        reply_to = mailbox("Reply-To", "", self._reply_to) if self._reply_to else b""
        listed = fixed_lines(publication, self._fixed_fields)
        described = b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="%s"\r\n' % (
            boundary("alternative", send_key)
        )

        signature = head.hole()
        head.literal(sender + b"To: ")
        to = head.hole()
        head.literal(b"\r\n" + reply_to)
        subject = head.hole()
        head.literal(b"Date: ")
        date = head.hole()
        head.literal(b"\r\nMessage-ID: <")
        message_id = head.hole()
        head.literal(b"@%s>\r\nList-Unsubscribe: " % self._domain_bytes)
        leave = head.hole()
        head.literal(b"\r\n")
        post = head.hole()
        head.literal(listed + b"X-Newsletter-Delivery: ")
        ours = head.hole()
        head.literal(b"\r\n" + described + b"\r\n")
        head.close()
        self._holes = (signature, to, subject, date, message_id, leave, post, ours)
        if self._dkim is not None:
            self._lay_out_signed(sender + reply_to + listed + described)

    def _lay_out_signed(self, lines: bytes) -> None:
        """The signed headers that are the same for all, in relaxed form."""
        unfolded = lines.replace(b"\r\n ", b" ").splitlines()
        fixed = {
            line.partition(b":")[0].decode("ascii"): line.partition(b":")[2] for line in unfolded if line
        }
        self._signed: list[tuple[str, bytes]] = []
        for name in SIGNED:
            if name in _PERSONAL:
                self._signed.append((name, b""))
            elif name == "List-Unsubscribe-Post":
                self._signed.append((name, relaxed_header(name, ONE_CLICK_FIELD[1].encode("ascii"))))
            elif name in fixed:
                self._signed.append((name, relaxed_header(name, fixed[name])))

    def _signature(
        self, personal: list[bytes], parts: list[bytes], at: datetime, *, one_click: bool
    ) -> bytes:
        assert self._dkim is not None
        each = iter(personal)
        names: list[str] = []
        headers: list[bytes] = []
        for name, canonical in self._signed:
            if name == "List-Unsubscribe-Post" and not one_click:
                continue
            names.append(name)
            headers.append(canonical or next(each))
        # Every piece is whole lines, so the body's relaxed form is its pieces' relaxed forms joined;
        # it ends with the closing boundary, never with an empty line.
        relaxed = self._relaxed_body.copy()
        for indices in self._filler.holes():
            piece = relaxed_lines(parts[indices[0]])
            for index in indices:
                relaxed[index] = piece
        return self._dkim.sign_canonical(names, headers, b"".join(relaxed), int(at.timestamp()))

    def _lay_out_body(self, body: Skeleton, compiled: CompiledIssue, send_key: str) -> None:
        alternative, related = boundary("alternative", send_key), boundary("related", send_key)
        start = len(body.parts)
        body.literal(b"--%s\r\n%s" % (alternative, part_head("text/plain")))
        body.template(compiled.text, quoted_printable)
        body.literal(b"\r\n--%s\r\n" % alternative)
        if compiled.images:
            body.literal(
                b'Content-Type: multipart/related; type="text/html";\r\n boundary="%s"\r\n\r\n--%s\r\n'
                % (related, related)
            )
        body.literal(part_head("text/html"))
        body.template(compiled.html, quoted_printable)
        if compiled.images:
            for image in compiled.images:
                body.literal(b"\r\n--%s\r\n%s" % (related, image_part(image)))
            body.literal(b"\r\n--%s--\r\n" % related)
        body.literal(b"\r\n--%s--\r\n" % alternative)
        body.close()
        self._parts = body.parts
        self._filler = body.filler(encode_value, SOFT_BREAK)
        # The headers' places stay empty, so that a hole has the same index in both.
        self._relaxed_body = [b""] * start + [relaxed_lines(part) for part in body.parts[start:]]

    def _lay_out_fields(self, compiled: CompiledIssue) -> None:
        self._html_json, self._html_filler = _json_parts(compiled.html)
        self._text_json, self._text_filler = _json_parts(compiled.text)

    def _lay_out_values(self, compiled: CompiledIssue) -> None:
        self._images = compiled.images
        self._shared_html, self._shared_text = _cleaned(compiled.html), _cleaned(compiled.text)
        distinct = dict.fromkeys((*self._shared_html.slots, *self._shared_text.slots))
        self._value_slots = [(slot, plain_in(slot.context), fill(slot, None)) for slot in distinct]


def _cleaned(template: Template) -> Template:
    """`template` with its literals as they leave, neighbours joined, a line end last: as `Skeleton` lays them out."""
    parts: list[str | Slot] = []
    run: list[str] = []
    for part in (*template.parts, None):
        if isinstance(part, str):
            run.append(part)
            continue
        literal = clean_literal("".join(run))
        run.clear()
        if part is None:
            parts.append(literal if literal.endswith("\n") else f"{literal}\n")
        else:
            parts += [literal, part] if literal else [part]
    return Template(tuple(parts))


def _delivery_id(recipient: Recipient) -> str:
    if not _DELIVERY_ID(recipient.delivery_id):
        msg = f"a delivery id is made of letters, digits, - and _, not {recipient.delivery_id!r}"
        raise ValueError(msg)
    return recipient.delivery_id


def _subject_template(subject: Template, prefix: str) -> Template:
    for part in (prefix, *subject.parts):
        if isinstance(part, str):
            require_safe("the subject", part)
    return Template((prefix, *subject.parts)) if prefix else subject


def _json_parts(template: Template) -> tuple[list[bytes], Filler]:
    skeleton = Skeleton()
    skeleton.template(template, lambda text, _: _json_escape(text))
    skeleton.close()
    return skeleton.parts, skeleton.filler(_json_escape)


def _json_escape(text: str) -> bytes:
    """`text` as it stands inside a JSON string, in UTF-8."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()
