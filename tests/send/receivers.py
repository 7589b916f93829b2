"""Who receives? Each provider's fake with what an adapter needs to reach it, asked for by name.

The HTTP fakes come from `tests/fakes/catalogue.py`: a provider that is added there is part of every
proof in this folder from then on.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from newsletter.providers.base import Provider, ProviderOptions
from newsletter.providers.registry import make_provider
from tests.fakes.catalogue import HTTP_PROVIDERS, NOT_HTTP, fake_class
from tests.fakes.http import FakeHttp
from tests.fakes.ledger import Faults
from tests.fakes.smtp import FakeSmtp
from tests.send.desk import outbox_recipients

EVERY_PROVIDER = (*NOT_HTTP, *HTTP_PROVIDERS)


class Receiver(Protocol):
    """The receiving side of one send or several."""

    faults: Faults

    @property
    def mailed(self) -> Counter[str]:
        """How often each address was accepted, by its own record."""
        ...

    def options(self) -> ProviderOptions:
        """How to reach it."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


@dataclass
class Outbox:
    """A folder."""

    folder: Path
    faults: Faults = field(default_factory=Faults)

    @property
    def mailed(self) -> Counter[str]:
        return Counter(outbox_recipients(self.folder))

    def options(self) -> ProviderOptions:
        return ProviderOptions(name="outbox", outbox_dir=self.folder / "outbox")

    def close(self) -> None:
        """Nothing is open."""


class MailServer:
    """SMTP on loopback."""

    def __init__(self) -> None:
        self.server = FakeSmtp(keep=False)
        self.faults = self.server.faults

    @property
    def mailed(self) -> Counter[str]:
        return self.server.ledger.recipients

    def options(self) -> ProviderOptions:
        return ProviderOptions(name="smtp", host="127.0.0.1", port=self.server.port, starttls=False)

    def close(self) -> None:
        self.server.close()


class Api:
    """An HTTP provider's fake."""

    def __init__(self, server: FakeHttp) -> None:
        self.server = server
        self.faults = server.faults

    @property
    def mailed(self) -> Counter[str]:
        return self.server.ledger.recipients

    def options(self) -> ProviderOptions:
        return self.server.options()

    def close(self) -> None:
        self.server.close()


def open_receiver(name: str, folder: Path) -> Receiver:
    """The fake of a provider; the outbox is made in `folder`."""
    match name:
        case "outbox":
            return Outbox(folder)
        case "smtp":
            return MailServer()
        case _:
            return Api(fake_class(name)(keep=False))


def unpaced(options: ProviderOptions, *, keys: bool = True) -> Callable[[str, str], Provider]:
    """What makes the provider of `options` for a desk: without its account's limits, else as a user gets it."""

    def make(_name: str, send_name: str) -> Provider:
        provider = make_provider(dataclasses.replace(options, send_name=send_name))
        changes: dict[str, Any] = {"messages_per_second": 0.0, "calls_per_second": 0.0}
        if not keys:
            changes["idempotency_ttl"] = 0
        vars(provider)["capabilities"] = dataclasses.replace(provider.capabilities, **changes)
        return provider

    return make


def as_json(options: ProviderOptions) -> dict[str, Any]:
    """`options` for another process."""
    values = {name: getattr(options, name) for name in options.__slots__}
    secret = options.secret.get_secret_value() if options.secret else None
    return values | {"secret": secret, "outbox_dir": str(options.outbox_dir)}


def from_json(values: Mapping[str, Any]) -> ProviderOptions:
    """What `as_json` wrote."""
    secret = SecretStr(values["secret"]) if values["secret"] else None
    return ProviderOptions(**{**values, "secret": secret, "outbox_dir": Path(values["outbox_dir"])})
