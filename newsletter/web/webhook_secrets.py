"""What is a provider's webhook verified with, and what address is it given?"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from hashlib import blake2b

from newsletter.app import Workspace
from newsletter.providers.signatures import WebhookSecrets


def webhook_token(secret: bytes, provider: str) -> str:
    """The part of a webhook's address that nobody can guess: 128 bits, of the newsletter's secret key.

    Args:
        secret: one of `Workspace.keys`.
        provider: so that one provider can't speak for another.
    """
    mac = blake2b(provider.encode(), key=secret[:64], digest_size=16, person=b"nl:webhook").digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def keys_variable(provider: str) -> str:
    """The environment variable that holds what the provider signs with."""
    return f"NEWSLETTER_{provider.upper()}_WEBHOOK_KEY"


def signing_keys(workspace: Workspace, provider: str) -> Sequence[str]:
    """What the provider signs with; several, apart by a comma or a space, while one is being replaced."""
    value = workspace.secrets.get(keys_variable(provider))
    return tuple(filter(None, re.split(r"[,\s]+", value.get_secret_value()))) if value is not None else ()


def secrets_of(
    workspace: Workspace, provider: str, certificate: Callable[[str], bytes] | None = None
) -> WebhookSecrets:
    """All that `provider`'s calls are verified with.

    Raises:
        NewsletterError: see `Workspace.keys`.
    """
    return WebhookSecrets(
        keys=signing_keys(workspace, provider),
        # An address given to a provider is good until it is changed there, whatever was rotated here.
        tokens=tuple(webhook_token(key, provider) for key in workspace.keys),
        topics=workspace.settings.tracking.sns_topics,
        certificate=certificate,
    )
