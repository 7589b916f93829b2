"""Does a test message leave, and through whom? The same way as `newsletter send ISSUE --test`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from newsletter.app import Workspace
from newsletter.errors import UsageError
from newsletter.model.message import OutcomeKind


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a test message.

    Attributes:
        to: the address.
        provider: through whom.
        accepted: whether the provider took it.
        unsure: whether nobody can tell, because its answer was lost or can't be read.
        said: its id for the message, or its reason.
        sandbox: whether it was asked to deliver nothing.
    """

    to: str
    provider: str
    accepted: bool
    unsure: bool
    said: str
    sandbox: bool


def send_trial(workspace: Workspace, content: bytes, address: str) -> Trial:
    """Send frozen `content` to one address, marked as a test; the ledger keeps no trace of it.

    Args:
        workspace: the newsletter; through the provider of its settings.
        content: what `Builder.frozen` gave.
        address: of whoever wants to see it.

    Raises:
        UsageError: that is no address.
        NewsletterError: a setting or a key is wrong or missing, or the provider won't take it now.
    """
    from newsletter.send.frozen import frozen_hash, thaw
    from newsletter.send.run import send_test

    address = address.strip()
    if "@" not in address.strip("@") or any(character.isspace() for character in address):
        raise UsageError(f"`{address}` is not an address", hint="such as you@example.com")
    frozen = thaw(content, frozen_hash(content))
    provider = workspace.provider(send_name="test")
    with contextlib.closing(workspace.open_database()) as database:
        desk = workspace.desk(database)
        outcome = send_test(desk, frozen, provider, address)
        return Trial(
            to=address,
            provider=provider.name,
            accepted=outcome.kind is OutcomeKind.ACCEPTED,
            unsure=outcome.kind is OutcomeKind.UNKNOWN,
            said=outcome.provider_id
            if outcome.kind is OutcomeKind.ACCEPTED
            else outcome.reason or outcome.kind.value,
            sandbox=desk.sandbox,
        )
