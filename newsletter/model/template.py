"""Compiled text with typed holes: literals and slots, and what fills a slot for one recipient."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Context(StrEnum):
    """What surrounds a slot, and so how its value must be escaped."""

    HTML = "html"  # text between tags
    ATTRIBUTE = "attribute"  # inside a quoted attribute that is not an address
    URL = "url"  # a whole address of our own making, in an attribute
    URL_COMPONENT = "url-component"  # one piece of an address, percent-encoded
    TEXT = "text"  # the plain-text part
    HEADER = "header"  # the subject


@dataclass(frozen=True, slots=True)
class Slot:
    """A hole filled per recipient.

    Attributes:
        field: `subscriber.name`, `subscriber.email`, `subscriber.tags`, `subscriber.metadata.KEY`,
            `unsubscribe_url`, `preferences_url`.
        default: stands in for a missing or empty value.
        context: how the value is escaped.
    """

    field: str
    default: str
    context: Context


@dataclass(frozen=True, slots=True)
class Template:
    """Literal text and slots in turn."""

    parts: tuple[str | Slot, ...]

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The slots, in order."""
        return tuple(part for part in self.parts if isinstance(part, Slot))


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A picture that travels with the message or is linked.

    Attributes:
        content_id: the id `cid:` refers to, without angle brackets.
        filename: content-hashed name, such as `flow-1a2b3c4d.png`.
        media_type: `image/png` and the like.
        data: the bytes.
    """

    content_id: str
    filename: str
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class CompiledIssue:
    """An issue ready to be spliced for any number of recipients; frozen when a send starts.

    Attributes:
        subject: text with slots in the header context.
        html: the HTML part.
        text: the plain-text part.
        images: pictures attached and referred to by `cid:`; empty where they are linked.
        web_url: address of the issue in the archive, or empty.
    """

    subject: Template
    html: Template
    text: Template
    images: tuple[InlineImage, ...]
    web_url: str
