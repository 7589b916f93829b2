"""What does an issue look like as Mailgun's form: the content once, and the variables of each reader?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Final, NamedTuple

from newsletter.errors import UsageError
from newsletter.model.message import Message, SharedContent
from newsletter.model.template import Context, InlineImage
from newsletter.providers.marks import marked, numbered

_OPTION_BYTES: Final = 16 * 1024
_IN_MARKUP: Final = "&#37;"
_IN_TEXT: Final = "%\N{WORD JOINER}"
# The last form isn't closed on its line: it would take the percent sign that opens one of ours.
_OWN_VARIABLE = re.compile(
    r"%(?=(?:recipient(?:_email|_name|_fname|_lname)?|(?:tag_|mailing_list_)?unsubscribe_(?:url|email))%"
    r"|recipient[^%\n]*(?:\n|\Z))",
    re.IGNORECASE,
)


class Content(NamedTuple):
    """The content in Mailgun's form.

    Attributes:
        fields: the parts of the form that are the same for all.
        breakers: of each slot, what breaks up a variable of Mailgun's own there.
        word: begins the names of all variables.
        images: that go with it.
    """

    fields: tuple[tuple[str, str], ...]
    breakers: tuple[str, ...]
    word: str
    images: tuple[InlineImage, ...]


def translate(shared: SharedContent, word: str) -> Content:
    """The content with variables whose names begin with `word` in place of its slots."""
    marks = numbered(shared.slots, f"%recipient.{word}v{{}}%")
    fields = [("from", shared.from_header)]
    subject = f"%recipient.{word}s%" if shared.subject is None else _plain(shared.subject)
    fields += [
        ("subject", subject),
        ("html", marked(shared.html, marks, _markup)),
        ("text", marked(shared.text, marks, _plain)),
    ]
    if shared.reply_to:
        fields.append(("h:Reply-To", shared.reply_to))
    fields += [(f"h:{name}", value) for name, value in shared.headers]
    fields.append(("v:delivery_id", f"%recipient.{word}d%"))
    breakers = tuple(
        _IN_TEXT if slot.context in (Context.TEXT, Context.HEADER) else _IN_MARKUP for slot in shared.slots
    )
    return Content(tuple(fields), breakers, word, shared.images)


def _markup(literal: str) -> str:
    return _harmless(literal, _IN_MARKUP)


def _plain(literal: str) -> str:
    return _harmless(literal, _IN_TEXT)


def _harmless(written: str, breaker: str) -> str:
    """`written` without anything Mailgun would fill in; breaking one up may leave the one before it unclosed."""
    while "%" in written and _OWN_VARIABLE.search(written):
        written = _OWN_VARIABLE.sub(breaker, written)
    return written


def own_headers(message: Message, word: str) -> list[tuple[str, str]]:
    """The headers each reader has of their own, as variables."""
    return [(f"h:{name}", f"%recipient.{word}h{n}%") for n, (name, _) in enumerate(message.headers)]


def recipient_variables(messages: Sequence[Message], content: Content, *, own_subject: bool) -> bytes:
    """The JSON with each reader's variables; every message of a batch has the same headers."""
    word = content.word
    names = [f"{word}d", *(f"{word}h{n}" for n in range(len(messages[0].headers)))]
    names += [f"{word}v{n}" for n in range(len(content.breakers))]
    if own_subject:
        names.append(f"{word}s")
    frame = "%s:{" + ",".join(f'"{name}":%s' for name in names) + "}"
    members = []
    for message in messages:
        values, subject = message.values, message.subject
        joined = "\n".join(values)
        if "%" in joined and _OWN_VARIABLE.search(joined):
            pairs = zip(content.breakers, values, strict=True)
            values = tuple(_harmless(value, breaker) for breaker, value in pairs)
        texts = [message.recipient, message.delivery_id, *[value for _, value in message.headers], *values]
        if own_subject:
            texts.append(_plain(subject))
        # Encoded one by one: a single emoji would make one long string four times as wide.
        members.append((frame % tuple(map(encode_basestring, texts))).encode())
    return b"{%b}" % b",".join(members)


def require_options(fields: Sequence[tuple[str, str]]) -> None:
    """Refuse headers and options larger than Mailgun takes.

    Raises:
        UsageError: they are.
    """
    size = sum(len(name) + len(value.encode()) for name, value in fields if name[1:2] == ":")
    if size > _OPTION_BYTES:
        raise UsageError(
            f"the headers of this issue have {size} bytes, and Mailgun takes {_OPTION_BYTES}",
            hint="shorten `base_url`, `list_id` and the newsletter's name",
        )
