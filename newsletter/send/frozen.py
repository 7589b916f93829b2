"""What leaves when a send is resumed a day later? Exactly what was frozen when it began: content and identity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from newsletter.errors import NewsletterError
from newsletter.model.publication import Publication
from newsletter.model.template import CompiledIssue
from newsletter.render.compile import from_json, to_json


@dataclass(frozen=True, slots=True)
class Frozen:
    """The compiled issue and the identity it is sent under."""

    compiled: CompiledIssue
    publication: Publication

    @property
    def fields(self) -> frozenset[str]:
        """The recipient's fields the content asks for."""
        parts = (self.compiled.subject, self.compiled.html, self.compiled.text)
        return frozenset(slot.field for part in parts for slot in part.slots)


def freeze(frozen: Frozen) -> bytes:
    """The bytes the store keeps; the same content always gives the same."""
    return b'{"publication":%b,"compiled":%b}' % (
        json.dumps(asdict(frozen.publication), sort_keys=True).encode(),
        to_json(frozen.compiled),
    )


def frozen_hash(content: bytes) -> str:
    """What is kept beside the content."""
    return hashlib.sha256(content).hexdigest()


def thaw(content: bytes, content_hash: str) -> Frozen:
    """What `freeze` wrote.

    Raises:
        NewsletterError: it isn't what was written, or a newer version wrote it.
    """
    damaged = NewsletterError(
        "the frozen content of this send is damaged", hint="restore the store from a backup"
    )
    if frozen_hash(content) != content_hash:
        raise damaged
    try:
        tree = json.loads(content)
        publication = Publication(**tree["publication"])
        compiled = json.dumps(tree["compiled"]).encode()
    except (ValueError, KeyError, TypeError):
        raise damaged from None
    return Frozen(from_json(compiled), publication)
