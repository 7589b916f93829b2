"""What does an issue look like as Mailgun's form: the content once, and the variables of each reader?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from newsletter.errors import UsageError
from newsletter.model.message import Message, SharedContent
from newsletter.model.template import Context, InlineImage
from newsletter.providers.marks import marked, numbered

_OPTION_BYTES: Final = 16 * 1024
_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_OWN_VARIABLE = re.compile(
    r"%(?=(?:recipient(?:_email|_name|_fname|_lname)?|(?:tag_|mailing_list_)?unsubscribe_(?:url|email))%)",
    re.IGNORECASE,
)


class Content(NamedTuple):
    """The content in Mailgun's form.

    Attributes:
        fields: the parts of the form that are the same for all.
        variables: of each slot, as the beginning of a JSON member, and what breaks Mailgun's own variables there.
        word: begins the names of all variables.
    """

    fields: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...]
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
    variables = [
        (
            f'"{word}v{number}":',
            "%\N{WORD JOINER}" if slot.context in (Context.TEXT, Context.HEADER) else "&#37;",
        )
        for number, slot in enumerate(shared.slots)
    ]
    return Content(tuple(fields), tuple(variables), word, shared.images)


def _markup(literal: str) -> str:
    return _OWN_VARIABLE.sub("&#37;", literal) if "%" in literal else literal


def _plain(literal: str) -> str:
    return _OWN_VARIABLE.sub("%\N{WORD JOINER}", literal) if "%" in literal else literal


def own_headers(message: Message, word: str) -> list[tuple[str, str]]:
    """The headers each reader has of their own, as variables."""
    return [(f"h:{name}", f"%recipient.{word}h{n}%") for n, (name, _) in enumerate(message.headers)]


def variables_of(message: Message, content: Content, *, own_subject: bool) -> str:
    """A reader's member of `recipient-variables`."""
    word = content.word
    members = [f'"{word}d":{_ENCODE(message.delivery_id)}']
    members += [f'"{word}h{n}":{_ENCODE(value)}' for n, (_, value) in enumerate(message.headers)]
    if own_subject:
        members.append(f'"{word}s":{_ENCODE(_plain(message.subject))}')
    for (variable, breaker), value in zip(content.variables, message.values, strict=True):
        harmless = _OWN_VARIABLE.sub(breaker, value) if "%" in value else value
        members.append(f"{variable}{_ENCODE(harmless)}")
    return f"{_ENCODE(message.recipient)}:{{{','.join(members)}}}"


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
